"""Loading the tokeniser of a pretrained model."""

from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import write_json
from alpha_dimt.core.pretrained_tokeniser import load_tokeniser


def test_code_in_the_folder_is_neither_run_nor_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran, asked = tmp_path / "model", tmp_path / "ran", list[Any]()
    folder.mkdir()
    code = f"open({str(ran)!r}, 'w')\nclass Own: from_pretrained = lambda *a, **k: 1 / 0\n"
    (folder / "own.py").write_text(code, encoding="utf-8")
    own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
    write_json(folder / "tokenizer_config.json", own)

    def yes(*prompt: object) -> str:
        asked.append(prompt)
        return "y"

    monkeypatch.setattr("builtins.input", yes)
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(UserError, match="no tokeniser could be loaded from here"):
        load_tokeniser(folder)
    assert not asked
    assert not ran.exists()
