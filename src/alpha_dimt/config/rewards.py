"""The rewards that a configuration names; `alpha_dimt.rewards` has their functions."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from alpha_dimt.core.imports import IMPORT_PATH

REWARDS = {
    "hamming": "minus the number of positions that differ; a position that only the longer "
    "sentence has differs too",
    "edit_distance": "minus the Levenshtein distance in words",
    "bleu": "0 to 1: sentence BLEU of sacreBLEU (Post, 2018) with its smoothing `exp` and "
    "effective order",
    "gleu": "0 to 1: the smaller of precision and recall of all 1- to 4-grams together (Wu et al., "
    "2016)",
    "constant": "1 for every candidate: a control, which teaches nothing (Choshen et al., 2020)",
}
"""What each reward is, for config/README.md."""

if TYPE_CHECKING:
    Reward = str
else:
    Reward = (
        Literal[tuple(REWARDS)]
        | Annotated[str, Field(pattern=IMPORT_PATH, description="somebody else's reward")]
    )
