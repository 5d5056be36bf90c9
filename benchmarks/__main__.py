"""Measure everything in one run: `python -m benchmarks`, or `make bench`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import report, scaling, startup
from benchmarks.contenders import Contender, take_turns
from benchmarks.corpus import sample_of_batches, sentence_pairs, write_arrays
from benchmarks.flops import training_flop
from benchmarks.report import Results
from benchmarks.sizes import PAPER, PAPER_AXES, QUICK, QUICK_AXES, Axis, Sizes

OURS: dict[str, dict[str, Any]] = {
    "ml": {"objective": "ml", "candidates": 1},
    "raml": {"objective": "raml", "candidates": 1},
    "alpha_k1": {"objective": "alpha", "candidates": 1},
    "alpha_k4": {"objective": "alpha", "candidates": 4},
}
PLAIN = {"plain_fp32": {"precision": "fp32"}, "plain_bf16": {"precision": "bf16"}}
PEERS = ("joeynmt", "opennmt")


def run(sizes: Sizes, axes: tuple[Axis, ...], *, peers: Path, out: Path, work: Path) -> Results:
    """Measure everything.

    Args:
        sizes: sizes of the model, the data and the rounds.
        axes: quantities to scale, in the last part.
        peers: folder of the peers' environments; missing ones are skipped.
        out: folder for figures and logs.
        work: folder for temporary files.
    """
    few = replace(sizes, updates=sizes.few, warm_up=sizes.warm_up * sizes.updates // sizes.few)
    for each in (sizes, few):
        write_arrays(each, work / f"{each.updates}-batches.npz")
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)

    def start(
        module: str,
        sizes: Sizes,
        task: dict[str, Any],
        *,
        python: Path | str = sys.executable,
        name: str | None = None,
    ) -> Contender:
        return Contender(
            f"benchmarks.{module}",
            {
                "sizes": asdict(sizes),
                "arrays": str(work / f"{sizes.updates}-batches.npz"),
                "folder": str(work),
                **task,
            },
            python=python,
            log=logs / f"{name or module}.log",
        )

    installed = {
        f"peer_{name}": peers / name / "bin" / "python"
        for name in PEERS
        if (peers / name / ".installed").exists()
    }

    def start_training(sizes: Sizes, ours: Iterable[str], stack: ExitStack) -> dict[str, Contender]:
        running = {name: start("train", sizes, OURS[name], name=name) for name in ours}
        running |= {
            name: start("plain", sizes, task, name=name)
            for name, task in PLAIN.items()
            # Without instructions for bf16, autocast takes 30 times as long as fp32.
            if task["precision"] == "fp32" or running["ml"].about["dtype"] == "bfloat16"
        }
        for name, python in installed.items():
            module = f"peers.{name.removeprefix('peer_')}"
            running[name] = start(module, sizes, {}, python=python, name=name)
        for contender in running.values():
            stack.enter_context(contender)
        return running

    with ExitStack() as stack:
        say("training")
        running = {"gemm": stack.enter_context(start("gemm", sizes, {}))}
        running |= start_training(sizes, OURS, stack)
        turns = {"gemm_fp32": (running["gemm"], "fp32"), "gemm_bf16": (running["gemm"], "bf16")}
        turns |= {name: (running[name], "train") for name in running if name != "gemm"}
        training = take_turns(turns, repeats=sizes.repeats, warm_up=sizes.warm_up)
        machine = running["ml"].about

        say("decoding")
        turns = {"score": (running["ml"], "score")}
        for name, contender in running.items():
            if name not in {"ml", *installed}:
                contender.__exit__(None, None, None)
        decoder = stack.enter_context(start("decode", sizes, {"widths": [10]}))
        for name, contender in {"ours": decoder, **{n: running[n] for n in installed}}.items():
            turns[f"{name}_greedy"] = (contender, "greedy")
            turns[f"{name}_beam10"] = (contender, "beam10")
        decoding = take_turns(turns, repeats=sizes.repeats)

    with ExitStack() as stack:
        say("training on the same few batches")
        running = start_training(few, ["ml"], stack)
        turns = {name: (contender, "train") for name, contender in running.items()}
        repeated = take_turns(turns, repeats=few.repeats, warm_up=few.warm_up)

    say("encoding, BPE, augmentation, start-up")
    with start("stages", sizes, {}) as contender:
        names = ("encode", "bpe_learn", "bpe_apply", "draw", "augment")
        stages = take_turns({name: (contender, name) for name in names}, repeats=sizes.repeats)
    seconds = startup.measure(sizes.repeats)

    curves = {}
    for axis in axes:
        say(f"growing {axis.name}")
        curves[axis.name] = list(scaling.measure(axis, sizes, partial(start, name="scaling")))
        scaling.draw(axis, curves[axis.name], out / "benchmarks" / f"{axis.name}.svg")

    pairs = sentence_pairs(sizes, sizes.pairs)
    batches = sample_of_batches(pairs, sizes)
    flop = {
        name: training_flop(pairs, batches, sizes, candidates=task["candidates"])
        for name, task in OURS.items()
    }
    return Results(
        sizes=sizes,
        machine=machine,
        training=training,
        repeated=repeated,
        flop=flop,
        decoding=decoding,
        stages=stages,
        startup=seconds,
        curves=curves,
    )


def say(what: str) -> None:
    """Print the current stage."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Parse the command line, measure, and write summary.json, benchmarks.md and figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--peers", type=Path, default=Path("results/benchmarks/peers"))
    parser.add_argument("--quick", action="store_true", help="tiny sizes: numbers mean nothing")
    arguments = parser.parse_args()
    sizes, axes = (QUICK, QUICK_AXES) if arguments.quick else (PAPER, PAPER_AXES)
    arguments.out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=arguments.out))
    try:
        results = run(
            sizes,
            axes,
            peers=arguments.peers.absolute(),
            out=arguments.out.absolute(),
            work=work.absolute(),
        )
    finally:
        shutil.rmtree(work)
    report.write(results, arguments.out)
    print((arguments.out / "benchmarks.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
