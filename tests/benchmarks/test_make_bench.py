"""The whole harness, at sizes so small that its numbers mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contenders import Contender
from benchmarks.sizes import QUICK_AXES

PROMISED = {
    *("train_ml_tok_s", "train_alpha_k1_tok_s", "train_alpha_k4_tok_s"),
    *("plain_fp32_tok_s", "greedy_sent_s", "beam10_sent_s", "augment_cand_s"),
    *("gemm_peak_gflop_s", "peak_rss_mb", "few_batches_ml_tok_s", "few_batches_ml_over_plain_fp32"),
}


@pytest.mark.slow
def test_one_run_measures_everything(tmp_path: Path, repository: Path):
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    command += ["--out", str(tmp_path / "out"), "--peers", str(tmp_path / "none")]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert summary.keys() >= PROMISED
    assert ("plain_bf16_tok_s" in summary) == (
        summary["gemm_peak_gflop_s"] == summary["gemm_bf16_gflop_s"]
    )
    assert all(isinstance(value, float | int) and value > 0 for value in summary.values())
    assert not any(name.startswith("peer_") for name in summary)
    report = (tmp_path / "out" / "benchmarks.md").read_text("utf-8")
    assert result.stdout.strip() == report.strip()
    for axis in QUICK_AXES:
        assert f"(benchmarks/{axis.name}.svg)" in report
        assert (tmp_path / "out" / "benchmarks" / f"{axis.name}.svg").exists()
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"benchmarks", "benchmarks.md", "logs", "summary.json"}


def test_a_contender_that_fails_shows_why(tmp_path: Path):
    with pytest.raises(
        RuntimeError, match=r"(?s)benchmarks\.gemm ended early; .*KeyError: 'sizes'"
    ):
        Contender("benchmarks.gemm", {}, log=tmp_path / "log")
