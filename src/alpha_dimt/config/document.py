"""Configuration files as YAML 1.2 and JSON: read strictly, and the line of every key.

PyYAML reads YAML 1.1, where `no` is false, 010 is eight, 1:30 is ninety and 1e3 is text. Here only
true and false are truth values, all numbers of YAML 1.2 are numbers, and everything else is text.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines

Keys = tuple[int | str, ...]

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
# Chapter 10.3.2 of YAML 1.2.2, and the merge keys of YAML 1.1; the first that fits is taken.
_PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
    "merge": r"<<",
}


class _Loader(yaml.SafeLoader):
    """Text to nodes, whose tags are those of YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012


class _Dumper(yaml.SafeDumper):
    """Values to text, with quotes around text that either version would read as something else."""


for _name, _pattern in _PLAIN.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)


@dataclass(frozen=True)
class Document:
    """The values of a file, and the text they came from."""

    name: str
    values: Any
    text: str

    def place(self, keys: Keys) -> str | None:
        """Return file and line of a key; None if it is not in the file."""
        here = self.values
        for key in keys:
            if isinstance(here, dict) and key in here:
                here = here[key]
            elif isinstance(here, list) and key in range(len(here)):
                here = here[int(key)]
            else:
                return None
        try:
            # JSON may be indented by tabs.
            node = _compose(self.text.replace("\t", " "), self.name)
        except UserError:
            node = None
        return f"{self.name}:{_line_of(node, keys)}" if node and keys else self.name


def read_document(path: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        UserError: the file cannot be read, is not YAML or JSON, or gives a key twice.
    """
    text = "\n".join(read_lines(path)).removeprefix("\ufeff")
    if path.suffix != ".json":
        return Document(str(path), yaml_values(text, str(path)), text)
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice.append(max(names, key=names.count))
        return values

    try:
        values = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UserError(f"{path}:{line}: this is not valid JSON ({error}); correct it") from error
    if twice:
        # Read as YAML the same text is refused with the lines of both.
        yaml_values(text.replace("\t", " "), str(path))
        raise UserError(f"{path}: {twice[0]}: this key is given twice; keep one of them")
    return Document(str(path), values, text)


def yaml_values(text: str, name: str) -> Any:
    """Return the plain values of YAML; `name` stands in errors.

    Raises:
        UserError: this is not YAML, gives a key twice, or has a value that cannot be read.
    """
    try:
        root = _compose(text, name)
        return None if root is None else _value(root, (), name, {})
    except RecursionError as error:
        raise UserError(f"{name}: brackets are nested too deep; correct them") from error


def _compose(text: str, name: str) -> Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"the character #x{ord(text[error.position]):04x} is not allowed"
        raise UserError(f"{name}:{line}: this is not valid YAML ({problem}); delete it") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        problem = " ".join(str(error.problem).split())
        way_out = "indent by spaces" if r"'\t'" in problem else "check indentation and quotes"
        raise UserError(f"{place}: this is not valid YAML ({problem}); {way_out}") from error
    except RecursionError as error:
        raise UserError(f"{name}: brackets are nested too deep; correct them") from error
    # A number after a backslash that is no character.
    except (ValueError, OverflowError) as error:
        raise UserError(f"{name}: a value cannot be read ({error}); correct it") from error


def yaml_text(values: Any) -> str:
    """Return plain values as YAML that `read_document`, and readers of YAML 1.1, read back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def dotted(keys: Sequence[int | str]) -> str:
    """Return a key as errors name it, on one line."""
    return ".".join(key if key.isprintable() else repr(key) for key in map(str, keys))


def _place(node: Node, keys: Keys, name: str) -> str:
    return f"{name}:{node.start_mark.line + 1}: {dotted(keys) or 'the file'}"


_OPEN = object()


def _value(node: Node, keys: Keys, name: str, known: dict[int, Any]) -> Any:
    """Return the plain value of a node; one with several names is read once."""
    if id(node) not in known:
        known[id(node)] = _OPEN
        known[id(node)] = _new_value(node, keys, name, known)
    if known[id(node)] is _OPEN:
        raise UserError(f"{_place(node, keys, name)}: this holds itself; write its values out")
    return known[id(node)]


def _new_value(node: Node, keys: Keys, name: str, known: dict[int, Any]) -> Any:
    tag = node.tag.removeprefix(_TAG)
    if isinstance(node, MappingNode) and tag == "map":
        return _mapping(node, keys, name, known)
    if isinstance(node, SequenceNode) and tag == "seq":
        return [_value(item, (*keys, index), name, known) for index, item in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        try:
            return _scalar(tag, node.value)
        except ValueError as error:
            place = _place(node, keys, name)
            raise UserError(f"{place}: this value cannot be read ({error}); correct it") from error
    raise UserError(f"{_place(node, keys, name)}: the tag {tag} is not supported here; delete it")


def _scalar(tag: str, text: str) -> Any:
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case "str" | "merge":
            return text
    raise ValueError(f"unknown tag {tag}")


def _mapping(node: MappingNode, keys: Keys, name: str, known: dict[int, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            place = _place(key_node, keys, name)
            raise UserError(f"{place}: a key must be text; put quotes around it")
        # Keys are names, as in JSON: a system may be called 0.3 or no.
        key = key_node.value
        here = (*keys, key)
        if key in lines:
            raise UserError(
                f"{_place(key_node, here, name)}: this key is given twice, first in line "
                f"{lines[key]}; keep one of them"
            )
        lines[key] = key_node.start_mark.line + 1
        value = _value(value_node, here, name, known)
        if key_node.tag != _MERGE:
            own[key] = value
            continue
        for section in reversed(value if isinstance(value, list) else [value]):
            if not isinstance(section, dict):
                place = _place(key_node, here, name)
                raise UserError(f"{place}: this takes a section that has an &anchor, as *anchor")
            merged |= section
    return {**merged, **own}


def _line_of(node: Node, keys: Keys) -> int:
    """Return the line of the last of some keys, each of them below the one before it."""
    line = node.start_mark.line + 1
    for key in keys:
        if isinstance(node, SequenceNode):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            found = [pair for pair in _pairs(node) if pair[0].value == str(key)]
            line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def _pairs(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    """Yield the keys and values of a mapping, its own before those that it takes from others."""
    yield from (pair for pair in node.value if pair[0].tag != _MERGE)
    for key_node, others in node.value:
        if key_node.tag == _MERGE:
            for other in others.value if isinstance(others, SequenceNode) else [others]:
                yield from _pairs(other)
