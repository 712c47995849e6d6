"""The family of errors a user can meet, each with the exit code the command line ends with.

A message holds the name of what is wrong, its value, the rule it breaks and the remedy.
"""

from __future__ import annotations


class DawnstreamError(Exception):
    """Base of every error that is the input's or the machine's fault rather than the code's."""

    exit_code = 70


class ConfigError(DawnstreamError):
    """The configuration, or a file it names, cannot be used."""

    exit_code = 3


class PlanError(DawnstreamError):
    """The observation cannot be laid out on the ranks, nodes, memory or disk that there are."""

    exit_code = 4


class DeviceError(DawnstreamError):
    """The device asked for cannot be had, or failed."""

    exit_code = 5


class DatasetError(DawnstreamError):
    """A dataset cannot be written or read."""

    exit_code = 6


class IncompleteError(DatasetError):
    """A dataset holds fewer steps, bands or bytes than its manifest promises."""


class CorruptError(DatasetError):
    """Bytes read differ from the bytes written: a checksum or the schema does not hold."""


class TimedOutError(DatasetError):
    """The writer is still there, but no step came within the time allowed."""


class WriterDiedError(DatasetError):
    """The writer went away before it closed its output."""
