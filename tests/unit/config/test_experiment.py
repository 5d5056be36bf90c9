from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import AugmentConfig, DataConfig, Experiment, RunConfig, load, parse
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError

MINIMAL = {
    "corpus": {"kind": "toy"},
    "systems": {"ml": {"objective": "ml"}, "a": {"objective": "alpha", "alpha": 0.5}},
}


def experiment(**changes: Any) -> Experiment:
    return parse(Experiment, {**MINIMAL, **changes}, "test.yaml")


# ------------------------------------------------------------------------------- the files


@pytest.mark.parametrize("name", ["config.yaml", "multi30k.yaml", "iwslt14.yaml"])
def test_files_in_config_are_experiments(repository: Path, name: str):
    config = load(Experiment, repository / "config" / name)

    assert list(config.systems) == ["ml", "raml", "alpha0.3", "alpha0.5", "alpha0.7"]


def test_the_paper_is_the_default(repository: Path):
    config = load(Experiment, repository / "config/iwslt14.yaml")

    assert config.model == experiment().model
    assert config.training == experiment().training
    assert config.decoding == experiment().decoding
    words = config.preparation.vocabulary
    # The sizes of the authors, whose 4 specials are counted apart.
    assert (words.source_size + 4, words.target_size + 4) == (32_013, 22_826)


# -------------------------------------------------------------------------------- refusals


EDITS = {"kind": "uniform_edit"}
NGRAM = {"kind": "ngram"}
NGRAMS = {"kind": "mixture", "parts": [{"weight": w, "distribution": NGRAM} for w in (1, 2)]}
REPLACING = {"kind": "edit_distance", "insert": 0, "delete": 0, "substitute": 1}


def stepping(step: float) -> dict[str, Any]:
    return {"kind": "increase", "start": 3.0, "step": step, "end": 1.0}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"modle": {}}, "modle"),
        ({"model": {"hiden": 1}}, "model.hiden"),
        ({"model": {"hidden": 3}}, "model.hidden"),
        ({"corpus": {"kind": "wmt"}}, "corpus.kind"),
        ({"corpus": {"kind": "toy", "source": "en"}}, "corpus.target"),
        ({"corpus": {"kind": "toy", "name": "../up"}}, "corpus.name"),
        ({"systems": {}}, "systems"),
        ({"systems": {"a": {"objective": "ml", "tau": 1}}}, "systems.a.tau"),
        ({"systems": {"a": {"objective": "alpha"}}}, "systems.a.alpha"),
        ({"systems": {"a": {"objective": "alpha", "alpha": 1.01}}}, "systems.a.alpha"),
        ({"systems": {"a": {"objective": "raml", "tau": 0}}}, "systems.a.tau"),
        ({"training": {"min_learning_rate": 2}}, "training"),
        (
            {"systems": {"a": {"objective": "raml", "training": {"threads": 0}}}},
            "systems.a.training.threads",
        ),
        (
            {"systems": {"a": {"objective": "raml", "proposal": {"slice": 1}}}},
            "systems.a.proposal.slice",
        ),
        ({"systems": {"a": {"objective": "ml", "proposal": {"slices": 1}}}}, "systems.a.proposal"),
        (
            {
                "systems": {
                    "a": {
                        "objective": "interpolated",
                        "ml_weight": 0.5,
                        "other": {"objective": "raml", "start": "ml"},
                    }
                }
            },
            "systems.a",
        ),
        ({"systems": {"a": {"objective": "ml", "seeds": 0}}}, "systems.a.seeds"),
        (
            {
                "systems": {
                    "ml": {"objective": "ml", "seeds": 1},
                    "a": {"objective": "raml", "start": "ml", "seeds": 2},
                },
                "seeds": [1, 2],
            },
            "systems.a.seeds",
        ),
        (
            {"systems": {"a": {"objective": "raml", "weights": "uniform", "samples": 2}}},
            "systems.a",
        ),
        ({"proposal": {"include_reference": True, "distribution": NGRAM}}, "proposal"),
        ({"proposal": {"include_reference": True, "distribution": NGRAMS}}, "proposal"),
        ({"proposal": {"include_reference": True, "distribution": REPLACING}}, "proposal"),
        (
            {
                "systems": {"a": {"objective": "raml", "samples": 2}},
                "proposal": {"distribution": {**EDITS, "substitutes": "block"}},
            },
            "systems.a",
        ),
        ({"systems": {"a": {"objective": "raml", "tau": stepping(0)}}}, "systems.a.tau"),
        ({"systems": {"a": {"objective": "raml", "tau": stepping(0.1)}}}, "systems.a.tau"),
        ({"model": {"kind": "transformer", "size": ["tiny"]}}, "model.size"),
        (
            {"systems": {"a": {"objective": "ml", "training": {"device": "cuda"}}}},
            "systems.a.training.device",
        ),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds"),
    ],
)
def test_impossible_values_name_the_file_and_the_key(changes: dict[str, Any], key: str):
    with pytest.raises(UserError) as error:
        experiment(**changes)

    assert str(error.value).startswith(f"test.yaml: {key}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "distribution",
    [
        {"kind": "edit_distance"},
        # The substitute may be the word that it replaces.
        {"kind": "edit_distance", "insert": 0.1, "delete": 0.5, "substitute": 0.5},
        {**NGRAMS, "parts": [*NGRAMS["parts"], {"weight": 1, "distribution": EDITS}]},
    ],
)
def test_the_reference_may_be_among_the_candidates(distribution: dict[str, Any]):
    proposal = {"include_reference": True, "distribution": distribution}
    assert experiment(proposal=proposal).proposal.include_reference


@pytest.mark.parametrize(
    ("proposal", "problem"),
    [
        ({"distribution": {"max_n": 2}}, "distribution: the key kind is required here"),
        ({"distribution": {"kind": "ngram", "max_m": 2}}, "distribution.max_m: unknown key"),
        ({"slices": 0}, "slices: Input should be greater than 0 (found 0)"),
    ],
)
def test_what_a_system_changes_is_named_by_its_whole_key(proposal: dict[str, Any], problem: str):
    with pytest.raises(UserError) as error:
        experiment(systems={"a": {"objective": "raml", "proposal": proposal}})

    assert f"systems.a.proposal.{problem}" in str(error.value)


@pytest.mark.parametrize("critic", ["reinforce_critic", "actor_critic", "token_alpha"])
def test_the_model_of_a_critic_is_trained_in_some_epoch(critic: str):
    options = {"alpha": 0.5} if critic == "token_alpha" else {}

    def with_epochs(alone: int, **training: int) -> Experiment:
        system = {"objective": critic, "critic_epochs": alone, "training": training, **options}
        return experiment(systems={"a": system}, training={"max_epochs": 5})

    assert with_epochs(4).systems["a"].critic_epochs == 4
    assert with_epochs(5, max_epochs=6).training_of("a").max_epochs == 6
    for alone, training, epochs in ((5, {}, 5), (6, {}, 5), (4, {"max_epochs": 4}, 4)):
        with pytest.raises(UserError) as error:
            with_epochs(alone, **training)
        assert str(error.value) == (
            f"test.yaml: systems.a.critic_epochs: with {alone} of {epochs} epochs for the critic "
            "alone, the model would never be trained; lower critic_epochs, or raise max_epochs"
        )


def test_broken_yaml_names_the_line(tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text("corpus:\n  kind: toy\n bad: 1\n", encoding="utf-8")

    with pytest.raises(UserError, match=r"broken\.yaml:3: "):
        load(Experiment, path)


# ---------------------------------------------------------------------------------- slices


def test_slices_are_read_back_as_they_were_written(tmp_path: Path):
    config = experiment(seeds=[1, 2])
    slices = [
        config.data_config(),
        config.augment_config("a", 2),
        config.run_config("ml", 1),
        config.run_config("a", 2),
        config.decoding.searches["beam"],
    ]
    for number, (section, kind) in enumerate(
        zip(slices, [DataConfig, AugmentConfig, RunConfig, RunConfig, Decoding], strict=True)
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(section.canonical_json(), encoding="utf-8")

        assert load(kind, path) == section
        assert load(kind, path).fingerprint() == section.fingerprint()


def test_small_numbers_are_numbers_when_read_back(tmp_path: Path):
    """A system's own keys are any values: nothing would turn text into a number."""
    tiny = {"learning_rate": 1e-5, "min_learning_rate": 1e-5}
    config = experiment(systems={"slow": {"objective": "ml", "training": tiny}})
    run = config.run_config("slow", 1)
    (tmp_path / "config.json").write_text(run.canonical_json(), encoding="utf-8")

    assert load(RunConfig, tmp_path / "config.json").fingerprint() == run.fingerprint()


def test_a_run_depends_on_its_own_values_alone():
    before = experiment().run_config("a", 1).fingerprint()
    others = {
        "decoding": {"beam": 5},
        "tracking": {"uri": "http://localhost"},
        "container": "alpha-dimt.sif",
        "seeds": [1, 2],
        "systems": {**MINIMAL["systems"], "ml": {"objective": "raml"}},
    }
    own = {
        "training": {"threads": 1},
        "model": {"hidden": 2},
        "proposal": {"slices": 2},
        "preparation": {"max_length": 20},
        "corpus": {"kind": "toy", "seed": 2},
    }

    for key, value in others.items():
        assert experiment(**{key: value}).run_config("a", 1).fingerprint() == before, key
    for key, value in own.items():
        assert experiment(**{key: value}).run_config("a", 1).fingerprint() != before, key
    assert experiment().run_config("a", 2).fingerprint() != before


def test_a_system_may_have_fewer_seeds():
    systems = {
        "ml": {"objective": "ml"},
        "a": {"objective": "alpha", "alpha": 0.5, "start": "ml", "seeds": 2},
    }
    made = experiment(systems=systems, seeds=[4, 2, 3])

    assert made.seeds_of("a") == (4, 2)
    assert made.runs == (("ml", 4), ("ml", 2), ("ml", 3), ("a", 4), ("a", 2))
    # Fewer seeds for all are fewer for it, too.
    assert experiment(systems=systems, seeds=[4]).runs == (("ml", 4), ("a", 4))
    # More runs of a system change none of those that there are.
    more = {**systems, "a": {**systems["a"], "seeds": None}}
    again = experiment(systems=more, seeds=[4, 2, 3])
    assert again.run_config("a", 4).fingerprint() == made.run_config("a", 4).fingerprint()


def test_maximum_likelihood_does_not_depend_on_the_proposal():
    changed = experiment(proposal={"slices": 2})

    assert changed.run_config("ml", 1) == experiment().run_config("ml", 1)


def test_a_system_may_change_the_proposal_for_itself():
    changes = {"distribution": {"kind": "hamming_payoff"}}
    systems = {**MINIMAL["systems"], "b": {**MINIMAL["systems"]["a"], "proposal": changes}}
    config = experiment(systems=systems, proposal={"slices": 7})

    own = config.run_config("b", 1).proposal
    assert own is not None
    assert (own.distribution.kind, own.slices) == ("hamming_payoff", 7)
    assert config.augment_config("b", 1).proposal == own
    assert config.run_config("a", 1).proposal == config.proposal


def test_mirrors_are_not_part_of_the_data(repository: Path):
    config = load(Experiment, repository / "config/iwslt14.yaml")
    moved = config.corpus.model_copy(update={"mirrors": ("elsewhere",)})

    assert config.corpus.mirrors
    assert config.model_copy(update={"corpus": moved}).data_config() == config.data_config()


def test_greedy_search_is_a_beam_of_one():
    config = experiment(decoding={"beam": 7, "length_penalty": 0.6})

    assert config.decoding.searches["beam"] == config.decoding
    assert config.decoding.searches["greedy"].beam == 1
    assert config.decoding.searches["greedy"].length_penalty == 0


def test_further_searches_have_names_for_files():
    config = experiment(
        decoding={"beam": 7, "length_bonus": "tuned", "temperatures": [1.0, 0.7, 0.05]}
    )

    searches = config.decoding.searches
    assert list(searches) == [
        *("greedy", "beam", "beam_tuned", "sampled1", "sampled0_7", "sampled0_05"),
    ]
    assert [search.beam for search in searches.values()] == [1, 7, 7, 1, 1, 1]
    assert [search.length_bonus for search in searches.values()] == [0, 0, "tuned", 0, 0, 0]
    assert [search.temperatures for search in searches.values()][3:] == [(1.0,), (0.7,), (0.05,)]
    fixed = experiment(decoding={"length_bonus": 0.5}).decoding.searches
    assert [(name, search.length_bonus) for name, search in fixed.items()] == [
        *(("greedy", 0), ("beam", 0.5)),
    ]


def test_a_search_stays_within_the_positions_of_a_model():
    found = [Decoding(max_length=30).within(positions).max_length for positions in (None, 31, 30)]

    assert found == [30, 30, 29]


def test_a_length_bonus_excludes_a_penalty():
    with pytest.raises(UserError, match="length_penalty and length_bonus exclude each other"):
        experiment(decoding={"length_penalty": 0.6, "length_bonus": "tuned"})
