"""The checked configuration, and what the rules share: names, paths and helpers."""

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

# The rules call `python -m alpha_dimt`: the package of this folder, installed or not, with the
# interpreter that runs Snakemake unless a conda environment is activated over it.
PACKAGE = f"{workflow.basedir}/src"
sys.path.insert(0, PACKAGE)
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")])),
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    ),
)

try:
    # Snakemake's own `parse` and `config` share the names of this file.
    from alpha_dimt import config as typed
    from alpha_dimt import cluster_limits as limits
    from alpha_dimt.core.errors import UserError
    from alpha_dimt.runs.paths import state_of
    from alpha_dimt.runs.stale import Results
except ModuleNotFoundError as error:
    sys.exit(
        f"the environment of Snakemake lacks {error.name}: install requirements.lock "
        "(`make run` does) or environment.yml and start Snakemake from there"
    )


def checked(files, key):
    """Return paths of the user's own files that are there; `key` is where they are named."""
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file}: there is no such file; check {key} in the configuration"
            )
    return [str(file) for file in files]


# `sys.exit` prints the one line alone; a WorkflowError adds the lines of this file to it.
try:
    # Snakemake's own reader takes `no` for false and says nothing of a key that is given twice.
    experiment = typed.load_all(
        typed.Experiment,
        workflow.configfiles,
        workflow.config_settings.config_args or (),
    )
    USER_FILES = checked(experiment.corpus.files, "corpus")
    WORD_LISTS = checked(
        experiment.preparation.vocabulary.lists, "preparation.vocabulary"
    )
    CORPUS_SIZE = experiment.corpus.text_size()
except UserError as error:
    sys.exit(str(error))

CORPUS = experiment.corpus.name
SOURCE, TARGET = experiment.corpus.source, experiment.corpus.target
RAW_SPLITS = list(experiment.corpus.raw_splits)
# Each proposal by its fingerprint, and a system that has it.
PROPOSALS = {
    experiment.proposal_of(system).fingerprint(): system
    for system, objective in experiment.systems.items()
    if objective.needs().proposal
}
# Where Table 1 takes its numbers from.
SCORED = ["valid.greedy", "test.greedy", "test.beam"]
# What `evaluate` is told about the text: one parameter, for the shell line stays as it is.
TEXT_OPTIONS = (
    "--cased" if experiment.preparation.lowercase == "never" else "--lowercase"
)
if experiment.preparation.tokenised:
    TEXT_OPTIONS += " --detokenised-reference"
# What systems are compared on: validation data chose the checkpoints.
TESTED = ["test.greedy", "test.beam"]


wildcard_constraints:
    corpus=re.escape(CORPUS),
    system="|".join(map(re.escape, experiment.systems)),
    seed=r"\d+",
    split="valid|test",
    search="greedy|beam",


# What a cluster is asked for; resources rerun nothing. The local machine pays them no attention.
@cache
def training_limits(system):
    """Return the limits of a training, which are those of all its seeds."""
    run = experiment.run_config(system, experiment.seeds[0])
    return limits.training(run, CORPUS_SIZE)


@cache
def decoding_limits(search):
    """Return the limits of decoding one split."""
    return limits.decoding(experiment, experiment.search_config(search), CORPUS_SIZE)


PREPARATION = limits.preparation(experiment, CORPUS_SIZE)
EVALUATION = limits.collection(1)
COLLECTION = limits.collection(len(experiment.systems) * len(experiment.seeds))


def for_languages(pattern):
    """Return the pattern for the source and the target language."""
    return [pattern.replace("{language}", language) for language in (SOURCE, TARGET)]


VOCABULARY = for_languages("results/{corpus}/data/encoded/vocab.{language}.txt")
if experiment.preparation.vocabulary.kind == "bpe":
    VOCABULARY += for_languages("results/{corpus}/data/encoded/codes.{language}.txt")
# What a run keeps of them, so that it translates whatever becomes of the corpus.
OWN_VOCABULARY = for_languages("vocab.{language}.txt")
if experiment.preparation.vocabulary.kind == "bpe":
    OWN_VOCABULARY.append(f"codes.{SOURCE}.txt")


def force_stale():
    """Make what is of another configuration or of other data run again.

    Snakemake sees such a change by its own records and by dates; it is also made again where those
    records are gone or dates lie.
    """
    if not workflow.is_main_process:  # a job on a cluster
        return
    stale = Results(experiment, Path("results", CORPUS)).stale()
    if stale:
        more = f" and {len(stale) - 1} more" if stale[1:] else ""
        logger.info(
            f"{stale[0]}{more}: made with another configuration or other data; made again"
        )
    # As Snakemake does it for incomplete files: nothing becomes a target that was none.
    workflow.dag.forcefiles.update(map(str, stale))


def text_to_fetch(wildcards):
    """Return the user's own text; asked once for each planning of the workflow."""
    force_stale()
    return watched(USER_FILES)


def watched(files):
    """Return the files that Snakemake can watch.

    It takes names with brackets for patterns of names. Like all others those are watched by
    content (`force_stale`).
    """
    return [file for file in files if not set(file) & set("{}<>")]


def run_slice(wildcards):
    """Return the slice of the configuration that one training depends on."""
    return experiment.run_config(wildcards.system, int(wildcards.seed))


def augment_slice(wildcards):
    """Return the slice of the configuration that the candidates of one seed depend on."""
    system = PROPOSALS[wildcards.proposal]
    return experiment.augment_config(system, int(wildcards.seed))


def candidates(wildcards):
    """Return the file of candidates that a system trains on; not all have one."""
    proposal = run_slice(wildcards).proposal
    if proposal is None:
        return []
    return f"results/{wildcards.corpus}/augmented/{proposal.fingerprint()}/seed{wildcards.seed}.arrow"


def start(wildcards):
    """Return the weights that a system starts from; most have none."""
    run = run_slice(wildcards).start
    if run is None:
        return []
    return (
        f"results/{wildcards.corpus}/runs/{run.system}/seed{run.seed}/best.safetensors"
    )


def runs(pattern):
    """Return the pattern for every run, system by system as the configuration lists them."""
    return expand(
        f"results/{CORPUS}/runs/{{system}}/seed{{seed}}/{pattern}",
        system=experiment.systems,
        seed=experiment.seeds,
    )


def forget_checkpoints():
    """Remove the last checkpoint of each finished run: its outputs are there, and that is noted.

    If Snakemake dies before it has noted that, it deletes the outputs and starts the training again,
    which then takes them from the checkpoint.
    """
    for file in map(Path, runs("run.json")):
        if file.exists():
            shutil.rmtree(state_of(file.parent), ignore_errors=True)


def first_seeds(pattern):
    """Return the pattern for the first seed of every system."""
    return expand(
        f"results/{CORPUS}/runs/{{system}}/seed{experiment.seeds[0]}/{pattern}",
        system=experiment.systems,
    )


def run_folders(wildcards, seeds=experiment.seeds):
    """Return the folders of runs, in the order of `runs`, as a pattern that bash expands.

    One argument of a command holds 128 KiB, and Snakemake hands bash a command as one argument:
    written out, some 3,000 folders are too long.
    """

    def one_of(names):
        names = list(map(str, names))
        return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"

    systems, seeds = one_of(experiment.systems), one_of(seeds)
    return f"results/{CORPUS}/runs/{systems}/seed{seeds}/"
