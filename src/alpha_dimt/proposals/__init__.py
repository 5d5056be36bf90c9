"""Proposals q0: distributions over candidates, with exact log q0."""

from alpha_dimt.proposals.build import build
from alpha_dimt.proposals.distribution import Distribution
from alpha_dimt.proposals.edits import DELETED, Edits, frame, unframe
from alpha_dimt.proposals.substitutes import Block, Words

__all__ = [
    "DELETED",
    "Block",
    "Distribution",
    "Edits",
    "Words",
    "build",
    "frame",
    "unframe",
]
