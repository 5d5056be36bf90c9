import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from copy_task import experiment, write_corpus
from terminal import lines_left, run_on_terminal

from alpha_dimt.core.files import write_json
from alpha_dimt.core.progress import count_lines


@pytest.mark.parametrize(
    ("text", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2)]
)
def test_lines_of_a_file_are_counted_from_where_it_stands(
    tmp_path: Path, text: bytes, lines: int
) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"before\n" + text)
    with path.open("rb") as file:
        file.readline()
        assert count_lines(file) == lines
        assert file.read() == text


def test_a_pipe_is_not_read_ahead() -> None:
    read, write = os.pipe()
    os.write(write, b"a\n")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert count_lines(pipe) is None
        assert pipe.read() == b"a\n"
    assert count_lines(io.BytesIO(b"a\n")) is None


LINES = """
import sys
from alpha_dimt.core.progress import lines_bar
with lines_bar(sys.stdin.buffer, "translating") as bar:
    bar.update(2)
print("done")
"""


def test_a_bar_for_who_watches_and_silence_in_a_log(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"a\n" * 4)
    command = [sys.executable, "-c", LINES]
    seen, printed = run_on_terminal(command, stdin=text)
    assert printed == "done\n"
    assert "translating" in seen
    assert "2/4" in seen
    assert "lines/s" in seen

    with text.open("rb") as file:
        logged = subprocess.run(command, stdin=file, capture_output=True)
    assert (logged.stdout, logged.stderr) == (b"done\n", b"")


EPOCHS = """
import sys, threading
from alpha_dimt.core import progress
progress.REFRESH = 0
bar = progress.EpochBar(10, tokens_known={known})
for epoch in 1, 2:
    with bar.epoch(epoch, done=6 if epoch == 1 else 0):
        for _ in range(4):
            bar.update(1000)
    print("epoch", epoch, "is over", flush=True)
try:
    with bar.epoch(3, done=0):
        bar.update(1)
        raise KeyError
except KeyError:
    print("interrupted", flush=True)
assert threading.active_count() == 1
"""


@pytest.mark.parametrize("known", [True, False])
def test_bars_of_epochs_leave_the_lines_alone(known: bool) -> None:
    command = [sys.executable, "-c", EPOCHS.format(known=known)]
    seen, _ = run_on_terminal(command, stdout_too=True)
    assert lines_left(seen) == ["epoch 1 is over", "epoch 2 is over", "interrupted", ""]
    # Earlier updates count as done, but not for the rate.
    assert "epoch 1:  70%" in seen
    assert "epoch 2:  40%" in seen
    assert " 4/10 " in seen
    assert "updates/s" in seen
    assert ("tokens/s" in seen) == known

    logged = subprocess.run(command, capture_output=True, text=True)
    assert logged.stderr == ""
    assert logged.stdout.splitlines() == ["epoch 1 is over", "epoch 2 is over", "interrupted"]


ALPHA_DIMT = [sys.executable, "-m", "alpha_dimt"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A folder, and commands that augment, train and decode in it."""
    folder = tmp_path_factory.mktemp("progress")
    encoded = write_corpus(folder / "encoded", train=240)
    config = experiment(max_epochs=2)
    for name, section in {
        "augment": config.augment_config("raml", 1),
        "run/config": config.run_config("raml", 1),
        "decode": config.decoding,
    }.items():
        write_json(folder / f"{name}.json", section.model_dump(mode="json"))
    commands = [
        f"augment --config {folder}/augment.json --encoded {encoded} --out {folder}/a.arrow",
        f"train --config {folder}/run/config.json --encoded {encoded} --augmented {folder}/a.arrow "
        f"--state {folder}/state --out {folder}/run --threads 1",
        f"decode --config {folder}/decode.json --run {folder}/run --encoded {encoded} --split test "
        f"--out {folder}/test.txt --threads 1",
    ]
    return folder, [[*ALPHA_DIMT, *command.split()] for command in commands]


def test_augment_train_and_decode_show_where_they_are(
    trained: tuple[Path, list[list[str]]],
) -> None:
    folder, (augment, train, decode) = trained
    seen, printed = run_on_terminal(augment)
    assert "drawing candidates: 100%" in seen
    assert "3/3" in seen
    assert printed == ""

    seen, _ = run_on_terminal(train, stdout_too=True)
    assert "epoch 1:   0%" in seen
    assert "/15 " in seen
    # The screen ends as a log would.
    first, *epochs, end = lines_left(seen)
    assert first.startswith("raml seed 1: cpu, ")
    # After so little training BLEU is 0, and each epoch says what decides instead.
    assert [line.partition(": valid BLEU ")[0] for line in epochs[::2]] == ["epoch 1", "epoch 2"]
    assert all("validation BLEU is 0 so far, so the likelihood" in line for line in epochs[1::2])
    assert len(epochs) == 4
    assert end == ""

    seen, printed = run_on_terminal(decode)
    assert "decoding test: 100%" in seen
    assert "40/40" in seen
    assert "sentences/s" in seen
    assert printed == ""

    # Without a terminal the results are the same, and there is no bar.
    shown = {name: (folder / name).read_bytes() for name in RESULTS}
    for command in (augment, train, decode):
        logged = subprocess.run(command, capture_output=True, text=True)
        assert (logged.returncode, logged.stderr) == (0, "")
        assert "\r" not in logged.stdout
        assert "%" not in logged.stdout
    assert {name: (folder / name).read_bytes() for name in RESULTS} == shown


RESULTS = ("a.arrow", "run/best.safetensors", "test.txt")
