"""Fingerprints, weights and cluster requests are unchanged; see measure.py."""

import json
import platform
from pathlib import Path

import measure
import pytest

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


def test_configurations_keep_their_identity_and_requests() -> None:
    assert measure.measure("configured") == GOLDEN["configured"]


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="golden weights are those of an x86-64"
)
def test_every_objective_trains_the_same_weights() -> None:
    assert measure.measure("weights") == GOLDEN["weights"]
