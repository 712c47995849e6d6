"""What was imaged, for people and machines."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import IncompleteError
from pipeline.products.cubeheader import BandSummary
from pipeline.telemetry.describe import counted, rows


@dataclass(frozen=True)
class CubeReport:
    """What was made.

    Attributes
    ----------
    image, psf, sampling
        The three files.
    primary_beam, corrected
        Two more, if the primary beam was asked for; else None.
    stokes
        Stokes parameters of the image.
    bands
        One summary for each plane along the frequency axis.
    missing
        Why bands are not in the image, by their index; of a cube, their planes are blank.
    """

    image: Path
    psf: Path
    sampling: Path
    primary_beam: Path | None
    corrected: Path | None
    stokes: str
    bands: tuple[BandSummary, ...]
    missing: dict[int, str]

    def describe(self, png: Path | None = None) -> str:
        """Say what was imaged; `png` is the picture, if there is one."""
        first, last = self.bands[0], self.bands[-1]
        span = f"{first.frequency_hz / 1e6:.4f} to {last.frequency_hz / 1e6:.4f} MHz"
        pairs = [("cube", f"{self.image}: {counted(len(self.bands), 'plane')}, {span}")]
        if first.n_bands > 1:
            middle, width = first.frequency_hz / 1e6, first.width_hz / 1e6
            together = counted(first.n_bands, "band")
            pairs = [("continuum", f"{self.image}: {together} at {middle:.4f} MHz, {width:.4f} MHz wide")]
        imaged = [band for band in self.bands if band.missing is None]
        beam = imaged[0].beam
        if beam is not None:
            axes = f"{math.degrees(beam.major_rad) * 60:.2f} x {math.degrees(beam.minor_rad) * 60:.2f} arcmin"
            pairs.append(("beam", f"{axes} at {math.degrees(beam.angle_rad):.1f} deg (first plane)"))
        pairs += [("psf", str(self.psf)), ("sampling", str(self.sampling))]
        for name, path in (("primary beam", self.primary_beam), ("corrected", self.corrected), ("picture", png)):
            if path is not None:
                pairs.append((name, str(path)))
        return rows(pairs)

    def as_dict(self) -> dict[str, Any]:
        """Return what was imaged as plain values."""
        return {
            "image": str(self.image),
            "psf": str(self.psf),
            "sampling": str(self.sampling),
            "primary_beam": None if self.primary_beam is None else str(self.primary_beam),
            "corrected": None if self.corrected is None else str(self.corrected),
            "planes": [
                {
                    "frequency_hz": band.frequency_hz,
                    "effective_hz": band.effective_hz,
                    "width_hz": band.width_hz,
                    "bands": band.n_bands,
                    "beam": None if band.beam is None else dataclasses.asdict(band.beam),
                    "missing": band.missing,
                }
                for band in self.bands
            ],
            "missing": {str(index): reason for index, reason in self.missing.items()},
        }

    def incomplete(self) -> IncompleteError:
        """Return the error to end with where bands are missing."""
        bands = ", ".join(str(index) for index in self.missing)
        first = next(iter(self.missing.values()))
        blank = "its plane is blank" if len(self.missing) == 1 else "their planes are blank"
        left = "not in it" if self.bands[0].n_bands > 1 else blank
        return IncompleteError(f"{self.image} is made, but without band {bands}: {left}; {first}")
