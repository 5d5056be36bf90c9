"""Read and check files of the configuration; errors name file, line and key."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from alpha_dimt.config.base import AnySection, Section
from alpha_dimt.config.document import Document, Keys, dotted, read_document, yaml_values
from alpha_dimt.config.hints import TAGS, similar, unknown_key
from alpha_dimt.core.errors import UserError


def parse(section: type[AnySection], values: Any, origin: str) -> AnySection:
    """Validate plain values as a section.

    Args:
        section: the class to build.
        values: nested dictionaries, as read from YAML or JSON.
        origin: the file (or other place) that errors name.

    Raises:
        UserError: names the origin, the key, what is wrong and the value found.
    """
    return _validated(section, values, lambda _: origin)


def load(section: type[AnySection], path: Path) -> AnySection:
    """Read a YAML or JSON file as a section.

    Raises:
        UserError: the file is missing, is not YAML or JSON, or does not fit the section.
    """
    return load_all(section, [path])


def load_all(
    section: type[AnySection], paths: Iterable[Path | str], settings: Iterable[str] = ()
) -> AnySection:
    """Read files as one section, each of them over those before it, and then single settings.

    Args:
        section: the class to build.
        paths: YAML or JSON files.
        settings: KEY=VALUE, as `--config` of Snakemake takes them; a value is YAML.

    Raises:
        UserError: a file is missing, is not YAML or JSON, or all together do not fit the section.
    """
    documents = [read_document(Path(path)) for path in paths]
    for setting in settings:
        key, _, text = setting.partition("=")
        name = f"--config {dotted((key,))}"
        if any(document.name == name for document in documents):
            raise UserError(f"{name}: this key is given twice; keep one of them")
        documents.append(Document(name, {key: yaml_values(text, name)}, text=""))

    def place(keys: Keys) -> str:
        for end in range(len(keys), 0, -1):
            for document in reversed(documents):
                if found := document.place(keys[:end]):
                    return found
        return ", ".join(document.name for document in documents)

    values = reduce(_over, (document.values for document in documents))
    return _validated(section, values, place)


def _over(below: Any, above: Any) -> Any:
    """Return values with others over them, section by section; an empty section changes nothing."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _over(below.get(key), value) for key, value in above.items()}
    return below if isinstance(below, dict) and above is None else above


def _validated(section: type[AnySection], values: Any, place: Callable[[Keys], str]) -> AnySection:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        keys, problem = explain(error, section, values)
        raise UserError(f"{place(keys)}: {dotted(keys) or 'the file'}: {problem}") from error


def explain(error: ValidationError, section: type[Section], values: Any) -> tuple[Keys, str]:
    """Return the key that is wrong, as it stands in the file (empty: the whole), and why."""
    first = min(error.errors(), key=_rank)
    keys = _keys(first["loc"], values, missing=first["type"] == "missing")
    context = first.get("ctx", {})
    match first["type"]:
        case "wrong":
            return (*keys, *context.get("keys", ())), context.get("problem", first["msg"])
        case "extra_forbidden":
            return keys, unknown_key(section, values, keys)
        case "missing":
            return keys, "this key is required; config/README.md says what it means"
        case "union_tag_not_found":
            tag = context["discriminator"].strip("'")
            return keys, f"the key {tag} is required here; config/README.md lists its values"
        case "union_tag_invalid":
            tag = context["discriminator"].strip("'")
            return (*keys, tag), _not_one_of(context["tag"], context["expected_tags"])
        case "finite_number":
            return keys, f"a finite number is needed (found {shown(first['input'])})"
        case "literal_error":
            return keys, _not_one_of(first["input"], context["expected"])
    return keys, _type_problem(first)


def _rank(entry: ErrorDetails) -> int:
    """Return which of several errors says the most: unknown keys, wrong values, wrong types."""
    # Of a value that fits no member of a union, the member of its type says the most.
    return 0 if entry["type"] == "extra_forbidden" else 1 + entry["type"].endswith("_type")


def _type_problem(entry: ErrorDetails) -> str:
    """Return what is wrong with a value of another type, and how to write it."""
    kind, value = entry["type"], entry["input"]
    if kind == "string_type" and isinstance(value, bool):
        return (
            f"this is {shown(value)}, but text is needed; put it in quotes, "
            'as "no", "on" or "false"'
        )
    if kind == "string_type" and isinstance(value, int | float):
        return f'this is a number, but text is needed; put it in quotes ("{value}")'
    if kind in ("tuple_type", "list_type") and not isinstance(value, dict):
        entries = f"[{value}]" if isinstance(value, int | float | str) else "[...]"
        several = ", or [1, 2, 3] for several" if isinstance(value, int) else ""
        return f"a list is needed; write {entries}{several} (found {shown(value)})"
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return (
            "keys with values are needed here, indented below it or in braces as "
            f"{{key: value}} (found {shown(value)})"
        )
    problem = entry["msg"].removeprefix("Value error, ")
    return problem if isinstance(value, dict | Section) else f"{problem} (found {shown(value)})"


def _not_one_of(value: Any, expected: str) -> str:
    """Return that a value is none of those that there are, which stand in quotes."""
    meant = similar(value, re.findall(r"'([^']*)'", expected))
    question = f"; did you mean {meant}?" if meant else ""
    return f"{shown(value)} is not one of {expected}{question}"


def shown(value: Any) -> str:
    """Return a value as errors show it, on one short line."""
    if isinstance(value, dict | Section):
        return "keys with values"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", ".inf").replace("nan", ".nan")
    text = json.dumps(value, default=str, allow_nan=False)
    return text if len(text) < 60 else text[:57] + "..."


def _keys(location: Sequence[int | str], values: Any, *, missing: bool) -> Keys:
    """Return a key as it stands in the file; pydantic also names the members of unions."""
    keys: list[int | str] = []
    here, tagged = values, False
    for number, part in enumerate(location, start=1):
        if isinstance(here, dict):
            if not tagged and part in (here.get(tag) for tag in TAGS):
                tagged = True
                continue
            found = part in here
        else:
            found = isinstance(here, list | tuple) and part in range(len(here))
        if found:
            here, tagged = here[part], False
        if found or (missing and number == len(location)):
            keys.append(part)
    return tuple(keys)
