import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alpha_dimt import __version__
from alpha_dimt.cli import cli
from alpha_dimt.errors import UserError


def alpha_dimt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alpha_dimt", *arguments], capture_output=True, text=True
    )


def test_commands_stand_in_the_order_of_the_pipeline():
    assert list(cli.commands) == [
        *("fetch", "tokenise", "encode", "augment", "train", "decode"),
        *("score", "evaluate", "table", "training-table", "curves", "track"),
    ]


def test_every_command_and_option_has_help():
    for name, command in cli.commands.items():
        assert command.help, name
        result = CliRunner().invoke(cli, [name, "-h"])
        assert result.exit_code == 0


def test_the_version():
    assert __version__ in alpha_dimt("--version").stdout


def test_a_user_error_is_one_line(tmp_path: Path):
    config = tmp_path / "config.json"
    config.write_text('{"corpus": {"kind": "toy"}, "preparation": {"lowercase": "maybe"}}')

    folders = "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")
    result = alpha_dimt("fetch", "--config", str(config), *folders)

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {config}: preparation.lowercase: ")
    assert list(tmp_path.iterdir()) == [config]


def test_a_missing_file_is_named(tmp_path: Path):
    result = alpha_dimt("score", "--reference", str(tmp_path / "none"), str(tmp_path / "none"))

    assert result.returncode == 2
    assert str(tmp_path / "none") in result.stderr
    assert "Traceback" not in result.stderr


def test_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(cli.commands, "broken", broken)

    assert isinstance(CliRunner().invoke(cli, ["broken"]).exception, ZeroDivisionError)


def test_a_user_error_anywhere_ends_with_1(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def wrong() -> None:
        raise UserError("text.de:3: this line is wrong")

    monkeypatch.setitem(cli.commands, "wrong", wrong)
    result = CliRunner().invoke(cli, ["wrong"])

    assert result.exit_code == 1
    assert result.output == "Error: text.de:3: this line is wrong\n"


def test_ctrl_c_ends_with_130_and_one_line(tmp_path: Path):
    fifo = tmp_path / "reference"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [sys.executable, "-m", "alpha_dimt", "score", "--reference", str(fifo), str(fifo)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    # Opening for writing waits until the command reads.
    with fifo.open("w"):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.strip() == "interrupted"
