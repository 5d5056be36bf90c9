"""Validation: greedy BLEU and likelihood of the validation data."""

import torch

from alpha_dimt.config import RunConfig
from alpha_dimt.config.training import Decoding
from alpha_dimt.core.vocabulary import Vocab
from alpha_dimt.data.batching import reference_batch, source_batches
from alpha_dimt.data.encoded import Pairs
from alpha_dimt.data.segmentation import Segmentation
from alpha_dimt.evaluation.metrics import BleuScore, multi_bleu
from alpha_dimt.inference.decode import translate_pairs
from alpha_dimt.models.base import TranslationModel
from alpha_dimt.training.candidate_learner import score
from alpha_dimt.training.loop import Metrics

STEPS = 50
"""Tokens of a sentence, where batches are counted in tokens: long ones."""


def validate(
    model: TranslationModel,
    *,
    pairs: Pairs,
    vocab: Vocab,
    segmentation: Segmentation,
    config: RunConfig,
    device: torch.device,
) -> Metrics:
    """Return greedy BLEU and the negative log-likelihood of the references.

    If the objective draws samples of the model, BLEU of one sample a sentence stands beside it: how
    much of the gain is a distribution that has become more peaked.
    """

    def bleu_of(decoding: Decoding) -> BleuScore:
        lines = translate_pairs(
            model, pairs, vocab, segmentation=segmentation, decoding=decoding, device=device
        )
        return multi_bleu(lines, segmentation.join(pairs.target_text))

    greedy = Decoding(beam=1).within(config.model.longest())
    bleu, sampled = bleu_of(greedy), {}
    if config.objective.needs().samples:
        torch.manual_seed(config.seed)  # each update has a seed of its own
        samples = greedy.model_copy(update={"temperatures": (1.0,)})
        sampled["valid_bleu_sampled"] = bleu_of(samples).value
    nll = tokens = 0.0
    with torch.inference_mode():
        for rows in source_batches(pairs.source.lengths, batch_size=config.training.rows(STEPS)):
            batch = reference_batch(pairs, rows)
            nll -= float(score(model, batch, device)[0].log_p.sum())
            tokens += float(batch.target_lengths.sum())
    return {
        "valid_bleu_greedy": bleu.value,
        "valid_brevity_penalty": bleu.brevity_penalty,
        "valid_length_ratio": bleu.ratio,
        "valid_nll_per_token": nll / tokens,
        **sampled,
    }
