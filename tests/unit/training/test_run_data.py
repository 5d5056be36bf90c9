"""What run.json says about the files that a run was trained on."""

from pathlib import Path

import pytest
from copy_task import experiment, write_corpus

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json, sha256
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.training.run import train_run


def test_candidates_do_not_hide_the_checksum_of_the_corpus(tmp_path: Path) -> None:
    config = experiment(max_epochs=1)
    encoded = write_corpus(tmp_path / "encoded", train=32)
    ours, hiding = tmp_path / "my/a.arrow", tmp_path / "my/train.arrow"
    augment_corpus(config.augment_config("raml", 1), encoded=encoded, out=ours)
    hiding.write_bytes(ours.read_bytes())

    def trained(augmented: Path) -> None:
        train_run(
            config.run_config("raml", 1),
            encoded=encoded,
            augmented=augmented,
            start=None,
            state=tmp_path / "state",
            out=tmp_path / "run",
            threads=1,
            device="cpu",
        )

    with pytest.raises(UserError, match=r"my/train\.arrow: .*encoded/train\.arrow .*; rename one"):
        trained(hiding)
    assert not (tmp_path / "run").exists()

    trained(ours)

    files = [encoded / "train.arrow", encoded / "valid.arrow", ours]
    data = read_json(tmp_path / "run/run.json")["data"]
    assert data == {path.name: sha256(path) for path in files}
