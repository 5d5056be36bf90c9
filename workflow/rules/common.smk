"""The checked configuration, and the names, paths and helpers that the rules share."""

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

# The rules call `python -m alpha_dimt` with the interpreter that runs Snakemake, unless a conda
# environment is activated on top. In a checkout, that is the package beside the workflow, installed
# or not; else the installed one.
PACKAGE = os.path.normpath(f"{HERE}/../src")
if os.path.isdir(f"{PACKAGE}/alpha_dimt"):
    sys.path.insert(0, PACKAGE)
    os.environ.update(
        PYTHONPATH=os.pathsep.join(
            filter(None, [PACKAGE, os.environ.get("PYTHONPATH")])
        )
    )
os.environ.update(
    PATH=os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
)
# As a module of another workflow, this one has a configuration and perhaps a folder of its own.
IS_MODULE = workflow.modifier.namespace is not None
PREFIX = workflow.modifier.path_modifier.prefix or ""

try:
    # Imported as `typed`, because Snakemake's own `config` and `parse` share this namespace.
    from alpha_dimt import config as typed
    from alpha_dimt import cluster_limits as limits
    from alpha_dimt.config.pretrained import TOKENISER
    from alpha_dimt.core.errors import UserError
    from alpha_dimt.runs.overview import highest, look_at_all
    from alpha_dimt.runs.paths import state_of
    from alpha_dimt.runs.stale import Results
except ModuleNotFoundError as error:
    sys.exit(
        f"Snakemake's environment lacks {error.name}: run pip install "
        "'alpha-dimt[workflow]', in a checkout `make run`, or install environment.yml, and start "
        "Snakemake from there"
    )


# `sys.exit` prints only the one line; a WorkflowError would add lines of this file.
try:
    if IS_MODULE:
        experiment = typed.parse(typed.Experiment, config, "the module's config")
    else:
        # Read again, because Snakemake's reader turns `no` into false and accepts duplicate keys.
        experiment = typed.load_all(
            typed.Experiment,
            workflow.configfiles,
            workflow.config_settings.config_args or (),
        )
    experiment.check_files()
    CORPUS_SIZE = experiment.corpus.text_size()
except UserError as error:
    sys.exit(str(error))

CORPUS = experiment.corpus.name
USER_FILES = list(map(str, experiment.corpus.files))
VOCABULARY_FILES = list(map(str, experiment.preparation.vocabulary.files))
FIRST_WEIGHTS = list(map(str, experiment.model.files))
RESULTS = Path(PREFIX, "results", CORPUS)
STATES = experiment.checkpoints.of(RESULTS)
SOURCE, TARGET = experiment.corpus.source, experiment.corpus.target
RAW_SPLITS = list(experiment.corpus.raw_splits)
# One system for each proposal, by the proposal's fingerprint.
PROPOSALS = {
    experiment.proposal_of(system).fingerprint(): system
    for system, objective in experiment.systems.items()
    if objective.needs().proposal
}
# The scores in Table 1.
SCORED = ["valid.greedy", "test.greedy", "test.beam"]
# Those beyond it.
SEARCHES = list(experiment.decoding.searches)
TABLE_NAMES = ["table1", "significance", "training"]
FURTHER = [f"test.{name}" for name in SEARCHES if name not in ("greedy", "beam")]
if FURTHER:
    TABLE_NAMES.append("searches")
# Options of `evaluate` about the text, in one parameter so that the shell line stays the same.
TEXT_OPTIONS = (
    "--cased" if experiment.preparation.lowercase == "never" else "--lowercase"
)
if experiment.preparation.tokenised:
    TEXT_OPTIONS += " --detokenised-reference"
# Systems are compared on test data only, since validation data selected the checkpoints.
TESTED = ["test.greedy", "test.beam"]


wildcard_constraints:
    corpus=re.escape(CORPUS),
    system="|".join(map(re.escape, experiment.systems)),
    seed=r"\d+",
    split="valid|test",
    search="|".join(SEARCHES),


# Resource requests on a cluster. Changes rerun nothing, and local execution ignores them.
@cache
def training_limits(system):
    """Return the limits of a system's trainings, the same for all seeds."""
    run = experiment.run_config(system, experiment.seeds[0])
    return limits.training(run, CORPUS_SIZE)


@cache
def decoding_limits(search):
    """Return the limits of decoding one split."""
    return limits.decoding(
        experiment, experiment.decoding.searches[search], CORPUS_SIZE
    )


PREPARATION = limits.preparation(experiment, CORPUS_SIZE)
EVALUATION = limits.collection(1)
COLLECTION = limits.collection(len(experiment.runs))


def for_languages(pattern):
    """Return the pattern for the source and the target language."""
    return [pattern.replace("{language}", language) for language in (SOURCE, TARGET)]


# What `tokenise` writes, and which of it `encode` reads.
TEXT_SPLITS = ["train", "valid", "test", "valid.raw", "test.raw"]
ENCODED_SPLITS = ["train", "valid", "test"]
VOCABULARY = for_languages("results/{corpus}/data/encoded/vocab.{language}.txt")
if experiment.preparation.reads_raw:
    TEXT_SPLITS.append("train.raw")
    ENCODED_SPLITS = [f"{split}.raw" for split in ENCODED_SPLITS]
    VOCABULARY.append(f"results/{{corpus}}/data/encoded/{TOKENISER}")
if experiment.preparation.vocabulary.kind == "bpe":
    VOCABULARY += for_languages("results/{corpus}/data/encoded/codes.{language}.txt")
# The copies in each run folder, which make it self-contained for translation.
OWN_VOCABULARY = for_languages("vocab.{language}.txt")
if experiment.preparation.reads_raw:
    OWN_VOCABULARY.append(TOKENISER)
if experiment.preparation.vocabulary.kind == "bpe":
    OWN_VOCABULARY.append(f"codes.{SOURCE}.txt")


def force_stale():
    """Rerun the jobs whose results were made with another configuration or other data.

    Snakemake detects such changes by its own records and by dates; this also works if the records
    are missing or the dates are wrong.
    """
    if not workflow.is_main_process:  # a job on a cluster
        return
    stale = Results(experiment, RESULTS).stale()
    if stale:
        more = f" and {len(stale) - 1} more" if stale[1:] else ""
        logger.info(
            f"{stale[0]}{more}: made with another configuration or other data; making it again"
        )
    # As Snakemake does for incomplete files: this adds no targets.
    workflow.dag.forcefiles.update(map(str, stale))


def text_to_fetch(wildcards):
    """Return the user's own text files; called once whenever the workflow is planned."""
    force_stale()
    return watched(USER_FILES)


def watched(files):
    """Return the files that Snakemake can watch.

    It interprets names with brackets as patterns. Such files are only checked by content, as all
    others are too (`force_stale`).
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
    """Return the candidate file that a system trains on, if it has one."""
    proposal = run_slice(wildcards).proposal
    if proposal is None:
        return []
    return f"results/{wildcards.corpus}/augmented/{proposal.fingerprint()}/seed{wildcards.seed}.arrow"


def start(wildcards):
    """Return the weights that a system starts from, if any."""
    run = run_slice(wildcards).start
    if run is None:
        return []
    return (
        f"results/{wildcards.corpus}/runs/{run.system}/seed{run.seed}/best.safetensors"
    )


def first_weights(wildcards):
    """Return the files of the pretrained weights that a system starts from, if any."""
    return [] if run_slice(wildcards).start else watched(FIRST_WEIGHTS)


def runs(pattern):
    """Return the pattern for every run, system by system as the configuration lists them."""
    return [
        f"results/{CORPUS}/runs/{system}/seed{seed}/{pattern}"
        for system, seed in experiment.runs
    ]


def forget_checkpoints():
    """Remove the last checkpoint of each finished run, once everything has succeeded.

    If Snakemake ends before it has recorded the outputs of a run, it deletes them and repeats the
    job, which restores them from the checkpoint. After a failure or Ctrl-C, only Snakemake knows of
    which runs that is true, so that all checkpoints stay.
    """
    for file in (Path(PREFIX, run) for run in runs("run.json")):
        if file.exists():
            shutil.rmtree(state_of(file.parent, STATES), ignore_errors=True)


def say_what_is_there():
    """Print the highest row of Table 1, and where the report is, if it was made."""
    page = Path(RESULTS, "report/index.html")
    if page.exists() and (best := highest(look_at_all(experiment, RESULTS))):
        system, bleu, seeds = best
        over = f"mean of {seeds} seeds" if seeds > 1 else "one seed"
        print(
            f"Highest BLEU on test (beam {experiment.decoding.beam}): {system}, {bleu:.2f} ({over})"
        )
        print(f"The report: {page}")


def first_seeds(pattern):
    """Return the pattern for the first seed of every system."""
    return expand(
        f"results/{CORPUS}/runs/{{system}}/seed{experiment.seeds[0]}/{pattern}",
        system=experiment.systems,
    )


def root(wildcards, output):
    """Return results/{corpus} where a job sees it: with a storage, that is a local copy."""
    folder = f"results/{CORPUS}"
    before, _, _ = str(output[0]).rpartition(f"{folder}/")
    return f"{before}{folder}"


def table(name):
    """Return the files of a table."""
    return multiext(
        f"results/{CORPUS}/tables/{name}", ".csv", ".json", ".md", ".tex", ".html"
    )


def run_folders(wildcards, output, first=None):
    """Return the folders of runs, in the order of `runs`, as a pattern that bash expands.

    With `first`, they are those of so many seeds of every system.

    Snakemake passes a command to bash as one argument, which is limited to 128 KiB: a full list of
    3,000 folders would be too long.
    """

    def one_of(names):
        names = list(map(str, names))
        return names[0] if len(names) == 1 else f"{{{','.join(names)}}}"

    runs = [
        f"{system}/seed{one_of(experiment.seeds_of(system)[:first])}"
        for system in experiment.systems
    ]
    return f"{root(wildcards, output)}/runs/{one_of(runs)}/"
