import gzip
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_disk import SmallDisk

from alpha_dimt.cluster_limits import (
    check_room,
    check_scratch,
    collection,
    decoding,
    preparation,
    room,
    training,
)
from alpha_dimt.config import Experiment, load, parse
from alpha_dimt.config.models import AttentionRnnConfig
from alpha_dimt.core.errors import UserError

ML = {"objective": "ml"}


def experiment(**changes) -> Experiment:
    values = {"corpus": {"kind": "toy"}, "systems": {"a": ML}, **changes}
    return parse(Experiment, values, "test")


def train(**changes):
    whole = experiment(**changes)
    return training(whole.run_config("a", 1), whole.corpus.text_size())


@pytest.fixture
def configured(repository: Path):
    """The limits of training one of the experiments that come with the project."""

    def limits(name: str, system: str = "alpha0.5"):
        whole = load(Experiment, repository / f"config/{name}.yaml")
        return training(whole.run_config(system, 1), whole.corpus.text_size())

    return limits


def test_a_run_of_the_paper_asks_for_hours_and_a_toy_run_for_minutes(configured):
    assert configured("config").minutes < 30
    # Multi30k took 30 minutes on a core.
    assert 45 <= configured("multi30k").minutes <= 90
    assert 12 * 60 <= configured("iwslt14").minutes <= 24 * 60


@given(epochs=st.integers(1, 200), more=st.integers(0, 200))
def test_more_epochs_never_ask_for_less(epochs: int, more: int):
    few, many = (train(training={"max_epochs": count}) for count in (epochs, epochs + more))

    assert few.minutes <= many.minutes
    assert few.mem_mb == many.mem_mb


def test_thirty_epochs_take_three_times_as_long_as_ten():
    corpus = {"kind": "toy", "train": 500_000}
    minutes = [
        train(corpus=corpus, training={"max_epochs": epochs}).minutes - 10 for epochs in (10, 30)
    ]

    assert minutes[1] == pytest.approx(3 * minutes[0], abs=3)


@pytest.mark.parametrize(
    ("system", "sequences"),
    [
        (ML, 1),
        ({"objective": "scheduled_sampling"}, 1),
        ({"objective": "raml"}, 4),
        ({"objective": "alpha", "alpha": 0.5, "samples": 3}, 4 + 2 * 3),
        ({"objective": "mrt", "samples": 5}, 1 + 2 * 5),
        ({"objective": "gnmt_mixture", "samples": 5}, 1 + 2 * 5),
        (
            {"objective": "interpolated", "ml_weight": 0.5, "other": {"objective": "raml"}},
            1 + 4,
        ),
        ({"objective": "custom", "function": "m:f", "candidates": "proposal"}, 4),
        ({"objective": "custom", "function": "m:f", "candidates": "model", "samples": 6}, 12),
    ],
)
def test_candidates_cost_time(system: dict, sequences: int):
    corpus = {"kind": "toy", "train": 1_000_000}
    one = train(corpus=corpus, proposal={"candidates": 4})
    several = train(corpus=corpus, proposal={"candidates": 4}, systems={"a": system})

    assert several.minutes - 10 == pytest.approx(sequences * (one.minutes - 10), abs=sequences)


def test_larger_models_and_batches_ask_for_more():
    usual = train(corpus={"kind": "toy", "train": 100_000})
    large = train(corpus={"kind": "toy", "train": 100_000}, model={"hidden": 1024})
    wide = train(corpus={"kind": "toy", "train": 100_000}, training={"batch_size": 512})

    assert large.minutes > 3 * usual.minutes
    assert wide.mem_mb > usual.mem_mb


@pytest.mark.parametrize(("device", "train_gpus", "search_gpus"), [
    ("auto", 1, 0), ("cuda", 1, 1), ("cpu", 0, 0),
])  # fmt: skip
def test_one_gpu_a_run_unless_the_cpu_is_wanted(device: str, train_gpus: int, search_gpus: int):
    whole = experiment(training={"device": device})
    size = whole.corpus.text_size()

    assert training(whole.run_config("a", 1), size).gpus == train_gpus
    assert decoding(whole, whole.decoding, size).gpus == search_gpus
    assert preparation(whole, size).gpus == 0


def test_a_wider_beam_takes_longer():
    whole = experiment(corpus={"kind": "toy", "test": 50_000})
    size = whole.corpus.text_size()

    beam = decoding(whole, whole.decoding.searches["beam"], size)
    assert beam.minutes > 5 * decoding(whole, whole.decoding.searches["greedy"], size).minutes


def test_more_draws_take_longer():
    few, many = (
        preparation(whole, whole.corpus.text_size())
        for whole in (
            experiment(corpus={"kind": "toy", "train": 100_000}, proposal={"slices": slices})
            for slices in (1, 100)
        )
    )
    assert few.minutes < many.minutes
    assert few.mem_mb < many.mem_mb


def test_a_users_corpus_by_the_size_of_its_files(tmp_path: Path):
    text = b"five \n" * 10_000
    for name in ("a.de", "a.en", "b.tsv"):
        (tmp_path / name).write_bytes(text)
    packed = tmp_path / "c.tsv.gz"
    packed.write_bytes(gzip.compress(text, compresslevel=0))
    splits = {
        "train": {"source": str(tmp_path / "a.de"), "target": str(tmp_path / "a.en")},
        "valid": {"tsv": str(tmp_path / "b.tsv")},
        "test": {"tsv": str(packed)},
    }
    size = experiment(corpus={"kind": "files", "name": "mine", **splits}).corpus.text_size()

    assert size.train_tokens == 12_000
    assert size.test_sentences == pytest.approx(4 * 6_000 / 20, rel=0.01)


def test_collecting_more_runs_takes_longer():
    assert collection(1).minutes < collection(1_000).minutes


@pytest.mark.parametrize(("embedding", "hidden"), [(256, 256), (6, 10)])
def test_weights_are_counted_as_the_model_has_them(embedding: int, hidden: int):
    from alpha_dimt.models.attention_rnn.fused import FusedAttentionRnn

    sizes = AttentionRnnConfig(embedding=embedding, hidden=hidden)
    model = FusedAttentionRnn(sizes, source_vocab_size=120, target_vocab_size=90)

    assert sizes.parameters(120, 90) == sum(weight.numel() for weight in model.parameters())


def test_the_papers_weights_take_85_mb_three_times():
    words = {"kind": "words", "source_size": 32_009, "target_size": 22_822}
    whole = experiment(corpus={"kind": "iwslt14"}, preparation={"vocabulary": words})
    needed = room(whole, whole.corpus.text_size(), runs=10)

    assert needed.likely == pytest.approx(10 * 3 * 85e6, rel=0.02)
    assert 0 < needed.least < needed.likely / 3


def test_a_full_disk_is_foreseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    whole = experiment()
    size = whole.corpus.text_size()
    needed = room(whole, size, runs=5)
    results = tmp_path / "results"  # need not be there

    def with_free(free: int) -> str:
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
        check_room(whole, size, 5, results)
        return str(capsys.readouterr().err)

    assert with_free(needed.likely) == ""
    assert with_free(needed.likely - 1).startswith(f"warning: {results}: ")
    with pytest.raises(UserError, match=r"the weights of 5 runs take at least .* make room"):
        with_free(needed.least - 1)
    check_room(whole, size, 0, results)
    assert capsys.readouterr().err == ""


def test_a_full_or_missing_folder_for_temporary_files(tmp_path: Path, small_disk: SmallDisk):
    check_scratch({})
    check_scratch({"TMPDIR": ""})
    with pytest.raises(UserError, match=r"TMPDIR=/no/such: there is no such folder"):
        check_scratch({"TMPDIR": "/no/such"})
    small_disk.fill(leave=0)
    with pytest.raises(UserError, match=r"has 0\.0 MB left; make room, or name another one"):
        check_scratch({"TMPDIR": str(small_disk.folder)})
