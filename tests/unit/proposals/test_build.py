import numpy as np
import pytest
from pydantic import TypeAdapter

from alpha_dimt.config.proposals import Distribution, EditDistanceConfig, HammingPayoffConfig
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.proposals import Block, Words, build

SECTION: TypeAdapter[Distribution] = TypeAdapter(Distribution)
KINDS = ["uniform_edit", "hamming_payoff", "edit_distance", "ngram"]
TARGETS = Ragged.from_rows([[4, 5, 6, 7, 4], [5, 5, 7]])
WORDS = Words(
    vocab_size=9,
    counts=np.bincount(TARGETS.values, minlength=9),
    block=Block.deal(TARGETS, np.random.default_rng(0)),
)


@pytest.mark.parametrize("substitutes", ["uniform", "unigram", "block"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_and_knows_its_probability(kind: str, substitutes: str) -> None:
    section = SECTION.validate_python({"kind": kind, "substitutes": substitutes})
    mixture = SECTION.validate_python(
        {
            "kind": "mixture",
            "parts": [
                {"weight": 3, "distribution": {"kind": "uniform_edit"}},
                {"weight": 1, "distribution": section.model_dump()},
            ],
        }
    )
    for chosen in (section, mixture):
        assert chosen.needs_blocks() == (substitutes == "block")
        distribution = build(chosen, WORDS)
        edits = distribution.draw(TARGETS, np.random.default_rng(1))
        found = distribution.log_prob(TARGETS, edits.apply(TARGETS))
        assert np.allclose(edits.log_q0, found, rtol=0, atol=1e-12)
        assert np.isfinite(found).all()


def test_values_of_the_section_arrive() -> None:
    hamming = build(HammingPayoffConfig(kind="hamming_payoff", tau=0.5, rescale=False), WORDS)
    assert (hamming.tau, hamming.rescale) == (0.5, False)  # type: ignore[attr-defined]
    edit = build(
        EditDistanceConfig(kind="edit_distance", insert=0.1, delete=0.2, substitute=0.3), WORDS
    )
    assert (edit.insert, edit.delete, edit.substitute) == (0.1, 0.2, 0.3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("substitutes", "lacking"), [("unigram", "counts"), ("block", "blocks")])
def test_what_is_lacking_is_named(substitutes: str, lacking: str) -> None:
    section = SECTION.validate_python({"kind": "ngram", "substitutes": substitutes})
    with pytest.raises(ValueError, match=lacking):
        build(section, Words(vocab_size=9))
