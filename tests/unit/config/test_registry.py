"""Other people's kinds by import path: typed keys, identity, errors in one sentence."""

import re
from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import Experiment, RunConfig, load, parse
from alpha_dimt.config.critics import CriticConfig
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.objectives import AlphaConfig
from alpha_dimt.config.systems import ObjectiveConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.imports import versions

CLIPPED = {"objective": "their_package:Clipped", "ceiling": 0.3}


def experiment(objective: dict[str, Any], **changes: Any) -> Experiment:
    values = {"corpus": {"kind": "toy"}, "systems": {"a": objective}, **changes}
    return parse(Experiment, values, "test.yaml")


def test_a_system_may_be_called_objective() -> None:
    with pytest.raises(UserError, match=r"systems\.objective\.ceilling: unknown key"):
        parse(
            Experiment,
            {"corpus": {"kind": "toy"}, "systems": {"objective": {**CLIPPED, "ceilling": 1}}},
            "test.yaml",
        )


@pytest.mark.filterwarnings("error")
def test_somebody_elses_objective_has_typed_keys_and_an_identity(tmp_path: Path) -> None:
    run = experiment(CLIPPED).run_config("a", 1)
    assert type(run.objective).__name__ == "Clipped"
    assert (run.objective.ceiling, run.objective.alpha) == (0.3, 0.5)  # type: ignore[attr-defined]
    assert run.proposal is not None  # as its needs say
    (tmp_path / "config.json").write_text(run.canonical_json(), encoding="utf-8")
    again = load(RunConfig, tmp_path / "config.json")
    assert again == run
    assert again.fingerprint() == run.fingerprint()
    other = experiment({**CLIPPED, "ceiling": 0.4}).run_config("a", 1)
    assert other.fingerprint() != run.fingerprint()
    # The default is written out.
    assert '"alpha": 0.5' in run.canonical_json()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({**CLIPPED, "ceilling": 1}, "systems.a.ceilling: unknown key; did you mean ceiling?"),
        ({**CLIPPED, "ceiling": 0}, "systems.a.ceiling: Input should be greater than 0 (found 0)"),
        (
            {"objective": "nowhere:Clipped"},
            "systems.a.objective: nowhere:Clipped cannot be imported (No module named 'nowhere'); "
            "is the module's folder on PYTHONPATH?",
        ),
        (
            {"objective": "their_package:Clip"},
            "systems.a.objective: their_package:Clip cannot be imported (module 'their_package' "
            "has no attribute 'Clip'); is the module's folder on PYTHONPATH?",
        ),
        (
            {"objective": "their_package:clipped"},
            "systems.a.objective: their_package:clipped is not a class of options; derive it from "
            "alpha_dimt.config.systems:ObjectiveConfig",
        ),
        (
            {"objective": "their_package:Bigram"},
            "systems.a.objective: their_package:Bigram is not a class of options; derive it from "
            "alpha_dimt.config.systems:ObjectiveConfig",
        ),
        (
            {
                "objective": "interpolated",
                "ml_weight": 0.5,
                "other": {"objective": "their_package:Alone"},
            },
            "systems.a.other.objective: their_package:Alone cannot be used here; choose another "
            "one",
        ),
    ],
)
def test_errors_name_the_key_and_the_way_out(objective: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        experiment(objective)
    assert str(error.value) == f"test.yaml: {message}"


def test_a_module_that_breaks_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("x = 1\n1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError) as error:
        experiment({"objective": "broken_package:Clipped"})
    assert str(error.value) == (
        "test.yaml: systems.a.objective: broken_package:Clipped cannot be imported "
        "(ZeroDivisionError: division by zero); correct the module"
    )


def test_interpolation_takes_somebody_elses() -> None:
    objective = {"objective": "interpolated", "ml_weight": 0.25, "other": CLIPPED}
    run = experiment(objective).run_config("a", 1)
    assert RunConfig.model_validate(run.model_dump(mode="json")) == run
    assert run.objective.needs().proposal
    assert run.objective.needs().reference


def test_presets_fill_in_what_is_off_policy() -> None:
    found = experiment({"objective": "their_package:Another"}, preset="paper").systems["a"]
    assert (found.normalise, found.log_p, found.log_q0) == ("source", "sum", True)  # type: ignore[attr-defined]
    experiment(CLIPPED, preset="paper")  # which knows none of these keys


def test_the_schema_has_import_paths_as_a_pattern() -> None:
    schema = Experiment.model_json_schema()
    (systems,) = schema["properties"]["systems"]["patternProperties"].values()
    pattern = systems["oneOf"][-1]["properties"]["objective"]["pattern"]
    assert re.match(pattern, "their_package:Clipped")
    assert len(systems["oneOf"]) == len(ObjectiveConfig.kinds) + 1
    assert not any(re.match(pattern, name) for name in ObjectiveConfig.kinds)


def test_a_name_that_is_not_registered_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError) as error:
        experiment({"objective": "alpa", "alpha": 0.5})
    names = ", ".join(f"'{name}'" for name in ObjectiveConfig.kinds)
    assert str(error.value) == (
        f'test.yaml: systems.a.objective: "alpa" is not one of {names}; did you mean alpha?'
    )


def test_the_registry_holds_our_classes_by_their_own_names() -> None:
    experiment(CLIPPED)

    class Heir(AlphaConfig):
        """Inherits its name, too."""

    assert ObjectiveConfig.kinds["alpha"] is AlphaConfig
    modules = {kind.__module__ for kind in ObjectiveConfig.kinds.values()}
    assert modules == {AlphaConfig.__module__, CriticConfig.__module__}


def test_a_proposal_by_import_path() -> None:
    bigram = {"kind": "their_package:Bigram", "substitutes": "block"}
    run = experiment({"objective": "raml"}, proposal={"distribution": bigram}).run_config("a", 1)
    assert run.proposal is not None
    assert run.proposal.distribution.needs_blocks()
    assert RunConfig.model_validate(run.model_dump(mode="json")) == run
    mixture = {
        "kind": "mixture",
        "parts": [
            {"weight": 1, "distribution": bigram},
            {"weight": 1, "distribution": {"kind": "ngram"}},
        ],
    }
    with pytest.raises(UserError, match="include_reference needs a distribution that can draw"):
        experiment(
            {"objective": "raml"}, proposal={"distribution": mixture, "include_reference": True}
        )
    with pytest.raises(UserError, match=r"proposal\.distribution\.longst: unknown key; did you"):
        experiment({"objective": "raml"}, proposal={"distribution": {**bigram, "longst": 3}})


def test_a_later_key_is_no_part_of_the_identity_while_it_has_its_default() -> None:
    assert "kind" not in AttentionRnnConfig(hidden=8).model_dump(mode="json")
    run = experiment(CLIPPED).run_config("a", 1)
    assert "kind" not in run.model_dump(mode="json")["model"]
    named = experiment(CLIPPED, model={"kind": "attention_rnn"}).run_config("a", 1)
    assert named == run
    assert named.fingerprint() == run.fingerprint()
    with pytest.raises(UserError, match=r'model\.kind: "transformr" is not one of .attention_rnn.'):
        experiment(CLIPPED, model={"kind": "transformr"})


def test_versions_of_packages() -> None:
    assert versions([]) == {}
    experiment(CLIPPED)
    paths = ["their_package:Clipped", "alpha_dimt.objectives:policy_gradient", "a_module:f"]
    assert versions(paths) == {"their_package": "1.2"}
    assert versions(["yaml:load"]) == {"PyYAML": __import__("yaml").__version__}
