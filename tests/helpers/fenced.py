"""Programs and files quoted in a page of the documentation."""

import re


def block(page: str, opening: str) -> str:
    """Return the only fenced block with this beginning."""
    found = re.findall(rf"^```{re.escape(opening)}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, opening
    return str(found[0])
