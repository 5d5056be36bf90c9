"""Marian (OPUS-MT), BART and T5 of Hugging Face, by the contract of `TranslationModel`.

The network and its parameters are Hugging Face's, with its ids; this module translates between
them and the ids of this package. Shapes: see `alpha_dimt.models.base`; V' entries of the network's
own vocabulary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForSeq2SeqLM, DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import logging

from alpha_dimt.config.models import HuggingFaceConfig
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.pretrained_tokeniser import NEVER, load_tokeniser
from alpha_dimt.core.vocabulary import BOS, PAD
from alpha_dimt.kernels import NEVER_PREDICTED, WordScores
from alpha_dimt.models.base import (
    Step,
    TokenLogProbs,
    TokenStates,
    TranslationModel,
    mean_log_softmax,
)


class Encoded(NamedTuple):
    """What the encoder makes of some sources.

    Attributes:
        states: [B, S, H].
        mask: [B, S] 1 at tokens, 0 at padding.
    """

    states: Tensor
    mask: Tensor


class State(NamedTuple):
    """The state of R rows.

    Attributes:
        encoded: R encoded sources.
        cache: keys and values of the steps before; None before the first.
    """

    encoded: Encoded
    cache: EncoderDecoderCache | None


class HuggingFaceModel(TranslationModel):
    """A pretrained encoder-decoder; each step of search costs one step of its decoder.

    Attributes:
        network: Hugging Face's model.
        ids: [V] its id of each of ours, `NEVER` where there is none.
    """

    attends: ClassVar[bool] = False

    ids: Tensor

    def __init__(
        self, options: HuggingFaceConfig, *, source_vocab_size: int, target_vocab_size: int
    ) -> None:
        """Build the network; the vocabularies are one, that of its tokeniser."""
        super().__init__()
        if source_vocab_size != target_vocab_size:
            raise UserError(
                f"the vocabularies have {source_vocab_size:,} and {target_vocab_size:,} entries, "
                "but a pretrained model has one; run `alpha-dimt encode` again"
            )
        self.options = options
        values = dict(options.architecture)
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        config.dtype = torch.float32
        self.network: Any = AutoModelForSeq2SeqLM.from_config(config)  # type: ignore[no-untyped-call]
        self.state_size = config.hidden_size
        self.register_buffer("ids", torch.full((target_vocab_size,), NEVER))
        kind, start = options.architecture["model_type"], [config.decoder_start_token_id]
        # BART has learned sentences that begin with <s>; the others have not.
        self._before = [config.bos_token_id] if kind == "bart" else []
        self._first = start + self._before
        self.register_state_dict_post_hook(_leave_out_second_names)  # type: ignore[no-untyped-call]

    def initialise(self, generator: torch.Generator) -> None:
        """Fill the parameters with the pretrained ones; nothing is random.

        Raises:
            UserError: the folder is not the one that the corpus was encoded with, or its weights
                do not fit.
        """
        folder = self.options.path
        ids = load_tokeniser(folder).ids
        if len(ids) != len(self.ids):
            raise UserError(
                f"{folder}: its tokeniser has {len(ids):,} entries, but the corpus was encoded "
                f"with {len(self.ids):,}; run `alpha-dimt encode` again"
            )
        if ids.max() >= self.network.config.vocab_size:
            raise UserError(
                f"{folder}: the tokeniser has the id {ids.max():,}, but the model only "
                f"{self.network.config.vocab_size:,} entries; they do not belong together"
            )
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            pretrained = AutoModelForSeq2SeqLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
        except Exception as error:  # of many kinds
            reason = str(error).strip().split("\n")[0]
            raise UserError(f"{folder}: these weights cannot be loaded ({reason})") from error
        with torch.no_grad():
            self.network.load_state_dict(pretrained.state_dict())
            self.ids.copy_(torch.from_numpy(ids))

    @contextmanager
    def _products(self) -> Iterator[None]:
        """Multiply in `compute_dtype`."""
        enabled = self.compute_dtype != torch.float32
        with torch.autocast(self.device.type, self.compute_dtype, enabled=enabled):
            yield

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """See `TranslationModel`; the network reads `</s>` after a source, BART `<s>` before it."""
        config, before = self.network.config, len(self._before)
        self._check_length(source.shape[1] + before + 1)
        read = F.pad(self._outside(source), (before, 1), value=config.pad_token_id)
        read[:, :before] = read.new_tensor(self._before)
        ends = lengths.to(source.device)[:, None] + before
        places = torch.arange(read.shape[1], device=source.device)
        read = torch.where(places == ends, config.eos_token_id, read)
        mask = (places <= ends).long()
        with self._products():
            states = self.network.get_encoder()(read, attention_mask=mask).last_hidden_state
        return Encoded(states, mask)

    def token_log_probs(
        self, encoded: Encoded, target: Tensor, lengths: Tensor, *, inputs: Tensor | None = None
    ) -> TokenLogProbs:
        """See `TranslationModel`."""
        x, row, step = self._states(encoded, target[:, :-1] if inputs is None else inputs, lengths)
        with self._products():
            logits = self.network.lm_head(x)
        packed = self._only_ours(logits + self._bias)
        wanted = self._outside(target)[row, step + 1]
        return TokenLogProbs(
            log_p=-F.cross_entropy(packed, wanted, reduction="none"),
            row=row,
            step=step,
            rows=len(target),
            steps=target.shape[1] - 1,
            mean=partial(self._mean, packed),
        )

    def token_states(self, encoded: Encoded, target: Tensor, lengths: Tensor) -> TokenStates:
        """See `TranslationModel`."""
        x, row, step = self._states(encoded, target[:, :-1], lengths)
        never = self.ids == NEVER
        never[[PAD, BOS]] = True
        ids, bias = self.ids.clamp(min=0), self._bias
        logits = WordScores(
            x.to(torch.promote_types(x.dtype, torch.float32)),
            F.embedding(ids, self.network.lm_head.weight),
            bias.expand(self.network.config.vocab_size)[ids].masked_fill(never, NEVER_PREDICTED),
            self.product_dtype,
        )
        return TokenStates(
            logits, target[row, step + 1], row, step, len(target), target.shape[1] - 1
        )

    def _states(
        self, encoded: Encoded, read: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the output layer reads at every token [N, D], and its row and step.

        Args:
            encoded: B sources.
            read: [R, T] our ids of the words that the decoder reads.
            lengths: [R] predicted tokens; on the CPU.
        """
        rows, steps = read.shape
        self._check_length(steps + len(self._before))
        each = rows // len(encoded.states)
        states, mask = (part.repeat_interleave(each, dim=0) for part in encoded)
        first = read.new_tensor(self._first).expand(rows, -1)
        with self._products():
            found = self.network.get_decoder()(
                input_ids=torch.cat([first, self._outside(read)[:, 1:]], dim=1),
                encoder_hidden_states=states,
                encoder_attention_mask=mask,
                use_cache=False,
            )
        real = torch.arange(steps) < lengths[:, None]
        row, step = (where.to(read.device) for where in real.nonzero(as_tuple=True))
        x = found.last_hidden_state[row, step + len(self._before)]
        if getattr(self.network.config, "scale_decoder_outputs", False):  # of T5
            x = x * self.network.config.d_model**-0.5
        return x, row, step

    @property
    def _bias(self) -> Tensor:
        """The bias of the output layer [V'], or [1] where the network has none."""
        none = self.network.lm_head.weight.new_zeros(1, 1)
        bias: Tensor = getattr(self.network, "final_logits_bias", none)
        return bias[0]

    def _ours(self, logits: Tensor) -> Tensor:
        """Return logits of our words [.., V] from the network's [.., V'], in at least fp32."""
        ours = logits.to(torch.promote_types(logits.dtype, torch.float32))
        never = self.ids == NEVER
        never[[PAD, BOS]] = True
        return ours.index_select(-1, self.ids.clamp(min=0)).masked_fill(never, -torch.inf)

    def _mean(self, packed: Tensor) -> Tensor:
        return mean_log_softmax(packed.index_select(1, self._predicted))

    @property
    def _predicted(self) -> Tensor:
        """The network's ids of what can be predicted."""
        ours = self.ids.clone()
        ours[[PAD, BOS]] = NEVER
        return ours[ours != NEVER]

    def _only_ours(self, logits: Tensor) -> Tensor:
        """Return logits [N, V'] in fp32 or fp64, with -inf for what is never predicted."""
        ruled_out = torch.full_like(logits[0], -torch.inf, dtype=torch.float32)
        ruled_out[self._predicted] = 0.0
        return logits.to(torch.promote_types(logits.dtype, torch.float32)) + ruled_out

    def start(self, encoded: Encoded) -> State:
        """See `TranslationModel`."""
        return State(encoded, None)

    def step(self, state: State, previous: Tensor) -> Step:
        """See `TranslationModel`."""
        if state.cache is None:
            read = previous.new_tensor(self._first).expand(len(previous), -1)
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        else:
            read, cache = self._outside(previous)[:, None], _shallow(state.cache)
        self._check_length(cache.get_seq_length() + read.shape[1])
        with torch.no_grad(), self._products():
            found = self.network(
                encoder_outputs=BaseModelOutput(state.encoded.states),
                attention_mask=state.encoded.mask,
                decoder_input_ids=read,
                cache=cache,
                use_cache=True,
            )
        after = State(state.encoded, found.cache)
        return Step(self._ours(found.logits[:, -1]), None, after)

    def select(self, state: State, rows: Tensor, sources: Tensor | None = None) -> State:
        """See `TranslationModel`; each row has its own copy of the source."""
        encoded = Encoded(*(part.index_select(0, rows) for part in state.encoded))
        if state.cache is None:
            return State(encoded, None)
        cache = _shallow(state.cache)
        cache.batch_select_indices(rows)
        return State(encoded, cache)

    def _outside(self, ids: Tensor) -> Tensor:
        """Return the network's ids of ours."""
        return self.ids.clamp(min=0)[ids]

    def _check_length(self, tokens: int) -> None:
        longest = self.options.longest()
        if longest is not None and tokens > longest:
            raise UserError(
                f"a sentence has {tokens:,} tokens, but the model {longest:,} positions; lower "
                "preparation.max_length, or shorten the sentence"
            )


def _shallow(cache: EncoderDecoderCache) -> EncoderDecoderCache:
    """Return a cache of the same tensors that grows on its own."""
    parts = []
    for part in (cache.self_attention_cache, cache.cross_attention_cache):
        part = copy(part)
        part.layers = [copy(layer) for layer in part.layers]
        parts.append(part)
    return EncoderDecoderCache(*parts)


def _leave_out_second_names(model: Any, tensors: dict[str, Any], prefix: str, local: Any) -> None:
    """Keep one name of each tensor: tied parameters have several."""
    seen = set()
    for name, tensor in list(tensors.items()):
        place = tensor.data_ptr(), tensor.shape
        if place in seen:
            del tensors[name]
        seen.add(place)
