import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/odd_input.md").read_text(encoding="utf-8")


def test_every_row_names_tests_that_are_there() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| (?!input \|)", line)]
    assert rows
    for row in rows:
        file, names = "", 0
        for path, name in re.findall(r"\]\(\.\./\.\./(tests/[\w/]+\.py)\)|::(\w+)", row):
            if path:
                file = (ROOT / path).read_text(encoding="utf-8")
                continue
            names += 1
            assert f"def {name}(" in file, row
        assert names, row
