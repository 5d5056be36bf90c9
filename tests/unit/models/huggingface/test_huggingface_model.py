"""Pretrained models by our contract, against Hugging Face's own forward pass and search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from small_pretrained import KINDS, save_small
from token_states import check_token_states
from torch import Tensor

from alpha_dimt.config.models import HuggingFaceConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.pretrained_tokeniser import PretrainedTokeniser, load_tokeniser
from alpha_dimt.core.ragged import Ragged
from alpha_dimt.core.vocabulary import BOS, EOS, PAD
from alpha_dimt.inference.candidates import sample
from alpha_dimt.inference.decode import search_all
from alpha_dimt.models.build import build_model
from alpha_dimt.models.huggingface.model import HuggingFaceModel
from alpha_dimt.models.weights import fill, write_weights

SOURCE = ["der kleine Hund schläft heute.", "die Katze", "wir sehen das alte Haus nicht!"]
TARGET = ["the small dog sleeps today.", "the cat", "we do not see the old house!"]
K = 2


@dataclass
class Case:
    """A small model of one kind, theirs and ours, in fp64."""

    kind: str
    folder: Path
    theirs: Any
    ours: HuggingFaceModel
    tokeniser: PretrainedTokeniser

    def ids(self, lines: Sequence[str], *, source: bool) -> list[list[int]]:
        cut = self.tokeniser.cut(lines, source=source)
        return [self.tokeniser.vocab.encode(line.split(" ")) for line in cut]

    def sources(self) -> tuple[Tensor, Tensor]:
        rows = self.ids(SOURCE, source=True)
        return padded(rows), torch.tensor([len(row) for row in rows])

    def targets(self) -> tuple[Tensor, Tensor]:
        """Two candidates of each source: its translation, and the next one's."""
        rows = self.ids(TARGET, source=False)
        both = [row for i in range(3) for row in (rows[i], rows[(i + 1) % 3])]
        framed = [[BOS, *row, EOS] for row in both]
        return padded(framed), torch.tensor([len(row) - 1 for row in framed])

    def start_ids(self) -> list[int]:
        config = self.theirs.config
        return [
            config.decoder_start_token_id,
            *([config.bos_token_id] if self.kind == "bart" else []),
        ]

    def their_log_probs(self, source: str, target: Sequence[int]) -> Tensor:
        """Return log p of each token of one target, by their forward pass without padding."""
        config = self.theirs.config
        ids = self.tokeniser.ids[self.ids([source], source=True)[0]].tolist()
        if self.kind == "bart":
            ids = [config.bos_token_id, *ids]
        outside = self.tokeniser.ids[list(target)].tolist()
        first = self.start_ids()
        logits = self.theirs(
            input_ids=torch.tensor([[*ids, config.eos_token_id]]),
            decoder_input_ids=torch.tensor([[*first, *outside[:-1]]]),
        ).logits[0, len(first) - 1 :]
        kept = self.tokeniser.ids[[i for i in range(len(self.tokeniser.vocab)) if i not in (0, 2)]]
        normaliser = logits[:, kept].logsumexp(dim=1)
        return logits[torch.arange(len(outside)), outside] - normaliser


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    return torch.from_numpy(
        Ragged.from_rows([list(row) for row in rows]).padded(range(len(rows)), fill=PAD)
    )


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("pretrained") / request.param
    theirs = save_small(request.param, folder, SOURCE * 20, TARGET * 20).double().eval()
    return Case(request.param, folder, theirs, loaded(folder).double(), load_tokeniser(folder))


def loaded(folder: Path) -> HuggingFaceModel:
    size = len(load_tokeniser(folder).vocab)
    options = HuggingFaceConfig(kind="huggingface", path=folder)
    model = build_model(options, source_vocab_size=size, target_vocab_size=size)
    assert isinstance(model, HuggingFaceModel)
    model.initialise(torch.Generator())
    return model.eval()


def log_probs(model: HuggingFaceModel, case: Case) -> Any:
    return model.token_log_probs(model.encode(*case.sources()), *case.targets())


def test_states_give_the_same_log_p(case: Case) -> None:
    encoded = case.ours.encode(*case.sources())
    close = 1e-5 if case.kind == "t5" else 1e-10  # the softmax of T5's attention is in fp32
    check_token_states(case.ours, encoded, *case.targets(), close=close)


def test_log_probs_and_gradients_are_those_of_their_forward_pass(case: Case) -> None:
    target, lengths = case.targets()
    found = log_probs(case.ours, case)
    log_p, real = found.padded()
    expected = []
    for row in range(len(target)):
        tokens = target[row, 1 : lengths[row] + 1].tolist()
        expected.append(case.their_log_probs(SOURCE[row // K], tokens))
    torch.testing.assert_close(log_p[real], torch.cat(expected), rtol=1e-10, atol=1e-10)
    upstream = torch.linspace(-1.0, 2.0, len(found.log_p), dtype=torch.float64)
    gradients = []
    for model, values in ((case.ours.network, log_p[real]), (case.theirs, torch.cat(expected))):
        parameters = [p for p in model.parameters() if p.requires_grad]
        gradients.append(torch.autograd.grad((values * upstream).sum(), parameters))
    # T5's attention takes its softmax in fp32, even in an fp64 model.
    tolerance = {"rtol": 1e-4, "atol": 2e-6} if case.kind == "t5" else {"rtol": 1e-8, "atol": 1e-10}
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)
    assert max(gradient.abs().max() for gradient in gradients[0]) > 0.1


def test_the_mean_over_the_vocabulary_is_of_what_can_be_predicted(case: Case) -> None:
    found = log_probs(case.ours, case)
    assert found.mean is not None
    state = case.ours.start(case.ours.encode(*case.sources()))
    first = case.ours.step(state, torch.full((3,), BOS)).logits.log_softmax(dim=1)
    can = torch.isfinite(first[0])
    assert can.sum() == len(case.tokeniser.vocab) - 2
    assert not can[PAD]
    assert not can[BOS]
    mean = found.mean()[(found.step == 0) & (found.row % K == 0)]
    torch.testing.assert_close(mean, first[:, can].mean(dim=1))


def test_steps_follow_the_same_distribution(case: Case) -> None:
    target, lengths = case.targets()
    expected, _ = log_probs(case.ours, case).padded()
    state = case.ours.start(case.ours.encode(*case.sources()))
    rows = torch.arange(3).repeat_interleave(K)
    state = case.ours.select(state, rows)
    for t in range(int(lengths.max())):
        logits, attention, after = case.ours.step(state, target[:, t])
        assert attention is None
        again = case.ours.step(state, target[:, t]).logits  # a state can be used twice
        torch.testing.assert_close(again, logits)
        state = after
        chosen = logits.log_softmax(dim=1).gather(1, target[:, t + 1 : t + 2])[:, 0]
        torch.testing.assert_close(torch.where(t < lengths, chosen, 0), expected[:, t])
    order = torch.tensor([5, 0, 0, 3])
    some = case.ours.step(case.ours.select(state, order), target[order, 1]).logits
    torch.testing.assert_close(some, case.ours.step(state, target[:, 1]).logits[order])


@pytest.mark.parametrize("beam", [1, 3])
def test_search_finds_what_their_search_finds(case: Case, beam: int) -> None:
    sources = Ragged.from_rows(case.ids(SOURCE, source=True))
    decoding = Decoding(beam=beam, max_length=12, ended="extended", length_penalty=0.0)
    found = search_all(case.ours, sources, decoding, torch.device("cpu"))
    config, ours = case.theirs.config, case.tokeniser.ids
    never = [i for i in range(config.vocab_size) if i not in ours[[1, 3, *range(4, len(ours))]]]
    for source, hypothesis in zip(SOURCE, found, strict=True):
        ids = ours[case.ids([source], source=True)[0]].tolist()
        ids = [config.bos_token_id, *ids] if case.kind == "bart" else ids
        [theirs] = case.theirs.generate(
            torch.tensor([[*ids, config.eos_token_id]]),
            decoder_input_ids=torch.tensor([case.start_ids()]),
            num_beams=beam,
            max_new_tokens=12,
            do_sample=False,
            length_penalty=0.0,
            early_stopping=False,
            suppress_tokens=never,
        ).tolist()
        theirs = theirs[len(case.start_ids()) :]
        ended = [id for id in theirs if id not in (config.eos_token_id, config.pad_token_id)]
        assert ours[hypothesis.tokens].tolist() == ended


def test_weights_and_ids_survive_being_written(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(case.ours, path, "run")
    options, size = case.ours.options, len(case.tokeniser.vocab)
    kept = HuggingFaceConfig.model_validate({**options.model_dump(), "path": tmp_path / "gone"})
    model = build_model(kept, source_vocab_size=size, target_vocab_size=size).double()
    fill(model, path, "run")
    assert isinstance(model, HuggingFaceModel)
    torch.testing.assert_close(
        log_probs(model.eval(), case).log_p, log_probs(case.ours, case).log_p
    )


def test_products_in_bf16_stay_close(case: Case) -> None:
    model = loaded(case.folder)
    expected = log_probs(model, case).log_p
    model.compute_dtype = torch.bfloat16
    found = log_probs(model, case).log_p
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.3


def test_a_sentence_of_too_many_tokens_is_an_error(case: Case) -> None:
    longest = case.ours.options.longest()
    if longest is None:
        pytest.skip("T5 has relative positions, and so no longest sentence")
    source = torch.full((1, longest), 5)
    with pytest.raises(UserError, match="tokens, but the model 256 positions"):
        case.ours.encode(source, torch.tensor([longest]))


def test_samples_of_too_many_tokens_are_an_error(case: Case) -> None:
    longest = case.ours.options.longest()
    if longest is None:
        pytest.skip("T5 has relative positions, and so no longest sentence")
    state = case.ours.start(case.ours.encode(torch.tensor([[5]]), torch.tensor([1])))
    steps, words = longest + 1, torch.full((1, longest + 2), 5)
    with pytest.raises(UserError, match="has 257 tokens, but the model 256 positions"):
        sample(case.ours, state, rows=1, max_length=steps, device=torch.device("cpu"), prefix=words)


def test_a_folder_of_another_tokeniser_is_an_error(case: Case, tmp_path: Path) -> None:
    size = len(case.tokeniser.vocab) + 1
    model = build_model(case.ours.options, source_vocab_size=size, target_vocab_size=size)
    with pytest.raises(UserError, match="entries, but the corpus was encoded with"):
        model.initialise(torch.Generator())
