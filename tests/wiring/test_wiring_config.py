"""Slices of every configuration, presets and cluster requests, by value."""

from math import ceil
from typing import Any

import formulas
import pytest
import subject
from configured import (
    FILES,
    ONE_OF_EACH,
    PREPARATION,
    complete,
    every_system,
    experiment_with,
    model_of,
    proposal_of,
    slower,
    training_of,
    values_of,
    vocabulary_of,
)


def holds(section: Any, expected: dict[str, Any]) -> None:
    """Check that a section has these values; other keys are ignored."""
    found = section if isinstance(section, dict) else section.model_dump(mode="json")
    for key, value in expected.items():
        if isinstance(value, dict) and isinstance(found[key], dict):
            holds(found[key], value)
        else:
            assert found[key] == value, key


@pytest.mark.parametrize(("file", "system"), every_system().values(), ids=every_system())
def test_every_key_of_a_run(file: str, system: str) -> None:
    values = values_of(file)
    own = values["systems"][system]
    run = subject.configured(file).run_config(system, 3)
    assert (run.seed, run.system) == (3, system)
    options = complete(own)
    holds(run.objective, {key: options[key] for key in options if key != "other"})
    if "other" in options:
        holds(run.objective.other, options["other"])
    recipe = training_of(values, system)
    assert recipe.pop("device") == run.training.device  # the device is not part of a run
    holds(run.training, recipe)
    holds(run.model, model_of(values))
    preparation = PREPARATION | values.get("preparation", {})
    holds(run.data.preparation, preparation | {"vocabulary": vocabulary_of(values)})
    if run.proposal is not None:
        holds(run.proposal, proposal_of(values, system))
    start = own.get("start")
    assert (run.start and run.start.system) == start
    if start:
        assert run.start == subject.configured(file).run_config(start, 3)
    augment = subject.configured(file).augment_config(system, 3)
    assert augment.seed == 3
    holds(augment.proposal, proposal_of(values, system))


WEIGHTED = {
    "paper": {"normalise": "source", "log_p": "sum", "log_q0": True, "chunk": None},
    "reference": {"normalise": "batch", "log_p": "padded_mean", "log_q0": False, "chunk": 32},
}


@pytest.mark.parametrize("preset", WEIGHTED)
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_presets(preset: str, name: str) -> None:
    given = ONE_OF_EACH[name]
    made = subject.experiment(experiment_with({name: given}, preset=preset))
    expected = complete(given)
    weighted, own = expected.get("other", expected), given.get("other", given)
    off_policy = weighted["objective"] in ("raml", "alpha")
    if off_policy:
        filled = dict(WEIGHTED[preset])
        if own.get("samples") or own.get("weights") == "uniform":
            filled["chunk"] = None
        weighted |= filled | own
    found = made.systems[name]
    holds(found, {key: value for key, value in expected.items() if key != "other"})
    if "other" in expected:
        holds(found.other, expected["other"])
    fixed = off_policy and preset == "reference"
    assert made.training_of(name).batches == ("fixed" if fixed else "dealt")
    assert made.proposal.candidates == {"paper": 8, "reference": 1}[preset]
    assert made.proposal.distribution.reference_quirks == (preset == "reference")
    assert made.decoding.ended == {"paper": "kept", "reference": "extended"}[preset]
    # The preset reaches the loss.
    run = made.run_config(name, 1)
    assert subject.sources(run.objective) == formulas.sources(expected)


# ------------------------------------------------------------------------------- resources

# Target tokens to train on, and sentences of the larger of validation and test.
SIZES = {
    "config.yaml": (60_000, 500),
    "critics.yaml": (30_000, 300),
    "iwslt14.yaml": (153_326 * 20, 6_969),
    "iwslt14-transformer.yaml": (153_326 * 20, 6_969),
    "iwslt14-table1.yaml": (153_326 * 20, 6_969),
    "multi30k.yaml": (369_017, 1_014),
    "multi30k-bpe.yaml": (369_017, 1_014),
    "multi30k-critics.yaml": (369_017, 1_014),
    "multi30k-quirks.yaml": (369_017, 1_014),
    "multi30k-objectives.yaml": (369_017, 1_014),
    "multi30k-transformer.yaml": (369_017, 1_014),
    "objectives.yaml": (30_000, 300),
}
GPUS = {"cpu": (0, 0), "auto": (1, 0), "cuda": (1, 1)}


def megabytes(rows: float, values: dict[str, Any]) -> int:
    """Return the memory of a model: 4 GB and four arrays of rows x words in float32."""
    vocabulary = vocabulary_of(values)
    words = vocabulary.get("target_size") or 32_000
    if vocabulary["kind"] == "bpe":
        words = 2 * vocabulary["operations"]
    return 500 * ceil((4_000 + 4 * 4 * rows * words / 2**20) / 500)


def test_every_configuration_has_its_size_here() -> None:
    # A user's own text has that of its files.
    own = {file for file in FILES if values_of(file)["corpus"]["kind"] == "files"}
    assert set(SIZES) == set(FILES) - own


@pytest.mark.parametrize("file", SIZES)
def test_what_a_cluster_is_asked_for(file: str) -> None:
    values = values_of(file)
    tokens, sentences = SIZES[file]
    longer = slower(model_of(values))
    found = subject.limits(subject.configured(file))
    for system, own in values["systems"].items():
        sources, recipe = formulas.sources(complete(own)), training_of(values, system)
        sequences = 2 * sources["samples"]
        if sources["proposal"]:
            sequences += proposal_of(values, system)["candidates"]
        sequences = max(1, sequences + sources["reference"])
        rows = recipe["batch_size"]
        if recipe.get("batch_type") == "tokens":
            rows //= 50
        seconds = tokens * recipe["max_epochs"] * sequences * longer / 2_000
        assert found[f"train {system}"] == (
            10 + ceil(seconds / 60),
            megabytes(rows * sequences * 50, values),
            GPUS[recipe["device"]][0],
        )
    decoding = {"beam": 10, "batch_size": 512} | values.get("decoding", {})
    device = training_of(values, next(iter(values["systems"])))["device"]
    for search, beam in (("greedy", 1), ("beam", decoding["beam"])):
        assert found[f"decode {search}"] == (
            10 + ceil(sentences * beam * longer / 50 / 60),
            megabytes(decoding["batch_size"], values),
            GPUS[device][1],
        )
    draws = max(
        proposal["candidates"] * proposal["slices"]
        for proposal in (proposal_of(values, system) for system in values["systems"])
    )
    assert found["preparation"] == (
        10 + ceil(tokens * (2 + draws / 10) / 7_500 / 60),
        500 * ceil((4_000 + 40 * tokens * draws / 2**20) / 500),
        0,
    )
    runs = len(values["systems"]) * len(values["seeds"])
    assert found["collection"] == (
        10 + ceil(5 * runs / 60),
        500 * ceil((2_000 + runs) / 500),
        0,
    )


@pytest.mark.parametrize("device", GPUS)
@pytest.mark.parametrize("name", ["ml", "alpha-q0", "pg", "custom-model", "interpolated-pg"])
def test_limits_of_other_devices_and_samples(name: str, device: str) -> None:
    values = experiment_with(
        {name: ONE_OF_EACH[name]},
        corpus={"kind": "toy", "train": 200_000, "test": 90_000},
        training={"device": device, "batch_size": 100, "max_epochs": 7},
        proposal={"candidates": 3},
    )
    found = subject.limits(subject.experiment(values))
    sources = formulas.sources(complete(ONE_OF_EACH[name]))
    sequences = max(
        1,
        3 * sources["proposal"] + 2 * sources["samples"] + name.startswith("interpolated"),
    )
    seconds = 2_000_000 * 7 * sequences / 2_000
    expected = (10 + ceil(seconds / 60), megabytes(100 * sequences * 50, values), GPUS[device][0])
    assert found[f"train {name}"] == expected
    for search, beam in (("greedy", 1), ("beam", 10)):
        minutes = 10 + ceil(90_000 * beam / 50 / 60)
        assert found[f"decode {search}"] == (minutes, megabytes(512, values), GPUS[device][1])
