"""JoeyNMT: its model, its training step (`TrainManager._train_step`) and its search."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import torch
from joeynmt.batch import Batch
from joeynmt.config import parse_train_args
from joeynmt.model import Model, build_model
from joeynmt.search import search
from joeynmt.training import TrainManager
from joeynmt.vocabulary import Vocabulary

from benchmarks.peers.arrays import PAD, UNK, read_arrays, words
from benchmarks.peers.rounds import serve_rounds

BOS, EOS = 2, 3
CPU = torch.device("cpu")


def vocabulary(size: int) -> Vocabulary:
    """Return a vocabulary of this size; `Vocabulary` itself would search a list for each word."""
    specials = SimpleNamespace(
        unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>", sep_token=None,
        unk_id=UNK, pad_id=PAD, bos_id=BOS, eos_id=EOS, sep_id=None, lang_tags=[],
    )  # fmt: skip
    vocab = Vocabulary([], specials)
    for word in words(size):
        vocab._stoi[word] = len(vocab._itos)
        vocab._itos.append(word)
    return vocab


def model_of(sizes: dict[str, int]) -> Model:
    """Return the model with the sizes of the paper's."""
    units = sizes["units"]
    shared = {"type": "recurrent", "rnn_type": "lstm", "num_layers": 1, "dropout": 0.0}
    embeddings = {"embedding_dim": units, "dropout": 0.0}
    encoder = {"embeddings": embeddings, "hidden_size": units // 2, "bidirectional": True}
    decoder = {
        "embeddings": embeddings,
        "hidden_size": units,
        "hidden_dropout": 0.3,
        "init_hidden": "last",
        "input_feeding": True,
        "attention": "luong",
    }
    model = build_model(
        {
            "encoder": shared | encoder,
            "decoder": shared | decoder,
            "initializer": "uniform",
            "init_weight": 0.1,
            "embed_initializer": "uniform",
            "embed_init_weight": 0.1,
        },
        src_vocab=vocabulary(sizes["source_words"]),
        trg_vocab=vocabulary(sizes["target_words"]),
    )
    model.loss_function = ("crossentropy", 0.0)
    return model


def manager_of(model: Model, batch_size: int, folder: Path) -> TrainManager:
    """Return the trainer: SGD, rate 1, gradients clipped at 5, losses averaged over sentences."""
    settings = parse_train_args(
        {
            "optimizer": "sgd",
            "learning_rate": 1.0,
            "clip_grad_norm": 5.0,
            "normalization": "batch",
            "batch_size": batch_size,
            # A schedule must be named; this one moves after an epoch, which never ends here.
            "scheduling": "exponential",
            "epochs": 1,
        }
    )
    return TrainManager(
        rank=0,
        model=model,
        model_dir=folder / "joeynmt",
        device=CPU,
        autocast={"device_type": "cpu", "enabled": False},
        train_args=settings,
    )


def main() -> None:
    """Serve rounds "train", "greedy" and "beam10"."""
    task = json.loads(sys.argv[1])
    sizes = task["sizes"]
    torch.set_num_threads(sizes["threads"])
    torch.manual_seed(1)
    arrays = read_arrays(task["arrays"])
    model = model_of(sizes)
    manager = manager_of(model, sizes["batch"], Path(task["folder"]))

    def batch(name: str, *, trained: bool) -> Batch:
        source = arrays[f"{name}_source" if trained else name]
        return Batch(
            src=source.clone(),
            src_length=arrays[f"{name}_source_lengths" if trained else f"{name}_lengths"].clone(),
            src_prompt_mask=None,
            trg=arrays[f"{name}_target"].clone() if trained else None,
            trg_prompt_mask=None,
            indices=torch.arange(len(source)),
            device=CPU,
            pad_index=PAD,
            eos_index=EOS,
            is_train=trained,
        )

    def train() -> float:
        tokens = 0
        for i in range(sizes["updates"]):
            one = batch(f"batch{i}", trained=True)
            manager._train_step(one)
            manager.clip_grad_fun(parameters=model.parameters())
            manager.optimizer.step()
            model.zero_grad()
            tokens += one.ntokens
        return tokens

    def sources(name: str, count: int) -> Iterator[Batch]:
        for i in range(count // sizes["decode_batch"]):
            one = batch(f"{name}{i}", trained=False)
            one.sort_by_src_length()
            yield one

    def decode(name: str, count: int, width: int) -> float:
        model.eval()
        for one in sources(name, count):
            search(
                model,
                one,
                max_output_length=sizes["steps"],
                min_output_length=sizes["steps"],
                beam_size=width,
                beam_alpha=-1,
            )
        return count

    serve_rounds(train, decode, sizes, model)


if __name__ == "__main__":
    main()
