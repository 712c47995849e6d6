"""Waiting for what may come: short sleeps between looks, and an end to it."""

from __future__ import annotations

import time

POLL_S = (0.001, 0.05)
"""Seconds between two looks for a new step: at first, and at most; short beside a step, long beside the look."""


class Patience:
    """Sleeps between looks, longer and longer; knows when the time is over."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self.renew()

    def renew(self) -> None:
        """Begin again: something came."""
        self._deadline = time.monotonic() + self._timeout_s
        self._pause_s = POLL_S[0]

    def wait(self) -> bool:
        """Sleep a little and return True, or return False if the time is over."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(self._pause_s, left_s))
        self._pause_s = min(2 * self._pause_s, POLL_S[1])
        return True
