"""The files of one run of an experiment, where the workflow keeps them."""

from dataclasses import dataclass
from pathlib import Path

from alpha_dimt.config import Experiment, RunConfig, load
from alpha_dimt.core.errors import UserError


@dataclass(frozen=True)
class RunFiles:
    """Folders and files of a training; see `train_run`. None: not given, or not needed."""

    encoded: Path | None
    augmented: Path | None
    start: Path | None
    state: Path | None
    out: Path | None

    def filled(self, others: "RunFiles") -> "RunFiles":
        """Return the same, with those of others where there are none."""
        return RunFiles(
            encoded=self.encoded or others.encoded,
            augmented=self.augmented or others.augmented,
            start=self.start or others.start,
            state=self.state or others.state,
            out=self.out or others.out,
        )


def of_experiment(path: Path, system: str, seed: int) -> tuple[RunConfig, RunFiles, int]:
    """Return a run of an experiment, its files as the workflow names them, and `seconds`.

    The last are those from one checkpoint to the next (`checkpoints.seconds`).

    Raises:
        UserError: the configuration is wrong, has no such system or seed, or a file that the run
            needs is not there yet.
    """
    experiment = load(Experiment, path)
    if (system, seed) not in experiment.runs:
        known = ", ".join(f"{name} {number}" for name, number in experiment.runs)
        raise UserError(
            f"{path}: there is no run of {system} with seed {seed}; system and seed are one of "
            f"{known}"
        )
    config = experiment.run_config(system, seed)
    results = Path("results", experiment.corpus.name)
    candidates = start = None
    if config.proposal:
        candidates = results / f"augmented/{config.proposal.fingerprint()}/seed{seed}.arrow"
    if config.start:
        start = results / f"runs/{config.start.system}/seed{seed}/best.safetensors"
    encoded = results / "data/encoded"
    for needed, target in (
        (encoded / "report.json", "data"),
        (candidates, str(candidates)),
        (start, str(start)),
    ):
        if needed and not needed.exists():
            raise UserError(
                f"{needed}: this is needed and not there yet; make it: "
                f"alpha-dimt run {path} {target}"
            )
    checkpoints, out = experiment.checkpoints, results / f"runs/{system}/seed{seed}"
    files = RunFiles(encoded, candidates, start, checkpoints.of(results), out)
    return config, files, checkpoints.seconds
