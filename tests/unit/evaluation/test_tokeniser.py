from importlib.util import find_spec
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU

from alpha_dimt.evaluation import tokeniser
from alpha_dimt.evaluation.tokeniser import tokeniser_of

FOUND = object()


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has all modules and the model; return where the model is."""
    model = tmp_path / "model"
    model.touch()
    monkeypatch.setattr(tokeniser, "_FLORES", model)
    monkeypatch.setattr(tokeniser, "find_spec", lambda module: FOUND)
    return model


@pytest.mark.parametrize(
    ("language", "name"),
    [
        *(("de", "13a"), ("vi", "13a"), ("zh", "zh"), ("yue", "zh"), ("ja", "ja-mecab")),
        *(("ko", "ko-mecab"), ("th", "flores200"), ("km", "flores200"), ("lo", "flores200")),
        *(("my", "flores200"), ("bo", "flores200")),
    ],
)
def test_the_tokeniser_of_a_language(everything: Path, language: str, name: str) -> None:
    assert tokeniser_of(language) == (name, "")


def test_characters_where_something_is_missing(
    everything: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything.unlink()
    assert tokeniser_of("th") == (
        "char",
        "flores200 needs its model, which sacreBLEU has not fetched",
    )
    monkeypatch.setattr(tokeniser, "find_spec", lambda module: None)
    assert tokeniser_of("ja") == (
        "char",
        "ja-mecab needs MeCab and ipadic, which Python does not find",
    )
    assert tokeniser_of("zh") == ("zh", "")


def test_the_model_is_where_sacrebleu_looks_for_it() -> None:
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS

    assert tokeniser._FLORES.name == SPM_MODELS["flores200"]["url"].rsplit("/", 1)[1]


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "日本語のテストです。"), ("ko", "저는 한국어를 합니다.")]
)
def test_words_by_dictionary(language: str, text: str) -> None:
    if find_spec("MeCab") is None or find_spec("mecab_ko") is None:
        pytest.skip("MeCab is not installed: install requirements.lock")
    name, reason = tokeniser_of(language)
    assert reason == ""
    metric = BLEU(tokenize=name)
    assert metric.corpus_score([text], [[text]]).score == pytest.approx(100)
    assert f"tok:{name}" in str(metric.get_signature())
