"""Read and check files of the configuration; errors name file and key."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from alpha_dimt.config.section import AnySection
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_json, read_lines


def parse(section: type[AnySection], values: Any, origin: str) -> AnySection:
    """Validate plain values as a section.

    Args:
        section: the class to build.
        values: nested dictionaries, as read from YAML or JSON.
        origin: the file (or other place) that errors name.

    Raises:
        UserError: names the origin, the key, what is wrong and the value found.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        key, problem = explain(error, values)
        raise UserError(f"{origin}: {key or 'the file'}: {problem}") from error


def explain(error: ValidationError, values: Any) -> tuple[str, str]:
    """Return the key that is wrong, as it stands in the file (empty: the whole), and why."""
    # Of a value that fits no member of a union, the member of its type says the most.
    first = min(error.errors(), key=lambda entry: entry["type"].endswith("_type"))
    key = _key(first["loc"], values, missing=first["type"] == "missing")
    if first["type"] == "extra_forbidden":
        return key, "unknown key; config/README.md lists the keys"
    if first["type"] == "missing":
        return key, "this key is required; config/README.md says what it means"
    if first["type"] == "union_tag_not_found":
        tag = first["ctx"]["discriminator"].strip("'")
        return key, f"the key {tag} is required here; config/README.md lists its values"
    problem = first["msg"].removeprefix("Value error, ")
    if not isinstance(first["input"], dict):
        found = json.dumps(first["input"], default=str)
        problem += f" (found {found if len(found) < 60 else found[:57] + '...'})"
    return key, problem


def _key(location: tuple[int | str, ...], values: Any, *, missing: bool) -> str:
    """Return a key as it stands in the file; pydantic also names the members of unions."""
    keys: list[str] = []
    here, tagged = values, False
    for number, part in enumerate(location, start=1):
        if isinstance(here, dict):
            if not tagged and part in (here.get("objective"), here.get("kind")):
                tagged = True
                continue
            found = part in here
        else:
            found = isinstance(here, list | tuple) and part in range(len(here))
        if found:
            here, tagged = here[part], False
        if found or (missing and number == len(location)):
            keys.append(str(part))
    return ".".join(keys)


def load(section: type[AnySection], path: Path) -> AnySection:
    """Read a YAML or JSON file as a section.

    YAML takes JSON too, but not its numbers: 1e-05, as Python writes it, is text in YAML 1.1.

    Raises:
        UserError: the file is missing, is not YAML or JSON, or does not fit the section.
    """
    if path.suffix == ".json":
        return parse(section, read_json(path), str(path))
    text = "\n".join(read_lines(path))
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UserError(f"{path}:{line}: this is not valid YAML; check the indentation") from error
    # A date that is none, a number of 5,000 digits, 3,000 brackets.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: a value cannot be read ({error}); correct it") from error
    return parse(section, values, str(path))
