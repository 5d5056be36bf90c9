"""A few test sentences as every system translates them; made by `alpha-dimt examples`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alpha_dimt.core.errors import UserError
from alpha_dimt.core.files import read_json


@dataclass(frozen=True)
class Translation:
    """A translation of one sentence.

    Attributes:
        system: that made it.
        seed: of its training.
        text: tokens joined by spaces, subwords joined, unknown words replaced.
        tokens: T tokens as the model wrote them.
        attention: T rows of S weights that sum to 1 but for rounding to two decimals.
    """

    system: str
    seed: int
    text: str
    tokens: list[str]
    attention: list[list[float]]


@dataclass(frozen=True)
class Example:
    """One sentence of the test set.

    Attributes:
        line: its number in the test set, from 1.
        source: S tokens as the model reads them.
        source_text: the same with subwords joined.
        reference: with subwords joined.
        translations: one a system.
    """

    line: int
    source: list[str]
    source_text: str
    reference: str
    translations: list[Translation]


def read_examples(path: Path, weights: Mapping[str, str | None]) -> list[Example]:
    """Read what `write_examples` wrote.

    Args:
        path: the file.
        weights: SHA-256 of the weights of runs by `system/seed`; None where it is not known.

    Raises:
        UserError: there is no such file, it is something else, or other runs made it.
    """
    plain = read_json(path)
    try:
        for run, made in plain["made_from"]:
            if run not in weights or weights[run] not in (None, made):
                raise UserError(
                    f"{path}: its translations by {run} are not of that run as it is now; run "
                    "`alpha-dimt examples` (or the workflow) again"
                )
        return [
            Example(
                **entry | {"translations": [Translation(**one) for one in entry["translations"]]}
            )
            for entry in plain["examples"]
        ]
    except (TypeError, KeyError) as error:
        raise UserError(
            f"{path}: this is not what `alpha-dimt examples` writes ({error}); make it again"
        ) from error
