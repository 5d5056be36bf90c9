"""Whole runs on text that is odd for a pipeline made for German and English."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Written for this test.
CHINESE = [
    ("我有一只猫。", "I have a cat."),
    ("我有一只狗。", "I have a dog."),
    ("你有一只猫。", "You have a cat."),
    ("猫在睡觉。", "The cat is sleeping."),
    ("狗在睡觉。", "The dog is sleeping."),
    ("狗在喝水。", "The dog drinks water."),
    ("今天很热。", "It is hot today."),
    ("今天很冷,你呢？", "It is cold today, and you?"),
    ("我在 Apple 工作了3.5年。", "I worked at Apple for 3.5 years."),
    ("谢谢！", "Thank you!"),
]
SMALL = {
    "preparation": {"max_ratio": 5},
    "proposal": {"slices": 2},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"batch_size": 16, "max_epochs": 1, "min_epochs": 0, "threads": 1},
    "decoding": {"beam": 2, "max_length": 30},
    "systems": {"alpha0.5": {"objective": "alpha", "alpha": 0.5}},
}


def configuration(source: str, target: str, **preparation):
    """Return an experiment on train, valid and test beside the configuration."""
    corpus = {"kind": "files", "name": "own", "source": source, "target": target}
    for split in ("train", "valid", "test"):
        corpus[split] = {"source": f"{split}.{source}", "target": f"{split}.{target}"}
    return {**SMALL, "corpus": corpus, "preparation": {**SMALL["preparation"], **preparation}}


def write(folder: Path, languages: tuple[str, str], **splits: list[tuple[str, str]]) -> None:
    for split, pairs in splits.items():
        for side, language in enumerate(languages):
            text = "".join(f"{pair[side]}\n" for pair in pairs)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")


def finish(workflow) -> Path:
    """Run to the end; return the folder of results."""
    result = workflow.run()
    assert result.returncode == 0, result.stdout + result.stderr
    assert (workflow.folder / "results/own/report/index.html").exists()
    return workflow.folder / "results/own"


def scores_of(results: Path) -> dict:
    path = results / "runs/alpha0.5/seed1/scores/test.beam.json"
    return json.loads(path.read_text(encoding="utf-8"))["scores"]


def check_chinese(results: Path, target: str) -> None:
    report = json.loads((results / "data/text/report.json").read_text(encoding="utf-8"))
    tokens, pairs = report["splits"]["train"]["tokens"], report["splits"]["train"]["pairs"]
    # A sentence is not one word: about as many tokens as in English.
    assert tokens["zh"] / pairs > 4
    assert 0.5 < tokens["zh"] / tokens["en"] < 2.5
    scores = scores_of(results)
    if target == "zh":
        assert "tok:zh" in scores["sacrebleu"]["signature"]
        assert "each character" in scores["multi_bleu"]["definition"]
    else:
        assert "tok:13a" in scores["sacrebleu"]["signature"]
        assert "each character" not in scores["multi_bleu"]["definition"]


@pytest.mark.parametrize("languages", [("zh", "en"), ("en", "zh")])
def test_chinese(make_workflow, languages: tuple[str, str]):
    workflow = make_workflow(configuration(*languages))
    pairs = CHINESE if languages[0] == "zh" else [pair[::-1] for pair in CHINESE]
    write(workflow.folder, languages, train=pairs * 10, valid=pairs, test=pairs)

    results = finish(workflow)

    check_chinese(results, languages[1])
    log = (results / "logs/tokenise.log").read_text(encoding="utf-8").splitlines()
    assert log == [
        "train: 100 pairs of 100 read",
        "valid: 10 pairs",
        "test: 10 pairs",
    ]
    translated = subprocess.run(
        [sys.executable, "-m", "alpha_dimt", "translate", "--run", results / "runs/alpha0.5/seed1"],
        input=f"{pairs[0][0]}\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert translated.stdout.count("\n") == 1


@pytest.mark.parametrize("languages", [("zh", "en"), ("en", "zh")])
def test_a_public_chinese_corpus(make_workflow, languages: tuple[str, str]):
    folder = os.environ.get("ALPHA_DIMT_TEST_FIELD")
    if not folder:
        pytest.skip("ALPHA_DIMT_TEST_FIELD does not name a folder of odd inputs")
    packed = Path(folder) / "corpora/en-zh.unspaced.tsv.gz"
    rows = gzip.decompress(packed.read_bytes()).decode().split("\n")[:-1]
    pairs = [tuple(row.split("\t")) for row in rows]
    if languages[0] == "zh":
        pairs = [pair[::-1] for pair in pairs]
    workflow = make_workflow(
        configuration(*languages, vocabulary={"kind": "bpe", "operations": 500})
    )
    # They go from short to long.
    write(
        workflow.folder,
        languages,
        train=[pair for number, pair in enumerate(pairs) if number % 40 > 1],
        valid=pairs[::40],
        test=pairs[1::40],
    )

    check_chinese(finish(workflow), languages[1])


def test_tokens_and_lists_of_your_own(make_workflow):
    words = {"kind": "words", "source_list": "words.de", "target_list": "words.en"}
    workflow = make_workflow(configuration("de", "en", tokenised=True, vocabulary=words))
    pairs = [
        ("das ist peters haus .", "it &apos;s peter &apos;s house ."),
        ("das ist ein hund .", "it &apos;s a dog ."),
    ] * 3
    write(workflow.folder, ("de", "en"), train=pairs * 8, valid=pairs, test=pairs)
    for side, language in enumerate(("de", "en")):
        listed = dict.fromkeys(word for pair in pairs for word in pair[side].split(" "))
        (workflow.folder / f"words.{language}").write_text("\n".join([*listed, "xyzzy"]) + "\n")

    results = finish(workflow)

    raw = (results / "data/text/test.raw.en").read_text(encoding="utf-8")
    assert raw.startswith("it's peter's house.\nit's a dog.\n")
    for key in ("sacrebleu", "chrf", "ter"):
        assert "against the detokenised reference" in scores_of(results)[key]["definition"]
    assert "xyzzy" in (results / "data/encoded/vocab.en.txt").read_text(encoding="utf-8")

    assert workflow.planned() == {}
    with (workflow.folder / "words.en").open("a") as file:
        file.write("more\n")
    assert "encode" in workflow.planned()
    assert "tokenise" not in workflow.planned()


def test_a_missing_list_is_one_line(make_workflow):
    words = {"kind": "words", "source_list": "words.de"}
    values = {**configuration("de", "en"), "corpus": {"kind": "toy"}}
    workflow = make_workflow({**values, "preparation": {"vocabulary": words}})

    result = workflow.run()

    assert result.returncode != 0
    assert "words.de: there is no such file; check preparation.vocabulary" in result.stderr
    assert not (workflow.folder / "results").exists()
