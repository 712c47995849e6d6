"""pyuvsim's side of the comparison; runs in the Python that has pyuvsim, from the folder benchmarks.

    python -m comparison.pyuvsim_side run CASE.npz OUT.npz       a case of ours
    python -m comparison.pyuvsim_side config CONFIG OUT.npz      a configuration of pyuvsim's wheel
    python -m comparison.pyuvsim_side shipped RESULT OUT.npz     a result in pyuvsim's wheel, and what it was made from

OUT.npz holds the case as pyuvsim had it, and pyuvsim's visibilities in Dawnstream's convention (case.py).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from comparison.case import Case, load, save


def beams_of(beam_list: Any) -> tuple[dict[str, Any], ...]:
    """Describe pyuvdata's analytic beams; a beam from a file has only its type."""
    described: list[dict[str, Any]] = []
    for interface in beam_list:
        beam = interface.beam
        kind = {
            "UniformBeam": "uniform",
            "GaussianBeam": "gaussian",
            "AiryBeam": "airy",
            "ShortDipoleBeam": "short_dipole",
        }.get(type(beam).__name__, "file")
        described.append({"type": kind})
        if kind == "gaussian":
            described[-1]["sigma_rad"] = float(beam.sigma)
        if kind == "airy":
            described[-1]["diameter_m"] = float(beam.diameter)
    return tuple(described)


def make_beams(case: Case) -> Any:
    """Return a case's beams as pyuvsim wants them; their X is the dipole to the east."""
    from pyuvdata import AiryBeam, GaussianBeam, ShortDipoleBeam, UniformBeam
    from pyuvsim import BeamList

    make = {
        "uniform": lambda beam: UniformBeam(),
        "gaussian": lambda beam: GaussianBeam(sigma=beam["sigma_rad"]),
        "airy": lambda beam: AiryBeam(diameter=beam["diameter_m"]),
        "short_dipole": lambda beam: ShortDipoleBeam(),
    }
    return BeamList([make[beam["type"]](beam) for beam in case.beams])


def make_uvdata(case: Case) -> Any:
    """Return a UVData that is empty but for its axes."""
    from pyuvsim.simsetup import initialize_uvdata_from_keywords

    time_jd = case.time_jd.sum(axis=1)
    if (time_jd - case.time_jd[:, 0] != case.time_jd[:, 1]).any():
        sys.exit("pyuvsim holds a Julian date in one float64, and these need two")
    longitude, latitude, height = case.place
    return initialize_uvdata_from_keywords(
        array_layout={station: tuple(enu) for station, enu in enumerate(case.enu_m)},
        telescope_location=(float(latitude), float(longitude), float(height)),
        telescope_name="case",
        feed_array=["x", "y"],
        feed_angle=[np.pi / 2, 0.0],
        mount_type="fixed",
        freq_array=case.frequency_hz,
        channel_width=1e3,
        time_array=time_jd,
        integration_time=1.0,
        polarization_array=["xx", "yy", "xy", "yx"],
        conjugation_convention="ant1<ant2",
        write_files=False,
        complete=True,
    )


def make_sky(case: Case) -> Any:
    """Return a case's sources as a SkyModel, fluxes at its frequencies written out."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from pyradiosky import SkyModel

    stokes = np.stack([case.stokes_at(frequency).T for frequency in case.frequency_hz], axis=1)
    return SkyModel(
        name=[str(source) for source in range(len(case.ra_deg))],
        skycoord=SkyCoord(case.ra_deg * u.deg, case.dec_deg * u.deg, frame="icrs"),
        stokes=stokes * u.Jy,
        spectral_type="full",
        freq_array=case.frequency_hz * u.Hz,
    )


def in_our_convention(uvdata: Any, n_times: int) -> np.ndarray:
    """Return (time, frequency, baseline, pol): doubled, conjugated, X north.

    Doubled: pyuvsim splits Stokes I in halves. Conjugated: its fringe is exp(+2 pi i (r_q - r_p) s), its product
    still J_p B J_q^H. X and Y change places, as its X is the feed to the east.
    """
    names = dict(zip(uvdata.polarization_array.tolist(), range(4), strict=True))
    data = uvdata.data_array.reshape(n_times, -1, uvdata.Nfreqs, 4).transpose(0, 2, 1, 3)
    yy, yx, xy, xx = (data[..., names[number]] for number in (-6, -8, -7, -5))
    return 2.0 * np.stack([yy, yx, xy, xx], axis=-1).conj()


def mend_azimuth() -> None:
    """Negate the beams' azimuthal component, so as to see that this is why polarised skies differ.

    The sky's coherency is in a basis whose azimuth runs from the north to the east, the beams' fields are in one
    whose azimuth runs from the east to the north: position angles come out mirrored about the vertical.
    """
    from pyuvsim.antenna import Antenna

    as_it_was = Antenna.get_beam_jones

    def with_azimuth_negated(*arguments: Any, **keywords: Any) -> Any:
        jones = as_it_was(*arguments, **keywords)
        jones[:, 1] *= -1
        return jones

    Antenna.get_beam_jones = with_azimuth_negated


def mend_rotation() -> None:
    """Take aberration out of the average rotation from ICRS to the horizon.

    It is made of three axes that aberration displaces, which turns it by up to v/c = 1e-4 rad, and the position
    angles with it. The mean of an axis and the opposite of its opposite has no such displacement.
    """
    from astropy.coordinates import AltAz, SkyCoord
    from pyradiosky import SkyModel

    def without_aberration(self: Any) -> Any:
        frame = AltAz(obstime=self.time, location=self.telescope_location)
        ends = []
        for sign in (1.0, -1.0):
            axes = SkyCoord(*(sign * np.eye(3)), frame="icrs", representation_type="cartesian")
            ends.append(axes.transform_to(frame).cartesian.xyz.value)
        u, _, v = np.linalg.svd((ends[0] - ends[1]) / 2)
        return u @ v

    SkyModel._calc_average_rotation_matrix = without_aberration


def simulate(uvdata: Any, beams: Any, beam_of_name: Any, sky: Any) -> Any:
    """Run pyuvsim."""
    from pyuvsim.uvsim import run_uvdata_uvsim

    return run_uvdata_uvsim(uvdata, beams, beam_dict=beam_of_name, catalog=sky, quiet=True)


def case_of(uvdata: Any, beams: Any, beam_of_name: Any, sky: Any, as_printed: bool = False) -> Case:
    """Say what pyuvsim computed as a case of ours; positions become ICRS with astropy, or stay as they are."""
    import astropy.units as u

    telescope = uvdata.telescope
    place = telescope.location
    times = np.unique(uvdata.time_array)
    n_baselines = uvdata.Nblts // len(times)
    numbers = telescope.antenna_numbers.tolist()
    first, second = uvdata.ant_1_array[:n_baselines], uvdata.ant_2_array[:n_baselines]
    pairs = np.array([[numbers.index(p), numbers.index(q)] for p, q in zip(first, second, strict=True)])
    if len(uvdata.freq_array) > 1 and sky.spectral_type != "flat":
        sys.exit(f"a sky of type {sky.spectral_type} at several frequencies is not exported")
    at_frequency = sky if sky.spectral_type == "flat" else sky.at_frequencies(uvdata.freq_array * u.Hz, inplace=False)
    icrs = sky.skycoord if as_printed else sky.skycoord.icrs
    n_sources = sky.Ncomponents
    return Case(
        enu_m=np.asarray(telescope.get_enu_antpos()),
        place=np.array([place.lon.deg, place.lat.deg, place.height.to_value("m")]),
        ra_deg=icrs.ra.deg,
        dec_deg=icrs.dec.deg,
        stokes_jy=at_frequency.stokes[:, 0].to_value("Jy").T,
        reference_hz=np.full(n_sources, uvdata.freq_array[0]),
        spectral_index=np.zeros(n_sources),
        time_jd=np.stack([times, np.zeros_like(times)], axis=1),
        frequency_hz=uvdata.freq_array,
        pairs=pairs,
        beams=beams_of(beams),
        beam=np.array([beam_of_name[name] if beam_of_name else 0 for name in telescope.antenna_names]),
    )


def run_case(source: Path) -> tuple[Case, np.ndarray]:
    """Compute a case of ours."""
    case, _ = load(source)
    uvdata = make_uvdata(case)
    beam_of_name = {str(station): int(beam) for station, beam in enumerate(case.beam)}
    result = simulate(uvdata, make_beams(case), beam_of_name, make_sky(case))
    visibilities = in_our_convention(result, len(case.time_jd))
    n_baselines = visibilities.shape[2]
    pairs = list(zip(result.ant_1_array[:n_baselines], result.ant_2_array[:n_baselines], strict=True))
    wanted = [pairs.index((p, q)) for p, q in case.pairs.tolist()]
    return case, visibilities[:, :, wanted]


def run_config(name: str, every: list[int]) -> tuple[Case, np.ndarray]:
    """Compute a configuration of pyuvsim's wheel; of its times and frequencies each n-th."""
    import pyuvsim
    from pyuvsim.simsetup import initialize_catalog_from_params, initialize_uvdata_from_params

    path = str(Path(pyuvsim.__file__).parent / "data" / "test_config" / name)
    uvdata, beams, beam_of_name = initialize_uvdata_from_params(path, return_beams=True)
    uvdata.select(times=np.unique(uvdata.time_array)[:: every[0]], freq_chans=np.arange(0, uvdata.Nfreqs, every[1]))
    sky = initialize_catalog_from_params(path)
    if sky.spectral_type == "spectral_index" and not np.any(sky.spectral_index):
        sky.spectral_type = "flat"
    result = simulate(uvdata, beams, beam_of_name, sky)
    case = case_of(result, beams, beam_of_name, sky)
    return case, in_our_convention(result, len(case.time_jd))


def read_shipped(name: str, as_printed: bool) -> tuple[Case, np.ndarray]:
    """Read a result of pyuvsim's wheel made from param_1time_testgleam.yaml; see that pyuvsim still gives it."""
    import pyuvsim
    from pyradiosky import SkyModel
    from pyuvdata import UVData
    from pyuvsim.simsetup import initialize_uvdata_from_params

    data = Path(pyuvsim.__file__).parent / "data"
    shipped = UVData.from_file(str(data / f"gleam_triangle_{name}.uvh5"))
    config = str(data / "test_config" / "param_1time_testgleam.yaml")
    uvdata, beams, beam_of_name = initialize_uvdata_from_params(config, return_beams=True)
    # The limits of flux in the configuration were not applied when the results were made.
    sky = SkyModel.from_gleam_catalog(str(data / "gleam_50srcs.vot"), spectral_type=name, run_check=False)
    sky.select(non_nan="any", non_negative=True)
    # Before pyuvsim runs, which leaves ICRS positions in the sky.
    case = case_of(shipped, beams, beam_of_name, sky, as_printed)
    again = simulate(uvdata, beams, beam_of_name, sky)
    apart = np.abs(again.data_array - shipped.data_array).max() / np.abs(shipped.data_array).max()
    print(f"{name}: pyuvsim {pyuvsim.__version__} gives its shipped result to {apart:.1e} of its peak", file=sys.stderr)
    return case, in_our_convention(shipped, 1)


def main() -> None:
    """Compute what the command line names."""
    from astropy.utils import iers

    iers.conf.auto_download, iers.conf.auto_max_age = False, None
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "config", "shipped"))
    parser.add_argument("source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--every", type=int, nargs=2, default=[1, 1], metavar=("TIME", "FREQUENCY"))
    parser.add_argument("--iers", choices=("A", "B"), default="A", help="table of Earth rotation; Dawnstream's is A")
    parser.add_argument("--as-printed", action="store_true", help="take the catalogue's positions as ICRS")
    parser.add_argument("--mend-azimuth", action="store_true", help="see mend_azimuth in this file")
    parser.add_argument("--mend-polarisation", action="store_true", help="that, and mend_rotation")
    options = parser.parse_args()
    if options.mend_azimuth or options.mend_polarisation:
        mend_azimuth()
    if options.mend_polarisation:
        mend_rotation()
    tables = {"A": (iers.IERS_A, iers.IERS_A_FILE), "B": (iers.IERS_B, iers.IERS_B_FILE)}
    kind, path = tables[options.iers]
    iers.earth_orientation_table.set(kind.open(path))
    if options.what == "run":
        case, visibilities = run_case(Path(options.source))
    elif options.what == "config":
        case, visibilities = run_config(options.source, options.every)
    else:
        case, visibilities = read_shipped(options.source, options.as_printed)
    save(options.out, case, visibilities)


if __name__ == "__main__":
    main()
