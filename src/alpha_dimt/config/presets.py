"""Values that go together, by name."""

from typing import Any

from alpha_dimt.config.objectives import OffPolicyConfig
from alpha_dimt.config.registry import kind_named
from alpha_dimt.config.systems import ObjectiveConfig, System
from alpha_dimt.core.errors import UserError

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # The equations as printed. Candidates of one source share a normaliser, so there are several.
    "paper": {
        "proposal": {"candidates": 8},
        "decoding": {},
        "off_policy": {"normalise": "source", "log_p": "sum", "log_q0": True},
    },
    # The authors' code (docs/explanation/deviations.md); each key is one of its departures.
    "reference": {
        "proposal": {"distribution": {"kind": "uniform_edit", "reference_quirks": True}},
        "decoding": {"ended": "extended"},
        "off_policy": {
            "normalise": "batch",
            "log_p": "padded_mean",
            "log_q0": False,
            "chunk": 32,
            "training": {"batches": "fixed"},
        },
    },
}


def with_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain values with those of their preset where they give none.

    Values that are not what they should be are left as they are, for the types to refuse.
    """
    name, systems = values.get("preset"), values.get("systems")
    if not isinstance(name, str) or name not in PRESETS:
        return values
    preset = PRESETS[name]
    filled = values | {
        section: _under(preset[section], values.get(section))
        for section in ("proposal", "decoding")
    }
    if isinstance(systems, dict):
        filled["systems"] = {
            system: _off_policy(preset["off_policy"], entry) for system, entry in systems.items()
        }
    return filled


def _off_policy(defaults: dict[str, Any], system: Any) -> Any:
    """Return a system with the defaults of off-policy objectives, if it is or holds one."""
    if not isinstance(system, dict):
        return system
    if _is_off_policy(system):
        return _under(_fitting(defaults, system), system)
    other = system.get("other")
    if not isinstance(other, dict) or not _is_off_policy(other):
        return system
    # What is of the system and not of its objective stands one level higher.
    inner = {
        key: value
        for key, value in _fitting(defaults, other).items()
        if key not in System.model_fields
    }
    outer = {key: value for key, value in defaults.items() if key in System.model_fields}
    return {**_under(outer, system), "other": _under(inner, other)}


def _is_off_policy(values: dict[str, Any]) -> bool:
    try:
        kind = kind_named(ObjectiveConfig, values.get("objective"))
    except UserError:
        return False
    return kind is not None and issubclass(kind, OffPolicyConfig)


def _fitting(defaults: dict[str, Any], objective: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults without `chunk` where whole sentences are asked for."""
    if objective.get("samples") or objective.get("weights") == "uniform":
        return {key: value for key, value in defaults.items() if key != "chunk"}
    return defaults


def _under(defaults: dict[str, Any], values: Any) -> Any:
    """Return values with defaults for missing keys, section by section.

    A section of another kind than the default's has other keys, and keeps its own alone. An empty
    one has all of the defaults.
    """
    if values is None:
        return defaults
    if not isinstance(values, dict):
        return values
    if "kind" in defaults and values.get("kind", defaults["kind"]) != defaults["kind"]:
        return values
    nested = {
        key: _under(default, values[key])
        for key, default in defaults.items()
        if isinstance(default, dict) and key in values
    }
    return {**defaults, **values, **nested}
