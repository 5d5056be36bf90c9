from typing import Any

import pytest

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.preparation import WordsConfig
from alpha_dimt.core.errors import UserError

TABLE = {"tsv": "own.tsv"}
OWN = {"kind": "files", "name": "own", "train": TABLE, "valid": TABLE, "test": TABLE}
WORDS = {"kind": "words", "source_list": "words.de"}


def experiment(corpus: dict[str, Any], **preparation: Any) -> Experiment:
    values = {"corpus": corpus, "preparation": preparation, "systems": {"a": {"objective": "ml"}}}
    return parse(Experiment, values, "test.yaml")


@pytest.mark.parametrize(
    ("corpus", "preparation", "message"),
    [
        (OWN, {"tokenised": True, "normalise_punctuation": True}, "preparation: .*must be false"),
        ({"kind": "toy"}, {"tokenised": True}, "the file: .*for corpus.kind files; toy is raw"),
        (OWN, {"vocabulary": {**WORDS, "source_size": 5}}, "preparation.vocabulary: .*source_size"),
        (OWN, {"vocabulary": {**WORDS, "min_frequency": 2}}, "vocabulary: .*min_frequency must"),
        (OWN, {"vocabulary": {**WORDS, "kind": "bpe"}}, "source_list: .* not take the key"),
        (OWN, {"unicode": "nfd"}, "preparation.unicode: "),
    ],
)
def test_keys_that_do_not_go_together(
    corpus: dict[str, Any], preparation: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=rf"test\.yaml: .*{message}") as caught:
        experiment(corpus, **preparation)
    assert "\n" not in str(caught.value)


def test_a_list_for_one_side_and_a_size_for_the_other() -> None:
    words = experiment(OWN, vocabulary={**WORDS, "target_size": 9}).preparation.vocabulary
    assert isinstance(words, WordsConfig)
    assert [str(path) for path in words.lists] == ["words.de"]
    assert experiment({"kind": "toy"}).preparation.vocabulary == WordsConfig(kind="words")


def test_tokenised_text_of_your_own() -> None:
    config = experiment(OWN, tokenised=True)
    assert config.data_config().preparation.tokenised
    assert config.preparation.unicode == "nfc"
