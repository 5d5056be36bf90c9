import pytest

from alpha_dimt.data.unspaced import is_unspaced, join, separate


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("我在Apple公司工作了3.5年。", "我 在 Apple 公 司 工 作 了 3.5 年 。"),
        ("Tシャツは３枚、スーパーへ", "T シ ャ ツ は ３ 枚 、 ス ー パ ー へ"),
        # A mark stays with its letter, digits stay together.
        ("วันนี้ ๑๒ กม.", "วั น นี้ ๑๒ ก ม ."),
        ("မြန်မာ ၁၂", "မြ န် မာ ၁၂"),
        ("ខ្ញុំ", "ខ្ ញុំ"),
        ("བོད་", "བོ ད ་"),
        # Korean has spaces, and other scripts are not affected.
        ("한국어 для всех", "한국어 для всех"),
        ("  ", ""),
    ],
)
def test_each_character_is_a_token(text: str, characters: str) -> None:
    assert separate(text) == characters
    assert separate(characters) == characters


@pytest.mark.parametrize(
    "text",
    ["我在Apple公司工作了3.5年。", "等等……——“你好”？！", "Tシャツは３枚", "วันนี้3.5กม.", "བོད་སྐད།"],
)
def test_joined_again(text: str) -> None:
    assert join(separate(text)) == text


def test_spaces_between_words_of_other_scripts_stay() -> None:
    assert join("我 住 在 New York , 你 呢 ？") == "我住在New York ,你呢？"
    assert join("日本　語") == "日本語"


def test_languages() -> None:
    assert all(map(is_unspaced, ["zh", "yue", "ja", "th", "km", "lo", "my", "bo", "dz"]))
    assert not any(map(is_unspaced, ["ko", "de", "vi", "ar", "yo"]))
