"""The generated parts of the documentation are those that the types give."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from alpha_dimt.config import Experiment
from alpha_dimt.config.reference import reference, schema
from alpha_dimt.config.rewards import REWARDS
from alpha_dimt.core.errors import UserError


def test_the_tables_are_those_of_the_types(repository: Path) -> None:
    text = (repository / "config/README.md").read_text(encoding="utf-8")
    assert reference(text) == text, "`make reference` writes them again"


def test_the_schema_is_that_of_the_types(repository: Path) -> None:
    text = (repository / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")
    assert schema() == text, "`make reference` writes it again"


def block(what: str) -> list[str]:
    made = reference(f"before\n<!-- {what} -->\nold\n<!-- end -->\nafter\n").splitlines()
    assert (made[:3], made[-3:]) == (
        ["before", f"<!-- {what} -->", ""],
        ["", "<!-- end -->", "after"],
    )
    return made[3:-3]


def test_a_table_has_key_default_and_meaning() -> None:
    assert block("keys: checkpoints")[:2] == [
        "| key | default | unit and meaning |",
        "|---|---|---|",
    ]
    assert block("keys: model")[3] == (
        "| `model.embedding` | `attention_rnn` | 256 | units of the source and of the target "
        "embedding |"
    )
    assert block("keys: seeds, training.decay")[2].startswith("| `seeds` | [1] | distinct;")


def test_kinds_share_a_row_where_they_mean_the_same() -> None:
    rows = block("keys: systems.*")
    assert rows[2].startswith("| `systems.*.objective` | all | required | one of `ml`, ")
    (samples,) = (row for row in rows if row.endswith("| K, candidates a source |"))
    assert samples.startswith("| `systems.*.samples` | `policy_gradient`, `mrt`, ")
    assert "; 15 (`gnmt_mixture`) |" in samples
    assert "- `raml`: RAML (Eq. 4): alpha = 0." in block("kinds: systems.*")
    assert block("rewards")[3] == "| `edit_distance` | minus the Levenshtein distance in words |"


def test_a_marker_without_a_key_is_said() -> None:
    with pytest.raises(UserError, match=r"training\.rate: the configuration has no such key"):
        block("keys: training.rate")


def test_every_key_is_described() -> None:
    def fields(section: type[BaseModel], above: tuple[type[BaseModel], ...]) -> list[str]:
        if section in above:
            return []
        found = []
        for name, field in section.model_fields.items():
            inner = sections_of(field.annotation)
            if name not in ("kind", "objective") and not (inner and not above):
                found += [] if field.description else [f"{section.__name__}.{name}"]
            found += [key for kind in inner for key in fields(kind, (*above, section))]
        return found

    assert set(fields(Experiment, ())) == set()


def keys_of(section: type[BaseModel], prefix: str) -> set[str]:
    """Return the dotted names of the keys of a section and of the sections in it."""
    keys = set()
    for name, field in section.model_fields.items():
        # The other objective of an interpolation has the keys of any.
        inner = set() if name == "other" else set(sections_of(field.annotation))
        keyed_by_name = "dict[" in str(field.annotation) and inner
        dotted = f"{prefix}{name}.*." if keyed_by_name else f"{prefix}{name}."
        # The sections at the top are the headings.
        if not inner or prefix:
            keys.add(f"{prefix}{name}")
        for found in inner:
            keys |= keys_of(found, dotted)
    return keys


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a type annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in sections_of(part)]


def test_the_readme_names_every_key_and_no_other(repository: Path):
    text = (repository / "config/README.md").read_text(encoding="utf-8")
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    first_cells = re.findall(r"^\| (.*?) \|", tables, flags=re.MULTILINE)
    named = set(re.findall(r"`([^`]+)`", "\n".join(first_cells)))
    keys = keys_of(Experiment, "")

    assert "systems.*.tau" in keys
    assert "preparation.vocabulary.operations" in keys
    assert named == keys | set(REWARDS)
