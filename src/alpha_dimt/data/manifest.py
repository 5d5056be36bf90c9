"""The report.json of each preparation stage, and the checks of it by later stages.

Names and dates of files prove nothing: a folder may be copied, a file replaced, a configuration
changed in between. So each stage records its configuration and the SHA-256 of its output, and the
next stage compares.
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
        folder: output folder of the stage.
        made_by: command that writes it.

    Raises:
        UserError: the report is missing or has another form.
    """
    path = folder / "report.json"
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file, so it is unknown how {folder} was made; run "
            f"`alpha-dimt {made_by}` again"
        )
    report = read_json(path)
    if not isinstance(report, dict) or "config" not in report:
        raise UserError(f"{path}: this is not what `alpha-dimt {made_by}` writes; run it again")
    return report


def source_of(path: Path) -> dict[str, Any]:
    """Return the record of a user's own file; its date saves reading an unchanged file again."""
    about = path.stat()
    return {
        "path": str(path),
        "size": about.st_size,
        "modified_ns": about.st_mtime_ns,
        "changed_ns": about.st_ctime_ns,
        "sha256": sha256(path),
    }


def is_unchanged(source: Mapping[str, Any]) -> bool:
    """Return whether a user's file still has the recorded content, whatever its date."""
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
    """Check that a stage wrote this text with the given configuration.

    Text without a report was made elsewhere and is not checked.

    Args:
        folder: folder of the text.
        made_by: command that writes it.
        config: configuration that the text must have been made with.
        sums: SHA-256 of the files that are read, by name.

    Raises:
        UserError: the text was made with another configuration, or a file has changed since.
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
    """Check that encoded splits were made with a configuration.

    Args:
        encoded: folder of the splits.
        config: configuration of the data.
        sums: SHA-256 of the files that are read, by name ("train.arrow").

    Raises:
        UserError: they were made with another configuration, or a file has changed since.
    """
    report = read_report(encoded, "encode")
    if report["config"] != config.fingerprint():
        raise UserError(
            f"{encoded}: this corpus was not prepared with the configuration of the run; run "
            "`alpha-dimt encode` (or the workflow) again"
        )
    check_splits(encoded, report, sums)


def check_splits(encoded: Path, report: Mapping[str, Any], sums: Mapping[str, str]) -> None:
    """Check that encoded splits match their report.

    Raises:
        UserError: one does not; names the file.
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
    """Check that a corpus is encoded with the vocabularies of a run.

    Args:
        encoded: folder of the corpus.
        report: content of its report.json.
        sums: SHA-256 of the run's vocabularies, by language.
        run: run folder, for the error.

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
