"""JSON has no Infinity and no NaN: only Python reads a file that holds them."""

import ast
import json
from pathlib import Path

import pytest

from alpha_dimt.config.base import canonical_json
from alpha_dimt.core.files import finite_json, write_json
from alpha_dimt.evaluation.across_seeds import Sensitivity
from alpha_dimt.tables.compare import Found, json_text


def lax_writers(text: str) -> list[int]:
    """Return the lines that write JSON and do not refuse infinity and NaN."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("json.dump", "json.dumps")
        and not any(
            keyword.arg == "allow_nan" and ast.unparse(keyword.value) == "False"
            for keyword in node.keywords
        )
    ]


def test_every_writer_of_the_sources_is_strict(repository: Path):
    sources = sorted((repository / "src").rglob("*.py"))

    found = {str(path): lax_writers(path.read_text(encoding="utf-8")) for path in sources}

    assert sources
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_lax_writers_are_seen():
    assert lax_writers("json.dumps(a)\njson.dumps(a, allow_nan=False)\njson.dump(a, b)") == [1, 3]


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_what_is_kept_is_refused_and_what_is_shown_has_null(tmp_path: Path, number: float):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": [number]})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": number})
    assert not list(tmp_path.iterdir())
    assert json.loads(finite_json({"a": [number, (1.5, number)]})) == {"a": [None, [1.5, None]]}


def test_a_difference_that_no_number_of_seeds_finds_is_null():
    inf = float("inf")
    sensitivity = Sensitivity(
        seeds=1,
        sd=inf,
        sd_interval=(0.0, inf),
        detectable=inf,
        detectable_corrected=inf,
        wanted=0.5,
        seeds_wanted=inf,
        seeds_interval=(2.0, inf),
    )
    found = Found(("a", "b"), Path("ref"), 3, "definition", "signature", {}, None, sensitivity)

    shown = json.loads(json_text(found), parse_constant=lambda text: pytest.fail(text))

    assert shown["sensitivity"]["detectable"] is None
    assert shown["sensitivity"]["seeds_interval"] == [2.0, None]
