"""The result of one check of the machine."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "optional", "warning", "missing"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: what was checked.
        state: "optional" is absent but not needed by everybody; "warning" works, but badly;
            "missing" must be fixed.
        detail: what was found, and the way out if there is something to do.
    """

    name: str
    state: State
    detail: str
