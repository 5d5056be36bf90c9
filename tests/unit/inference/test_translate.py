import io
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from translating_run import make_run

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_lines, write_lines
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.inference.translate import (
    BLOCK,
    LONG,
    LONGEST,
    Translator,
    decode_line,
    line_blocks,
    open_translator,
    translate_stream,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return open_translator(run, beam=None, threads=1)


def stream(translator: Translator, data: bytes, *, as_json: bool = False) -> list[str]:
    out = io.BytesIO()
    translate_stream(
        translator, io.BytesIO(data), out, as_json=as_json, block_done=lambda lines: None
    )
    text = out.getvalue().decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def test_raw_text_is_prepared_as_the_run_was(translator: Translator) -> None:
    [found] = translator.translate(["Der Hund schläft."])
    assert found.source_tokens == "der hund schläft ."
    assert found.unknown == 0
    assert found.tokens
    assert translator.decoding.beam == 2  # of the experiment


def test_other_forms_of_unicode_are_composed(translator: Translator) -> None:
    [found] = translator.translate(["Der Hund schla\u0308ft\u200b."])
    assert found.source_tokens == "der hund schläft ."
    assert found.unknown == 0
    assert found.source == "Der Hund schla\u0308ft\u200b."


def test_tokens_in_and_plain_text_out(tmp_path: Path) -> None:
    run = make_run(tmp_path, tokenised=True)
    translator = open_translator(run, beam=None, threads=1)
    escapes = ["&amp;", "&#91;", "&#93;", "&#124;", "&lt;", "&gt;", "&apos;", "&quot;"]
    translator = replace(translator, trained=replace(translator.trained, target=Vocab(escapes)))
    [found] = translator.translate(["Der Hund &apos;s ."])
    assert found.source_tokens == "der hund &apos;s ."
    assert ";" in found.tokens
    assert ";" not in found.translation


def test_the_translation_is_detokenised(translator: Translator) -> None:
    escapes = ["&amp;", "&#91;", "&#93;", "&#124;", "&lt;", "&gt;", "&apos;", "&quot;"]
    speaker = replace(translator, trained=replace(translator.trained, target=Vocab(escapes)))
    [found] = speaker.translate(["Der Hund schläft."])
    assert set(found.tokens.split()) <= {*escapes, "der", "hund", "schläft", "."}
    assert ";" in found.tokens
    assert ";" not in found.translation


def test_each_line_by_itself_and_in_order(translator: Translator) -> None:
    lines = ["Der Hund läuft.", "", "Ein Hund.", "Die Katze schläft. " * 3, "Katze"]
    together = translator.translate(lines)
    assert [one.source for one in together] == lines
    assert together == [translator.translate([line])[0] for line in lines]
    assert together[1] == ("", "", 0, "", "", False)


def test_a_run_that_was_moved_translates(run: Path, tmp_path: Path) -> None:
    greedy = open_translator(run, beam=1, threads=1)
    assert (greedy.decoding.beam, greedy.decoding.length_penalty) == (1, 0)
    alone = tmp_path / "alone"
    run.rename(alone)
    try:
        moved = open_translator(alone, beam=None, threads=1)
        assert moved.decoding.beam == 10  # the default, since the experiment's is unknown
    finally:
        alone.rename(run)


@pytest.mark.parametrize(
    "name", ["best.safetensors", "vocab.de.txt", "vocab.en.txt", "codes.de.txt"]
)
def test_only_the_runs_own_files_translate(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path, bpe=True)
    open_translator(run, beam=None, threads=1)
    if name.endswith(".txt"):  # the same words in another order
        *kept, one, other = read_lines(run / name)
        write_lines(run / name, [*kept, other, one])
    else:  # weights of the same shapes
        before = (run / name).read_bytes()
        (run / name).write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"{name}: this is not the file that the run was trained"):
        open_translator(run, beam=None, threads=1)
    (run / name).unlink()
    with pytest.raises(UserError, match=rf"{name}: there is no such file"):
        open_translator(run, beam=None, threads=1)


def test_subwords_are_cut_and_joined(tmp_path: Path) -> None:
    translator = open_translator(make_run(tmp_path, bpe=True), beam=None, threads=1)
    lines = ["Der Hund läuft.", "Die Katze schläft", "ein"]
    found = translator.translate(lines)
    assert "@@" in found[0].source_tokens
    assert [one.unknown for one in found] == [0, 0, 0]
    assert not any("@@" in one.tokens for one in found)


def test_unknown_words_alone_are_copied(translator: Translator) -> None:
    [found] = translator.translate(["Xyzzy Plugh"])
    assert found.unknown == 2
    assert found.tokens is not None


def test_windows_lines_marks_blank_lines_and_a_missing_end(translator: Translator) -> None:
    plain = stream(translator, b"Der Hund.\n\nDie Katze.\n")
    assert len(plain) == 3
    assert plain[1] == ""
    assert stream(translator, "\ufeffDer Hund.\r\n\r\nDie Katze.".encode()) == plain
    [line] = stream(translator, "\ufeffDer Hund.\r\n".encode(), as_json=True)
    assert json.loads(line)["source"] == "Der Hund."
    assert stream(translator, b"") == []
    assert stream(translator, b"\n \t\n") == ["", ""]


def test_separators_inside_a_line_do_not_end_it(translator: Translator) -> None:
    assert len(stream(translator, "Der\u2028Hund.\x85 Die\x0bKatze\n".encode())) == 1


def test_a_very_long_line_is_cut_with_a_warning(
    translator: Translator, capsys: pytest.CaptureFixture[str]
) -> None:
    long, longer = "Hund " * LONG, "Hund " * (LONGEST + 1)
    text = f"Der Hund.\n{long}\n{longer}\nKatze\n".encode()
    found = [json.loads(line) for line in stream(translator, text, as_json=True)]
    assert [one["cut"] for one in found] == [False, False, True, False]
    assert [len(one["source_tokens"].split()) for one in found] == [3, LONG, LONGEST, 1]
    assert [one["tokens"] for one in found][::3] == [
        translator.translate([line])[0].tokens for line in ("Der Hund.", "Katze")
    ]
    [warning] = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: standard input:3: only the first 1,000 tokens")


def test_json_is_one_object_a_line(translator: Translator) -> None:
    [line] = stream(translator, b"Der Xyzzy.\n", as_json=True)
    found = json.loads(line)
    assert set(found) == {"source", "source_tokens", "unknown", "tokens", "translation", "cut"}
    assert (found["source"], found["unknown"]) == ("Der Xyzzy.", 1)


def test_invalid_utf8_names_the_line(translator: Translator) -> None:
    text = b"Hund\n" * (BLOCK + 3) + b"ab\xff\n"
    with pytest.raises(UserError, match=f"standard input:{BLOCK + 4}: invalid UTF-8 at byte 2"):
        stream(translator, text)
    with pytest.raises(UserError, match="standard input:7: invalid UTF-8 at byte 1"):
        decode_line(b"a\xff", 7)


def test_blocks_are_what_is_there() -> None:
    parts = iter([b"one\ntw", b"o\n", b"three\nfour\nfive\nsix", b""])
    assert list(line_blocks(lambda size: next(parts), 2)) == [
        *([b"one"], [b"two"], [b"three", b"four"], [b"five"], [b"six"])
    ]
    assert list(line_blocks(io.BytesIO(b"\n").read1, BLOCK)) == [[b""]]


def alpha_dimt(run: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "alpha_dimt", "translate", "--run", str(run), *arguments]


def test_lines_are_answered_before_the_input_ends(run: Path) -> None:
    process = subprocess.Popen(
        alpha_dimt(run, "--threads", "1"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        for line in (b"Der Hund.\n", b"Die Katze.\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\n")
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    finally:
        watchdog.cancel()
        process.kill()


def test_a_closed_pipe_ends_quietly(run: Path) -> None:
    text = "Der Hund läuft.\n" * 2_000
    result = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -n 1', "bash", *alpha_dimt(run)],
        input=text.encode(),
        capture_output=True,
    )
    assert result.returncode == 141
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "cuda"), "Error: training.device: cuda is requested, but no GPU can be used"),
        ((), "Error: CUDA_VISIBLE_DEVICES=0: a GPU was given, but it cannot be used"),
        (("--device", "cpu"), ""),
    ],
)
def test_the_device_can_be_chosen(run: Path, arguments: tuple[str, ...], words: str) -> None:
    if torch.version.cuda or torch.version.hip:
        pytest.skip("this PyTorch is built for GPUs")
    visible = {} if "cuda" in arguments else {"CUDA_VISIBLE_DEVICES": "0"}
    result = subprocess.run(
        [sys.executable, "-m", "alpha_dimt", "translate", "--run", str(run), *arguments],
        input="Der Hund .\n",
        capture_output=True,
        text=True,
        env=os.environ | visible,
    )
    assert result.stderr.startswith(words)
    assert (result.returncode, result.stdout.count("\n")) == ((1, 0) if words else (0, 1))
