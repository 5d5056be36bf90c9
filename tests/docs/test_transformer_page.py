"""docs/results/transformer.md: the table is that of the kept measurement."""

from pathlib import Path

from alpha_dimt.core.files import read_json
from benchmarks.transformers import table

KEPT = Path("docs/results/transformer/summary.json")


def test_the_table_is_the_kept_measurement(repository: Path) -> None:
    found = read_json(repository / KEPT)
    page = (repository / "docs/results/transformer.md").read_text(encoding="utf-8")
    assert table(found) in page
    assert found["processor"].replace("(R)", "") in page.replace("(R)", "")
    assert f"{found['epochs']} epochs" in page
