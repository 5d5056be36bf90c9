import pytest

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.config.models import HuggingFaceConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.report.methods_section import NAMING, decoding_text, options_text, training_text


def config(training: dict[str, object]) -> RunConfig:
    values = {
        "corpus": {"kind": "toy"},
        "systems": {"ml": {"objective": "ml"}},
        "training": training,
    }
    return parse(Experiment, values, "test").run_config("ml", 1)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({}, "of similar length, dealt again each epoch; the first epoch is in order of length,"),
        (
            {"batches": "fixed"},
            "neighbours in order of length, the same batches every epoch, in random order; the "
            "first epoch is in order of length, with",
        ),
        (
            {"batches": "fixed", "sorted_first_epoch": False},
            "the same batches every epoch, in random order, with",
        ),
    ],
)
def test_the_order_of_the_batches_is_said(training: dict[str, object], said: str) -> None:
    assert said in training_text(config(training))


def test_the_beam_rule_is_said_where_it_is_the_authors() -> None:
    run = config({})
    assert "goes on growing" not in decoding_text(Decoding(), run)
    said = (
        "without length normalisation, where a hypothesis that ended below the top goes on growing,"
    )
    assert said in decoding_text(Decoding(ended="extended"), run)


def test_unknown_words_are_replaced_only_by_models_that_attend() -> None:
    search, run = Decoding(replace_unknown=True), config({})
    said = "Unknown words are replaced by the source word with the highest attention."
    assert said in decoding_text(search, run)
    assert said not in decoding_text(Decoding(replace_unknown=False), run)
    values = {"kind": "huggingface", "path": "opus", "architecture": {"model_type": "marian"}}
    pretrained = run.model_copy(update={"model": HuggingFaceConfig.model_validate(values)})
    assert said not in decoding_text(search, pretrained)


def test_an_option_of_zero_is_said() -> None:
    values = {
        "corpus": {"kind": "toy"},
        "systems": {"raml": {"objective": "alpha", "alpha": 0.0, "tau": 1}},
    }
    objective = parse(Experiment, values, "test").run_config("raml", 1).objective
    said = options_text(objective, leave_out=NAMING).split(", ")
    assert {"alpha 0", "tau 1", "samples 0"} <= set(said)
    # What is off or empty is not.
    assert not [text for text in said if text.split(" ")[0] in ("chunk", "log q0")]
