from pathlib import Path

import numpy as np
import pytest
import torch

from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import UNK, Vocab
from alpha_dimt.inference.decode import decode_split, hypothesis_text, search_all
from alpha_dimt.inference.search import Hypothesis, beam_search, greedy_search
from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn
from alpha_dimt.models.base import fill_uniformly

CPU = torch.device("cpu")

SIZES = AttentionRnnConfig(embedding=8, hidden=12)


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_decodes_alike_batched_and_alone(beam: int, dtype: torch.dtype) -> None:
    model = FusedAttentionRnn(SIZES, source_vocab_size=20, target_vocab_size=15).to(dtype)
    fill_uniformly(model, 1.0, torch.Generator().manual_seed(2))
    rng = np.random.default_rng(0)
    source = Ragged.from_rows([rng.integers(4, 20, n).tolist() for n in rng.integers(1, 9, 40)])

    def found(batch_size: int) -> list[Hypothesis]:
        config = Decoding(beam=beam, max_length=12, batch_size=batch_size)
        return search_all(model, source, config, CPU)

    alone = found(1)
    assert found(7) == alone
    assert found(64) == alone
    assert len({tuple(hypothesis.tokens) for hypothesis in alone}) > 5


def test_beam_of_one_is_greedy_search_for_a_model() -> None:
    model = FusedAttentionRnn(SIZES, source_vocab_size=20, target_vocab_size=15).double()
    fill_uniformly(model, 1.0, torch.Generator().manual_seed(3))
    state = model.start(model.encode(torch.arange(4, 14).view(5, 2), torch.full((5,), 2)))
    with torch.inference_mode():
        greedy = greedy_search(model, state, sentences=5, max_length=9, device=CPU)
        beam = beam_search(
            model, state, sentences=5, width=1, max_length=9, length_penalty=0.0, device=CPU
        )
    assert beam == greedy


@pytest.mark.parametrize(("replace", "expected"), [(True, "the Ulm ."), (False, "the <unk> .")])
def test_unknown_words_become_the_source_word_that_was_attended(
    replace: bool, expected: str
) -> None:
    vocab = Vocab(["the", "."])
    hypothesis = Hypothesis(tokens=[4, UNK, 5], attended=[0, 1, 2])
    assert (
        hypothesis_text(hypothesis, ["das", "Ulm", "."], vocab, replace_unknown=replace) == expected
    )


def test_translations_are_not_put_where_their_record_goes(tmp_path: Path) -> None:
    out = tmp_path / "test.json"
    with pytest.raises(UserError, match=r"test\.json: .* name another file, such as \S+test\.txt$"):
        decode_split(Decoding(), run=tmp_path, encoded=tmp_path, split="test", out=out, threads=1)
    assert not list(tmp_path.iterdir())
