"""Values that go together, by name."""

from typing import Any

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # The equations as printed. Candidates of one source share a normaliser, so there are several.
    "paper": {
        "proposal": {"candidates": 8},
        "weighted": {"normalise": "source", "log_p": "sum", "log_q0": True},
    },
    # What the authors' code did (docs/deviations.md); each key is one of its departures.
    "reference": {
        "proposal": {"distribution": {"kind": "uniform_edit", "reference_quirks": True}},
        "weighted": {
            "normalise": "batch",
            "log_p": "padded_mean",
            "log_q0": False,
            "chunk": 32,
            "training": {"batches": "fixed"},
        },
    },
}


def with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain values with those of their preset where they give none."""
    preset = PRESETS.get(str(values.get("preset")))
    if preset is None:
        return values
    filled = {**values, "proposal": _under(preset["proposal"], values.get("proposal", {}))}
    systems = values.get("systems", {})
    filled["systems"] = {
        name: _under(preset["weighted"], system)
        if isinstance(system, dict) and system.get("objective") in ("raml", "alpha")
        else system
        for name, system in systems.items()
    }
    return filled


def _under(defaults: dict[str, Any], values: Any) -> Any:
    """Return values with defaults for missing keys, section by section."""
    if not isinstance(values, dict):
        return values
    nested = {
        key: _under(default, values[key])
        for key, default in defaults.items()
        if isinstance(default, dict) and key in values
    }
    return {**defaults, **values, **nested}
