import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import sha256, write_json, write_lines
from alpha_dimt.evaluation.score_files import evaluate_file, print_scores

LINES = ["a b c d e", "f g h\u2028i j"]


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "reference.en"
    write_lines(path, LINES)
    return path


def test_prints_a_line_a_file_and_the_definition(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "hypotheses.en.gz"
    packed.write_bytes(gzip.compress(b"a b c d e\nf g h i j"))
    print_scores(reference, [reference, packed], as_json=False)
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{reference}: BLEU = 100.00, 100.0/")
    assert second.startswith(f"{packed}: BLEU = ")
    assert second.endswith("hyp_len=10, ref_len=9)")
    assert last.startswith("definition: multi-bleu")
    assert "tok:none" in last


def test_json_holds_full_precision_and_the_files(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hypotheses = tmp_path / "hypotheses.en"
    write_lines(hypotheses, ["a b c d x", "f g h\u2028i j"])
    print_scores(reference, [hypotheses], as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["reference"]["lines"] == 2
    (entry,) = document["hypotheses"]
    assert entry["path"] == str(hypotheses)
    assert entry["sha256"] == hashlib.sha256(hypotheses.read_bytes()).hexdigest()
    assert entry["multi_bleu"]["precisions"][0] == pytest.approx(100 * 8 / 9, rel=1e-12)
    assert set(entry["multi_bleu"]) == {
        *("metric", "value", "definition", "signature"),
        *("precisions", "brevity_penalty", "ratio", "hyp_len", "ref_len"),
    }


def test_unequal_numbers_of_lines_name_both_files_before_anything_is_printed(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.en"
    write_lines(short, LINES[:1])
    with pytest.raises(UserError, match=r"short\.en has 1 lines and .*reference\.en has 2"):
        print_scores(reference, [reference, short], as_json=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["empty.en", "empty.en.gz"])
def test_empty_file(reference: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    with pytest.raises(UserError, match=rf"{name}: the file is empty"):
        print_scores(reference, [path], as_json=False)


def test_broken_gzip_and_invalid_text(reference: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.en.gz"
    cut.write_bytes(gzip.compress("\n".join(LINES).encode())[:-9])
    with pytest.raises(UserError, match=r"cut\.en\.gz: this gzip file is incomplete"):
        print_scores(reference, [cut], as_json=False)
    latin = tmp_path / "latin.en.gz"
    latin.write_bytes(gzip.compress(b"a\nf\xfcr\n"))
    with pytest.raises(UserError, match=r"latin\.en\.gz:2: invalid UTF-8 at byte 1"):
        print_scores(reference, [latin], as_json=False)


def test_evaluate_writes_every_score_signed(tmp_path: Path) -> None:
    hypotheses, tokenised, raw = (tmp_path / name for name in ("hyp.txt", "test.en", "test.raw.en"))
    write_lines(hypotheses, ["it &apos;s raining again , sir ."])
    write_lines(tokenised, ["it &apos;s raining again , sir ."])
    write_lines(raw, ["It's raining again, Sir."])
    out = tmp_path / "scores" / "test.greedy.json"
    evaluate_file(hypotheses, tokenised=tokenised, raw=raw, language="en", lowercase=True, out=out)
    report = json.loads(out.read_text())
    assert report["hypotheses"]["path"] == str(hypotheses)
    assert set(report["references"]) == {"tokenised", "raw"}
    assert {key: score["value"] for key, score in report["scores"].items()} == {
        "multi_bleu": pytest.approx(100),
        "sacrebleu": pytest.approx(100),
        "chrf": pytest.approx(100),
        "ter": 0,
    }
    assert report["scores"]["multi_bleu"]["definition"] == "multi-bleu, tokenised lower-cased"
    assert all("version:" in score["signature"] for score in report["scores"].values())


def test_a_language_without_spaces_and_a_reference_made_of_tokens(tmp_path: Path) -> None:
    hypotheses, raw, out = (tmp_path / name for name in ("hyp.txt", "raw.zh", "s.json"))
    files = {"tokenised": hypotheses, "raw": raw, "out": out}
    write_lines(hypotheses, ["今 天 天 气 很 好 。"])
    # A byte order mark is no character of the text.
    write_lines(raw, ["\ufeff今天天气很好。"])
    evaluate_file(hypotheses, **files, language="zh", lowercase=True)
    scores = json.loads(out.read_text())["scores"]
    assert {key: score["value"] for key, score in scores.items()} == {
        "multi_bleu": pytest.approx(100),
        "sacrebleu": pytest.approx(100),
        "chrf": pytest.approx(100),
        "ter": 0,
    }
    assert "character of a script without spaces" in scores["multi_bleu"]["definition"]
    assert "tok:zh" in scores["sacrebleu"]["signature"]
    evaluate_file(hypotheses, **files, language="zh", lowercase=True, detokenised_reference=True)
    scores = json.loads(out.read_text())["scores"]
    assert scores["multi_bleu"]["definition"] == "multi-bleu, tokenised lower-cased"
    assert "the detokenised reference" in scores["sacrebleu"]["definition"]


def test_the_command_line_passes_it_on(tmp_path: Path) -> None:
    from alpha_dimt.cli import cli

    text, out = tmp_path / "text", tmp_path / "s.json"
    write_lines(text, ["a b c d"])
    arguments = ["evaluate", "--hypotheses", text, "--tokenised", text, "--raw", text]
    arguments += ["--language", "en", "--cased", "--detokenised-reference", "--out", out]
    cli(list(map(str, arguments)), standalone_mode=False)
    assert "the detokenised reference" in json.loads(out.read_text())["scores"]["ter"]["definition"]


def test_evaluate_checks_the_raw_reference_too_and_leaves_nothing(tmp_path: Path) -> None:
    hypotheses, raw = tmp_path / "hyp.txt", tmp_path / "test.raw.en"
    write_lines(hypotheses, ["a", "b"])
    write_lines(raw, ["a", "b", "c"])
    out = tmp_path / "scores.json"
    with pytest.raises(UserError, match=r"hyp\.txt has 2 lines and .*test\.raw\.en has 3"):
        evaluate_file(
            hypotheses, tokenised=hypotheses, raw=raw, language="en", lowercase=True, out=out
        )
    assert not out.exists()


def test_real_files_by_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    folder = os.environ.get("ALPHA_DIMT_TEST_DATA")
    if folder is None:
        pytest.skip("set ALPHA_DIMT_TEST_DATA to a folder with the published outputs")
    from alpha_dimt.cli import cli

    files = [
        str(Path(folder, name))
        for name in (
            "iwslt14-prepared/test.en.gz",
            "iwslt14-published/ml.beam10.en.gz",
            "iwslt14-published/alpha0.5.beam10.en.gz",
        )
    ]
    cli(["score", "--json", "--reference", *files], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    values = [round(entry["multi_bleu"]["value"], 2) for entry in document["hypotheses"]]
    assert values == [28.26, 28.49]


def test_scores_say_what_made_the_translations(reference: Path, tmp_path: Path) -> None:
    hypotheses, out = tmp_path / "test.beam.txt", tmp_path / "scores.json"
    write_lines(hypotheses, LINES)
    options = {"tokenised": reference, "raw": reference, "language": "en", "lowercase": True}
    evaluate_file(hypotheses, out=out, **options)  # type: ignore[arg-type]
    assert json.loads(out.read_text())["translated"] is None, "text that was not decoded here"
    record = {"run_key": "a", "weights": "b", "decoding": {}, "hypotheses": sha256(hypotheses)}
    write_json(tmp_path / "test.beam.json", record)
    evaluate_file(hypotheses, out=out, **options)  # type: ignore[arg-type]
    assert json.loads(out.read_text())["translated"] == record
    out.unlink()
    write_lines(hypotheses, LINES[::-1])
    with pytest.raises(UserError, match=r"test\.beam\.txt: this is not the text that"):
        evaluate_file(hypotheses, out=out, **options)  # type: ignore[arg-type]
    assert not out.exists()


@pytest.mark.parametrize("unrelated", ['{"a": 1}', '{"run_key": "a"}', "[]", "1", "no JSON"])
def test_another_json_file_beside_the_text_is_no_record(
    reference: Path, tmp_path: Path, unrelated: str
) -> None:
    hypotheses, out = tmp_path / "h.txt", tmp_path / "scores.json"
    write_lines(hypotheses, LINES)
    (tmp_path / "h.json").write_text(unrelated, encoding="utf-8")
    evaluate_file(
        hypotheses, tokenised=reference, raw=reference, language="en", lowercase=True, out=out
    )
    assert json.loads(out.read_text())["translated"] is None


def test_scores_do_not_overwrite_the_record(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypotheses = tmp_path / "h.txt"
    write_lines(hypotheses, LINES)
    record = {"run_key": "a", "decoding": {}, "hypotheses": sha256(hypotheses)}
    write_json(tmp_path / "h.json", record)
    monkeypatch.chdir(tmp_path)
    for out in (tmp_path / "h.json", Path("h.json"), Path("../", tmp_path.name, "h.json")):
        with pytest.raises(
            UserError, match=r"h\.json: this is the file for the record of .*h\.txt"
        ):
            evaluate_file(
                hypotheses,
                tokenised=reference,
                raw=reference,
                language="en",
                lowercase=True,
                out=out,
            )
    assert json.loads((tmp_path / "h.json").read_text()) == record


def test_a_pipe_is_read_once(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ("\n".join(LINES) + "\n").encode()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        with os.fdopen(writing, "wb") as writer:
            writer.write(text)
        # What bash puts for <(...).
        print_scores(reference, [Path(f"/dev/fd/{pipe.fileno()}")], as_json=True)
    [entry] = json.loads(capsys.readouterr().out)["hypotheses"]
    assert entry["sha256"] == hashlib.sha256(text).hexdigest()


def test_what_cannot_be_read_is_named(reference: Path, tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "none", "cannot be read (No such file or directory); check the path"),
        (tmp_path / "none.gz", "there is no such file; check the path"),
        (tmp_path, "cannot be read (Is a directory); check the path"),
    ):
        with pytest.raises(UserError) as error:
            print_scores(reference, [path], as_json=False)
        assert str(error.value) == f"{path}: {words}"
