import gzip
import math
import os
from pathlib import Path

import pytest

from alpha_dimt.config.preparation import Preparation
from alpha_dimt.data.tokenise import tokenise
from alpha_dimt.evaluation.metrics import detokenised_scores, multi_bleu


def test_a_copy_scores_100() -> None:
    lines = ["a b c d", "e f g h i"]
    score = multi_bleu(lines, lines)
    assert score.value == pytest.approx(100)
    assert str(score) == (
        "BLEU = 100.00, 100.0/100.0/100.0/100.0 (BP=1.000, ratio=1.000, hyp_len=9, ref_len=9)"
    )


def test_closed_form_with_brevity_penalty() -> None:
    # 5 of 6 unigrams, 3 of 5 bigrams, 2 of 4 trigrams, 1 of 3 four-grams; 6 tokens for 8.
    score = multi_bleu(["a b c d x f"], ["a b c d e f g h"])
    assert score.precisions == pytest.approx((500 / 6, 60, 50, 100 / 3))
    penalty = math.exp(1 - 8 / 6)
    assert score.brevity_penalty == pytest.approx(penalty)
    expected = 100 * penalty * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert score.value == pytest.approx(expected)


def test_no_smoothing_and_no_case_folding() -> None:
    assert multi_bleu(["a b c x"], ["a b c d"]).value == 0
    assert multi_bleu(["A B C D"], ["a b c d"]).value == 0


def test_nothing_is_tokenised_again() -> None:
    score = multi_bleu(["it 's 3,5 &quot; u.s."], ["it 's 3,5 &quot; u.s."])
    assert score.hyp_len == 5


@pytest.mark.parametrize("character", ["\x85", "\xa0", "\u2028", "\u2009", "\u3000", "\x1f"])
def test_tokens_are_separated_by_ascii_whitespace_alone(character: str) -> None:
    assert multi_bleu([f"a{character}b c d e"], ["a b c d e"]).hyp_len == 4
    assert multi_bleu([f"a{character}b c d e"], [f"a{character}b c d e"]).value == pytest.approx(
        100
    )
    # A separate token, even if rstrip would remove it.
    assert multi_bleu([f"a b c {character}"], ["a b c d"]).hyp_len == 4


def test_empty_hypotheses_score_0() -> None:
    score = multi_bleu(["", ""], ["a b", "c"])
    assert (score.value, score.hyp_len, score.ref_len, score.brevity_penalty) == (0, 0, 3, 0)


@pytest.mark.parametrize(("hypotheses", "references"), [([], []), (["a"], []), (["a"], ["b", "c"])])
def test_refuses_unequal_numbers(hypotheses: list[str], references: list[str]) -> None:
    with pytest.raises(ValueError, match="hypotheses and"):
        multi_bleu(hypotheses, references)


def test_the_definition_names_the_case_and_the_signature_the_settings() -> None:
    score = multi_bleu(["a b c d"], ["a b c d"], lowercased=True)
    assert score.definition == "multi-bleu, tokenised lower-cased"
    assert "tok:none|smooth:none" in score.signature


def test_detokenised_scores_ignore_case_for_lower_cased_systems() -> None:
    tokenised, raw = ["it &apos;s raining , again ."], ["It's Raining, again."]
    scores = detokenised_scores(tokenised, raw, language="en", lowercased=True)
    assert scores["sacrebleu"].value == pytest.approx(100)
    assert scores["chrf"].value == pytest.approx(100)
    assert scores["ter"].value == 0
    assert all("case:lc" in score.signature for score in scores.values())
    cased = detokenised_scores(tokenised, raw, language="en", lowercased=False)
    assert cased["sacrebleu"].value < 100
    assert cased["ter"].value > 0


UNSPACED = {
    "zh": ["我爱北京天安门。", "今天天气很好,我们去 Apple 公园吧。"],
    "ja": ["日本語のテストです。", "Tシャツを 3枚 買いました。"],
    "th": ["ฉันรักประเทศไทย", "วันนี้อากาศดี 3.5 กม."],
    "km": ["ខ្ញុំស្រលាញ់\u200bកម្ពុជា។"],
    "ko": ["저는 한국어를 조금 합니다.", "오늘은 날씨가 좋네요, 그렇죠?"],
    "ar": ["هل فهمت الآن؟ نعم، فهمت."],
    "yo": ["Ìlẹ̀ wọ̀n ni ẹ̀tọ́."],
}


@pytest.mark.parametrize("language", UNSPACED)
def test_a_perfect_translation_scores_100_in_every_language(language: str) -> None:
    raw = UNSPACED[language]
    tokens = tokenise(raw, language, Preparation(lowercase="never"))
    assert multi_bleu(tokens, tokens).value == pytest.approx(100)
    scores = detokenised_scores(tokens, raw, language=language, lowercased=False)
    assert scores["sacrebleu"].value == pytest.approx(100)
    assert scores["chrf"].value == pytest.approx(100)
    assert scores["ter"].value == 0
    assert detokenised_scores(["x y"] * len(raw), raw, language=language, lowercased=False)[
        "ter"
    ].value == pytest.approx(100)


def test_a_wrong_character_is_not_a_wrong_sentence() -> None:
    raw = ["今天天气很好我们去公园吧。"]
    tokens = tokenise(["今天天气很坏我们去公园吧。"], "zh", Preparation())
    scores = detokenised_scores(tokens, raw, language="zh", lowercased=True)
    # 12 of 13 characters, 10 of 12 pairs, 8 of 11 triples, 6 of 10 quadruples.
    expected = 100 * (12 / 13 * 10 / 12 * 8 / 11 * 6 / 10) ** 0.25
    assert scores["sacrebleu"].value == pytest.approx(expected)
    assert scores["ter"].value == pytest.approx(100 / 13)
    assert scores["sacrebleu"].definition.endswith("case ignored, tokeniser zh")
    assert "tok:zh" in scores["sacrebleu"].signature
    assert scores["ter"].definition.endswith("each character of a script without spaces is a word")
    definition = multi_bleu(tokens, tokens, lowercased=True, characters=True).definition
    assert definition == (
        "multi-bleu, tokenised lower-cased; each character of a script without spaces is a token"
    )


def test_both_sides_are_compared_in_one_form() -> None:
    raw = ["u\u0308ber den Flu\u0308ssen liegt er"]
    tokens = ["über den flüssen liegt er"]
    scores = detokenised_scores(tokens, raw, language="de", lowercased=True)
    assert scores["sacrebleu"].value == pytest.approx(100)
    assert scores["chrf"].value == pytest.approx(100)
    assert scores["ter"].value == 0


def test_a_reference_that_was_detokenised_is_named() -> None:
    scores = detokenised_scores(
        ["a b"], ["a b"], language="de", lowercased=False, detokenised_reference=True
    )
    for score in scores.values():
        assert "detokenised against the detokenised reference" in score.definition


@pytest.mark.parametrize(
    ("system", "line"),
    [
        (
            "ml",
            "BLEU = 28.26, 63.8/36.9/23.1/14.8 "
            "(BP=0.944, ratio=0.946, hyp_len=124030, ref_len=131141)",
        ),
        (
            "alpha0.5",
            "BLEU = 28.49, 64.1/37.2/23.3/14.9 "
            "(BP=0.944, ratio=0.946, hyp_len=124037, ref_len=131141)",
        ),
    ],
)
def test_the_published_outputs_score_as_published(system: str, line: str) -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if folder is None:
        pytest.skip("set ALPHA_DIMT_TEST_DATA to a folder with the published outputs")
    hypotheses = Path(folder, "iwslt14-published", f"{system}.beam10.en.gz")
    references = Path(folder, "iwslt14-prepared", "test.en.gz")

    def lines(path: Path) -> list[str]:
        return gzip.decompress(path.read_bytes()).decode().removesuffix("\n").split("\n")

    assert str(multi_bleu(lines(hypotheses), lines(references))) == line
