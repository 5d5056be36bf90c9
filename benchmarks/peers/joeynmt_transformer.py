"""JoeyNMT's Transformer as a contender of `benchmarks.transformers`."""

import itertools
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from joeynmt.batch import Batch
from joeynmt.config import parse_train_args
from joeynmt.model import Model, build_model
from joeynmt.search import search
from joeynmt.training import TrainManager

from benchmarks.peers.arrays import PAD, read_arrays
from benchmarks.peers.joeynmt import CPU, EOS, vocabulary
from benchmarks.serve import serve


def model_of(sizes: dict[str, Any], source_words: int, target_words: int) -> Model:
    """Return the model with the sizes of a configuration, initialised as JoeyNMT recommends."""
    embeddings = {"embedding_dim": sizes["units"], "scale": True, "dropout": sizes["dropout"]}
    stack = {
        "type": "transformer",
        "num_layers": sizes["layers"],
        "num_heads": sizes["heads"],
        "embeddings": embeddings,
        "hidden_size": sizes["units"],
        "ff_size": sizes["inner"],
        "dropout": sizes["dropout"],
        "layer_norm": "pre",
    }
    return build_model(
        {
            "encoder": dict(stack),
            "decoder": dict(stack),
            "tied_softmax": True,
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
        },
        src_vocab=vocabulary(source_words),
        trg_vocab=vocabulary(target_words),
    )


def batch_of(source: Any, lengths: Any, target: Any) -> Batch:
    """Return a batch as JoeyNMT's loader makes it."""
    return Batch(
        src=source,
        src_length=lengths,
        src_prompt_mask=None,
        trg=target,
        trg_prompt_mask=None,
        indices=torch.arange(len(source)),
        device=CPU,
        pad_index=PAD,
        eos_index=EOS,
        is_train=target is not None,
    )


def main() -> None:
    """Serve rounds "epoch", "greedy" and "beam5"."""
    task = json.loads(sys.argv[1])
    run, folder = task["run"], Path(task["folder"])
    recipe, objective = run["training"], run["objective"]
    torch.set_num_threads(recipe["threads"])
    torch.manual_seed(1)
    model = model_of(run["model"], task["source_words"], task["target_words"])
    model.loss_function = ("crossentropy", objective.get("label_smoothing", 0.0))
    optimiser, schedule = recipe["optimiser"], recipe["schedule"]
    manager = TrainManager(
        rank=0,
        model=model,
        model_dir=folder / "joeynmt",
        device=CPU,
        autocast={"device_type": "cpu", "enabled": False},
        train_args=parse_train_args(
            {
                "optimizer": optimiser["kind"],
                "adam_betas": [optimiser["beta1"], optimiser["beta2"]],
                "weight_decay": optimiser["weight_decay"],
                "learning_rate": recipe["learning_rate"],
                "clip_grad_norm": recipe["clip_norm"],
                "normalization": "batch",
                "batch_size": recipe["batch_size"],
                # The rate is set below, for each update.
                "scheduling": "exponential",
                "epochs": 1,
            }
        ),
    )
    [group] = manager.optimizer.param_groups
    group["eps"] = optimiser["epsilon"]
    steps, epochs, warmup = itertools.count(1), itertools.count(1), schedule["warmup"]

    def epoch() -> float:
        arrays = read_arrays(folder / f"epoch{next(epochs)}.npz")
        tokens = 0
        for i in itertools.count():
            if f"batch{i}_source" not in arrays:
                return tokens
            names = ("source", "source_lengths", "target")
            one = batch_of(*(arrays[f"batch{i}_{name}"] for name in names))
            step = next(steps)
            group["lr"] = recipe["learning_rate"] * min(step / warmup, (warmup / step) ** 0.5)
            manager._train_step(one)
            manager.clip_grad_fun(parameters=model.parameters())
            manager.optimizer.step()
            model.zero_grad()
            tokens += one.ntokens
        raise AssertionError

    test = read_arrays(folder / "test.npz")

    def decode(name: str, beam: int) -> float:
        model.eval()
        found: dict[int, list[int]] = {}
        for i in itertools.count():
            if f"{name}{i}" not in test:
                break
            one = batch_of(test[f"{name}{i}"], test[f"{name}{i}_lengths"], None)
            back = one.sort_by_src_length()
            with torch.no_grad():
                output, _, _ = search(
                    model, one, max_output_length=80, beam_size=beam, beam_alpha=-1
                )
            for number, row in zip(
                test[f"{name}{i}_rows_lengths"].tolist(), output[back], strict=True
            ):
                ended = itertools.takewhile(lambda id: id != EOS, row.tolist())
                found[number] = [1 - id if id < 2 else id for id in ended if id != PAD]
        out = folder / f"{task['name']}.{name}.json"
        out.write_text(json.dumps([found[number] for number in range(len(found))]))
        return len(found)

    serve(
        {
            "epoch": epoch,
            "greedy": partial(decode, "greedy", 1),
            "beam5": partial(decode, "beam5", 5),
        },
        parameters=str(sum(p.numel() for p in model.parameters())),
        dtype="float32",
    )


if __name__ == "__main__":
    main()
