import pytest

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.detokenise import detokenise
from alpha_dimt.data.tokenise import tokenise


def test_escapes_are_undone() -> None:
    lines = [
        "&quot; it &apos;s a &#91; b &#93; , isn &apos;t it ? &quot;",
        "",
        "a &amp; b &#124; c",
    ]
    assert detokenise(lines, "en") == ["\"it's a [b], isn't it?\"", "", "a & b | c"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "我爱北京,你呢？"),
        ("zh", "我在Apple公司工作了3.5年……"),
        ("ja", "「Tシャツ」を3枚買いました。"),
        ("th", "ฉันรักประเทศไทย"),
        ("km", "ខ្ញុំស្រលាញ់កម្ពុជា។"),
        ("my", "ကျွန်တော်မြန်မာစကားပြောတတ်တယ်။"),
        ("ko", "오늘은 날씨가 좋네요, 그렇죠?"),
        ("ar", "هل فهمت؟ نعم، فهمت."),
        ("hi", "मैं हिन्दी बोलता हूँ।"),
        ("yo", "Ìlẹ̀ wọ̀n ẹ̀tọ́."),
        ("fa", "می\u200cخواهم بروم."),
    ],
)
def test_text_comes_back_as_it_was(language: str, text: str) -> None:
    tokens = tokenise([text], language, Preparation(lowercase="never"))
    assert detokenise(tokens, language) == [text]
