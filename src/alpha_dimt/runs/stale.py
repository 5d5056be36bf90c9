"""Find stale results: those made with another configuration or from other data.

Snakemake's own records can be missing (`.snakemake` removed, the results copied alone), and dates
can mislead (a file replaced by an older one). This check needs neither: every product has a record
of what it was made from, and the records are compared with the configuration and with each other.
Records are small; no large file is read.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alpha_dimt.config import Experiment
from alpha_dimt.data.manifest import is_unchanged
from alpha_dimt.runs.paths import COLUMNS, identity_of, record_of

Json = dict[str, Any]
TABLES = ("table1", "training", "significance")


@dataclass(frozen=True)
class Results:
    """The results of one experiment: results/{corpus}, as the configuration describes it."""

    experiment: Experiment
    folder: Path

    def stale(self) -> list[Path]:
        """Return the products to make again, one file for each."""
        found = [*self._data(), *self._candidates(), *self._searches()]
        for system, seed in self.experiment.runs:
            found += self._run(system, seed)
        return list(dict.fromkeys([*found, *self._collections()]))

    # ------------------------------------------------------------------------------- stages

    def _data(self) -> Iterator[Path]:
        folder, config = self.folder / "data", self.experiment.data_config()
        if _differs(folder / "config.json", config.model_dump(mode="json")):
            yield folder / "config.json"
        raw, text = _read(folder / "raw/report.json"), _read(folder / "text/report.json")
        if raw is not None and not (
            raw.get("config") == config.corpus.fingerprint()
            and all(map(is_unchanged, raw.get("sources", [])))
        ):
            yield folder / "raw/report.json"
        encoded = _read(folder / "encoded/report.json")
        for stage, report, before in (("text", text, raw), ("encoded", encoded, text)):
            if report is not None and not _follows(report, before, config.fingerprint()):
                yield folder / stage / "report.json"
        for about in (encoded or {}).get("vocabularies", {}).values():
            if "list" in about and not is_unchanged(about["list"]):
                yield folder / "encoded/report.json"
        if not all(map(is_unchanged, (encoded or {}).get("tokeniser", []))):
            yield folder / "encoded/report.json"

    def _candidates(self) -> Iterator[Path]:
        for system, objective in self.experiment.systems.items():
            if objective.needs().proposal:
                for seed in self.experiment.seeds_of(system):
                    config = self.experiment.augment_config(system, seed)
                    name = f"{config.proposal.fingerprint()}/seed{seed}.json"
                    if _differs(self.folder / "augmented" / name, config.model_dump(mode="json")):
                        yield self.folder / "augmented" / name

    def _searches(self) -> Iterator[Path]:
        for name, search in self.experiment.decoding.searches.items():
            path = self.folder / f"decoding/{name}.json"
            if _differs(path, search.model_dump(mode="json")):
                yield path

    def _run(self, system: str, seed: int) -> Iterator[Path]:
        config = self.experiment.run_config(system, seed)
        folder = self._folder_of(system, seed)
        about = _read(folder / "run.json")
        if about is None:
            return
        made = [about.get("run_key"), *_sums(about.get("data"), "train.arrow", "valid.arrow")]
        right = [config.fingerprint(), *self._splits("train", "valid")]
        if config.start:
            start = _read(self._folder_of(config.start.system, seed) / "run.json") or {}
            made += _sums(about.get("data"), "best.safetensors")
            right += _sums(start.get("files"), "weights")
        unchanged = all(map(is_unchanged, about.get("first_weights", [])))
        if (
            made != right
            or not unchanged
            or _differs(folder / "config.json", config.model_dump(mode="json"))
        ):
            yield folder / "config.json"
        tested = [f"test.{search}" for search in self.experiment.decoding.searches]
        for name in dict.fromkeys([*COLUMNS.values(), *tested]):
            yield from self._translated(folder, name, about)

    def _translated(self, folder: Path, name: str, about: Json) -> Iterator[Path]:
        """Yield translations and scores of one split and search that do not belong to the run."""
        split, search = name.split(".")
        text = folder / f"hypotheses/{name}.txt"
        record = _read(record_of(text))
        if record is None:
            return
        decoding = self.experiment.decoding.searches[search]
        made = (record.get("weights"), record.get("decoding"), [record.get("split")])
        right = (
            _sums(about.get("files"), "weights")[0],
            decoding.model_dump(mode="json"),
            self._splits(split),
        )
        if made != right:
            yield text
        scores = folder / f"scores/{name}.json"
        report = _read(scores)
        if report is not None and not self._scored(report, record, split):
            yield scores

    def _scored(self, report: Json, record: Json, split: str) -> bool:
        """Return whether scores belong to these translations and to the current references."""
        target = self.experiment.corpus.target
        reference = self._text.get("splits", {}).get(split, {}).get("sha256", {}).get(target)
        with suppress(KeyError, TypeError):
            found = report["hypotheses"]["sha256"], report["references"]["tokenised"]["sha256"]
            return found == (record.get("hypotheses"), reference)
        return False

    def _collections(self) -> Iterator[Path]:
        """Yield tables, figures and examples that were made from other runs or older ones."""
        identities = self._identities()
        names = [*TABLES]
        # What an earlier configuration left of it has no rule that makes it again.
        if self.experiment.decoding.searches.keys() - {"greedy", "beam"}:
            names.append("searches")
        tables = [(self.folder / f"tables/{name}.json", identities) for name in names]
        examples = self.folder / "report/examples.json", self._first_weights()
        for path, right in (*tables, examples):
            made = _read(path)
            if made is None or right is None:
                continue
            if made.get("made_from") != list(map(list, right)):
                yield path
                figure = self.folder / "figures/scores.svg"
                if path.stem == "table1" and figure.exists():
                    yield figure

    def _identities(self) -> list[tuple[str, str]] | None:
        """Return what tables are made from, see `made_from_runs`; None if a run is not scored."""
        found = []
        for system in self.experiment.systems:
            for seed in sorted(self.experiment.seeds_of(system)):
                folder = self._folder_of(system, seed)
                about = _read(folder / "run.json") or {}
                reports = {
                    column: _read(folder / f"scores/{name}.json") or {}
                    for column, name in COLUMNS.items()
                }
                try:
                    found.append((f"{system}/seed{seed}", identity_of(about["run_key"], reports)))
                except (KeyError, TypeError):
                    return None
        return found

    def _first_weights(self) -> list[tuple[str, Any]]:
        seed = self.experiment.seeds[0]
        return [
            (
                f"{system}/seed{seed}",
                ((_read(self._folder_of(system, seed) / "run.json") or {}).get("files") or {}).get(
                    "weights"
                ),
            )
            for system in self.experiment.systems
        ]

    # ------------------------------------------------------------------------------ helpers

    @cached_property
    def _encoded(self) -> Json:
        return _read(self.folder / "data/encoded/report.json") or {}

    @cached_property
    def _text(self) -> Json:
        return _read(self.folder / "data/text/report.json") or {}

    def _folder_of(self, system: str, seed: int) -> Path:
        return self.folder / f"runs/{system}/seed{seed}"

    def _splits(self, *names: str) -> list[Any]:
        """Return the checksums of encoded splits from their report."""
        splits = self._encoded.get("splits", {})
        return [splits.get(name, {}).get("sha256") for name in names]


def _follows(report: Json, before: Json | None, key: str) -> bool:
    """Return whether a stage used this configuration and the current output of the stage before."""
    files = (before or {}).get("files", {})
    made_from = report.get("made_from")
    return (
        report.get("config") == key
        and isinstance(made_from, dict)
        and all(files.get(name) == found for name, found in made_from.items())
    )


def _sums(record: Any, *names: str) -> list[Any]:
    return [record.get(name) if isinstance(record, dict) else None for name in names]


def _read(path: Path) -> Json | None:
    """Return a record; None if it is missing, an empty one if it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _differs(path: Path, right: Json) -> bool:
    """Return whether a record exists and differs from the right one."""
    found = _read(path)
    return found is not None and found != right
