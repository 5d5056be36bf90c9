import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from alpha_dimt import __version__
from alpha_dimt.cli import cli
from alpha_dimt.cli.group import TOUR
from alpha_dimt.config.training import CheckpointsConfig, Device
from alpha_dimt.core.errors import Stopped, UserError


def alpha_dimt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alpha_dimt", *arguments], capture_output=True, text=True
    )


def test_help_is_a_tour_of_every_command():
    in_tour = [name for stage in TOUR.values() for name in stage]
    assert sorted(in_tour) == sorted(cli.commands)
    assert in_tour.index("fetch") < in_tour.index("train") < in_tour.index("score")

    lines = alpha_dimt("--help").stdout.splitlines()

    assert lines[0].startswith("Usage: alpha-dimt ")
    assert max(map(len, lines)) <= 80
    for stage, examples in TOUR.items():
        assert f"{stage}:" in lines
        for name in examples:
            assert any(line.startswith(f"  {name} ") for line in lines)
            assert any(line.startswith(f"      $ alpha-dimt {name}") for line in lines)


def test_help_loads_no_library_but_click():
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "alpha_dimt", "--help"],
        capture_output=True,
        text=True,
    )

    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"torch", "scipy", "numpy", "pydantic", "yaml", "tqdm"}


def test_the_examples_name_options_that_exist():
    for examples in TOUR.values():
        for name, arguments in examples.items():
            options = {option for p in cli.commands[name].params for option in p.opts}
            used = {word for word in arguments.split() if word.startswith("--")}
            assert used <= options, name
            required = {p.opts[0] for p in cli.commands[name].params if p.required}
            assert {option for option in required if option.startswith("--")} <= used, name


def test_every_command_and_option_has_help():
    for name, command in cli.commands.items():
        assert command.help, name
        result = CliRunner().invoke(cli, [name, "-h"])
        assert result.exit_code == 0


def test_the_help_names_the_interval_of_checkpoints():
    [option] = [o for o in cli.commands["train"].params if o.name == "checkpoint_seconds"]

    assert option.help.endswith(f"otherwise {CheckpointsConfig().seconds}]")


def test_every_command_that_computes_has_the_choices_of_the_configuration():
    commands = {"train", "decode", "translate", "examples"}
    devices = {
        name: option.type.choices
        for name, command in cli.commands.items()
        for option in command.params
        if option.name == "device"
    }
    assert devices == dict.fromkeys(commands, get_args(Device))


def test_stopped_work_ends_with_75(monkeypatch: pytest.MonkeyPatch):
    @click.command()
    def stopped() -> None:
        raise Stopped("stopped by SIGTERM")

    monkeypatch.setitem(cli.commands, "stopped", stopped)
    result = CliRunner().invoke(cli, ["stopped"])

    assert result.exit_code == 75
    assert result.output == "Error: stopped by SIGTERM\n"


def test_the_version():
    assert __version__ in alpha_dimt("--version").stdout


def test_a_user_error_is_one_line(tmp_path: Path):
    config = tmp_path / "config.json"
    config.write_text('{"corpus": {"kind": "toy"}, "preparation": {"lowercase": "maybe"}}')

    folders = "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")
    result = alpha_dimt("fetch", "--config", str(config), *folders)

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {config}:1: preparation.lowercase: ")
    assert list(tmp_path.iterdir()) == [config]


def test_a_missing_file_is_named(tmp_path: Path):
    result = alpha_dimt("score", "--reference", str(tmp_path / "none"), str(tmp_path / "none"))

    assert result.returncode == 2
    assert str(tmp_path / "none") in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "translate --run",
            "system: this is not a run folder (it has no config.json); name one",
        ),
        ("translate --run", "system/seed1, system/seed2"),
        ("table --out t empty", "empty: this is not a run folder"),
        ("score --reference", "'system' is a directory"),
        ("fetch --config", "'system' is a directory"),
    ],
)
def test_another_kind_of_folder_is_refused_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str
):
    for seed in (1, 2):
        (tmp_path / f"system/seed{seed}").mkdir(parents=True)
        (tmp_path / f"system/seed{seed}/config.json").touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(cli, [*command.split(), "system"])

    assert result.exit_code == 2
    assert words in result.output


def test_a_folder_without_runs_is_sent_to_the_results(tmp_path: Path):
    result = CliRunner().invoke(cli, ["table", "--out", "t", str(tmp_path)])

    assert result.exit_code == 2
    assert "results/{corpus}/runs has some" in result.output


def test_a_language_is_a_code(tmp_path: Path):
    (tmp_path / "a").touch()
    files = [f"--{name}={tmp_path}/a" for name in ("hypotheses", "tokenised", "raw", "out")]
    result = CliRunner().invoke(cli, ["evaluate", *files, "--lowercase", "--language", "english"])

    assert result.exit_code == 2
    assert "english is not an ISO 639 code; English is en" in result.output


def unforeseen(error: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point with a command that raises an error."""
    code = f"""
import click
from alpha_dimt import cli
def broken():
    raise {error}
cli.cli.commands["broken"] = click.Command("broken", callback=broken)
cli.main()
"""
    return subprocess.run(
        [sys.executable, *options, "-c", code, "broken"], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ZeroDivisionError('division\\nby zero')", "ZeroDivisionError (division by zero) at "),
        ("PermissionError(13, 'Permission denied', '/results')", "(/results: Permission denied)"),
        ("OSError(28, 'No space left on device')", "its disk has room"),
        ("OSError(24, 'Too many open files', b'a')", "OSError (a: Too many open files) at "),
        ("MemoryError()", "; give it more memory"),
        ("__import__('torch').OutOfMemoryError('CUDA out of memory')", "; give it more memory"),
        ("RecursionError('x' * 1000)", "please report it"),
        ("ModuleNotFoundError('No module named x')", "pip install 'alpha-dimt[workflow]'"),
    ],
)
def test_unforeseen_errors_are_one_line(error: str, words: str):
    result = unforeseen(error)

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert "`python -X dev -m alpha_dimt" in line
    assert len(line) < 600


def test_where_it_happened_is_named():
    result = unforeseen(
        "__import__('alpha_dimt.core.files').core.files.sha256(__import__('pathlib').Path('gone'))"
    )
    assert "FileNotFoundError (gone: No such file or directory) at core/files.py:" in result.stderr


def test_development_mode_shows_the_traceback():
    result = unforeseen("ZeroDivisionError", "-X", "dev")

    assert result.returncode == 1
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.rstrip().endswith("ZeroDivisionError")


def test_a_full_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "alpha_dimt", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert "No space left on device" in line


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
