"""The methods section, written from the configuration that the runs were made with."""

from collections.abc import Mapping
from typing import Any

from alpha_dimt.config import RunConfig
from alpha_dimt.config.base import Section
from alpha_dimt.config.models import ModelConfig
from alpha_dimt.config.preparation import BpeConfig, PretrainedConfig, WordsConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.errors import UserError
from alpha_dimt.core.imports import imported
from alpha_dimt.data.unspaced import is_unspaced
from alpha_dimt.evaluation.within_seed import RESAMPLES, TRIALS
from alpha_dimt.report.study import Study

CASES = {
    "before": "lower-cased and then tokenised",
    "after": "tokenised and then lower-cased",
    "never": "tokenised, their case kept",
}
# What says who a system is, not how it is trained.
NAMING = {"objective", "training", "proposal", "start", "function"}


def methods(study: Study) -> list[str]:
    """Return the paragraphs."""
    first = study.runs[0]
    return [
        data_text(first.config, first.sizes),
        f"{first.config.model.sentence()}: {first.about['parameters']:,} parameters.",
        *map(system_text, study.configs),
        training_text(first.config),
        decoding_text(study.search, first.config),
        (
            f"BLEU is {first.definition} (sacreBLEU {first.signature}). Within a seed, "
            f"systems are compared by paired bootstrap ({RESAMPLES:,} resamples) and approximate "
            f"randomisation ({TRIALS:,} trials). Over seeds, where the seed is the unit, BLEU and "
            "the negative log-likelihood of dev are compared by paired t tests, which decide what "
            "is significant, by sign-flip tests, and by t tests with a variance pooled over all "
            "systems. p is corrected for the number of pairs (Holm)."
        ),
    ]


def data_text(config: RunConfig, sizes: Mapping[str, int]) -> str:
    """Return what the text is, and how it was prepared; `sizes` see `Run`."""
    corpus, preparation = config.data.corpus, config.data.preparation
    vocabulary = preparation.vocabulary
    if isinstance(vocabulary, BpeConfig):
        kind = "joint" if vocabulary.joint else "separate"
        words = (
            f"Words are cut by {kind} byte-pair encoding of {vocabulary.operations:,} operations"
        )
    elif isinstance(vocabulary, PretrainedConfig):
        words = (
            f"The model reads and writes the pieces of the pretrained tokeniser of "
            f"{vocabulary.path.name}, which cuts the text as published"
        )
    else:
        words = words_text(vocabulary)
    return (
        f"{corpus.sentence()}; dev has {sizes['valid.greedy']:,} sentences, test "
        f"{sizes['test.greedy']:,}. Texts are {tokens_text(config)}. Training pairs have "
        f"{preparation.min_length} to {preparation.max_length} tokens a side and a ratio of "
        f"lengths of at most {preparation.max_ratio:g}. {words}."
    )


def tokens_text(config: RunConfig) -> str:
    """Return what became of a sentence, after "texts are"."""
    corpus, preparation = config.data.corpus, config.data.preparation
    composed = "composed (NFC), " if preparation.unicode == "nfc" else ""
    if preparation.tokenised:
        case = "their case kept" if preparation.lowercase == "never" else "lower-cased"
        return f"{composed}tokenised before, {case}"
    normalised = "normalised in punctuation, " if preparation.normalise_punctuation else ""
    unspaced = [name for name in (corpus.source, corpus.target) if is_unspaced(name)]
    characters = f"; each character of {' and '.join(unspaced)} is a token" if unspaced else ""
    return f"{composed}{normalised}{CASES[preparation.lowercase]} (Moses' rules{characters})"


def words_text(vocabulary: WordsConfig) -> str:
    """Return what the word vocabularies are, as a sentence without its stop."""
    if len(vocabulary.lists) == 2:
        return "Vocabularies are lists of words"
    text = f"Vocabularies are the words seen at least {vocabulary.min_frequency} times in training"
    sizes = (vocabulary.source_size, vocabulary.target_size)
    if any(sizes):
        source, target = (f"{size:,}" if size else "all" for size in sizes)
        text += f", at most {source} source and {target} target words"
    for side, path in (("source", vocabulary.source_list), ("target", vocabulary.target_list)):
        if path is not None:
            text += f"; for the {side}, a list of words"
    return text


def system_text(config: RunConfig) -> str:
    """Return what one system is trained on."""
    objective = config.objective
    about = (type(objective).__doc__ or "").strip().split("\n")[0].rstrip(".")
    text = f"System {config.system}: {about}"
    if options := options_text(objective, leave_out=NAMING):
        text += f"; {options}"
    text += "."
    if config.proposal is not None:
        proposal = config.proposal
        distribution = proposal.distribution
        source = (type(distribution).__doc__ or "").strip().split("\n")[0].rstrip(".")
        text += (
            f" Candidates: {proposal.candidates} a source and epoch, drawn before training. "
            f"Proposal {distribution.kind}: {source}"
        )
        if options := options_text(distribution, leave_out={"kind"}):
            text += f" ({options})"
        text += f". Reward: {proposal.reward}."
    if config.start is not None:
        text += f" It starts from the best weights of {config.start.system} of the same seed."
    return text


def options_text(section: Section, *, leave_out: set[str]) -> str:
    """Return the values of a section in words."""
    values = section.model_dump(mode="json")
    return ", ".join(
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in values.items()
        if name not in leave_out and _is_set(value)
    )


def _is_set(value: Any) -> bool:
    # Zero is a value, although it equals False.
    return value is not None and value is not False and value not in ({}, [])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_value(inner)}" for key, inner in value.items()) + ")"
    if isinstance(value, list):
        return "(" + "; ".join(map(_value, value)) + ")"
    if value is True:
        return "yes"
    return f"{value:g}" if isinstance(value, float) else str(value)


def training_text(config: RunConfig) -> str:
    """Return the recipe."""
    recipe = config.training
    order = (
        "neighbours in order of length, the same batches every epoch, in random order"
        if recipe.batches == "fixed"
        else "of similar length, dealt again each epoch"
    )
    unit = "tokens" if recipe.batch_type == "tokens" else "source sentences"
    first = "; the first epoch is in order of length" if recipe.sorted_first_epoch else ""
    rate = recipe.schedule.sentence(recipe.learning_rate, recipe.decay, recipe.min_learning_rate)
    published = "The checkpoint with the best greedy dev BLEU is kept"
    if recipe.average:
        published = f"Kept is {recipe.average.sentence()}"
    return (
        f"Training is {recipe.optimiser.sentence()} in batches of {recipe.batch_size:,} "
        f"{unit}, {order}{first}, with {rate}, gradients clipped to a norm of "
        f"{recipe.clip_norm:g}, up to {recipe.max_epochs} epochs, ended {recipe.patience} epochs "
        f"after the best (not before epoch {recipe.min_epochs}). "
        f"{published}. Systems that depart from this say so in "
        "their configuration."
    )


def attends(model: ModelConfig) -> bool:
    """Return whether a model has attention; False if its library is not installed here."""
    try:
        return bool(imported(model.network).attends)
    except UserError:
        return False


def decoding_text(search: Decoding, config: RunConfig) -> str:
    """Return how translations are searched for."""
    penalty = (
        f"divided by length to the power {search.length_penalty:g}"
        if search.length_penalty
        else "without length normalisation"
    )
    ended = (
        ", where a hypothesis that ended below the top goes on growing"
        if search.ended == "extended"
        else ""
    )
    unknown = (
        " Unknown words are replaced by the source word with the highest attention."
        if search.replace_unknown and attends(config.model)
        else ""
    )
    return (
        f"Translations are found by greedy search and by beam search of width {search.beam}, "
        f"{penalty}{ended}, up to {search.max_length} tokens of "
        f"{config.data.corpus.target}.{unknown}"
    )
