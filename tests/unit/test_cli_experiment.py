"""The commands for a whole experiment, and folders of systems wherever runs are taken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_line import said

from alpha_dimt.cli import cli, experiment
from alpha_dimt.cli.log import messages_in
from alpha_dimt.cli.options import RUNS
from alpha_dimt.cli.run_table import run_table
from alpha_dimt.config import Experiment, load
from alpha_dimt.config.document import read_document
from alpha_dimt.core.pipeline import pipeline_folder, profile_folder
from alpha_dimt.runs.overview import Progress

CONFIG = """
corpus: {kind: toy}
systems:
  ml: {objective: ml, seeds: 1}
  alpha0.5: {objective: alpha, alpha: 0.5, start: ml, seeds: 1}
  raml: {objective: raml}
checkpoints: {seconds: 7}
seeds: [3, 4]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


# -------------------------------------------------------------------------------------- new


def test_a_new_configuration_is_an_experiment(here: Path):
    assert said("new", "mine/first") == (
        "mine/first/config.yaml is written; next: cd mine/first && alpha-dimt run\n"
    )

    made = load(Experiment, Path("mine/first/config.yaml"))
    assert list(made.systems) == ["ml", "raml", "alpha0.5"]
    keys = Path("mine/first/config.yaml").read_text().splitlines()[2].removeprefix("# ")
    assert Path(keys).read_text().startswith("# ")
    # Neither file is written over.
    assert "config.yaml: this file already exists" in said("new", "mine/first", code=1)
    Path("mine/first/config.yaml").unlink()
    assert "Snakefile: this file already exists" in said("new", "mine/first", code=1)


def test_a_new_configuration_shows_own_text_as_it_is_written(here: Path):
    said("new", "mine")
    lines = Path("mine/config.yaml").read_text(encoding="utf-8").splitlines()
    first = lines.index("corpus:")
    own = lines.index("# corpus:")
    end = lines.index("", own)
    text = [*lines[:first], *(line.removeprefix("# ") for line in lines[own:end]), *lines[end:]]
    Path("mine/config.yaml").write_text("\n".join(text), encoding="utf-8")

    made = load(Experiment, Path("mine/config.yaml"))
    assert [str(file) for file in made.corpus.files] == [
        *("train.de", "train.en", "valid.de", "valid.en", "test.de", "test.en")
    ]


# -------------------------------------------------------------------------------------- run


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The processes that `run` becomes."""
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, command: found.append(command))
    return found


def test_run_becomes_snakemake(here: Path, started: list[list[str]]):
    said("run")
    said("run", "config.yaml", "--cores", "3", "--dry-run", "--config", "seeds=[1]")
    said("run", "-n", "--profile", "slurm")

    workflow = pipeline_folder() / "workflow"
    common = [sys.executable, "-m", "snakemake", "--configfile", "config.yaml"]
    common += ["--snakefile", str(workflow / "Snakefile"), "--workflow-profile"]
    local, slurm = (str(workflow / "profiles" / name) for name in ("local", "slurm"))
    assert started == [
        [*common, local, "--cores", "all"],
        [*common, local, "--cores", "3", "--dry-run", "--config", "seeds=[1]"],
        # How many jobs there may be is in the profile.
        [*common, slurm, "-n"],
    ]


def test_what_run_cannot_find_is_named(here: Path, started: list[list[str]]):
    assert "none.yaml: there is no such file; name a configuration" in said(
        "run", "none.yaml", code=1
    )
    output = said("run", "--profile", "mars", code=1)
    assert "mars: there is no such profile; name one of generic, kubernetes, local, slurm" in output
    Path("config.yaml").unlink()
    assert "alpha-dimt new FOLDER" in said("run", "--dry-run", code=1)
    assert started == []


def test_the_help_names_every_profile():
    [option] = [o for o in cli.commands["run"].params if o.name == "profile"]

    for profile in (pipeline_folder() / "workflow/profiles").iterdir():
        assert profile.name in option.help


def test_a_profile_may_be_the_users_own(here: Path):
    Path("site").mkdir()
    Path("site/config.yaml").touch()

    assert profile_folder("site") == Path("site")


# ------------------------------------------------------------------------------ config, watch


def test_config_lists_the_runs(here: Path):
    lines = said("config").splitlines()

    assert lines[0] == "config.yaml: corpus toy (de-en), 3 systems, 4 runs, in results/toy"
    assert [line.split()[:2] for line in lines[2:]] == [
        *(["ml/seed3", "waiting"], ["alpha0.5/seed3", "waiting"]),
        *(["raml/seed3", "waiting"], ["raml/seed4", "waiting"]),
    ]


def test_config_names_what_is_stale(here: Path):
    Path("results/toy/decoding").mkdir(parents=True)
    Path("results/toy/decoding/beam.json").write_text("{}")

    assert said("config").splitlines()[-2:] == [
        "made with another configuration or other data, so `run` makes it again:",
        "  results/toy/decoding/beam.json",
    ]


def test_a_resolved_configuration_is_the_same_one(here: Path):
    text = said("config", "--resolved")

    Path("whole.yaml").write_text(text, encoding="utf-8")
    whole = load(Experiment, Path("whole.yaml"))
    assert whole == load(Experiment, Path("config.yaml"))
    values = read_document(Path("whole.yaml")).values
    # Keys too that are no part of a run, and those with their defaults.
    assert values["systems"]["ml"]["seeds"] == 1
    assert values["training"]["device"] == "auto"
    assert values["systems"]["raml"]["tau"] == 3.0


def test_config_refuses_what_the_workflow_would_refuse(here: Path):
    corpus = "{kind: files, name: x, train: {tsv: a}, valid: {tsv: a}, test: {tsv: a}}"
    Path("config.yaml").write_text(f"corpus: {corpus}\nsystems: {{ml: {{objective: ml}}}}\n")

    assert said("config", code=1) == (
        "Error: a: there is no such file; check corpus in the configuration\n"
    )


def test_watch_without_a_terminal_looks_once(here: Path):
    run = load(Experiment, Path("config.yaml")).run_config("raml", 4)
    folder = Path("results/toy/runs/raml/seed4")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(run.canonical_json(), encoding="utf-8")
    Path("results/toy/logs").mkdir()
    Path("results/toy/logs/train.raml.seed4.log").write_text("one\ntwo\n", encoding="utf-8")

    whole, results, one = said("watch"), said("watch", "results/toy"), said("watch", str(folder))

    assert len(whole.splitlines()) == 1 + 4 + 1
    # The folder does not tell where checkpoints are, so a run that trains may look like this.
    *lines, hint = results.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["raml/seed4", "waiting"], ["0", "of"]]
    assert hint == (
        "waiting runs have no checkpoints in results/CORPUS/state; if checkpoints.folder is set, "
        "name the configuration instead: alpha-dimt watch CONFIG"
    )
    assert one.splitlines()[3:] == [hint, "", "one", "two"]
    assert "no run was started here" in said("watch", ".", code=1)


def test_watch_ends_when_all_is_done(here: Path, monkeypatch: pytest.MonkeyPatch):
    looks: list[Path] = []

    def watched(path: Path) -> tuple[list[Progress], None]:
        looks.append(path)
        return [progress("scored" if len(looks) == 2 else "training")], None

    monkeypatch.setattr(experiment, "_watched", watched)
    monkeypatch.setattr(experiment, "REFRESH", 0.0)
    monkeypatch.setattr(experiment, "_is_terminal", lambda: True)

    assert said("watch").count("ml/seed1") == 2


def progress(state: str = "training", **changes: object) -> Progress:
    values = {"system": "ml", "seed": 1, "state": state, "epochs": 3, "most": 12, "dev": 40.123}
    values |= {"best": 41.0, "rate": 12345.6, "since": 5.0, "left": 3723.4, "test": None}
    return Progress(**(values | {"log": Path("log")} | changes))  # type: ignore[arg-type]


def test_the_table_of_runs():
    ended = progress("scored", system="alpha0.5", since=None, left=None, test=44.0, epochs=10)
    waiting = {"dev": None, "best": None, "rate": None, "since": None, "left": None}

    lines = run_table([progress(), ended, progress("waiting", seed=12, epochs=0, **waiting)])

    assert lines[1].split() == [
        *("ml/seed1", "training,", "epoch", "4", "3", "of", "12", "40.12", "41.00", "12,346"),
        "1:02:03",
    ]
    assert lines[2].split() == [
        "alpha0.5/seed1",
        "scored",
        "10",
        "40.12",
        "41.00",
        "12,346",
        "44.00",
    ]
    assert lines[3] == "ml/seed12       waiting"
    assert len({line.find("40.12") for line in lines[1:3]}) == 1


# ------------------------------------------------------------------------------------- clean


def test_clean_removes_checkpoints_of_finished_runs_alone(here: Path):
    made = load(Experiment, Path("config.yaml"))
    states = Path("results/toy/state")
    keys = {run: made.run_config(*run).fingerprint() for run in made.runs}
    for key in (*keys.values(), "another"):
        (states / f"{key}-0").mkdir(parents=True)
    for run, about in ((("ml", 3), keys["ml", 3]), (("raml", 3), "of another configuration")):
        folder = Path(f"results/toy/runs/{run[0]}/seed{run[1]}")
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"run_key": about}))

    lines = said("clean").splitlines()

    removed = states / f"{keys['ml', 3]}-0"
    assert lines[0] == f"{removed}: removed"
    assert lines[1].startswith("1 removed, 4 left")
    assert not removed.exists()
    assert len(list(states.iterdir())) == 4


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        ('{"run_key": ', "run.json:1: this is not valid JSON"),
        ("[]", "run.json: this is not what `alpha-dimt train` writes; train the run again"),
    ],
)
def test_clean_names_a_damaged_record(here: Path, damaged: str, words: str):
    about = Path("results/toy/runs/ml/seed3/run.json")
    about.parent.mkdir(parents=True)
    about.write_text(damaged, encoding="utf-8")

    output = said("clean", code=1)

    assert output.startswith(f"Error: {about.parent}/{words}")


# --------------------------------------------------------------------------------------- log


def test_messages_go_into_the_log_and_one_line_an_epoch_does_not(tmp_path: Path):
    code = """
import sys, os
from pathlib import Path
from alpha_dimt.cli.log import messages_in
with messages_in(Path(sys.argv[1])) as each_epoch:
    print("a message")
    sys.stdout.flush()
    os.write(2, b"of a library\\n")
    each_epoch("epoch 1")
    raise SystemExit("the last error")
"""
    log = tmp_path / "logs/train.log"
    result = subprocess.run([sys.executable, "-c", code, log], capture_output=True, text=True)

    assert (result.returncode, result.stdout, result.stderr) == (1, "epoch 1\n", "")
    assert log.read_text() == "a message\nof a library\nthe last error\n"


def test_without_a_log_all_messages_are_visible(capsys: pytest.CaptureFixture[str]):
    with messages_in(None) as each_epoch:
        print("a message")
        each_epoch("epoch 1")

    assert capsys.readouterr().out == "a message\n"


# ------------------------------------------------------------------------ folders of systems


def test_the_folder_of_a_system_stands_for_its_seeds(here: Path):
    @click.command()
    @RUNS
    def show(runs: tuple[Path, ...]) -> None:
        click.echo(" ".join(map(str, runs)))

    for run in ("a/seed10", "a/seed2", "b/seed1", "c"):
        Path(run).mkdir(parents=True)
        (Path(run) / "config.json").touch()
    Path("a/note").mkdir()

    result = CliRunner().invoke(show, ["b", "a", "c"])

    assert result.output == "b/seed1 a/seed2 a/seed10 c\n"


def test_standard_input_is_scored(tmp_path: Path):
    reference = tmp_path / "reference"
    reference.write_text("a b c d e\n", encoding="utf-8")
    command = [sys.executable, "-m", "alpha_dimt", "score", "--reference", str(reference)]

    result = subprocess.run(
        [*command, "--json", "-"], input="a b c d e\n", capture_output=True, text=True
    )

    [found] = json.loads(result.stdout)["hypotheses"]
    assert found["multi_bleu"]["value"] == pytest.approx(100.0)
    assert (found["path"], found["lines"]) == ("-", 1)
    assert found["sha256"] == json.loads(result.stdout)["reference"]["sha256"]
    empty = subprocess.run([*command, "-"], input="", capture_output=True, text=True)
    assert (empty.returncode, empty.stderr) == (
        1,
        "Error: -: the file is empty; give one sentence per line\n",
    )


# ------------------------------------------------------------------------------------- track


def test_a_configuration_is_followed_until_ctrl_c(here: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[Path, dict[str, object]]] = []
    monkeypatch.setattr(
        "alpha_dimt.tracking.follow.follow_runs",
        lambda results, **options: calls.append((results, options)),
    )
    Path("mine.yaml").write_text(f"{CONFIG}\n", encoding="utf-8")
    place = ("--uri", "sqlite:///x.db", "--experiment", "toy")

    said("track", "--follow", "mine.yaml", *place)

    states = Path("results/toy/state")
    options = {"states": states, "uri": "sqlite:///x.db", "experiment": "toy"}
    assert calls == [(Path("results/toy"), options)]
    for wrong in (("--follow", "mine.yaml", "--receipt", "r"), ("--receipt", "r"), ()):
        output = said("track", *wrong, *place, code=2)
        assert "give --receipt and runs, or --follow without them" in output
