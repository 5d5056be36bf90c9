"""Draw estimator.svg, bias and error of Eq. 15 against K, and print the bias of Eq. 13 on policy.

    PYTHONPATH=src python docs/figures/estimator.py

The numbers are those that tests/properties/test_estimator.py asserts, with more values of K.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "helpers"))

from estimator import Moments, every_q0, moments, on_policy_bias  # noqa: E402
from exact import Exact  # noqa: E402

SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
REPETITIONS = 1000
ON_POLICY_ALPHAS = [0.0, 0.5, 0.9, 1.0]
ON_POLICY_SIZES = {8: 400_000, 64: 100_000, 512: 20_000}
"""K, and how often so many samples are drawn."""
COLOURS = ["#000000", "#D55E00", "#0072B2", "#56B4E9", "#009E73", "#CC79A7", "#E69F00"]
MARKERS = "o^sDvPX"


def measure() -> dict[str, list[Moments]]:
    """Return the moments at every K, by proposal; small K are the first columns of large K."""
    exact = Exact()
    measured = {}
    for name, q0 in every_q0(exact).items():
        drawn = q0.draw(REPETITIONS * SIZES[-1], seed=1).view(REPETITIONS, -1)
        measured[name] = [moments(exact, q0, drawn[:, :k]) for k in SIZES]
    return measured


def print_on_policy() -> None:
    """Print the bias of Eq. 13 with an estimated Z as a table."""
    exact = Exact()
    model = every_q0(exact)["the model"]
    print("| alpha | K | bias | its part at right angles | standard error |")
    print("|---:|---:|---:|---:|---:|")
    for alpha in ON_POLICY_ALPHAS:
        for k, repetitions in ON_POLICY_SIZES.items():
            drawn = model.draw(repetitions * k, seed=1).view(repetitions, k)
            found = on_policy_bias(exact, drawn, alpha=alpha)
            print(
                f"| {alpha:g} | {k} | {found.size:.2f} | {found.turned:.2f} | {found.noise:.3f} |"
            )


def main() -> None:
    """Write the figure beside this file."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "estimator", "font.size": 9})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
    for (name, values), colour, marker in zip(measure().items(), COLOURS, MARKERS, strict=True):
        points = {"color": colour, "marker": marker, "linestyle": "", "markersize": 4}
        line = {"color": colour, "linewidth": 0.8}
        left.loglog(SIZES, [m.bias.norm() for m in values], label=name, **points)
        left.loglog(SIZES, [m.bias_theory.norm() for m in values], **line)
        right.loglog(SIZES, [m.mean_square**0.5 for m in values], **points)
        right.loglog(SIZES, [m.mean_square_theory**0.5 for m in values], **line)
    left.set_title("bias: falls as 1 / K")
    right.set_title("root mean square error: falls as 1 / √K")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("K, candidates of the source")
        axes.grid(alpha=0.25, linewidth=0.5)
    left.set_ylabel("relative to the norm of the exact gradient")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(HERE / "estimator.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
    print_on_policy()
