"""The reference of the configuration, made from its types: tables and the JSON schema.

    python -m alpha_dimt.config.reference config/README.md workflow/schemas/config.schema.yaml

`make reference` calls it. In the README, what stands between a line `<!-- keys: PATH, ... -->` (or
`<!-- kinds: PATH -->`, `<!-- rewards -->`) and the next `<!-- end -->` is made here; all else is
written by hand. A key is described by its field, a kind by the first line of its docstring.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml
from pydantic.fields import FieldInfo

from alpha_dimt.config.base import Section
from alpha_dimt.config.experiment import Experiment
from alpha_dimt.config.hints import below
from alpha_dimt.config.registry import Kind
from alpha_dimt.config.rewards import REWARDS
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, write_text

BLOCK = re.compile(r"(<!-- (keys|kinds|rewards)(?:: (.*?))? -->\n).*?(<!-- end -->)", re.DOTALL)


class Row(NamedTuple):
    """One key of one section: its name, the section's kind ("" where it has none), its field."""

    key: str
    kind: str
    field: FieldInfo


def reference(text: str) -> str:
    """Return a text of Markdown with the parts between its markers made again."""

    def made(match: re.Match[str]) -> str:
        first, what, paths, last = match.groups()
        return f"{first}\n{MAKERS[what]((paths or '').split(', '))}\n\n{last}"

    return BLOCK.sub(made, text)


def schema() -> str:
    """Return the JSON schema of an experiment as YAML, for editors."""
    text = yaml.safe_dump(Experiment.model_json_schema(), sort_keys=False, allow_unicode=True)
    return f"# Made by `make reference` from src/alpha_dimt/config.\n{text}"


def keys(paths: Sequence[str]) -> str:
    """Return a table of the keys below some paths, or of the keys themselves.

    Sections that differ in kind stand in one table; a column says which of them have a key.
    """
    rows = [row for path in paths for row in _rows(path)]
    kinds = list(dict.fromkeys(row.kind for row in rows if row.kind))
    lines = []
    for same in _grouped(rows, lambda row: (row.key.rpartition(".")[2], _meaning(row, kinds))):
        names = ", ".join(dict.fromkeys(f"`{row.key}`" for row in same))
        having = [kind for kind in kinds if any(row.kind == kind for row in same)]
        whose = "all" if having == kinds else ", ".join(f"`{kind}`" for kind in having)
        cells = [names, *([whose] if kinds else []), _defaults(same), _meaning(same[0], kinds)]
        lines.append(_line(cells))
    head = ["key", *(["of"] if kinds else []), "default", "unit and meaning"]
    return "\n".join([_line(head), "|" + "---|" * len(head), *lines])


def kinds(paths: Sequence[str]) -> str:
    """Return a list of the kinds at a path with what each of them is."""
    return "\n".join(
        f"- `{_kind(section)}`: {(section.__doc__ or '').splitlines()[0]}"
        for section in _sections(paths[0])
    )


def rewards(paths: Sequence[str]) -> str:
    """Return a table of the rewards."""
    rows = [_line([f"`{name}`", meaning]) for name, meaning in REWARDS.items()]
    return "\n".join([_line(["reward", "r"]), "|---|---|", *rows])


MAKERS: dict[str, Callable[[Sequence[str]], str]] = {
    "keys": keys,
    "kinds": kinds,
    "rewards": rewards,
}


def _fields(path: str) -> list[FieldInfo]:
    """Return the fields that a path leads to, in every section that has one; `*` is any name."""
    found: list[type[Section]] = [Experiment]
    fields: list[FieldInfo] = []
    for name in path.split("."):
        if name != "*":
            fields = [kind.model_fields[name] for kind in found if name in kind.model_fields]
            found = [section for field in fields for section in below(field.annotation)]
    if not fields:
        raise UserError(f"{path}: the configuration has no such key; correct the marker")
    return fields


def _sections(path: str) -> list[type[Section]]:
    found = (section for field in _fields(path) for section in below(field.annotation))
    return list(dict.fromkeys(found))


def _rows(path: str) -> list[Row]:
    sections = _sections(path)
    if not sections:
        return [Row(path, "", _fields(path)[0])]
    return [
        Row(f"{path}.{name}", _kind(section), field)
        for section in sections
        # The name of the kind first.
        for name, field in sorted(section.model_fields.items(), key=lambda item: not _is_tag(item))
    ]


def _is_tag(item: tuple[str, FieldInfo]) -> bool:
    return item[0] in ("kind", "objective")


def _kind(section: type[Section]) -> str:
    """Return the name of a kind; "" for a section that is no kind."""
    for item in section.model_fields.items():
        if _is_tag(item):
            return str(get_args(item[1].annotation)[0])
    return ""


def _meaning(row: Row, kinds: Iterable[str]) -> str:
    if not _is_tag((row.key.rpartition(".")[2], row.field)):
        return row.field.description or ""
    names = ", ".join(f"`{kind}`" for kind in kinds)
    section = next((kind for kind in _sections(row.key.rpartition(".")[0])), Section)
    path = ", or the import path of a class" if issubclass(section, Kind) else ""
    return f"one of {names}{path}"


def _defaults(rows: Sequence[Row]) -> str:
    """Return the default of a key; where kinds have different ones, of which kinds each is."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(_default(row.field), []).append(f"`{row.kind}`")
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{text} ({', '.join(dict.fromkeys(of))})" for text, of in found.items())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        value = value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, float):
        return f"{value:g}"
    text = json.dumps(value, allow_nan=False).replace('"', "")
    return f"`{text}`" if isinstance(value, str | dict) else text


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[list[Row]]:
    """Return the rows that belong together, in the order of the first of each."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return list(found.values())


if __name__ == "__main__":
    readme, editors = map(Path, sys.argv[1:])
    write_text(readme, reference("\n".join(read_lines(readme)) + "\n"))
    write_text(editors, schema())
