import pytest

from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.config.training import Decoding
from alpha_dimt.report.methods_section import decoding_text, training_text


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
