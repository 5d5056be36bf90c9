"""Which results are to be made again."""

from pathlib import Path
from typing import Any

import pytest
from finished_runs import make_run

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.files import write_json
from alpha_dimt.runs.stale import Results


@pytest.mark.parametrize(
    ("decoding", "stale"), [({"temperatures": [1.0]}, True), ({}, False)], ids=["asked", "left"]
)
def test_a_table_of_searches_is_stale_only_if_searches_are_asked_for(
    tmp_path: Path, decoding: dict[str, Any], stale: bool
) -> None:
    systems = {"ml": {"objective": "ml"}}
    make_run(tmp_path, "ml", 1, 40.0, systems)
    for name in ("searches", "table1"):
        write_json(tmp_path / f"tables/{name}.json", {"made_from": []})
    values = {"corpus": {"kind": "toy"}, "systems": systems, "decoding": decoding}
    found = Results(parse(Experiment, values, "test"), tmp_path).stale()
    assert (tmp_path / "tables/searches.json" in found) == stale
    assert tmp_path / "tables/table1.json" in found
