"""What is chosen of a band is what NumPy would cut from the whole, and is still verified, or read alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import adios2
import dataset_samples as samples
import numpy as np
import pytest

from pipeline.dataset.reader import open_dataset
from pipeline.dataset.schema import attribute_values
from pipeline.dataset.select import by_length, by_stations
from pipeline.dataset.storage import band_name
from pipeline.dataset.writer import BandWriter
from pipeline.errors import CorruptError, DatasetError

ROOT = Path(__file__).parents[2]
SPLIT = 4  # baselines of the first of two writers; the second has the other 6
CHOICES = [
    slice(None),
    slice(2, 9, 3),
    [9, 0, 5],
    np.array([3]),
    [0, 1, 2, 3],
    list(range(4, 10)),
    lambda header: header.baselines[:, 0] > 0,
]
NAMES = ("dump", "station_uvw", "vis", "weight")


def crc(array):
    import crc32c

    return crc32c.crc32c(np.ascontiguousarray(array).tobytes())


def write_by_two(path, spoilt=None):
    """Write band 0 as two writers would, by ADIOS2 alone; `spoilt`: a baseline whose visibility is changed."""
    of = samples.header()
    io = adios2.Adios().declare_io("two")
    io.set_engine("BP5")
    for name, value in attribute_values(of).items():
        io.define_attribute(name, value)
    engine = io.open(str(path / band_name(0)), adios2.Mode.Write)
    handles = {}
    for block in samples.blocks(of):
        arrays = {n: getattr(block, n) for n in ("dump", "time_utc", "station_uvw", "vis", "weight")}
        parts = [(0, SPLIT), (SPLIT, 10)]
        sums = [[crc(a if n not in ("vis", "weight") else a[:, :, i:j]) for n, a in arrays.items()] for i, j in parts]
        sums[1][:3] = 0, 0, 0
        if spoilt is not None:
            arrays["vis"][0, 1, spoilt, 2] += 1
        arrays["vis"] = arrays["vis"].view(np.float32).reshape(*arrays["vis"].shape, 2)
        arrays["crc32c"] = np.array(sums, np.uint32)
        arrays["writer_baselines"] = np.array([[i, j - i] for i, j in parts])
        engine.begin_step()
        for name, array in arrays.items():
            shape = list(array.shape)
            if name not in handles:
                handles[name] = io.define_variable(name, np.empty(0, array.dtype), shape, [0] * len(shape), shape)
            handles[name].set_shape(shape)
            handles[name].set_selection([[0] * len(shape), shape])
            engine.put(handles[name], np.ascontiguousarray(array), adios2.Mode.Sync)
        engine.end_step()
    engine.close()


@pytest.fixture(params=["one writer", "two writers"])
def dataset(tmp_path, request):
    if request.param == "one writer":
        return open_dataset(samples.make(tmp_path / "a.dawn"))
    path = samples.start(tmp_path / "a.dawn")
    write_by_two(path)
    return open_dataset(path)


def whole(first=0, stop=samples.N_DUMPS):
    """Return dump, uvw, vis and weight of the sample, without any of the reader's code."""
    blocks = list(samples.blocks(samples.header()))
    return [
        np.concatenate([getattr(b, n) for b in blocks])[first:stop] for n in ("dump", "station_uvw", "vis", "weight")
    ]


def indices(choice, of):
    if callable(choice):
        return np.flatnonzero(choice(of))
    return np.arange(10)[choice] if isinstance(choice, slice) else np.sort(choice)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("dumps", [None, range(2, 5), range(3, 6), slice(4, None), range(0, 1), range(6, 7)])
@pytest.mark.parametrize("choice", range(len(CHOICES)))
def test_a_cut_is_numpys(dataset, choice, dumps, verify):
    of, chosen = samples.header(), indices(CHOICES[choice], samples.header())
    first, stop = (0, 7) if dumps is None else (dumps.start, dumps.stop or 7)
    with dataset.band(0, baselines=CHOICES[choice], dumps=dumps, verify=verify) as band:
        blocks = list(band)
        assert np.array_equal(band.header.baselines, of.baselines[chosen])
        assert np.array_equal(band.baselines, chosen)
        assert np.array_equal(band.whole_header.baselines, of.baselines)
        assert band.dumps == range(first, stop)
    dump, uvw, vis, weight = whole(first, stop)
    found = [np.concatenate([getattr(b, n) for b in blocks]) for n in NAMES]
    for got, want in zip(found, (dump, uvw, vis[:, :, chosen], weight[:, :, chosen]), strict=True):
        assert got.dtype == want.dtype
        assert np.array_equal(got, want)
    assert all(block.vis.flags.c_contiguous for block in blocks)


def test_rules_agree_with_loops(tmp_path):
    of = samples.header()
    far = [np.sqrt(((of.station_m[p] - of.station_m[q]) ** 2).sum()) for p, q in of.baselines]
    long = [i for i, length in enumerate(far) if 4e6 <= length <= 9e6]
    assert 0 < len(long) < 10
    assert np.flatnonzero(by_length(4e6, 9e6)(of)).tolist() == long
    names = {"station 1", "station 3"}
    of_two = [[of.station_names[s] in names for s in pair] for pair in of.baselines]
    assert by_stations(*names)(of).tolist() == [any(pair) for pair in of_two]
    assert by_stations(*names, both=True)(of).tolist() == [all(pair) for pair in of_two]
    with pytest.raises(DatasetError, match="no station 'station 9'; the band has 'station 0' to 'station 4'"):
        by_stations("station 9")(of)


def test_parts_that_are_not_needed_are_not_read_nor_judged(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    write_by_two(path, spoilt=7)
    dataset = open_dataset(path)
    with dataset.band(0, baselines=[1, 2]) as band:
        assert len(list(band)) == 3
    with pytest.raises(CorruptError, match="vis of writer 1 is"), dataset.band(0, baselines=[5]) as band:
        list(band)
    with dataset.band(0, baselines=[5, 7], verify=False) as band:
        assert len(list(band)) == 3


def bytes_read():
    return int(Path("/proc/self/io").read_text().split()[1])


def test_without_verifying_only_the_chosen_bytes_are_read(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    of = samples.header(n_stations=150, n_dumps=3)

    with BandWriter(path / band_name(0), of, n_block_dumps=3) as writer:
        writer.write(samples.block(of, 0, 3))
    chosen = [*range(3000, 3100), *range(9000, 9020)]
    dataset = open_dataset(path)
    vis, read = samples.block(of, 0, 3).vis, []
    for options, want in (
        ({}, vis),
        ({"baselines": chosen}, vis[:, :, chosen]),
        ({"baselines": chosen, "verify": False}, vis[:, :, chosen]),
        ({"dumps": range(1, 2), "verify": False}, vis[1:2]),
    ):
        with dataset.band(0, variables=("vis",), **options) as band:
            before = bytes_read()
            block = next(iter(band))
            read.append(bytes_read() - before)
            assert np.array_equal(block.vis, want)
    n_vis = 3 * 3 * 11175 * 32
    assert n_vis < read[0] < 1.1 * n_vis
    assert n_vis < read[1] < 1.1 * n_vis, "checksums are of whole parts"
    assert read[2] < n_vis / 20, "1 % of the bytes are wanted, and are read in pages"
    assert read[3] < 1.1 * n_vis / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baselines": []}, "no baseline is chosen of the 10"),
        ({"baselines": by_length(1e9)}, "no baseline is chosen"),
        ({"baselines": [10]}, "baselines 10 to 10 are asked for; choose some of 0 to 9"),
        ({"baselines": [-1, 3]}, "baselines -1 to 3"),
        ({"baselines": [3, 3]}, "each once"),
        ({"baselines": [0.5]}, "float64 of shape"),
        ({"baselines": lambda h: np.ones(3, bool)}, r"answers bool of shape \(3,\); it must be bool of shape \(10,\)"),
        ({"dumps": range(5, 9)}, "dumps 5 to 8 are asked for; choose some of 0 to 6"),
        ({"dumps": range(3, 3)}, "dumps 3 to 2"),
        ({"dumps": slice(-2, None)}, "dumps -2 to 6"),
    ],
)
def test_choices_that_cannot_be_are_refused(tmp_path, options, message):
    reader = open_dataset(samples.make(tmp_path / "a.dawn")).band(0, **options)
    with pytest.raises(DatasetError, match=message):
        reader.__enter__()


def test_dumps_follow_each_other(tmp_path):
    with pytest.raises(DatasetError, match="a step of 2"):
        open_dataset(samples.make(tmp_path / "a.dawn")).band(0, dumps=range(0, 6, 2))


def test_a_reader_that_chose_early_dumps_needs_no_later_ones(tmp_path):
    path = samples.start(tmp_path / "a.dawn")
    samples.write_band(path, n_written=1)
    with open_dataset(path).band(0, dumps=range(1, 3)) as band:
        assert [block.dump.tolist() for block in band] == [[1, 2]]


@pytest.mark.parametrize("at_once", [None, 1, 2, 5])
def test_several_bands(tmp_path, at_once):
    dataset = open_dataset(samples.make(tmp_path / "a.dawn", n_bands=3))
    blocks = dataset.blocks([2, 0, 1], at_once=at_once, variables=("weight",))
    came = [(reader.header.band, int(block.dump[0])) for reader, block in blocks]
    steps = [0, 3, 6]
    if at_once in (None, 1):
        assert came == [(band, step) for band in (2, 0, 1) for step in steps]
    else:
        assert sorted(came) == [(band, step) for band in range(3) for step in steps]
        assert {band for band, _ in came[:2]} == {2, 0}, "in turns"


def test_readers_need_neither_mpi_nor_numba(tmp_path):
    path = samples.make(tmp_path / "a.dawn")
    code = f"""
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mpi4py", "numba", "astropy", "ducc0", "xarray"):
            raise ImportError(name)
sys.meta_path.insert(0, Wall())
from pipeline.dataset.reader import open_dataset, open_stream
from pipeline.dataset.select import by_length
with open_dataset({str(path)!r}).band(0, baselines=by_length(most_m=9e6)) as band:
    print(sum(len(block.dump) for block in band))
try:
    with open_stream({str(path / "stream" / "band-00000.sst")!r}): pass
except Exception as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout.split() == ["7", "DatasetError"], ran.stderr
