from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import Experiment, parse
from alpha_dimt.config.preparation import WordsConfig
from alpha_dimt.report.methods_section import tokens_text, words_text


@pytest.mark.parametrize(
    ("target", "preparation", "text"),
    [
        ("en", {}, "composed (NFC), tokenised and then lower-cased (Moses' rules)"),
        (
            "zh",
            {"unicode": "as_is", "lowercase": "never"},
            "tokenised, their case kept (Moses' rules; each character of zh is a token)",
        ),
        ("zh", {"tokenised": True}, "composed (NFC), tokenised before, lower-cased"),
    ],
)
def test_what_became_of_a_sentence(target: str, preparation: dict[str, Any], text: str) -> None:
    table = {"tsv": "own.tsv"}
    corpus = {"kind": "files", "name": "own", "train": table, "valid": table, "test": table}
    values = {
        "corpus": {**corpus, "target": target},
        "preparation": preparation,
        "systems": {"ml": {"objective": "ml"}},
    }
    assert tokens_text(parse(Experiment, values, "test").run_config("ml", 1)) == text


def test_lists_of_words() -> None:
    a, b = Path("a"), Path("b")
    both = WordsConfig(kind="words", source_list=a, target_list=b)
    assert words_text(both) == "Vocabularies are lists of words"
    one = WordsConfig(kind="words", source_size=5, target_list=b)
    assert words_text(one).endswith(
        "at most 5 source and all target words; for the target, a list of words"
    )
