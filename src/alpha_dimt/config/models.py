"""Models: sizes, the class of the network, and what it costs."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from alpha_dimt.config.base import Since
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


if TYPE_CHECKING:
    Model = ModelConfig
else:
    Model = one_of(ModelConfig, default="attention_rnn")
