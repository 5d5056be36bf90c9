import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from small_disk import SmallDisk
from torch import Tensor, nn

from alpha_dimt.core.errors import UserError
from alpha_dimt.models.weights import fill
from alpha_dimt.training import checkpoints
from alpha_dimt.training.checkpoints import Checkpoints
from alpha_dimt.training.learner import Update
from alpha_dimt.training.learning_rate import DevDecay
from alpha_dimt.training.optimisers import Optimiser, Sgd
from alpha_dimt.training.state import MetricSums, State


class Counting:
    """An optimiser whose state is a count."""

    def __init__(self, count: float) -> None:
        self.count = torch.tensor(count)

    def step(self, parameters: Iterable[Tensor], **options: Any) -> Tensor:
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        return {"count": self.count}

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.count = state["count"]


@dataclass
class Trained:
    """A learner that never updates."""

    networks: dict[str, nn.Module]
    optimisers: Mapping[str, Optimiser] = field(default_factory=lambda: {"model": Sgd(1.0)})

    def update(self, *args: Any, **options: Any) -> Update:
        raise NotImplementedError


def linear(value: float) -> nn.Module:
    made = nn.Linear(20, 30)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
    return made


def model(value: float) -> Trained:
    """A learner with one network and no state."""
    return Trained({"model": linear(value)})


def with_critic(value: float) -> Trained:
    """A learner with two networks and an optimiser that has a state."""
    networks = {"model": linear(value), "critic": linear(10 * value)}
    return Trained(networks, {"model": Sgd(1.0), "critic": Counting(100 * value)})


def open_checkpoints(folder: Path, seconds: float = 60) -> Checkpoints:
    folder.mkdir(parents=True, exist_ok=True)
    return Checkpoints(folder, run_key="key", seconds=seconds)


def state(epoch: int, updates: int = 0) -> State:
    """After some epochs, of which the second was the best, and some updates."""
    sums = MetricSums({"updates": float(updates)}) if updates else MetricSums()
    best = min(epoch, 2)
    schedule = DevDecay(1.0, best=10.0 * best, best_epoch=best, epoch=epoch)
    return State(schedule, 0, records=[{"epoch": i + 1} for i in range(epoch)], sums=sums)


def write_four(folder: Path, learner: Callable[[float], Trained] = model) -> Checkpoints:
    """Checkpoint n has weights n, and best weights 2 from the second on."""
    opened = open_checkpoints(folder)
    assert opened.restore(learner(0)) is None
    for epoch in (1, 2, 3):
        opened.save(state(epoch), learner(epoch), best=epoch < 3)
    opened.save(state(3, updates=7), learner(4))
    return opened


def value_of(learner: Trained, name: str = "model") -> float:
    parameters = learner.networks[name].parameters()
    [value] = {float(value) for p in parameters for value in p.detach().unique()}
    return value


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_the_last_two_are_kept_and_the_newest_is_restored(tmp_path: Path) -> None:
    write_four(tmp_path)
    assert folders(tmp_path) == ["00000003", "00000004"]
    restored = model(0)
    found = open_checkpoints(tmp_path).restore(restored)
    assert found is not None
    assert (found.schedule.epoch, found.updates) == (3, 7)
    assert value_of(restored) == 4
    assert (tmp_path / "metrics.jsonl").read_text() == '{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n'


def test_sums_can_be_checked_by_hand(tmp_path: Path) -> None:
    write_four(tmp_path)
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(command, cwd=tmp_path / "00000004").returncode == 0


def test_the_best_weights_are_published(tmp_path: Path) -> None:
    opened = write_four(tmp_path / "state")
    opened.publish(state(3), tmp_path / "out")
    published = model(0)
    fill(published.networks["model"], tmp_path / "out/best.safetensors", "key")
    assert value_of(published) == 2


@pytest.mark.parametrize("links", [True, False])
def test_of_a_finished_run_one_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    opened = write_four(tmp_path / "state")
    opened.publish(state(3), tmp_path / "out")
    opened.finish(state(3), tmp_path / "out")

    assert folders(tmp_path / "state") == ["00000005"]
    best = tmp_path / "out/best.safetensors"
    for name in ("model.safetensors", "best.safetensors"):
        assert (tmp_path / "state/00000005" / name).samefile(best) == links

    # The outputs may go, and come back from there.
    expected = best.read_bytes()
    shutil.rmtree(tmp_path / "out")
    again, restored = open_checkpoints(tmp_path / "state"), model(0)
    found = again.restore(restored)
    assert found is not None
    assert found.schedule.epoch == 3
    again.publish(found, tmp_path / "out")
    assert best.read_bytes() == expected


def test_every_network_and_optimiser_is_restored(tmp_path: Path) -> None:
    write_four(tmp_path, with_critic)
    restored = with_critic(0)
    found = open_checkpoints(tmp_path).restore(restored)
    assert found is not None
    assert (found.schedule.epoch, found.updates) == (3, 7)
    assert (value_of(restored), value_of(restored, "critic")) == (4, 40)
    assert float(restored.optimisers["critic"].count) == 400  # type: ignore[attr-defined]


def test_plain_sgd_and_one_network_write_no_more_files(tmp_path: Path) -> None:
    write_four(tmp_path / "one")
    write_four(tmp_path / "two", with_critic)
    one, two = (
        {path.name for path in (tmp_path / name / "00000004").iterdir()} for name in ("one", "two")
    )
    assert one == {"model.safetensors", "best.safetensors", "state.json", "SHA256SUMS"}
    assert two - one == {"critic.safetensors", "critic.optimiser.safetensors"}


@pytest.mark.parametrize("name", ["critic.safetensors", "critic.optimiser.safetensors"])
def test_a_damaged_critic_falls_back_to_the_one_before(tmp_path: Path, name: str) -> None:
    write_four(tmp_path, with_critic)
    damage(tmp_path / "00000004" / name, "one bit")
    restored = with_critic(0)
    open_checkpoints(tmp_path).restore(restored)
    assert (value_of(restored), value_of(restored, "critic")) == (3, 30)
    assert float(restored.optimisers["critic"].count) == 300  # type: ignore[attr-defined]


def test_a_finished_run_keeps_every_network(tmp_path: Path) -> None:
    opened = write_four(tmp_path / "state", with_critic)
    opened.publish(state(3), tmp_path / "out")
    opened.finish(state(3), tmp_path / "out")
    restored = with_critic(0)
    assert open_checkpoints(tmp_path / "state").restore(restored) is not None
    assert (value_of(restored), value_of(restored, "critic")) == (2, 40)
    assert float(restored.optimisers["critic"].count) == 400  # type: ignore[attr-defined]


def damage(path: Path, how: str) -> None:
    raw = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(raw[: len(raw) // 2])
    else:
        path.write_bytes(raw[:-3] + bytes([raw[-3] ^ 4]) + raw[-2:])


@pytest.mark.parametrize("how", ["gone", "empty", "truncated", "one bit"])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "best.safetensors", "state.json", "SHA256SUMS"]
)
def test_damage_of_any_file_falls_back_to_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    write_four(tmp_path)
    damage(tmp_path / "00000004" / name, how)
    opened, restored = open_checkpoints(tmp_path), model(0)
    found = opened.restore(restored)
    assert found is not None
    assert (found.updates, value_of(restored)) == (0, 3)
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path}/00000004: ")
    assert line.endswith(f"; resuming from the one before, {tmp_path}/00000003")

    # The next one counts on; what was damaged goes, not what was used.
    opened.save(state(3, updates=9), model(5))
    assert folders(tmp_path) == ["00000003", "00000005"]


def test_damage_of_both_starts_from_the_beginning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_four(tmp_path)
    for folder in ("00000003", "00000004"):
        damage(tmp_path / folder / "model.safetensors", "one bit")
    untouched = model(9)
    opened = open_checkpoints(tmp_path)
    assert opened.restore(untouched) is None
    assert value_of(untouched) == 9
    assert capsys.readouterr().out.count("resuming from the beginning") == 1
    opened.save(state(0, updates=1), model(1))
    assert folders(tmp_path) == ["00000005"]


def test_the_checkpoint_of_another_run_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_four(tmp_path / "ours")
    write_four(tmp_path / "theirs")
    shutil.rmtree(tmp_path / "ours/00000004")
    shutil.copytree(tmp_path / "theirs/00000004", tmp_path / "ours/00000004")
    restored = model(0)
    open_checkpoints(tmp_path / "ours").restore(restored)
    assert value_of(restored) == 3
    assert "this checkpoint belongs to run theirs" in capsys.readouterr().out


def test_an_older_format_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_four(tmp_path)
    monkeypatch.setattr(checkpoints, "FORMAT", checkpoints.FORMAT + 1)
    assert open_checkpoints(tmp_path).restore(model(0)) is None


def test_a_model_of_other_sizes_is_not_filled(tmp_path: Path) -> None:
    write_four(tmp_path)
    assert open_checkpoints(tmp_path).restore(Trained({"model": nn.Linear(20, 31)})) is None


def test_best_weights_that_change_meanwhile_are_noticed(tmp_path: Path) -> None:
    opened = write_four(tmp_path)
    damage(tmp_path / "00000004/best.safetensors", "one bit")
    with pytest.raises(UserError, match="these weights changed during training"):
        opened.save(state(3, updates=9), model(5))
    with pytest.raises(UserError, match="these weights changed"):
        opened.publish(state(3), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    restored = model(0)
    open_checkpoints(tmp_path).restore(restored)
    assert value_of(restored) == 3


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    write_four(tmp_path)
    (tmp_path / ".00000005.abc.tmp").mkdir()
    (tmp_path / ".metrics.jsonl.abc.tmp").touch()
    open_checkpoints(tmp_path).restore(model(0))
    assert not list(tmp_path.glob(".*"))


def test_folders_of_a_person_are_left_alone(tmp_path: Path) -> None:
    write_four(tmp_path)
    shutil.copytree(tmp_path / "00000004", tmp_path / "00000004.bak")
    checkpoints = open_checkpoints(tmp_path)
    restored = checkpoints.restore(model(0))
    assert restored is not None
    checkpoints.save(restored, model(5))
    assert folders(tmp_path) == ["00000004", "00000004.bak", "00000005"]


def test_a_checkpoint_is_due_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now)
    opened = open_checkpoints(tmp_path, seconds=60)
    assert not opened.due()
    now = 160.0
    assert opened.due()
    opened.save(state(1), model(1), best=True)
    assert not opened.due()
    now = 220.0
    assert opened.due()


def test_a_full_disk_leaves_the_checkpoints_as_they_were(
    small_disk: SmallDisk,
) -> None:
    disk = small_disk
    opened = write_four(disk.folder / "run")
    disk.fill(leave=4096)
    with pytest.raises(UserError, match=r"00000005: cannot be written \(No space left"):
        opened.save(state(4), model(6))
    assert sorted(path.name for path in (disk.folder / "run").iterdir()) == [
        *("00000003", "00000004", "metrics.jsonl")
    ]
    disk.empty()
    opened.save(state(4), model(6))
    restored = model(0)
    open_checkpoints(disk.folder / "run").restore(restored)
    assert value_of(restored) == 6


# -------------------------------------------------------------------------------------- lock


def test_one_process_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from alpha_dimt.training.checkpoints import Checkpoints\n"
        f"with Checkpoints(Path({str(tmp_path)!r}), run_key='', seconds=1).held():\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    sentence = rf"process {other.pid} on \S+ is already training this run; wait for it or stop it"
    with pytest.raises(UserError, match=sentence), open_checkpoints(tmp_path).held():
        pytest.fail("two at once")
    other.kill()
    other.communicate()
    with open_checkpoints(tmp_path).held():
        pass


def test_a_run_that_was_finished_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    monkeypatch.setattr(fcntl, "flock", lambda *args: shutil.rmtree(folder))
    with pytest.raises(UserError, match="finished this run"), open_checkpoints(folder).held():
        pytest.fail("went on without a folder")


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with open_checkpoints(tmp_path).held():
        assert "cannot be locked" in capsys.readouterr().out
