"""Blocks that are copied to the host while the next are predicted arrive whole, whenever the copies are made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

OBSERVATION = """
name: ahead
telescope: {array: ska-low-aa1, baselines: {max: 2 km}}
sky:
  - sources:
      - {name: a, ra: 0h05m, dec: -28d, i: 2 Jy}
      - {name: b, ra: 23h58m30s, dec: -26d30m, i: 1 Jy, q: 0.5 Jy}
phase_centre: {ra: 0h, dec: -27d}
time: {start: 2026-11-22T12:00:00, integration: 0.8 s, dumps: 11}
spectrum: {start: 150 MHz, width: 20 kHz, channels: 24}
averaging: {node: 2, group: 6}
compute: {smearing: none, backend: cpu}
flags: {channels: [1], dumps: [4]}
output: {path: ahead.dawn}
"""

# A device that copies nothing until it is waited for, and then only what must have arrived: what was overwritten in
# the meantime is wrong for all to see.
COMPARE = """
import dataclasses, sys
from collections import deque
from pathlib import Path

import numpy as np

from pipeline.costs.memory import N_BUFFERS
from pipeline.layout import lay_out
from pipeline.parallel.device import CpuDevice
from pipeline.parallel.exchange import Sums
from pipeline.parallel.topology import World
from pipeline.prediction.predictor import Predictor
from pipeline.prepare import prepare
from pipeline.stages import Pool
from pipeline.telemetry.timing import Timers


class Late(CpuDevice):
    blocks_ahead = 1

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sent = deque()

    def send(self, array, out):
        self.sent.append((array, out))

    def wait_for_sends(self, most=0):
        while len(self.sent) > most:
            array, out = self.sent.popleft()
            out[...] = array


def blocks(prepared):
    plan = prepared.plan
    role = plan.layout.role(0)
    n_items = plan.layout.items_per_rank()[0]
    pool = Pool(Sums.empty(plan.block_dumps, n_items, plan.sizes.n_baselines) for _ in range(N_BUFFERS))
    found = []
    for predicted in Predictor(prepared, role, pool, Timers()):
        sums = predicted.sums
        found.append((predicted.band, *predicted.geometry.dump, sums.values.copy(), sums.weights.copy()))
        predicted.buffer.values[:], predicted.buffer.weights[:] = np.nan, np.nan
        pool.give(predicted.buffer)
    return found


with World() as world:
    prepared = prepare(Path(sys.argv[1]), world)
    # One rank makes bands; one of three has two first averages, which share the buffers of sums.
    for n_ranks, n_items in ((1, 1), (3, 2)):
        layout = lay_out(24, 2, 6, n_ranks, n_ranks)[0]
        prepared = dataclasses.replace(prepared, plan=dataclasses.replace(prepared.plan, layout=layout))
        late = Late("mixed", "tried", 1)
        ahead, plain = blocks(dataclasses.replace(prepared, device=late)), blocks(prepared)
        assert not late.sent
        assert len(plain) == len(ahead) >= 8
        assert plain[0][-1].shape[1] == n_items
        for one, other in zip(plain, ahead, strict=True):
            assert one[:-2] == other[:-2]
            np.testing.assert_array_equal(one[-2], other[-2])
            np.testing.assert_array_equal(one[-1], other[-1])
        most = plain[0][-1].max()
        assert any((block[-1] < most).any() for block in plain), "something is flagged"
"""


def test_a_device_that_copies_late_gives_the_same_blocks(tmp_path):
    config = tmp_path / "ahead.yaml"
    config.write_text(OBSERVATION)
    command = [sys.executable, "-c", COMPARE, str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
