"""A home that is missing or read-only, as on some clusters and in containers."""

from pathlib import Path

import pytest
from small_disk import SmallDisk

TINY = {
    "corpus": {"kind": "toy", "train": 40, "valid": 4, "test": 4},
    "systems": {"ml": {"objective": "ml"}},
}


@pytest.mark.parametrize("home", ["missing", "read-only"])
def test_the_local_profile_needs_no_home(
    make_workflow, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, home: str
):
    small_disk.read_only()
    folder = Path("/proc/none") if home == "missing" else small_disk.folder
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    result = make_workflow(TINY).run("data")

    assert result.returncode == 0, result.stderr
    assert "Read-only" not in result.stderr
