"""Models: sizes, the class of the network, and what it costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from alpha_dimt.config.base import Since, wrong
from alpha_dimt.config.corpora import LocalPath, local
from alpha_dimt.config.pretrained import read_architecture, weights_in
from alpha_dimt.config.registry import Kind, one_of


class ModelConfig(Kind):
    """A model: its sizes, and the class of its network."""

    kinds: ClassVar[dict[str, Any]] = {}
    network: ClassVar[str] = ""
    """Import path of the class, which takes these options and the sizes of the vocabularies."""
    plain: ClassVar[str] = ""
    """Import path of its definition in plain PyTorch; empty if `network` is that."""
    cuda: ClassVar[str] = ""
    """Import path of its form for CUDA devices; empty if `network` serves all devices."""

    kind: str

    def parameters(self, source_vocab_size: int, target_vocab_size: int) -> int:
        """Return how many weights there are with vocabularies of these sizes."""
        raise NotImplementedError

    def cost(self) -> float:
        """Return how many times longer than the paper's model a sentence takes, at least 1."""
        raise NotImplementedError

    def sentence(self) -> str:
        """Return what the model is, for the report: "The model is ..." without its stop."""
        raise NotImplementedError

    def longest(self) -> int | None:
        """Return how many tokens a sentence can have, frame included; None: any number."""
        return None

    @property
    def files(self) -> tuple[Path, ...]:
        """The user's own files that the first weights are read from."""
        return ()


class AttentionRnnConfig(ModelConfig):
    """The paper's encoder-decoder: LSTMs with attention and input feeding."""

    network: ClassVar[str] = "alpha_dimt.models.attention_rnn.fused:FusedAttentionRnn"
    plain: ClassVar[str] = "alpha_dimt.models.attention_rnn.model:AttentionRnn"
    cuda: ClassVar[str] = "alpha_dimt.models.attention_rnn.cuda:CudaAttentionRnn"

    kind: Annotated[Literal["attention_rnn"], Since("0.1.0")] = "attention_rnn"
    embedding: PositiveInt = Field(
        default=256, description="units of the source and of the target embedding"
    )
    hidden: Annotated[int, Field(gt=0, multiple_of=2)] = Field(
        default=256,
        description="units of the decoder, even; each encoder direction has half of them",
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.3, description="0 to below 1; on the attentional output only"
    )
    init: PositiveFloat = Field(
        default=0.1, description="every parameter starts uniform in [-init, init]"
    )

    def parameters(self, source_vocab_size: int, target_vocab_size: int) -> int:
        """See `ModelConfig`."""
        embedding, units = self.embedding, self.hidden
        encoder = 4 * units * embedding + 2 * units**2 + 8 * units
        decoder = 4 * units * (embedding + 2 * units) + 8 * units + 3 * units**2
        words = (
            embedding * (source_vocab_size + target_vocab_size) + (units + 1) * target_vocab_size
        )
        return encoder + decoder + words

    def cost(self) -> float:
        """See `ModelConfig`; time grows with the units."""
        paper = type(self)()
        return max(1.0, max(self.hidden, self.embedding) / paper.hidden)

    def sentence(self) -> str:
        """See `ModelConfig`."""
        return (
            f"The model is a bidirectional LSTM encoder of {self.hidden // 2} units a direction "
            f"and an LSTM decoder of {self.hidden} units with attention and input feeding, "
            f"embeddings of {self.embedding}, dropout {self.dropout:g} on the attentional output, "
            f"parameters uniform in ±{self.init:g} at the start"
        )


SIZES: dict[str, dict[str, int]] = {
    "tiny": {"layers": 2, "units": 128, "heads": 4, "inner": 256},
    "iwslt": {"layers": 6, "units": 512, "heads": 4, "inner": 1024},
    "base": {"layers": 6, "units": 512, "heads": 8, "inner": 2048},
}
"""Sizes of a Transformer by name; `iwslt` is what toolkits use for IWSLT'14."""


class TransformerConfig(ModelConfig):
    """The Transformer (Vaswani et al., 2017) with pre-norm and a tied output layer."""

    network: ClassVar[str] = "alpha_dimt.models.transformer.fused:FusedTransformer"
    plain: ClassVar[str] = "alpha_dimt.models.transformer.model:Transformer"

    kind: Literal["transformer"]
    size: Literal["tiny", "iwslt", "base"] = Field(
        default="base",
        exclude=True,  # the numbers identify a run, not their name
        description="sizes by name, for the keys that are left out: `tiny` (2 layers, 128 units, 4 "
        "heads, 256 inner units), `iwslt` (6, 512, 4, 1024) or `base` (6, 512, 8, 2048)",
    )
    layers: PositiveInt = Field(default=6, description="of the encoder, and of the decoder")
    units: Annotated[int, Field(gt=0, multiple_of=2)] = Field(
        default=512, description="of embeddings and states; a multiple of 2 and of `heads`"
    )
    heads: PositiveInt = Field(default=8, description="attention heads")
    inner: PositiveInt = Field(default=2048, description="units of the feed-forward layers")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="0 to below 1; on embeddings and on what each sublayer adds"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_sizes(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        size = values.get("size", "base")
        return {**SIZES[size], **values} if isinstance(size, str) and size in SIZES else values

    @model_validator(mode="after")
    def _heads_divide_units(self) -> Self:
        if self.units % self.heads:
            raise wrong(
                f"heads: {self.heads} do not divide {self.units} units; change one of them", "heads"
            )
        return self

    def parameters(self, source_vocab_size: int, target_vocab_size: int) -> int:
        """See `ModelConfig`."""
        units, inner = self.units, self.inner
        attention, norm = 4 * units**2 + 4 * units, 2 * units
        feed_forward = 2 * units * inner + inner + units
        encoder = attention + feed_forward + 2 * norm
        decoder = 2 * attention + feed_forward + 3 * norm
        words = units * (source_vocab_size + target_vocab_size) + target_vocab_size
        return self.layers * (encoder + decoder) + 2 * norm + words

    def cost(self) -> float:
        """See `ModelConfig`; time grows with the weights that every token passes."""
        paper = AttentionRnnConfig()
        words = 20_000
        return max(1.0, self.parameters(0, words) / paper.parameters(0, words))

    def sentence(self) -> str:
        """See `ModelConfig`."""
        return (
            f"The model is a Transformer with pre-norm: {self.layers} encoder and {self.layers} "
            f"decoder layers of {self.units} units, {self.heads} heads and {self.inner} inner "
            f"units, the target embedding as output weight, dropout {self.dropout:g}"
        )


class HuggingFaceConfig(ModelConfig):
    """A pretrained encoder-decoder of Hugging Face: Marian (OPUS-MT), BART or T5."""

    network: ClassVar[str] = "alpha_dimt.models.huggingface.model:HuggingFaceModel"

    kind: Literal["huggingface"]
    path: LocalPath = Field(
        description="folder with `config.json`, weights in safetensors, and the tokeniser, as "
        "`save_pretrained` writes them"
    )
    architecture: dict[str, Any] = Field(
        default={}, description="the content of `config.json`; read from the folder: leave it out"
    )
    weights: NonNegativeInt = Field(
        default=0, description="how many numbers; read from the folder: leave it out"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_folder(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "architecture" in values:
            return values
        if not isinstance(path := local(values.get("path")), str | Path):  # an error below
            return values
        folder = Path(path)
        return {**values, "architecture": read_architecture(folder), "weights": weights_in(folder)}

    @property
    def files(self) -> tuple[Path, ...]:
        """See `ModelConfig`."""
        return tuple(sorted(self.path.glob("*.safetensors")))

    def longest(self) -> int | None:
        """See `ModelConfig`; T5 has relative positions."""
        return self.architecture.get("max_position_embeddings")

    def parameters(self, source_vocab_size: int, target_vocab_size: int) -> int:
        """See `ModelConfig`; the weights stay as many as they are."""
        return self.weights

    def cost(self) -> float:
        """See `ModelConfig`; time grows with the weights."""
        return max(1.0, self.weights / AttentionRnnConfig().parameters(0, 20_000))

    def sentence(self) -> str:
        """See `ModelConfig`."""
        return (
            f"The model is the pretrained {self.path.name}, a {self.architecture['model_type']} of "
            f"Hugging Face with {self.weights / 1e6:,.1f} million weights"
        )


if TYPE_CHECKING:
    Model = ModelConfig
else:
    Model = one_of(ModelConfig, default="attention_rnn")
