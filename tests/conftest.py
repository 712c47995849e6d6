"""Options of all tests."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --require-gpu."""
    help_text = "fail where a test that needs a GPU would be skipped"
    parser.addoption("--require-gpu", action="store_true", default=False, help=help_text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """Turn a skipped GPU test into a failed one where GPUs are required."""
    report: pytest.TestReport = yield
    required = item.config.getoption("--require-gpu")
    if required and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"--require-gpu: {item.nodeid} was skipped: {report.longrepr}"
    return report
