"""What a dataset says of itself: its manifest and the header of every band."""

from __future__ import annotations

import numpy as np

from pipeline.config.observation import Config
from pipeline.dataset.manifest import BandEntry, Manifest, config_sha256
from pipeline.dataset.schema import BandHeader
from pipeline.dataset.storage import band_name, contact_name
from pipeline.prepare import Prepared
from pipeline.version import software


def band_frequency(config: Config, band: int) -> tuple[float, float]:
    """Return the centre and width of a band, Hz."""
    per_band = config.averaging.node * config.averaging.group
    width_hz = config.spectrum.width_hz
    first_hz = config.spectrum.start_hz + band * per_band * width_hz
    return first_hz + (per_band - 1) / 2 * width_hz, per_band * width_hz


def band_header(prepared: Prepared, band: int, text: str) -> BandHeader:
    """Describe a band."""
    config, telescope = prepared.config, prepared.inputs.telescope
    centre_hz, width_hz = band_frequency(config, band)
    per_band = prepared.plan.layout.channels_per_band
    return BandHeader(
        band=band,
        n_dumps=config.time.dumps,
        channel_hz=np.array([centre_hz]),
        channel_width_hz=np.array([width_hz]),
        channels=(band * per_band, (band + 1) * per_band),
        station_names=telescope.station_names,
        station_m=telescope.geocentric_m,
        baselines=prepared.inputs.baselines,
        phase_centre_rad=(config.phase_centre.ra_rad, config.phase_centre.dec_rad),
        array_lonlatheight=(telescope.longitude_rad, telescope.latitude_rad, telescope.height_m),
        integration_s=config.time.integration_s,
        software=software(),
        config_sha256=config_sha256(text),
    )


def new_manifest(prepared: Prepared, text: str) -> Manifest:
    """Return the manifest of a run that begins."""
    config, layout = prepared.config, prepared.plan.layout
    bands = []
    for band in range(layout.n_bands):
        channels = (band * layout.channels_per_band, (band + 1) * layout.channels_per_band)
        bands.append(
            BandEntry(
                index=band,
                path=band_name(band),
                channels=channels,
                frequency_hz=band_frequency(config, band)[0],
                steps=prepared.plan.n_blocks,
                complete=False,
                stream=None if config.output.stream is None else contact_name(band),
            )
        )
    return Manifest(
        software=software(),
        config_sha256=config_sha256(text),
        plan=prepared.plan.as_dict(),
        files=config.output.stream is None or config.output.stream.files,
        bands=tuple(bands),
    )
