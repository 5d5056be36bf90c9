import subprocess
import sys
from pathlib import Path


def test_snakemake_lint_is_clean(repository: Path, tmp_path: Path):
    result = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--lint"),
            *("--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "good condition" in result.stdout + result.stderr
