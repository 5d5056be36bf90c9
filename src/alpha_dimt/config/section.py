"""What every part of the configuration is made of."""

import hashlib
import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
# Names are in those of files, which file systems bound at 255 bytes.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Reward = Literal["hamming", "edit_distance", "bleu", "gleu"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def canonical_json(values: Any) -> str:
    """Return JSON on one line, keys sorted."""
    return json.dumps(values, sort_keys=True)


def fingerprint(values: Any) -> str:
    """Return 16 hexadecimal digits that change when any of some plain values changes."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def canonical_json(self) -> str:
        """Return JSON with every default written out, keys sorted."""
        return canonical_json(self.model_dump(mode="json"))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change when any value changes."""
        return fingerprint(self.model_dump(mode="json"))


AnySection = TypeVar("AnySection", bound=Section)
