"""What the instrument does to visibilities, sample by sample, on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.prepare import Prepared

Float64 = npt.NDArray[np.float64]


class Corrupting:
    """Turns ideal visibilities into measured ones.

    Parameters
    ----------
    prepared
        The observation and the device.
    """

    def __init__(self, prepared: Prepared) -> None:
        device, inputs = prepared.device, prepared.inputs
        self._device, self._instrument = device, inputs.instrument
        self._integration_s = prepared.config.time.integration_s
        self._spectrum = prepared.config.spectrum
        self._stations = device.upload(inputs.baselines)
        flags = self._instrument.flags
        rows = np.ones((2, len(inputs.baselines)), np.float32) if flags is None else flags.rows
        self._weights = [device.upload(row) for row in rows]
        self._station_enu = device.upload(inputs.telescope.enu_m)
        self._screen: tuple[Any, Any] = (None, None)

    def is_flagged(self, channel: int, dump: int) -> bool:
        """Whether a sample is flagged on all baselines."""
        flags = self._instrument.flags
        return flags is not None and flags.row_at(channel, dump) == 0

    @property
    def weights(self) -> Any:
        """On the device: (baseline,) float32, the weights of a sample that is not flagged: zero for dead stations."""
        return self._weights[1]

    @property
    def corrupts(self) -> bool:
        """Whether `corrupt` does anything."""
        return self._instrument.gains is not None or self._instrument.noise is not None

    def corrupt(self, channel: int, dump: int, visibilities: Any) -> None:
        """Apply gains and add noise, in place.

        Parameters
        ----------
        channel, dump
            Which sample.
        visibilities
            On the device: (baseline, 4) complex64 or complex128, Jy.
        """
        device, noise, gains = self._device, self._instrument.noise, self._instrument.gains
        frequency_hz = self._spectrum.start_hz + channel * self._spectrum.width_hz
        if gains is not None:
            at = gains.gains_at(frequency_hz, self._time_s(dump))
            device.kernels.apply_gains(self._stations, device.upload(at), visibilities)
        if noise is not None:
            sigma_jy = device.upload(noise.sigma_jy(frequency_hz))
            device.kernels.add_noise(self._stations, sigma_jy, noise.seed, channel, dump, visibilities)

    @property
    def has_ionosphere(self) -> bool:
        """Whether `delay` does anything."""
        return self._instrument.ionosphere is not None

    def delay(self, dump: int, enu: Float64, source: Any, frequency_hz: float, phasors: Any) -> None:
        """Let the ionosphere delay the phasors of one dump, in place.

        Parameters
        ----------
        dump
            The dump.
        enu
            (source, 3) float64: unit vectors towards sources in its middle.
        source
            On the device: (term,) int32, which of the sources a term has.
        frequency_hz
            Frequency, Hz.
        phasors
            On the device: (2, term, station).
        """
        ionosphere = self._instrument.ionosphere
        if ionosphere is None:
            return
        time_s = self._time_s(dump)
        place, turns = ionosphere.place_at(time_s), ionosphere.turns_per_tecu(frequency_hz)
        host = ionosphere.screen_at(time_s)
        if self._screen[0] is not host:
            self._screen = (host, self._device.upload(host))
        screen, towards = self._screen[1], self._device.upload(enu)
        self._device.kernels.phase_screen(self._station_enu, towards, source, screen, place, turns, phasors)

    def _time_s(self, dump: int) -> float:
        """Return the middle of a dump, s since the start."""
        return (dump + 0.5) * self._integration_s
