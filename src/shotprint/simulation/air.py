"""Air: the speed of sound and how much of it the air swallows.

Source: ISO 9613-1:1993, equations (3) to (5) and Annex B (saturation vapour pressure).
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]

REFERENCE_TEMPERATURE_K = 293.15
TRIPLE_POINT_K = 273.16
REFERENCE_PRESSURE_KPA = 101.325


@dataclasses.dataclass(frozen=True)
class Atmosphere:
    """Weather at the site: temperature, relative humidity and pressure."""

    temperature_c: float = 18.0
    humidity_percent: float = 55.0
    pressure_kpa: float = REFERENCE_PRESSURE_KPA

    @property
    def sound_speed_m_s(self) -> float:
        """Speed of sound; 343.2 m/s at 20 °C (ISO 9613-1, Annex A)."""
        return 343.2 * float(np.sqrt((self.temperature_c + 273.15) / REFERENCE_TEMPERATURE_K))

    @property
    def pressure_pa(self) -> float:
        return 1000.0 * self.pressure_kpa


def air_absorption_db_per_m(
    frequency_hz: ArrayLike,
    temperature_c: float,
    humidity_percent: float,
    pressure_kpa: float = REFERENCE_PRESSURE_KPA,
) -> Floats:
    """Return the pure-tone attenuation of air in dB/m (ISO 9613-1, equations 3 to 5).

    The standard vouches for ±10 % from 50 Hz to 10 kHz, −20 to 50 °C and 10 to 100 % relative
    humidity, and for more outside; the formula itself holds for ultrasound as well.

    Parameters
    ----------
    frequency_hz : any shape, ≥ 0
    """
    frequency = np.asarray(frequency_hz, dtype=np.float64)
    kelvin = temperature_c + 273.15
    t = kelvin / REFERENCE_TEMPERATURE_K
    p = pressure_kpa / REFERENCE_PRESSURE_KPA
    saturation = 10.0 ** (-6.8346 * (TRIPLE_POINT_K / kelvin) ** 1.261 + 4.6151)
    h = humidity_percent * saturation / p  # molar concentration of water vapour, %
    oxygen_hz = p * (24.0 + 4.04e4 * h * (0.02 + h) / (0.391 + h))
    nitrogen_hz = p * t**-0.5 * (9.0 + 280.0 * h * np.exp(-4.170 * (t ** (-1.0 / 3.0) - 1.0)))
    squared = frequency**2
    oxygen = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen_hz + squared / oxygen_hz)
    nitrogen = 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen_hz + squared / nitrogen_hz)
    classical = 1.84e-11 / p * t**0.5
    return np.asarray(8.686 * squared * (classical + t**-2.5 * (oxygen + nitrogen)))
