"""Name of the processor and peak memory."""

import numpy as np

from alpha_dimt.machine.processor import peak_rss_mb


def test_the_peak_of_memory_is_in_mb_and_stays() -> None:
    before = peak_rss_mb()
    block = np.ones(int(before * 1e6) + 100_000_000, dtype=np.int8)
    size = block.nbytes / 1e6
    assert size <= peak_rss_mb() <= size + 1.5 * before
    del block
    assert peak_rss_mb() >= size
