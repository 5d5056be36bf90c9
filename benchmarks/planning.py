"""Plan grids of growing size: `python benchmarks/planning.py docs/results/planning`.

Writes the numbers (.csv) and a plot (.svg). A grid is objective x alpha x tau x seed; `snakemake
--dry-run` plans each from scratch in its own process.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import islice, product
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import yaml

REPOSITORY = Path(__file__).parents[1]
SEEDS = 10
RUNS = (50, 100, 200, 500, 1000, 2000)


def grid(runs: int) -> dict[str, object]:
    """Return a configuration with this number of runs, ten seeds per system."""
    values = product([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], range(1, 101))
    systems = {
        f"alpha{alpha}-tau{tau / 10}": {"objective": "alpha", "alpha": alpha, "tau": tau / 10}
        for alpha, tau in islice(values, runs // SEEDS)
    }
    return {"corpus": {"kind": "toy"}, "systems": systems, "seeds": list(range(1, SEEDS + 1))}


def plan(runs: int) -> dict[str, float]:
    """Return jobs, time and memory of a whole plan, and the time to plan a single job.

    On a cluster each job starts Snakemake twice, which reads the whole configuration again. Times
    are wall time and, unaffected by other load, processor time; in seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(grid(runs), sort_keys=False), encoding="utf-8")
        snakemake = [
            *(sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2"),
            *("--snakefile", REPOSITORY / "Snakefile", "--directory", folder),
            *("--configfile", config),
        ]
        output, seconds, processor, megabytes = measured(snakemake)
        total = re.search(r"^total +(\d+)$", output, flags=re.MULTILINE)
        assert total, output
        _, _, one_job, _ = measured([*snakemake, "--", "results/toy/data/config.json"])
    return {
        "runs": runs,
        "jobs": int(total[1]),
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "megabytes": round(megabytes),
        "one_job_processor_seconds": round(one_job, 1),
    }


def measured(command: list[object]) -> tuple[str, float, float, float]:
    """Run a command; return its output, seconds, processor seconds and peak memory in MB."""
    started = time.monotonic()
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output
    return output, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def draw(rows: list[dict[str, float]], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    runs = [row["runs"] for row in rows]
    whole = [row["processor_seconds"] for row in rows]
    one = [row["one_job_processor_seconds"] for row in rows]
    axes[0].plot(runs, whole, "o-", label="the whole plan")
    axes[0].plot(runs, one, "o-", label="a single job")
    axes[0].set(xlabel="runs", ylabel="processor seconds", ylim=(0, None))
    axes[0].legend()
    axes[1].plot(runs, [row["megabytes"] for row in rows], "o-")
    axes[1].set(xlabel="runs", ylabel="megabytes", ylim=(0, None))
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="prefix of the .csv and .svg files")
    parser.add_argument("--runs", type=int, nargs="+", default=RUNS, help="sizes of the grids")
    arguments = parser.parse_args()
    rows = []
    for runs in arguments.runs:
        rows.append(plan(runs))
        print(rows[-1], flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, arguments.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
