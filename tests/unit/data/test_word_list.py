from pathlib import Path

import pytest

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.core.errors import UserError
from alpha_dimt.data.word_list import read_word_list


def read(folder: Path, text: str, preparation: Preparation | None = None) -> list[str]:
    path = folder / "words.txt"
    path.write_bytes(text.encode())
    return read_word_list(path, preparation or Preparation()).words


def test_one_word_a_line(tmp_path: Path) -> None:
    assert read(tmp_path, "haus\r\nu\u0308ber\n&apos;s\n.") == ["haus", "über", "&apos;s", "."]
    as_it_is = Preparation(unicode="as_is")
    assert read(tmp_path, "u\u0308ber\n", as_it_is) == ["u\u0308ber"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"words\.txt: the file is empty"),
        ("haus\n\nhund\n", r"words\.txt:2: this line is blank"),
        ("haus\n \nhund\n", r"words\.txt:2: this line is blank"),
        ("haus 12\n", r"words\.txt:1: 'haus 12' has a space; .* without counts"),
        ("haus\t12\n", r"words\.txt:1: .* has a space"),
        ("haus \n", r"words\.txt:1: 'haus ' has a space"),
        ("haus\nhund\nhaus\n", r"words\.txt:3: 'haus' is also in line 1"),
        ("\u00fcber\nu\u0308ber\n", r"words\.txt:2: 'über' is also in line 1"),
        ("<unk>\nhaus\n", r"words\.txt:1: <unk> is added to every vocabulary"),
        ("haus\nh\0\n", r"words\.txt:2: this line holds a NUL byte"),
    ],
)
def test_invalid_word_lists(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: there is no such file"):
        read_word_list(tmp_path / "none.txt", Preparation())
