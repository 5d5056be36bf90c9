"""OpenNMT-py: its model, its training loop (`Trainer.train`) and its search."""

import json
import sys
from types import ModuleType
from typing import Any

# Its tokenisation transforms import these whether they are used or not.
for unused in ("spacy", "ahocorasick", "fasttext"):
    sys.modules[unused] = ModuleType(unused)

import pyonmttok  # noqa: E402
import torch  # noqa: E402
from onmt import opts  # noqa: E402
from onmt.model_builder import build_model  # noqa: E402
from onmt.trainer import build_trainer  # noqa: E402
from onmt.translate import GNMTGlobalScorer, Translator  # noqa: E402
from onmt.utils.optimizers import Optimizer  # noqa: E402
from onmt.utils.parse import ArgumentParser  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.peers.arrays import PAD, read_arrays, words  # noqa: E402
from benchmarks.peers.rounds import serve_rounds  # noqa: E402


def options(sizes: dict[str, int]) -> Any:
    """Return the options of a training with the sizes and the recipe of the paper's."""
    parser = ArgumentParser()
    opts.train_opts(parser)
    settings = {
        "data": "{}", "src_vocab": "none", "tgt_vocab": "none", "save_model": "none",
        "encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "LSTM", "input_feed": 1,
        "global_attention": "general", "layers": 1, "hidden_size": sizes["units"],
        "word_vec_size": sizes["units"], "dropout": 0.3, "param_init": 0.1,
        "optim": "sgd", "learning_rate": 1.0, "max_grad_norm": 5.0,
        "batch_size": sizes["batch"], "normalization": "sents",
    }  # fmt: skip
    given = [part for name, value in settings.items() for part in (f"-{name}", str(value))]
    parsed, _ = parser.parse_known_args(given)
    parsed.data = {}
    ArgumentParser.update_model_opts(parsed)
    ArgumentParser.validate_model_opts(parsed)
    return parsed


def main() -> None:
    """Serve rounds "train", "greedy" and "beam10"."""
    task = json.loads(sys.argv[1])
    sizes = task["sizes"]
    torch.set_num_threads(sizes["threads"])
    torch.manual_seed(1)
    arrays = read_arrays(task["arrays"])
    chosen = options(sizes)
    specials = ["<unk>", "<blank>", "<s>", "</s>"]
    vocabs: dict[str, Any] = {
        side: pyonmttok.build_vocab_from_tokens(
            words(sizes[f"{name}_words"]), special_tokens=specials
        )
        for side, name in (("src", "source"), ("tgt", "target"))
    }
    assert [len(vocabs["src"]), len(vocabs["tgt"])] == [
        sizes["source_words"],
        sizes["target_words"],
    ]
    vocabs |= {"data_task": "seq2seq", "decoder_start_token": "<s>"}
    model = build_model(chosen, chosen, vocabs, None, -1)
    trainer = build_trainer(chosen, -1, model, vocabs, Optimizer.from_opt(model, chosen))

    def columns(ids: Tensor) -> Tensor:
        return ids[:, :, None].contiguous()

    def train() -> float:
        model.train()
        batches = []
        for i in range(sizes["updates"]):
            target = arrays[f"batch{i}_target"]
            batches.append(
                {
                    "src": columns(arrays[f"batch{i}_source"]),
                    "srclen": arrays[f"batch{i}_source_lengths"],
                    "tgt": columns(target),
                    "tgtlen": (target != PAD).sum(dim=1),
                }
            )
        trainer.train([(batch, 0) for batch in batches], train_steps=0)
        return float(sum(int(batch["tgtlen"].sum()) - sizes["batch"] for batch in batches))

    def decode(name: str, count: int, width: int) -> float:
        model.eval()
        translator = Translator(
            model,
            vocabs,
            min_length=sizes["steps"],
            max_length=sizes["steps"],
            max_length_ratio=0,
            beam_size=width,
            random_sampling_topk=1 if width == 1 else 0,
            global_scorer=GNMTGlobalScorer(0.0, 0.0, "none", "none"),
        )
        for i in range(count // sizes["decode_batch"]):
            batch = {"src": columns(arrays[f"{name}{i}"]), "srclen": arrays[f"{name}{i}_lengths"]}
            translator.translate_batch(batch, attn_debug=False)
        return count

    serve_rounds(train, decode, sizes, model)


if __name__ == "__main__":
    main()
