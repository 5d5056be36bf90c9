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
    from alpha_dimt import resources as limits
    from alpha_dimt.errors import UserError
    from alpha_dimt.layout import state_of
except ModuleNotFoundError as error:
    sys.exit(
        f"the environment of Snakemake lacks {error.name}: install requirements.lock "
        "(`make run` does) or environment.yml and start Snakemake from there"
    )


def user_files(corpus):
    """Return the user's own text files, which the workflow reads but does not make."""
    if corpus.kind != "files":
        return []
    files = []
    for split in (corpus.train, corpus.valid, corpus.test):
        if isinstance(split, typed.OneTable):
            files.append(split.tsv)
        else:
            files += [split.source, split.target]
    return checked(files, "corpus")


def word_lists(vocabulary):
    """Return the user's own vocabularies."""
    lists = vocabulary.lists if isinstance(vocabulary, typed.Words) else ()
    return checked(lists, "preparation.vocabulary")


def checked(files, key):
    """Return paths of files that are there; `key` is where they are named."""
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file}: there is no such file; check {key} in the configuration"
            )
    return [str(file) for file in files]


# `sys.exit` prints the one line alone; a WorkflowError adds the lines of this file to it.
try:
    experiment = typed.parse(
        typed.Experiment, config, ", ".join(map(str, workflow.configfiles))
    )
    USER_FILES = user_files(experiment.corpus)
    WORD_LISTS = word_lists(experiment.preparation.vocabulary)
    CORPUS_SIZE = limits.corpus_size(experiment.corpus)
except UserError as error:
    sys.exit(str(error))

CORPUS = experiment.corpus.name
SOURCE, TARGET = experiment.corpus.source, experiment.corpus.target
# The archive of IWSLT'14 has no validation set of its own; `tokenise` cuts it off.
RAW_SPLITS = (
    ["train", "test"]
    if experiment.corpus.kind == "iwslt14"
    else ["train", "valid", "test"]
)
# Each proposal by its fingerprint, and a system that has it.
PROPOSALS = {
    experiment.proposal_of(system).fingerprint(): system
    for system, objective in experiment.systems.items()
    if typed.from_proposal(objective)
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
if isinstance(experiment.preparation.vocabulary, typed.Bpe):
    VOCABULARY += for_languages("results/{corpus}/data/encoded/codes.{language}.txt")


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
