"""Kinds of options: one class each, which registers itself and names its implementation.

A configuration chooses a kind by name, or one of somebody else's by the import path of its class,
`their_package:Clipped`. Such a class derives from the same base; its keys are checked as ours are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Union, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializeAsAny
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from alpha_dimt.config.base import Section, wrong
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.imports import IMPORT_PATH, imported

_BY_ITS_OWN_CLASS: Any = SerializeAsAny()  # type: ignore[type-arg]


class Kind(Section):
    """Options of one of several kinds; a class whose tag is a Literal registers itself.

    Each family (objectives, distributions, corpora, models) has a base with its own `kinds`.
    """

    tag: ClassVar[str] = "kind"
    """The key that names the kind."""
    kinds: ClassVar[dict[str, Any]] = {}
    """The registered classes of the family by name."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Register a kind under its name; a class that inherits its name registers nothing."""
        if (field := cls.model_fields.get(cls.tag)) and (names := get_args(field.annotation)):
            cls.kinds.setdefault(names[0], cls)


def kind_named(family: type[Kind], name: object) -> Any:
    """Return the class of a kind, by its name or import path; None if there is none such.

    Raises:
        UserError: the import path leads nowhere, or not to a class of the family.
    """
    if not isinstance(name, str) or ":" not in name:
        return family.kinds.get(name) if isinstance(name, str) else None
    kind = imported(name)
    if not (isinstance(kind, type) and issubclass(kind, family)):
        raise UserError(
            f"{name} is not a class of options; derive it from {family.__module__}:"
            f"{family.__name__}"
        )
    return kind


def paths_in(values: Any) -> list[str]:
    """Return every import path in plain values."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return [path for value in values for path in paths_in(value)]
    return [values] if isinstance(values, str) and re.match(IMPORT_PATH, values) else []


def one_of(
    family: type[Kind],
    *,
    default: str | None = None,
    among: Callable[[Any], bool] = lambda kind: True,
) -> Any:
    """Return the type of a field that holds one kind of a family, or somebody else's.

    Args:
        family: the base; kinds that are registered later are not part of the type.
        default: the kind where the tag is not given; None: the tag is required.
        among: which kinds are allowed.
    """
    kinds = {name: kind for name, kind in family.kinds.items() if among(kind)}
    chosen = _OneOf(family, kinds, default, among)
    return Annotated[Union[tuple(kinds.values())], chosen, _BY_ITS_OWN_CLASS]  # noqa: UP007


@dataclass(frozen=True, eq=False)  # hashed by identity: `kinds` cannot be
class _OneOf:
    """Validates a union by its tag, and by import path where the tag is one."""

    family: type[Kind]
    kinds: dict[str, Any]
    default: str | None
    among: Callable[[Any], bool]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {name: handler.generate_schema(kind) for name, kind in self.kinds.items()}
        union = core_schema.tagged_union_schema(choices, discriminator=self.family.tag)
        return core_schema.no_info_wrap_validator_function(self._validated, union)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        tag = self.family.tag
        path = {"type": "string", "pattern": IMPORT_PATH, "description": "somebody else's kind"}
        found["oneOf"].append({"type": "object", "properties": {tag: path}, "required": [tag]})
        return found

    def _validated(self, value: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(value, self.family):
            return value if self.among(type(value)) else handler(value)
        if not isinstance(value, dict):
            return handler(value)
        tag = self.family.tag
        name = value.get(tag, self.default)
        if not isinstance(name, str) or ":" not in name:
            return handler(value if tag in value or name is None else {tag: name, **value})
        try:
            kind = kind_named(self.family, name)
        except UserError as error:
            raise wrong(str(error), tag) from error
        if not self.among(kind):
            raise wrong(f"{name} cannot be used here; choose another one", tag)
        return kind.model_validate(value)
