"""Suggest the known key or value that is most like an unknown one."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from alpha_dimt.config.base import Section, alternatives
from alpha_dimt.config.document import Keys, dotted
from alpha_dimt.config.registry import Kind, kind_named

TAGS = ("kind", "objective")


def sections(annotation: Any) -> list[type[Section]]:
    """Return the sections that an annotation allows."""
    return [
        kind
        for kind in alternatives(annotation)
        if isinstance(kind, type) and issubclass(kind, Section)
    ]


def similar(word: object, words: Iterable[str]) -> str | None:
    """Return the most similar of some words, if one is similar."""
    by_case = {other.lower(): other for other in words}
    found = get_close_matches(str(word).lower(), by_case, n=1)
    return by_case[found[0]] if found else None


def unknown_key(root: type[Section], values: Any, keys: Keys) -> str:
    """Return what is wrong with a key that its section does not have, and what may be meant."""
    key = str(keys[-1])
    here = _sections_at(root, values, keys[:-1])
    if inside := similar(key, [name for section in here for name in section.model_fields]):
        return f"unknown key; did you mean {inside}?"
    known = list(_all_keys(root))
    if any(names[-1] == key and _fits(names[:-1], keys[:-1]) for names in known):
        return "this kind or objective does not take the key; remove it"
    elsewhere = {names[-1]: dotted(names) for names in reversed(known)}
    if meant := similar(key, elsewhere):
        return f"unknown key; did you mean {elsewhere[meant]}?"
    return "unknown key; config/README.md lists the keys"


def _fits(pattern: Sequence[str], keys: Keys) -> bool:
    return len(pattern) == len(keys) and all(
        part in ("*", str(key)) for part, key in zip(pattern, keys, strict=True)
    )


def below(annotation: Any) -> list[type[Section]]:
    """Return the sections that an annotation, or the values of its mapping or list, allow."""
    found = sections(annotation)
    for kind in alternatives(annotation):
        if get_origin(kind) in (dict, tuple):
            found += [section for part in get_args(kind) for section in sections(part)]
    return found


def _sections_at(root: type[Section], values: Any, keys: Keys) -> list[type[Section]]:
    """Return the sections that may stand at a key; one where the file names its kind."""
    candidates = [root]
    for key in keys:
        values = _item(values, key)
        fields = [
            section.model_fields[str(key)] for section in candidates if key in section.model_fields
        ]
        # The key of a mapping or list has no field: its sections are the candidates already.
        if fields:
            candidates = [section for field in fields for section in below(field.annotation)]
        candidates = _named(candidates, values)
    return candidates


def _named(candidates: list[type[Section]], values: Any) -> list[type[Section]]:
    if not isinstance(values, dict):
        return candidates
    named = [kind for kind in candidates if any(_is_tag(kind, tag, values) for tag in TAGS)]
    return named or _by_path(candidates, values) or candidates


def _is_tag(kind: type[Section], tag: str, values: dict[str, Any]) -> bool:
    field = kind.model_fields.get(tag)
    return field is not None and values.get(tag) in get_args(field.annotation)


def _by_path(candidates: list[type[Section]], values: dict[str, Any]) -> list[type[Section]]:
    """Return somebody else's class of options, if the values name one by import path."""
    for kind in candidates:
        path = values.get(kind.tag) if issubclass(kind, Kind) else None
        if isinstance(path, str) and ":" in path:
            return [kind_named(Kind, path)]
    return []


def _item(values: Any, key: int | str) -> Any:
    if isinstance(values, dict):
        return values.get(key)
    if isinstance(values, list) and isinstance(key, int) and key < len(values):
        return values[key]
    return None


def _all_keys(root: type[Section], above: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every key of a section and of the sections in it, those at the top first."""
    fields = root.model_fields
    yield from ((*above, name) for name in fields)
    for name, field in fields.items():
        # What holds itself (a run its start, a mixture its parts) is not listed again.
        if name in above or root in below(field.annotation):
            continue
        mapping = any(get_origin(kind) is dict for kind in alternatives(field.annotation))
        for section in below(field.annotation):
            yield from _all_keys(section, (*above, name, *(["*"] if mapping else [])))
