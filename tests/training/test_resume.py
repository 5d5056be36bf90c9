"""Trainings that are killed, stopped, out of disk space or started twice end with equal results."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from copy_task import experiment, records, result, train, write_corpus
from small_disk import SmallDisk

from alpha_dimt.config import Experiment, parse
from alpha_dimt.core.errors import Stopped, UserError
from alpha_dimt.core.files import read_json, sha256, write_json
from alpha_dimt.data.draw_candidates import augment_corpus
from alpha_dimt.training import loop, run
from alpha_dimt.training.checkpoints import Checkpoints
from alpha_dimt.training.run import train_run
from alpha_dimt.training.state import State

SYSTEMS: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml"},
    "alpha0.5": {"objective": "alpha", "alpha": 0.5},
    "moving": {
        "objective": "alpha",
        "alpha": {"kind": "linear", "start": 0, "end": 0.9, "epochs": 2},
        "tau": {"kind": "on_decay", "start": 3, "step": -1, "end": 1},
        "chunk": 3,
        "log_p": "padded_mean",
    },
    "scheduled": {"objective": "scheduled_sampling", "k": 20},
    "samples": {"objective": "mrt", "samples": 2},
    # Four networks and two optimisers, and an epoch in which one of them stands still.
    "critic": {
        "objective": "actor_critic",
        "critic": {"embedding": 8, "hidden": 12},
        "critic_epochs": 1,
        "delay": 0.1,
    },
    "mixer": {"objective": "mixer", "gold_words": 4, "epochs_each": 1},
    "adamw": {
        "objective": "ml",
        "training": {
            "optimiser": {"kind": "adamw", "weight_decay": 0.01},
            "learning_rate": 0.003,
            "schedule": {"kind": "inverse_square_root", "warmup": 10},
        },
    },
    "average": {
        "objective": "ml",
        "label_smoothing": 0.1,
        "training": {
            "batch_size": 90,
            "batch_type": "tokens",
            "average": {"epochs": 2, "of": "last"},
        },
    },
}


def small_experiment(**training: Any) -> Experiment:
    """Three short epochs of every kind of system; with dropout, so that random streams count."""
    values = experiment(**{"max_epochs": 3} | training).model_dump(mode="json")
    values["model"]["dropout"] = 0.3
    return parse(Experiment, {**values, "systems": SYSTEMS}, "small runs")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("encoded"), train=240)
    config = small_experiment().augment_config("alpha0.5", 1)
    augment_corpus(config, encoded=folder, out=folder / "seed1.arrow")
    return folder


Result = tuple[list[dict[str, Any]], bytes]


@pytest.fixture(scope="module")
def undisturbed(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """The result of a system that was never interrupted."""
    found: dict[str, Result] = {}

    def of(system: str) -> Result:
        if system not in found:
            work = tmp_path_factory.mktemp("undisturbed")
            found[system] = result(train(encoded, work, small_experiment(), system))
        return found[system]

    return of


def checkpoint_folders(work: Path) -> list[Path]:
    return sorted(path for path in work.glob("state/*/*") if path.is_dir())


# ---------------------------------------------------------------------------------- signals


@pytest.mark.parametrize("system", SYSTEMS)
def test_stopped_after_any_update_it_ends_the_same(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[str], Result],
    system: str,
) -> None:
    expected = undisturbed(system)
    seed_update, calls = loop.seed_update, 0

    def signalled(*args: int) -> None:
        nonlocal calls
        calls += 1
        if calls % 7 == 0:
            os.kill(os.getpid(), random.Random(calls).choice([signal.SIGTERM, signal.SIGUSR1]))
        seed_update(*args)

    monkeypatch.setattr(loop, "seed_update", signalled)
    updates = expected[0][-1]["step"]
    assert updates // 7 > 5
    for _ in range(updates // 7):
        with pytest.raises(Stopped):
            train(encoded, tmp_path, small_experiment(), system)
        assert not (tmp_path / system / "run.json").exists()
    out = train(encoded, tmp_path, small_experiment(), system)
    assert calls == updates, "an update was made twice"
    assert result(out) == expected


def test_stopped_in_validation_it_ends_the_same(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[str], Result],
) -> None:
    expected = undisturbed("ml")  # before calls are counted
    validate, calls, trained = run.validate, [], []

    def signalled(*args: Any, **kwargs: Any) -> dict[str, float]:
        calls.append(0)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("validation went on")
        return validate(*args, **kwargs)

    seed_update = loop.seed_update
    monkeypatch.setattr(run, "validate", signalled)
    monkeypatch.setattr(
        loop, "seed_update", lambda *args: trained.append(args) or seed_update(*args)
    )
    with pytest.raises(Stopped):
        train(encoded, tmp_path, small_experiment(), "ml")
    out = train(encoded, tmp_path, small_experiment(), "ml")
    assert result(out) == expected
    assert len(calls) == 4
    assert len(trained) == len(set(trained)), "an update was made twice"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_the_command_line_is_stopped_by_a_signal(
    encoded: Path, tmp_path: Path, undisturbed: Callable[[str], Result], name: str
) -> None:
    longer = small_experiment(max_epochs=200, patience=200)
    process = start_training(encoded, tmp_path, longer, "ml")
    wait_for(lambda: bool(checkpoint_folders(tmp_path)), process)

    # While it runs, no other process can train the same run.
    with pytest.raises(
        UserError, match=rf"process {process.pid} on \S+ is already training this run"
    ):
        train(encoded, tmp_path, longer, "ml")

    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    [line] = errors.splitlines()
    assert line.startswith(f"Error: stopped by {name}: ")

    # Another configuration starts from scratch in spite of this state.
    out = train(encoded, tmp_path, small_experiment(), "ml")
    assert result(out) == undisturbed("ml")
    assert len(checkpoint_folders(tmp_path)) == 2 + 1


def start_training(
    encoded: Path, work: Path, config: Experiment, system: str
) -> "subprocess.Popen[str]":
    section = config.run_config(system, 1)
    write_json(work / system / "config.json", section.model_dump(mode="json"))
    folders = "--state", work / "state", "--out", work / system, "--encoded", encoded
    arguments = "--config", work / system / "config.json", *folders, "--threads", 1
    command = [sys.executable, "-m", "alpha_dimt", "train", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


# ------------------------------------------------------------------------------------- kills


@pytest.mark.slow
def test_kill_9_at_20_random_moments(
    encoded: Path, tmp_path: Path, undisturbed: Callable[[str], Result]
) -> None:
    expected = undisturbed("alpha0.5")
    # Children of a server that has everything loaded start at once.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["alpha_dimt.training.run", "copy_task", "torch._dynamo"])

    def started(work: Path) -> Any:
        arguments = encoded, work, small_experiment(), "alpha0.5"
        process = context.Process(
            target=train, args=arguments, kwargs={"checkpoint_seconds": 0.05}, daemon=True
        )
        process.start()
        return process

    def finished(process: Any) -> None:
        process.join(timeout=120)
        assert process.exitcode == 0

    finished(started(tmp_path / "first"))
    begun = time.monotonic()
    finished(started(tmp_path / "second"))
    whole = time.monotonic() - begun

    moments = random.Random(20)
    killed_in_between = 0
    for number in range(20):
        work = tmp_path / str(number)
        process = started(work)
        process.join(timeout=moments.uniform(0, whole))
        process.kill()
        process.join()
        killed_in_between += bool(checkpoint_folders(work))
        finished(started(work))
        assert result(work / "alpha0.5") == expected
        assert len(checkpoint_folders(work)) == 1
        shutil.rmtree(work)
    assert killed_in_between > 5


@pytest.mark.parametrize("when", ["publish", "finish", "after"])
def test_a_finished_run_whose_end_was_not_recorded_is_not_trained_again(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[str], Result],
    when: str,
) -> None:
    expected = undisturbed("ml")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when != "after":
            patch.setattr(Checkpoints, when, killed)
        with pytest.raises(KeyboardInterrupt) if when != "after" else nullcontext():
            train(encoded, tmp_path, small_experiment(), "ml")

    shutil.rmtree(tmp_path / "ml")  # as Snakemake does
    monkeypatch.setattr(loop, "seed_update", lambda *_: pytest.fail("an update was made"))
    assert result(train(encoded, tmp_path, small_experiment(), "ml")) == expected


# ------------------------------------------------------------------------------------ damage


@pytest.mark.parametrize("damage", ["truncated", "changed", "another run", "gone"])
def test_a_bad_checkpoint_falls_back_to_the_one_before(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    undisturbed: Callable[[str], Result],
    damage: str,
) -> None:
    stop_after_epoch(monkeypatch, 2)
    with pytest.raises(Stopped):
        train(encoded, tmp_path, small_experiment(), "ml")
    older, newer = checkpoint_folders(tmp_path)
    file = newer / "model.safetensors"
    if damage == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "changed":
        raw = bytearray(file.read_bytes())
        raw[-100] ^= 1
        file.write_bytes(raw)
    elif damage == "gone":
        file.unlink()
    else:
        stop_after_epoch(monkeypatch, 2)
        with pytest.raises(Stopped):
            train(encoded, tmp_path / "other", small_experiment(learning_rate=2.0), "ml")
        shutil.rmtree(newer)
        shutil.copytree(checkpoint_folders(tmp_path / "other")[-1], newer)
    monkeypatch.undo()
    capsys.readouterr()

    out = train(encoded, tmp_path, small_experiment(), "ml")

    assert result(out) == undisturbed("ml")
    said = capsys.readouterr().out
    assert f"{newer}: " in said
    assert f"resuming from the one before, {older}" in said


def stop_after_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """Send SIGTERM when an epoch is reported; training stops after the next update."""

    def report(state: State) -> None:
        if state.schedule.epoch == epoch:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run, "print_epoch", report)


# ------------------------------------------------------------------------------------- disks


def test_a_full_disk_stops_training_and_space_lets_it_go_on(
    encoded: Path,
    small_disk: SmallDisk,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[str], Result],
) -> None:
    disk = small_disk

    def report(state: State) -> None:
        if state.schedule.epoch == 2:
            disk.fill(leave=100_000)  # less than one checkpoint

    monkeypatch.setattr(run, "print_epoch", report)
    with pytest.raises(UserError, match=r"\d{8}: cannot be written \(No space left on device"):
        train(encoded, disk.folder, small_experiment(), "ml")
    assert [path.name for path in checkpoint_folders(disk.folder)] == ["00000001", "00000002"]
    assert not list(disk.folder.rglob("*.tmp"))
    disk.empty()
    assert result(train(encoded, disk.folder, small_experiment(), "ml")) == undisturbed("ml")


def test_a_disk_that_is_full_at_the_end_loses_nothing(
    encoded: Path,
    tmp_path: Path,
    small_disk: SmallDisk,
    undisturbed: Callable[[str], Result],
) -> None:
    disk, config = small_disk, small_experiment()
    train_elsewhere = {
        "encoded": encoded,
        "augmented": None,
        "start": None,
        "state": tmp_path / "state",
        "out": disk.folder / "ml",
        "threads": 1,
    }
    disk.fill(leave=8192)
    with pytest.raises(UserError, match=r"best\.safetensors: cannot be written \(No space"):
        train_run(config.run_config("ml", 1), **train_elsewhere)
    assert not list((disk.folder / "ml").iterdir())
    disk.empty()
    train_run(config.run_config("ml", 1), **train_elsewhere)
    assert result(disk.folder / "ml") == undisturbed("ml")


def test_a_read_only_folder_is_named(encoded: Path, small_disk: SmallDisk) -> None:
    disk, config = small_disk, small_experiment()
    write_json(disk.folder / "ml/config.json", {})
    disk.read_only()
    with pytest.raises(UserError, match=r"state/\S+: cannot be written \(Read-only file"):
        train_run(
            config.run_config("ml", 1),
            encoded=encoded,
            augmented=None,
            start=None,
            state=disk.folder / "state",
            out=disk.folder / "ml",
            threads=1,
        )


# ------------------------------------------------------------------------ numbers and clocks


def test_divergence_keeps_the_last_good_state(
    encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = small_experiment(learning_rate=1e38, clip_norm=1e38)
    seen: list[int] = []
    seed_update = loop.seed_update
    monkeypatch.setattr(
        loop, "seed_update", lambda *args: seen.append(args[2]) or seed_update(*args)
    )
    with pytest.raises(UserError, match=r"epoch 1, batch \d+: the loss or its gradient") as first:
        train(encoded, tmp_path, bad, "ml")
    at = seen[-1]
    assert f"batch {at}:" in str(first.value)
    [folder] = checkpoint_folders(tmp_path)
    updates = read_json(folder / "state.json")["sums"]["updates"]
    assert float.fromhex(updates) == at - 1
    assert not (tmp_path / "ml/best.safetensors").exists()

    # Again: the same batch and the same message at once.
    seen.clear()
    with pytest.raises(UserError) as again:
        train(encoded, tmp_path, bad, "ml")
    assert (seen, str(again.value)) == ([at], str(first.value))

    # A lower rate is another run, which starts from scratch.
    seen.clear()
    train(encoded, tmp_path, small_experiment(), "ml")
    assert seen[0] == 1


def test_clocks_that_jump_change_nothing(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: Callable[[str], Result],
) -> None:
    jumps = iter([10**18, 5 * 10**17, 3 * 10**18, 10**9, 2 * 10**18, 0, 10**18])
    monkeypatch.setattr(time, "time_ns", lambda: next(jumps))
    out = train(encoded, tmp_path, small_experiment(), "ml")
    assert result(out) == undisturbed("ml")
    assert [record["step"] for record in records(out)] == [15, 30, 45]
    summary = read_json(out / "run.json")
    assert 0 < summary["wall_seconds"] < 600


# -------------------------------------------------------------------------------- bystanders


def test_the_epochs_can_be_watched(
    encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after_epoch(monkeypatch, 2)
    with pytest.raises(Stopped):
        train(encoded, tmp_path, small_experiment(), "ml")
    [folder] = (tmp_path / "state").iterdir()
    assert [record["epoch"] for record in records(folder)] == [1, 2]


def test_another_arithmetic_is_told(
    encoded: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop_after_epoch(monkeypatch, 1)
    with pytest.raises(Stopped):
        train(encoded, tmp_path, small_experiment(), "ml")
    [*_, newest] = checkpoint_folders(tmp_path)
    state = newest / "state.json"
    state.write_text(state.read_text().replace("1 threads", "7 threads"))
    sums = newest / "SHA256SUMS"
    lines = [line for line in sums.read_text().splitlines() if "state.json" not in line]
    sums.write_text("\n".join([*lines, f"{sha256(state)}  state.json"]) + "\n")
    monkeypatch.undo()
    train(encoded, tmp_path, small_experiment(), "ml")
    assert (
        "warning: the run was computed with cpu, float32, 7 threads so far"
        in capsys.readouterr().out
    )
