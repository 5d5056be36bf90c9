"""What a prepared corpus says of itself in its report.json, and the checks of who reads it.

Names and dates of files prove nothing: a folder may be copied, a file replaced, a configuration
changed in between. So each stage notes the configuration that it worked by and the SHA-256 of what
it wrote, and the next one compares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpha_dimt.config import DataConfig
from alpha_dimt.config.base import Section
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, sha256


def read_report(folder: Path, made_by: str) -> dict[str, Any]:
    """Return the report.json of a stage.

    Args:
        folder: of its results.
        made_by: the command that writes it.

    Raises:
        UserError: there is none, or it is something else.
    """
    path = folder / "report.json"
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file, so nothing says how {folder} was made; run "
            f"`alpha-dimt {made_by}` again"
        )
    report = read_json(path)
    if not isinstance(report, dict) or "config" not in report:
        raise UserError(f"{path}: this is not what `alpha-dimt {made_by}` writes; run it again")
    return report


def source_of(path: Path) -> dict[str, Any]:
    """Return what is noted of a user's own file; the dates save reading it when nothing changed."""
    about = path.stat()
    return {
        "path": str(path),
        "size": about.st_size,
        "modified_ns": about.st_mtime_ns,
        "changed_ns": about.st_ctime_ns,
        "sha256": sha256(path),
    }


def is_unchanged(source: Mapping[str, Any]) -> bool:
    """Return whether a user's file has the content that was noted, whatever its date is."""
    path = Path(source["path"])
    try:
        about = path.stat()
        dates = about.st_size, about.st_mtime_ns, about.st_ctime_ns
        if dates == (source["size"], source["modified_ns"], source["changed_ns"]):
            return True
        return bool(about.st_size == source["size"] and sha256(path) == source["sha256"])
    except OSError:
        return False


def check_stage(folder: Path, made_by: str, config: Section, sums: Mapping[str, str]) -> None:
    """Check that the text of a stage is what it wrote, by the configuration that is given.

    Text without a report was not made here, and nothing is known of it.

    Args:
        folder: of the text.
        made_by: the command that writes it.
        config: what it must have been made with.
        sums: SHA-256 of the files that are read, by name.

    Raises:
        UserError: it was made with another configuration, or a file has changed since.
    """
    if not (folder / "report.json").exists():
        return
    report = read_report(folder, made_by)
    if report["config"] != config.fingerprint():
        raise UserError(
            f"{folder}: this text was made with another configuration; run `alpha-dimt {made_by}` "
            "(or the workflow) again"
        )
    noted = report.get("files", {})
    for name, found in sums.items():
        if noted.get(name) != found:
            raise UserError(
                f"{folder / name}: this is not the file that report.json beside it describes; run "
                f"`alpha-dimt {made_by}` (or the workflow) again"
            )


def check_prepared(encoded: Path, config: DataConfig, sums: Mapping[str, str]) -> None:
    """Check that encoded splits are those that a configuration describes.

    Args:
        encoded: their folder.
        config: of the corpus.
        sums: SHA-256 of the files that are read, by name ("train.arrow").

    Raises:
        UserError: they were made with another configuration, or a file is not what was written.
    """
    report = read_report(encoded, "encode")
    if report["config"] != config.fingerprint():
        raise UserError(
            f"{encoded}: this corpus was prepared with another configuration than that of the "
            "run; run `alpha-dimt encode` (or the workflow) again"
        )
    check_splits(encoded, report, sums)


def check_splits(encoded: Path, report: Mapping[str, Any], sums: Mapping[str, str]) -> None:
    """Check that encoded splits are what their report says.

    Raises:
        UserError: one is not; names the file.
    """
    for name, found in sums.items():
        noted = report.get("splits", {}).get(name.removesuffix(".arrow"), {}).get("sha256")
        if found != noted:
            raise UserError(
                f"{encoded / name}: this is not the file that report.json beside it describes; "
                "run `alpha-dimt encode` (or the workflow) again"
            )


def check_vocabularies(
    encoded: Path, report: Mapping[str, Any], sums: Mapping[str, str], run: Path
) -> None:
    """Check that a corpus is encoded by the vocabularies of a run.

    Args:
        encoded: folder of the corpus.
        report: its report.json.
        sums: SHA-256 of the run's vocabularies, by language.
        run: stands in the error.

    Raises:
        UserError: it is not.
    """
    for language, found in sums.items():
        noted = report.get("vocabularies", {}).get(language, {}).get("sha256")
        if found != noted:
            raise UserError(
                f"{encoded}: its {language} vocabulary is not that of {run}; translate the corpus "
                "that the run was trained on, or train the run again"
            )
