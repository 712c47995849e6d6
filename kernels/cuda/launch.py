"""How many CUDA threads a kernel with one item per thread is given."""

from __future__ import annotations

THREADS = 256
"""Threads of a block."""


def blocks(n_items: int) -> int:
    """Blocks of threads for one item per thread; beyond 2^20 blocks, threads take several."""
    return min(-(-n_items // THREADS), 1 << 20)
