"""The header of an image cube: where in the sky, in frequency and in polarisation its pixels lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.errors import DatasetError
from pipeline.products.settings import STOKES, ImageSettings

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from pipeline.dataset.schema import BandHeader
    from pipeline.products.beam import Beam

#: Equatorial radius (m) and flattening of the ellipsoid that OBSGEO-L, -B and -H refer to: not WGS84 but that
#: of 1976, says the FITS standard 4.0, section 9.2.3, and so does wcslib.
_FITS_ELLIPSOID = (6378140.0, 1 / 298.2577)

#: What the pixels of a file are.
Content = Literal["dirty", "psf", "sampling", "primary-beam", "corrected", "quick-look"]

_PEAKS_AT_ONE = ("Jy/beam", "a point source of 1 Jy peaks at 1")
_UNITS: dict[Content, tuple[str, str]] = {
    "dirty": _PEAKS_AT_ONE,
    "psf": _PEAKS_AT_ONE,
    "sampling": _PEAKS_AT_ONE,
    "primary-beam": ("", "what the stations leave of the flux density"),
    "corrected": _PEAKS_AT_ONE,
    "quick-look": _PEAKS_AT_ONE,
}
_TYPES: dict[Content, str] = {
    "dirty": "Intensity",
    "psf": "Intensity",
    "sampling": "Intensity",
    "primary-beam": "PrimaryBeam",
    "corrected": "Intensity",
    "quick-look": "Intensity",
}

_LONGEST_TEXT = 68  # characters in a card
_LONGEST_NAME = 30

#: How far a plane may lie from its place on an even frequency axis, in steps of it.
_FREQUENCY_TOLERANCE = 1e-4


@dataclass(frozen=True)
class BandSummary:
    """What the header needs of one plane: of one band, or of all of them together.

    Attributes
    ----------
    frequency_hz, width_hz
        Its middle and width.
    fine_channels
        Channels averaged into it.
    beam
        Of its point-spread function; None where it has none.
    fraction_left_out
        Share of the weights asked for that lies outside the uv range of the image.
    start_utc
        Begin of the first dump: MJD day, fraction.
    phase_centre_rad
        Right ascension and declination, ICRS.
    array_lonlatheight
        WGS84 longitude and latitude, rad, and height, m.
    software
        That made the dataset.
    effective_hz
        Mean of the frequencies that went into the plane, weighted as they are in it.
    n_bands
        Bands that went into the plane.
    missing
        Why the plane is blank; None if it is not.
    """

    frequency_hz: float
    width_hz: float
    fine_channels: int
    beam: Beam | None
    fraction_left_out: float
    start_utc: tuple[float, float]
    phase_centre_rad: tuple[float, float]
    array_lonlatheight: tuple[float, float, float]
    software: str
    effective_hz: float
    n_bands: int = 1
    missing: str | None = None

    @classmethod
    def of_band(
        cls, header: BandHeader, start_utc: tuple[float, float], beam: Beam | None, fraction_left_out: float
    ) -> BandSummary:
        """Keep what the header of an image needs of a band's."""
        low_hz, high_hz = edges_hz(header)
        frequency_hz = float(np.mean(header.channel_hz))
        return cls(
            frequency_hz=frequency_hz,
            width_hz=high_hz - low_hz,
            fine_channels=header.channels[1] - header.channels[0],
            beam=beam,
            fraction_left_out=fraction_left_out,
            start_utc=start_utc,
            phase_centre_rad=header.phase_centre_rad,
            array_lonlatheight=header.array_lonlatheight,
            software=header.software,
            effective_hz=frequency_hz,
        )


def edges_hz(header: BandHeader) -> tuple[float, float]:
    """Return the lowest and the highest frequency of a band, Hz."""
    edges = np.asarray(header.channel_hz) + np.outer([-0.5, 0.5], np.asarray(header.channel_width_hz))
    return float(edges.min()), float(edges.max())


def cube_header(
    bands: Sequence[BandSummary], settings: ImageSettings, stokes: str, names: dict[str, str], content: Content
) -> Header:
    """Make the header of a cube.

    Parameters
    ----------
    bands
        In order of frequency axis.
    settings
        How they were imaged.
    stokes
        The Stokes parameters along the last axis.
    names
        Values of OBJECT and TELESCOP.
    content
        What the pixels are.

    Returns
    -------
    astropy.io.fits.Header

    Raises
    ------
    DatasetError
        If the bands are not even in frequency, as a FITS axis must be.
    """
    from astropy.io import fits
    from astropy.time import Time

    header = fits.Header()
    header["SIMPLE"] = (True, "FITS")
    header["BITPIX"] = -32
    header["NAXIS"] = 4
    for axis, length in enumerate((settings.size, settings.size, len(bands), len(stokes)), start=1):
        header[f"NAXIS{axis}"] = length
    header["EXTEND"] = True
    header["BUNIT"] = _UNITS[content]
    header["BTYPE"] = _TYPES[content]
    header["CONTENT"] = (content, "what the pixels are")
    for key, value in names.items():
        header[key] = value
    header["ORIGIN"] = bands[0].software
    start = Time(*bands[0].start_utc, format="mjd", scale="utc", precision=6)
    header["DATE-OBS"] = (start.isot, "begin of the first dump")
    header["MJD-OBS"] = (start.mjd, "[d] the same")
    header["TIMESYS"] = "UTC"
    _describe_sky(header, bands[0], settings)
    _describe_frequency(header, bands)
    _describe_stokes(header, stokes)
    _describe_beam(header, bands)
    _describe_weights(header, bands, settings)
    if content == "corrected" and settings.primary_beam_cut is not None:
        header["PBCUT"] = (settings.primary_beam_cut, "blank where the beam is below, of its largest")
    n_blank = sum(band.missing is not None for band in bands)
    if n_blank:
        header["NBLANK"] = (n_blank, "blank planes: their bands cannot be read")
    return header


def _axis(header: Header, number: int, values: tuple[str, float, float, float, str]) -> None:
    """Write the keywords of one axis: type, reference pixel (from 1), value there, step, unit."""
    for key, value in zip(("CTYPE", "CRPIX", "CRVAL", "CDELT", "CUNIT"), values, strict=True):
        header[f"{key}{number}"] = value


def _describe_sky(header: Header, band: BandSummary, settings: ImageSettings) -> None:
    """Describe right ascension and declination, in the projection that is even in direction cosines."""
    import erfa

    right_ascension, declination = (math.degrees(angle) for angle in band.phase_centre_rad)
    cell = math.degrees(settings.cell_rad)
    middle = settings.size // 2 + 1
    _axis(header, 1, ("RA---SIN", middle, right_ascension, -cell, "deg"))
    _axis(header, 2, ("DEC--SIN", middle, declination, cell, "deg"))
    # Without LONPOLE, the rule for a phase centre at the north pole would turn the image by half a turn.
    header["LONPOLE"] = (180.0, "[deg] native longitude of the north pole")
    header["LATPOLE"] = (declination, "[deg] native latitude of the north pole")
    header["RADESYS"] = "ICRS"
    geocentric = erfa.gd2gc(1, *band.array_lonlatheight)
    for key, value in zip("XYZ", geocentric, strict=True):
        header[f"OBSGEO-{key}"] = (float(value), "[m] array, geocentric")
    # The same once more, so that readers need not work it out and say that they did.
    longitude, latitude, height_m = erfa.gc2gde(*_FITS_ELLIPSOID, geocentric)
    header["OBSGEO-L"] = (math.degrees(longitude), "[deg] longitude")
    header["OBSGEO-B"] = (math.degrees(latitude), "[deg] latitude, IAU 1976 ellipsoid")
    header["OBSGEO-H"] = (float(height_m), "[m] height above the IAU 1976 ellipsoid")


def _describe_frequency(header: Header, bands: Sequence[BandSummary]) -> None:
    """Describe frequency, as observed."""
    frequency = np.array([band.frequency_hz for band in bands])
    step = (frequency[-1] - frequency[0]) / (len(bands) - 1) if len(bands) > 1 else bands[0].width_hz
    miss = np.abs(frequency - frequency[0] - step * np.arange(len(bands))) / step
    if not (step > 0 and miss.max() <= _FREQUENCY_TOLERANCE):
        raise DatasetError(
            f"band {int(miss.argmax())} lies at {frequency[miss.argmax()] / 1e6:.6f} MHz, off an even "
            f"frequency axis by {miss.max():.3g} steps; one cube holds bands of even steps only"
        )
    _axis(header, 3, ("FREQ", 1, float(frequency[0]), float(step), "Hz"))
    header["CHANAVG"] = (bands[0].fine_channels, "fine channels averaged into a plane")
    if bands[0].n_bands > 1:
        header["NBANDS"] = (bands[0].n_bands, "bands imaged together")
        header["EFFFREQ"] = (bands[0].effective_hz, "[Hz] mean frequency, by weight")
    header["RESTFRQ"] = (float(frequency[0]), "[Hz] first plane")
    header["SPECSYS"] = ("TOPOCENT", "frequencies as observed")


def _describe_stokes(header: Header, stokes: str) -> None:
    """Describe Stokes parameters by their FITS numbers, I = 1 to V = 4."""
    numbers = [list(STOKES).index(letter) + 1 for letter in stokes]
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    _axis(header, 4, ("STOKES", 1, numbers[0], step, ""))


def _describe_beam(header: Header, bands: Sequence[BandSummary]) -> None:
    """Describe the beam of the middle plane, and say where those of all planes are."""
    imaged = [band for band in bands if band.missing is None]
    beam = imaged[len(imaged) // 2].beam
    if beam is not None:
        header["BMAJ"] = (math.degrees(beam.major_rad), "[deg] plane in the middle")
        header["BMIN"] = (math.degrees(beam.minor_rad), "[deg]")
        header["BPA"] = (math.degrees(beam.angle_rad), "[deg] north through east")
    if all(band.beam is not None for band in imaged):
        header["CASAMBM"] = (True, "beams of all planes: table BEAMS")


def _describe_weights(header: Header, bands: Sequence[BandSummary], settings: ImageSettings) -> None:
    """Say how the visibilities were weighted."""
    header["WEIGHT"] = (settings.weight, "imaging weights")
    if settings.weight == "briggs":
        header["ROBUST"] = (settings.robust, "Briggs' robustness")
    if settings.taper_rad is not None:
        header["TAPER"] = (math.degrees(settings.taper_rad), "[deg] FWHM of taper on the sky")
    for key, limit in (("UVMIN", settings.uv_min), ("UVMAX", settings.uv_max)):
        if limit is not None:
            unit = "wavelengths" if limit.in_wavelengths else "m"
            header[key] = (limit.value, f"[{unit}] limit of (u, v)")
    for key, names in (("STATIONS", settings.stations), ("WITHOUT", settings.without_stations)):
        if names:
            header[key] = _listed(names)
    worst = max(band.fraction_left_out for band in bands)
    header["LEFTOUT"] = (worst, "share of weights beyond the uv range")


def _listed(names: Sequence[str]) -> str:
    """Write names as one value of a header, which has no room for hundreds."""
    text = ", ".join(names)
    return text if len(text) <= _LONGEST_TEXT else f"{names[0][:_LONGEST_NAME]}, ... ({len(names)} names or patterns)"
