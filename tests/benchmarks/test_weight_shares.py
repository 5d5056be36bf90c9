from pathlib import Path

import numpy as np
import pytest
import torch

from alpha_dimt import objectives
from alpha_dimt.config import Experiment, RunConfig, parse
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import write_json
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly
from alpha_dimt.objectives import Scored
from benchmarks import weight_shares
from benchmarks.weight_shares import Terms, rows_of, shares, terms_of

WORDS = 30


def test_the_shares_by_hand() -> None:
    # Uncorrelated: variances 4 and 1 of the terms, halved by alpha = 0.5.
    candidate, reward = np.array([2.0, -2, 2, -2]), np.array([1.0, 1, -1, -1])
    found = shares(Terms(candidate, candidate, reward), 0.5)
    assert found.variance == pytest.approx((4 + 1) / 4)
    assert (found.model, found.reward, found.both) == pytest.approx((0.8, 0.2, 0))
    assert (found.sentence, found.edits) == pytest.approx((0.8, 0.2))
    # The same term twice: a quarter each at alpha = 0.5, and the rest is both.
    found = shares(Terms(candidate, reward, candidate), 0.5)
    assert (found.model, found.reward, found.both) == pytest.approx((0.25, 0.25, 0.5))
    assert (found.sentence, found.edits) == pytest.approx((0, 1))
    assert shares(Terms(candidate, reward, candidate), 0.25).model == pytest.approx(1 / 16)


def config(**objective: object) -> RunConfig:
    values = {
        "corpus": {"kind": "toy"},
        "model": {"embedding": 4, "hidden": 6},
        "training": {"batch_size": 8},
        "proposal": {"distribution": {"kind": "uniform_edit", "max_edit_fraction": 1.0}},
        "systems": {"a": {"objective": "alpha", "alpha": 0.5, **objective}},
    }
    return parse(Experiment, values, "test").run_config("a", 1)


def test_the_terms_make_the_weights_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(4, WORDS, rng.integers(1, 9)).tolist() for _ in range(30)]
    pairs = Pairs(Ragged.from_rows(rows), Ragged.from_rows(rows[::-1]), [], [])
    model = FusedAttentionRnn(
        AttentionRnnConfig(embedding=4, hidden=6), source_vocab_size=WORDS, target_vocab_size=WORDS
    )
    fill_uniformly(model, 1.0, torch.Generator().manual_seed(0))
    model.eval()
    seen: list[Scored] = []
    score = weight_shares.score

    def spy(*given: object) -> list[Scored]:
        seen.extend(score(*given))  # type: ignore[arg-type]
        return seen[-1:]

    monkeypatch.setattr(weight_shares, "score", spy)
    terms = terms_of(config(), model, pairs, WORDS)
    assert sorted(len(scored.log_p) for scored in seen) == [6, 8, 8, 8]
    assert len({round(value, 6) for value in terms.reward}) > 4
    start = 0
    for scored in seen:
        part = slice(start, start + len(scored.log_p))
        start = part.stop
        log_w = 0.3 * terms.candidate[part] + 0.7 * terms.reward[part]
        expected = objectives.normalise(
            objectives.log_weights(
                scored.columns(slice(1, 2)), alpha=0.3, tau=3.0, log_p="mean", log_q0=False
            ),
            "batch",
        ).flatten()
        torch.testing.assert_close(torch.from_numpy(log_w).softmax(dim=0).float(), expected)
        reference = (scored.log_p[:, 0] / scored.lengths[:, 0]).double().numpy()
        assert terms.reference[part] == pytest.approx(reference - reference.mean(), abs=1e-6)


@pytest.mark.parametrize("other", [{"log_q0": True}, {"normalise": "source"}, {"log_p": "sum"}])
def test_runs_with_another_weighting_are_refused(tmp_path: Path, other: dict[str, object]) -> None:
    write_json(tmp_path / "config.json", config(**other).model_dump(mode="json"))
    with pytest.raises(UserError, match="not a run of `alpha` with the weighting of Table 1"):
        next(iter(rows_of(tmp_path, tmp_path)))
