"""Stages in threads: order, back-pressure, and errors that come out where someone looks."""

from __future__ import annotations

import threading

import pytest

from pipeline.stages import Ahead, Behind, Pool, Stopped

pytestmark = pytest.mark.timeout(20)


def test_items_come_in_order_and_no_further_ahead_than_there_are_buffers():
    pool = Pool([bytearray(1), bytearray(1)])
    most_out = 0
    out = 0
    lock = threading.Lock()

    def produce():
        nonlocal out, most_out
        for number in range(50):
            buffer = pool.take()
            with lock:
                out += 1
                most_out = max(most_out, out)
            buffer[0] = number
            yield buffer

    seen = []
    for buffer in Ahead(produce(), "test"):
        seen.append(buffer[0])
        with lock:
            out -= 1
        pool.give(buffer)
    assert seen == list(range(50))
    assert most_out == 2


def test_an_error_ahead_comes_after_what_was_good():
    def produce():
        yield 1
        raise ZeroDivisionError("ahead")

    items = iter(Ahead(produce(), "test"))
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError, match="ahead"):
        next(items)


def test_a_stage_that_waits_for_a_buffer_ends_when_the_run_is_over():
    pool: Pool[int] = Pool([])
    ended = threading.Event()

    def produce():
        try:
            yield pool.take()
        finally:
            ended.set()

    Ahead(produce(), "test")
    pool.close(Stopped())
    assert ended.wait(10)


def test_what_is_done_behind_is_done_in_order_and_buffers_come_back():
    done = []
    pool = Pool(range(3))
    behind = Behind(done.append, pool, "test")
    for _ in range(30):
        behind.put(pool.take())
    behind.finish()
    assert done == [0, 1, 2] * 10


def test_an_error_behind_is_raised_by_who_waits_for_a_buffer_and_at_the_end():
    def action(item):
        raise OSError("the disk is full")

    pool = Pool([1])
    behind = Behind(action, pool, "test")
    behind.put(pool.take())
    with pytest.raises(OSError, match="the disk is full"):
        pool.take()
    with pytest.raises(OSError, match="the disk is full"):
        behind.finish()
