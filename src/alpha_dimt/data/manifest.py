"""What a prepared corpus says of itself in its report.json, and the checks of who reads it.

Names and dates of files prove nothing: a folder may be copied, a file replaced, a configuration
changed in between. So each stage notes the configuration that it worked by and the SHA-256 of what
it wrote, and the next one compares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpha_dimt.config import DataConfig
from alpha_dimt.errors import UserError
from alpha_dimt.files import read_json


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
