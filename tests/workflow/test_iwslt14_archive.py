"""config/iwslt14.yaml on an archive of the official layout, whose test side is the official one."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from alpha_dimt.data.corpora import iwslt14

pytestmark = pytest.mark.slow

PAIRS = 2_300
"""Training pairs of the archive; they are not the release's, whose text is not at hand."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive as WIT3 released it: official XML for test, other pairs for training."""
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if not folder or not (Path(folder) / "iwslt14-official-xml").is_dir():
        pytest.skip("ALPHA_DIMT_TEST_DATA names no folder with iwslt14-official-xml")
    real = Path(folder)
    path = tmp_path_factory.mktemp("mirror") / "de-en.tgz"
    with tarfile.open(path, "w:gz") as made:
        for language in ("de", "en"):
            packed = (real / f"iwslt14-part/train.{language}.gz").read_bytes()
            lines = gzip.decompress(packed).decode().split("\n")[:PAIRS]
            add(made, iwslt14.training_member("de", "en", language), "\n".join(lines).encode())
            for member in iwslt14.test_members("de", "en", language):
                packed = (real / f"iwslt14-official-xml/{Path(member).name}.gz").read_bytes()
                add(made, member, gzip.decompress(packed))
    return path


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def test_its_own_check_names_what_is_not_the_papers(
    repository: Path, archive: Path, tmp_path: Path
):
    content = archive.read_bytes()
    about = {"size": len(content), "md5": hashlib.md5(content).hexdigest()}
    corpus = json.dumps({"mirrors": [str(archive.parent)], **about})

    result = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "1", "data"),
            *("--snakefile", str(repository / "Snakefile"), "--directory", str(tmp_path)),
            *("--configfile", str(repository / "config/iwslt14.yaml")),
            *("--config", f"corpus={corpus}"),
        ],
        capture_output=True,
        text=True,
        timeout=900,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    text = tmp_path / "results/iwslt14/data/text"
    report = json.loads((text / "report.json").read_text(encoding="utf-8"))
    # The test side is the published one, to the byte.
    expected = iwslt14.expected()
    for language in ("de", "en"):
        assert report["splits"]["test"]["sha256"][language] == expected[f"test.{language}"].sha256
    # What differs is the training text, and the validation text that is cut from it.
    found = report["differences"]
    train, valid = (report["splits"][split]["pairs"] for split in ("train", "valid"))
    # Its tokens are tokenised once more, so some pairs are too long or too unequal.
    assert PAIRS * 0.8 < train + valid < PAIRS
    assert valid == (train + valid) // 23
    assert found[0] == f"train has {train:,} pairs instead of 153,326"
    assert not [difference for difference in found if "/test." in difference]
    for name in ("valid.de", "valid.en"):
        assert [one for one in found if f"/{name} has {valid:,} lines instead of 6,969" in one]
    log = (tmp_path / "results/iwslt14/logs/tokenise.log").read_text(encoding="utf-8")
    assert all(difference.split("/")[-1] in log for difference in found)
