from pathlib import Path
from typing import Any

import pytest

from alpha_dimt.config import Experiment, load, load_all
from alpha_dimt.config.corpora import FilesCorpus
from alpha_dimt.config.objectives import CustomConfig
from alpha_dimt.core.errors import UserError

SYSTEMS = "systems: {ml: {objective: ml}}\n"
TOY = "corpus: {kind: toy}\n"
# Two lines before what is tried.
MINIMAL = TOY + SYSTEMS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


def read(path: Path, text: str) -> Experiment:
    path.write_text(text, encoding="utf-8")
    return load(Experiment, path)


def refused(path: Path, text: str) -> str:
    with pytest.raises(UserError) as error:
        read(path, text)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(str(path))


# --------------------------------------------------------------- what people write, and works


@pytest.mark.parametrize("section", ["preparation", "proposal", "model", "training", "tracking"])
def test_a_section_without_keys_is_its_default(path: Path, section: str):
    config = read(path, f"{MINIMAL}{section}:\n#  some: 3\n")

    assert config == read(path, MINIMAL)


@pytest.mark.parametrize(
    "text",
    [
        f"{MINIMAL}preparation: {{vocabulary: }}",
        f"{MINIMAL}proposal: {{distribution: }}",
        f"{MINIMAL}seeds:\n# - 2\n",
        f"{TOY}systems: {{ml: {{objective: ml, training: , proposal: , start: }}}}",
    ],
)
def test_a_section_within_a_section_too(path: Path, text: str):
    assert read(path, text) == read(path, MINIMAL)


def test_an_empty_section_has_what_its_preset_gives(path: Path):
    system = "{a: {objective: raml, training: %s}}"
    text = f"{TOY}preset: reference\nproposal: %s\ndecoding: %s\nsystems: {system}\n"

    config = read(path, text % ("", "", ""))

    assert config == read(path, text % ("{}", "{}", "{}"))
    assert config.training_of("a").batches == "fixed"
    assert config.proposal.distribution.reference_quirks
    assert config.decoding.ended == "extended"


def test_norwegian(path: Path):
    config = read(path, f"corpus: {{kind: toy, source: no, target: en}}\n{SYSTEMS}")

    assert config.corpus.source == "no"


def test_switches_and_numbers(path: Path):
    config = read(
        path,
        f"corpus: {{kind: toy, name: 2020-01-02, train: 1e3, seed: 010}}\n{SYSTEMS}"
        "training: {sorted_first_epoch: no, learning_rate: 1e-4, min_learning_rate: 1.0e-30}\n",
    )

    assert config.corpus.name == "2020-01-02"
    assert (config.corpus.train, config.corpus.seed) == (1000, 10)
    assert not config.training.sorted_first_epoch
    assert config.training.learning_rate == 1e-4


def test_systems_named_by_numbers(path: Path):
    config = read(path, TOY + "systems: {0.3: {objective: alpha, alpha: 0.3}, on: {objective: ml}}")

    assert list(config.systems) == ["0.3", "on"]


# -------------------------------------------------------------------- what cannot be meant


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seeds: 3", "seeds: a list is needed; write [3], or [1, 2, 3] for several (found 3)"),
        ("seeds: 1, 2", 'seeds: a list is needed; write [1, 2] (found "1, 2")'),
        ("seeds: [yes, true]", "seeds: true and false are not numbers; write a number"),
        ("seeds: [1, 1]", "seeds: each seed may be given once"),
        (
            "training: {max_epochs: true}",
            "training.max_epochs: true and false are not numbers; write a number",
        ),
        (
            "training: {max_epochs: }",
            "training.max_epochs: this is empty; give it a value, or remove the key for its "
            "default (40)",
        ),
        (
            "training: {learning_rate: .inf}",
            "training.learning_rate: a finite number is needed (found .inf)",
        ),
        (
            "training: {learning_rate: 1e999}",
            "training.learning_rate: a finite number is needed (found .inf)",
        ),
        (
            "decoding: {length_penalty: .nan}",
            "decoding.length_penalty: a finite number is needed (found .nan)",
        ),
        (
            "training: {learning_rte: 1}",
            "training.learning_rte: unknown key; did you mean learning_rate?",
        ),
        ("max_epochs: 3", "max_epochs: unknown key; did you mean training.max_epochs?"),
        ("max_epoch: 3", "max_epoch: unknown key; did you mean training.max_epochs?"),
        ("trainnig: {}", "trainnig: unknown key; did you mean training?"),
        ("Training: {}", "Training: unknown key; did you mean training?"),
        ('"a\\nb\\0": {}', "'a\\nb\\x00': unknown key; config/README.md lists the keys"),
        ("zzz: {}", "zzz: unknown key; config/README.md lists the keys"),
        (
            "training: {max_epochs:3}",
            "training.max_epochs:3: unknown key; did you mean max_epochs?",
        ),
        (
            "preparation: {lowercase: afer}",
            "preparation.lowercase: \"afer\" is not one of 'before', 'after' or 'never'; "
            "did you mean after?",
        ),
        (
            "preparation: {lowercase: no}",
            "preparation.lowercase: \"no\" is not one of 'before', 'after' or 'never'",
        ),
        (
            "preparation: {vocabulary: {kind: BPE}}",
            "preparation.vocabulary.kind: \"BPE\" is not one of 'words', 'bpe', 'pretrained'; did "
            "you mean bpe?",
        ),
        (
            "preparation: {vocabulary: {kind: words, operations: 3}}",
            "preparation.vocabulary.operations: this kind or objective does not take the key; "
            "remove it",
        ),
        (
            "training: 3",
            "training: keys with values are needed here, indented below it or in braces as "
            "{key: value} (found 3)",
        ),
    ],
)
def test_one_sentence_names_line_and_key(path: Path, line: str, message: str):
    assert refused(path, f"{MINIMAL}\n{line}\n") == f":4: {message}"


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("{objective: alpha}", "a.alpha: this key is required"),
        ("{objective: alpha, alpha: true}", "a.alpha: true and false are not numbers"),
        ("{objective: alpa, alpha: 1}", 'a.objective: "alpa" is not one of '),
        ("{objective: ml, tau: 3}", "a.tau: this kind or objective does not take the key"),
        ("{objective: raml, taw: 3}", "a.taw: unknown key; did you mean tau?"),
        ("{objective: raml, tau: .nan}", "a.tau: a finite number is needed (found .nan)"),
        ("{objective: ml, training: {max_epoch: 3}}", "a.training.max_epoch: unknown key; did"),
        (
            "{objective: ml, training: {learning_rate: -.inf}}",
            "a.training.learning_rate: a finite number is needed (found -.inf)",
        ),
        (
            "{objective: custom, function: 'a:b', options: {x: .inf}}",
            "a.options.x: a finite number is needed (found .inf)",
        ),
        (
            "{objective: interpolated, ml_weight: 0.1, other: {objective: raml, taw: 3}}",
            "a.other.taw: unknown key; did you mean tau?",
        ),
        ("{objective: ml, start: b}", "a.start: there is no system b to start from"),
        ("", "a: keys with values are needed here"),
        ("ml", "a: keys with values are needed here"),
    ],
)
def test_systems_too(path: Path, system: str, message: str):
    text = f"{TOY}systems:\n  ml: {{objective: ml}}\n  a: {system}\n"

    assert refused(path, text).startswith(f":4: systems.{message}")


@pytest.mark.parametrize("key", ["corpus", "systems", "model", "proposal"])
@pytest.mark.parametrize("value", ["false", "3", "[true]"])
def test_a_plain_value_is_not_a_section(path: Path, key: str, value: str):
    text = {"corpus": "corpus: {kind: toy}", "systems": "systems: {ml: {objective: ml}}"}
    lines = [f"{key}: {value}", *(line for name, line in text.items() if name != key)]
    assert f"{key}: keys with values are needed here" in refused(path, "\n".join(lines) + "\n")


def test_the_value_that_is_most_like_an_objective(path: Path):
    message = refused(path, TOY + "systems: {a: {objective: policy_gradients}}")

    assert message.endswith("; did you mean policy_gradient?")


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ("", "corpus: this is empty, but config/README.md says what it needs"),
        ("toy", 'corpus: keys with values are needed here, indented below it or in braces as '
         '{key: value} (found "toy")'),
        ("{kind: toy, name: 2014}", 'corpus.name: this is a number, but text is needed; put it in '
         'quotes ("2014")'),
        ("{kind: toy, source: false}", "corpus.source: this is false, but text is needed; put it "
         'in quotes, as "no", "on" or "false"'),
        ("{kind: toy, max_length: 3}", "corpus.max_length: unknown key; did you mean "
         "preparation.max_length?"),
    ],
)  # fmt: skip
def test_a_corpus_too(path: Path, corpus: str, message: str):
    assert refused(path, f"{SYSTEMS}corpus: {corpus}\n") == f":2: {message}"


def test_an_empty_list_of_systems(path: Path):
    assert refused(path, f"{TOY}systems:\n#  ml: {{objective: ml}}\n").startswith(":2: systems: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text", "- a\n- b\n", "3"])
def test_a_file_without_keys(path: Path, text: str):
    assert refused(path, text).startswith(": the file: keys with values are needed")


# ---------------------------------------------------------------------- several, together


def test_later_files_and_settings_are_laid_over_earlier_ones(tmp_path: Path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.json"
    first.write_text(MINIMAL + "training: {max_epochs: 3, batch_size: 7}\nseeds: [1, 2]\n")
    second.write_text('{"training": {"max_epochs": 4}, "model": {"hidden": 8}}')

    config = load_all(
        Experiment, [first, second], ['corpus={name: "2014", source: no}', "model=", "seeds=[5]"]
    )

    assert (config.training.max_epochs, config.training.batch_size) == (4, 7)
    assert (config.corpus.kind, config.corpus.name, config.corpus.source) == ("toy", "2014", "no")
    # An empty section changes nothing.
    assert config.model.hidden == 8
    assert config.seeds == (5,)


def test_settings_have_the_types_of_a_file(path: Path):
    path.write_text(MINIMAL)
    system = "{objective: custom, function: a:b, options: {x: 0.5, y: yes, z: true}}"

    config = load_all(Experiment, [path], [f"systems={{mine: {system}}}"])

    mine = config.systems["mine"]
    assert isinstance(mine, CustomConfig)
    assert mine.options == {"x": 0.5, "y": "yes", "z": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["seeds=3"], "--config seeds: seeds: a list is needed; write [3]"),
        (["corpus={source: False}"], "--config corpus: corpus.source: this is false, but text"),
        (["corpus={sorce: no}"], "--config corpus: corpus.sorce: unknown key; did you mean source"),
        (["seeds=[1]", "seeds=[2]"], "--config seeds: this key is given twice; keep one of them"),
        (["seeds=[1"], "--config seeds:1: this is not valid YAML"),
    ],
)
def test_a_setting_is_the_place_of_what_it_brings(path: Path, changes: list[str], message: str):
    path.write_text(MINIMAL)

    with pytest.raises(UserError) as error:
        load_all(Experiment, [path], changes)

    assert str(error.value).startswith(message)


def test_the_last_file_is_the_place_of_what_it_brings(tmp_path: Path, path: Path):
    path.write_text(MINIMAL + "model: {hidden: 4}\n")
    second = tmp_path / "second.yaml"
    second.write_text("\n\nmodel:\n  hidden: 7\n")

    with pytest.raises(UserError) as error:
        load_all(Experiment, [path, second], ["model={embedding: 3}"])

    assert str(error.value).startswith(f"{second}:4: model.hidden: ")


def test_what_no_file_has_is_missing_in_all(path: Path, tmp_path: Path):
    second = tmp_path / "second.yaml"
    path.write_text(SYSTEMS)
    second.write_text("seeds: [1]")

    with pytest.raises(UserError) as error:
        load_all(Experiment, [path, second])

    assert str(error.value).startswith(f"{path}, {second}: corpus: this key is required")


# --------------------------------------------------------------------------- own text files


def files(train: str) -> str:
    rest = "valid: {tsv: v.tsv}, test: {source: t.de, target: t.en}"
    return f"{SYSTEMS}corpus:\n  {{kind: files, name: x, {rest},\n   train: {train}}}\n"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a/b.tsv", "a/b.tsv"),
        ("file:///a/b.tsv", "/a/b.tsv"),
        ("FILE://localhost/a/b.tsv", "/a/b.tsv"),
        ("file:/a/b.tsv", "/a/b.tsv"),
        ("file:b.tsv", "b.tsv"),
        ("file:///a%20b/c#d%25.tsv", "/a b/c#d%.tsv"),
        ("a%20b#c.tsv", "a%20b#c.tsv"),
        ("'a {b} <c> \"d\".tsv'", 'a {b} <c> "d".tsv'),
        ("~b.tsv", "~b.tsv"),
    ],
)
def test_paths(path: Path, written: str, meant: str):
    corpus = read(path, files(f"{{tsv: {written}}}")).corpus

    assert isinstance(corpus, FilesCorpus)
    assert corpus.train.tsv == Path(meant)


def test_the_home_folder_is_written_out(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    corpus = read(path, files("{source: ~/a.de, target: ~/a.en}")).corpus

    assert isinstance(corpus, FilesCorpus)
    assert corpus.model_dump()["train"]["target"] == Path("/home/me/a.en")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("{tsv: }", "train.tsv: this is empty, but a path is needed"),
        ("{tsv: ''}", "train.tsv: this is empty, but a path is needed"),
        ("{source: a, target: }", "train.target: this is empty, but a path is needed"),
        ("{source: a}", "train.target: this key is required"),
        ("{souce: a, target: b}", "train.souce: unknown key; did you mean source?"),
        ("{tsv: a, source: b}", "train.source: "),
        ("a.tsv", "train: write {tsv: FILE}, or {source: FILE, target: FILE}"),
        ("", "train: this is empty, but"),
        ("{tsv: https://host/a.tsv}", "train.tsv: this is the address of a server; download it"),
        ("{tsv: file://data/a.tsv}", "train.tsv: a local file has three slashes: file:///data/a.t"),
        ('{tsv: "a\\nb"}', "train.tsv: a path has no line breaks"),
    ],
)
def test_invalid_paths(path: Path, train: str, message: str):
    assert refused(path, files(train)).startswith(f":4: corpus.{message}")


def test_mirrors_on_this_machine(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    mirrors = "[file:///my%20files, ~/files, https://host/a%20b]"
    text = f"{SYSTEMS}corpus: {{kind: iwslt14, mirrors: {mirrors}}}\n"

    found: Any = read(path, text).corpus

    assert found.mirrors == ("/my files", "/home/me/files", "https://host/a%20b")
