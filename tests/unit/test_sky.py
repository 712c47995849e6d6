"""Skies: sources from the configuration, tables and GLEAM against numbers typed in here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import Table

from pipeline.config.sources import CatalogueEntry, SourcesEntry
from pipeline.errors import ConfigError
from pipeline.observation.skies.base import Observed
from pipeline.observation.skies.components import Components
from pipeline.observation.sky import load_sky as load

OBSERVED = Observed((0.0, -0.5), 150e6, 5425.347, 144)

GLEAM = Path(__file__).parents[2] / "configs" / "skies" / "gleam_50srcs.vot"


def load_sky(entries) -> tuple[Components, list[str]]:
    """Load entries, and join those that are lists of sources."""
    sky, notes = load(entries, OBSERVED)
    (part,) = sky.parts
    assert isinstance(part, Components)
    return part, notes


def catalogue(path, format="table", **more) -> CatalogueEntry:
    return CatalogueEntry.model_construct(
        catalogue=path, format=format, **{"missing_fit": "omit", "band": None, **more}
    )


def inline(*sources) -> SourcesEntry:
    return SourcesEntry.model_validate({"sources": list(sources)})


def test_sources_of_the_configuration():
    sky, notes = load_sky(
        [
            inline(
                {"ra": "0h10m", "dec": "-27d", "i": "1.0 Jy", "spectral_index": -0.8, "reference": "150 MHz"},
                {"name": "b", "ra": "10 deg", "dec": "-30 deg", "i": "2 Jy", "v": "-100 mJy"},
            )
        ]
    )
    assert notes == []
    assert sky.names == ("source-0", "b")
    np.testing.assert_allclose(np.degrees(sky.ra_rad), [2.5, 10], rtol=1e-14)
    assert sky.stokes_jy.tolist() == [[1, 0, 0, 0], [2, 0, 0, -0.1]]
    assert not sky.is_unpolarised
    # (300 / 150)**-0.8 = 0.5743491774985174
    np.testing.assert_allclose(sky.stokes_at(300e6), [[0.5743491774985174, 0, 0, 0], [2, 0, 0, -0.1]], rtol=1e-15)


def test_gleam_without_fits_left_out():
    sky, notes = load_sky([catalogue(GLEAM, "gleam")])
    assert sky.n_sources == 32
    assert sky.is_unpolarised
    assert notes == [
        "gleam_50srcs.vot: 18 of 50 sources have no fitted spectrum and are left out: J223320-891247, "
        "J232736-882551, J222321-881725, J233754-880502, J214401-875523 and 13 more"
    ]
    assert sky.names[1] == "GLEAM J231335-890921"
    np.testing.assert_allclose(np.degrees([sky.ra_rad[1], sky.dec_rad[1]]), [348.399048, -89.155968])
    # The sum of the fits at 100 MHz, computed with pyradiosky 1.1.2.
    assert sky.stokes_at(100e6)[:, 0].sum() == pytest.approx(16.537091466880494, rel=1e-13)


def test_gleam_without_fits_at_their_band():
    sky, notes = load_sky([catalogue(GLEAM, "gleam", missing_fit="band-flux", band="Fint151")])
    assert sky.n_sources == 50
    assert sky.stokes_jy[1].tolist() == [0.109704, 0, 0, 0]
    assert (sky.reference_hz[1], sky.spectral_index[1]) == (151e6, 0)
    assert (sky.reference_hz[2], sky.spectral_index[2]) == (200e6, -0.751062)
    assert notes == [
        "gleam_50srcs.vot: 18 of 50 sources have no fitted spectrum and are taken at their flux density "
        "in Fint151, with spectral index 0"
    ]


def test_entries_add_up():
    sky, _ = load([inline({"ra": "1d", "dec": "2d", "i": "3 Jy"}), catalogue(GLEAM, "gleam")], OBSERVED)
    assert sky.n_sources == 33
    assert (sky.label(0), sky.label(2)) == ("source-0", "GLEAM J231335-890921")
    assert sky.stokes_at(150e6).shape == (33, 4)
    assert len(sky.ra_rad) == len(sky.dec_rad) == 33


def test_csv(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("ra,dec,i,e_i\n10,-20,1.5,0.1\n11,-21,2,0.1\n")
    sky, notes = load_sky([catalogue(path)])
    assert tuple(sky.names) == ("mine-1", "mine-2")
    np.testing.assert_allclose(np.degrees(sky.dec_rad), [-20, -21])
    assert sky.stokes_jy[:, 0].tolist() == [1.5, 2]
    assert sky.reference_hz.tolist() == [150e6, 150e6]
    assert notes == ["mine.csv: columns not used: e_i"]


def test_csv_with_sexagesimal_angles(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("name,ra,dec,i\nA,0h10m,-27d30m,1\n")
    sky, _ = load_sky([catalogue(path)])
    assert tuple(sky.names) == ("A",)
    np.testing.assert_allclose(np.degrees([sky.ra_rad[0], sky.dec_rad[0]]), [2.5, -27.5])


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot"])
def test_tables_with_units(tmp_path, ending):
    path = tmp_path / f"mine.{ending}"
    table = Table(
        {
            "name": ["A", "B"],
            "ra": [0.1, 0.2] * units.rad,
            "dec": [-1800.0, -60.0] * units.arcmin,
            "i": [500.0, 20.0] * units.mJy,
            "q": [5.0, 0.0] * units.mJy,
            "spectral_index": [-0.7, 0.0],
            "reference": [0.2, 0.15] * units.GHz,
        }
    )
    table.write(path, format={"vot": "votable", "ecsv": "ascii.ecsv"}.get(ending))
    sky, notes = load_sky([catalogue(path)])
    assert (tuple(sky.names), notes) == (("A", "B"), [])
    np.testing.assert_allclose(sky.ra_rad, [0.1, 0.2], rtol=1e-14)
    np.testing.assert_allclose(np.degrees(sky.dec_rad), [-30, -1], rtol=1e-14)
    np.testing.assert_allclose(sky.stokes_jy[0], [0.5, 0.005, 0, 0], rtol=1e-14)
    np.testing.assert_allclose(sky.reference_hz, [200e6, 150e6], rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ra,dec\n1,2\n", r"has no column 'i', which format 'table' needs; .*columns: ra, dec"),
        ("RA,dec,i\n1,2,3\n", r"has no column 'ra'"),
        ("ra,dec,i,spectral_indx\n1,2,3,4\n", r"'spectral_indx' is not known; did you mean 'spectral_index'"),
        ("ra,dec,i\n1,2,3\n1,,3\n", r"row 2 \(bad-2\): dec is nan; it must be an angle"),
        ("ra,dec,i\n1,2,nan\n", r"row 1 \(bad-1\): i is nan; it must be a finite flux density"),
        ("ra,dec,i\n1,-91,3\n", r"row 1 \(bad-1\): dec is -1\.58825; it must be an angle from -90 deg"),
        ("ra,dec,i,reference\n1,2,3,0\n", r"row 1 \(bad-1\): reference is 0; it must be a frequency above"),
        ("ra,dec,i\n1,2,bright\n", r"column 'i' does not hold numbers in Jy"),
        ("ra,dec,i\n", r"sky: holds no source; give it"),
    ],
)
def test_bad_tables(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_sky([catalogue(path)])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"band": "Fint150"}, r"has no column 'Fint150', .*did you mean 'Fint15"),
        ({"band": "Fintwide"}, r"band: 'Fintwide' does not say its frequency; .*such as Fint151"),
    ],
)
def test_bad_bands(more, message):
    with pytest.raises(ConfigError, match=message):
        load_sky([catalogue(GLEAM, "gleam", missing_fit="band-flux", **more)])


def test_gleam_asked_of_another_table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("ra,dec,i\n1,2,3\n")
    with pytest.raises(ConfigError, match=r"has no column 'GLEAM', which format 'gleam' needs"):
        load_sky([catalogue(path, "gleam")])


@pytest.mark.parametrize("name", ["noise.vot", "noise.bin", "noise.fits"])
def test_unreadable_tables(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x00\x01 this is no table")
    with pytest.raises(ConfigError, match=rf"{name}: cannot be read as a table .*give a CSV, ECSV, FITS or VOT"):
        load_sky([catalogue(path)])


def test_wrong_unit(tmp_path):
    path = tmp_path / "bad.ecsv"
    Table({"ra": [1.0], "dec": [2.0], "i": [3.0] * units.m}).write(path, format="ascii.ecsv")
    with pytest.raises(ConfigError, match=r"column 'i' does not hold numbers in Jy .*give every row"):
        load_sky([catalogue(path)])


def test_no_number_for_a_spectral_index():
    entry = inline({"name": "A", "ra": "1d", "dec": "2d", "i": "3 Jy", "spectral_index": float("nan")})
    with pytest.raises(ConfigError, match=r"sky\.sources: row 0 \(A\): spectral_index is nan"):
        load_sky([entry])
