"""What a person sees: lines where there is no terminal, a bar where one is asked for, numbers that add up."""

from __future__ import annotations

import pytest

from pipeline.telemetry import progress
from pipeline.telemetry.describe import counted, human_bytes, rows
from pipeline.telemetry.progress import show_count, show_progress
from pipeline.telemetry.timing import Timers


def test_lines_end_with_all_done(capsys):
    with show_progress("predicting", 4, "lines", "Mvis", scale=2.0) as shown:
        for _ in range(4):
            shown.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("predicting: 100 %")
    assert "Mvis/s" in lines[-1]
    assert lines[-1].endswith("0 s left")


def test_lines_come_seldom(capsys, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with show_progress("work", 10, "lines") as shown:
        for _ in range(9):
            shown.advance(1)
    # A step every 2 s, a line every 5 s or more: after 6, 12 and 18 s.
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_auto_is_lines_under_a_launcher(capsys, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    with show_progress("work", 1, "auto") as shown:
        shown.advance(1)
    assert "work: 100 %" in capsys.readouterr().err


def test_a_bar_shows_the_title_and_the_end(capsys):
    with show_progress("imaging", 2, "bar", "steps") as shown:
        shown.advance(2)
    written = capsys.readouterr().err
    assert "imaging" in written
    assert "100 %" in written


def test_none_is_silent(capsys):
    with show_progress("work", 1, "none") as shown:
        shown.advance(1)
    assert capsys.readouterr().err == ""


def test_counts_that_tell_their_total_later(capsys):
    with show_count("verifying", "lines") as count:
        count(1, 3)
        count(3, 3)
    assert "verifying: 100 %" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (2.6e15, "2.60 PB"), (5e19, "50.00 EB")]
)
def test_human_bytes(n_bytes, text):
    assert human_bytes(n_bytes) == text


def test_rows_and_counts():
    assert rows([("a", "1"), ("long", "2")]) == "a     1\nlong  2"
    assert (counted(1, "rank"), counted(27360, "rank")) == ("1 rank", "27,360 ranks")


def test_timers_add_up():
    clock = iter([0.0, 1.5, 10.0, 10.25])
    timers = Timers(lambda: next(clock))
    with timers("predict"):
        pass
    with pytest.raises(ZeroDivisionError), timers("predict"):
        raise ZeroDivisionError
    assert timers.seconds == {"predict": 1.75}
