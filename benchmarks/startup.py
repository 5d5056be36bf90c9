"""The start-up time of the command line."""

import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "python_startup_s": ["-c", "pass"],
    "import_s": ["-c", "import alpha_dimt"],
    "cli_startup_s": ["-m", "alpha_dimt", "--help"],
    "table_startup_s": ["-c", "import alpha_dimt.cli, alpha_dimt.config, alpha_dimt.tables.table1"],
}
"""Python alone; the package; the help text; the imports of `alpha-dimt table`."""


def measure(repeats: int) -> dict[str, float]:
    """Return the duration of each process in seconds, the median of interleaved repeats."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, arguments in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - started)
    return {name: median(several) for name, several in seconds.items()}
