import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.data.subword import count_words, learn_codes, segment

LINES = ["low low low low low lower lower", "newest newest newest newest newest newest widest"]


def test_counts() -> None:
    assert count_words(["a b a", "b"]) == {"a": 2, "b": 2}


def test_codes_do_not_depend_on_the_order() -> None:
    assert learn_codes(LINES, 8) == learn_codes(LINES[::-1], 8)


def test_learning_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    codes = learn_codes(LINES, 8)
    assert codes[0] == "#version: 0.2"
    assert len(codes) == 9
    out, err = capfd.readouterr()
    assert out + err == ""


def test_operations_end_when_nothing_repeats() -> None:
    assert len(learn_codes(["ab ab"], 100)) == 2


@pytest.mark.parametrize("line", ["a b c", "ab cd"])
def test_nothing_to_merge(line: str) -> None:
    with pytest.raises(UserError, match="nothing to merge"):
        learn_codes([line], 5)


def test_segments_join_to_the_words() -> None:
    codes = learn_codes(LINES, 5)
    (line,) = segment(["lowest new w"], codes)
    assert line != "lowest new w"
    assert line.replace("@@ ", "") == "lowest new w"
