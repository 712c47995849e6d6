"""Keeps the output of many ranks readable: rank 0 reports, the others only when something failed on them.

The launcher's environment tells the rank, so that collecting the tests without MPI starts none.
"""

from __future__ import annotations

import io
import os
import sys

import pytest

RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def _rank() -> int:
    return next((int(os.environ[name]) for name in RANK_VARIABLES if name in os.environ), 0)


class QuietRank:
    """Holds back what this rank's terminal reporter writes, and shows it if the session fails."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.held = io.StringIO()
        self.failed = False

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.failed = exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)

    def pytest_unconfigure(self) -> None:
        if self.failed:
            sys.stderr.write(f"\n---- rank {self.rank} ----\n{self.held.getvalue()}")
            sys.stderr.flush()


@pytest.hookimpl(trylast=True)  # the terminal reporter must be there
def pytest_configure(config: pytest.Config) -> None:
    """Silence every rank but the first."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if config.getoption("--with-mpi") and _rank() and reporter is not None:
        quiet = QuietRank(_rank())
        config.pluginmanager.register(quiet, "quiet-rank")
        reporter._tw._file = quiet.held  # pytest has no public way to change the file after start-up
