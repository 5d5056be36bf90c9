"""Candidates as a proposal drew them: words that are replaced, reward and log q0 of each."""

import subject

# The second candidate of each source is its reference once more.
FIRST: list[subject.Drawn] = [
    ({2: 9, 4: 11}, -2.0, -7.5),
    ({}, 0.0, -1.25),
    ({1: 12}, -1.0, -3.5),
    ({}, 0.0, -0.75),
    ({3: 6}, -1.0, -4.5),
]
