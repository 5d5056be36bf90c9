"""What every part of the configuration is made of."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

Fraction = Annotated[float, Field(ge=0, le=1)]
# Names are in those of files, which file systems bound at 255 bytes.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
# Snakemake writes it into a shell line as it is.
Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9./][A-Za-z0-9._:/@+-]*$")]


def canonical_json(values: Any) -> str:
    """Return JSON on one line, keys sorted."""
    return json.dumps(values, sort_keys=True, allow_nan=False)


def fingerprint(values: Any) -> str:
    """Return 16 hexadecimal digits that change when any of some plain values changes."""
    return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]


def wrong(problem: str, *keys: int | str) -> PydanticCustomError:
    """Return the error of a validator whose sentence is complete.

    Args:
        problem: what is wrong and what to do.
        keys: where, below the section or value that is validated.
    """
    return PydanticCustomError("wrong", "{problem}", {"problem": problem, "keys": keys})


def alternatives(annotation: Any) -> list[Any]:
    """Return the types that an annotation allows, without what is said about them."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [found for part in get_args(annotation) for found in alternatives(part)]
    return [annotation]


def _is_container(kind: Any) -> bool:
    return get_origin(kind) in (dict, tuple) or (
        isinstance(kind, type) and issubclass(kind, Section)
    )


@dataclass(frozen=True)
class Since:
    """Marks a key that came later: while it holds its default, it is not part of any fingerprint.

    So fingerprints of before stay as they are. The default must never change again.

    Attributes:
        version: of the package, in which the key appeared.
    """

    version: str


class Section(BaseModel):
    """A part of the configuration: frozen, finite, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _as_written(cls, values: Any) -> Any:
        """Give sections that hold nothing their default, and refuse what pydantic would turn."""
        if not isinstance(values, dict):
            return values
        return {
            key: _given(cls, key, value) if key in cls.model_fields else value
            for key, value in values.items()
        }

    @model_serializer(mode="wrap")
    def _dumped(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is marked `Since` and holds its default."""
        values: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            later = any(isinstance(mark, Since) for mark in field.metadata)
            if later and getattr(self, name) == field.default:
                values.pop(name, None)
        return values

    def canonical_json(self) -> str:
        """Return JSON with every default written out, keys sorted."""
        return canonical_json(self.model_dump(mode="json"))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change when any value changes."""
        return fingerprint(self.model_dump(mode="json"))

    def every_key(self) -> dict[str, Any]:
        """Return every key as plain values, those too that are no part of the identity."""
        return {name: _plain_value(getattr(self, name)) for name in type(self).model_fields}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Section):
        return value.every_key()
    if isinstance(value, dict):
        return {key: _plain_value(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(below) for below in value]
    return str(value) if isinstance(value, Path) else value


AnySection = TypeVar("AnySection", bound=Section)


@cache
def _allowed(section: type[Section], name: str) -> list[Any]:
    return alternatives(section.model_fields[name].annotation)


def _given(section: type[Section], name: str, value: Any) -> Any:
    """Return the value that is given to a field."""
    allowed, field = _allowed(section, name), section.model_fields[name]
    if value is None and type(None) not in allowed:
        container = any(map(_is_container, allowed))
        if field.is_required():
            needs = "a path is needed" if Path in allowed else "config/README.md says what it needs"
            raise wrong(f"this is empty, but {needs}", name)
        default = field.get_default(call_default_factory=True)
        if container:
            return default
        raise wrong(
            f"this is empty; give it a value, or remove the key for its default ({default})", name
        )
    # To Python true is 1.
    if bool not in allowed and any(isinstance(part, bool) for part in _parts(value)):
        kinds = {part for kind in allowed for part in (kind, *map(_plain, get_args(kind)))}
        if kinds & {int, float} and bool not in kinds:
            raise wrong("true and false are not numbers; write a number", name)
    return value


def _plain(annotation: Any) -> Any:
    return alternatives(annotation)[0]


def _parts(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)
