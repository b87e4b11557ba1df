import numpy as np
import pytest

from shotprint.simulation.air import Atmosphere, air_absorption_db_per_m

# dB/km at the exact octave midbands 63 Hz … 8 kHz: ISO 9613-2:1996, table 2.
TABLE = [
    (10, 70, (0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117)),
    (20, 70, (0.1, 0.3, 1.1, 2.8, 5.0, 9.0, 22.9, 76.6)),
    (30, 70, (0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3)),
    (15, 20, (0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202)),
    (15, 50, (0.1, 0.5, 1.2, 2.2, 4.2, 10.8, 36.2, 129)),
    (15, 80, (0.1, 0.3, 1.1, 2.4, 4.1, 8.3, 23.7, 82.8)),
]


@pytest.mark.parametrize(("temperature_c", "humidity_percent", "expected"), TABLE)
def test_absorption_equals_the_published_table(temperature_c, humidity_percent, expected):
    midbands_hz = 10.0 ** (0.3 * np.arange(6, 14))
    db_per_km = 1e3 * air_absorption_db_per_m(midbands_hz, temperature_c, humidity_percent)
    rounding = [0.06 if value < 100 else 0.51 for value in expected]
    assert np.all(np.abs(db_per_km - expected) <= np.array(rounding))


def test_absorption_at_10_khz():
    # 20 °C: 159 dB/km at 50 % relative humidity, 118 dB/km at 70 %
    assert 1e3 * air_absorption_db_per_m(1e4, 20, 50) == pytest.approx(159, abs=0.5)
    assert 1e3 * air_absorption_db_per_m(1e4, 20, 70) == pytest.approx(117.5, abs=0.5)


def test_thin_air_swallows_more_ultrasound():
    # far above the relaxations only viscosity and heat conduction are left, which go as f²/p
    thick, thin = (air_absorption_db_per_m(5e7, 20, 50, kpa) for kpa in (100.0, 50.0))
    assert thin == pytest.approx(2 * thick, rel=1e-3)


def test_nothing_is_swallowed_at_0_hz():
    assert air_absorption_db_per_m(0.0, 20, 50) == 0


@pytest.mark.parametrize(("temperature_c", "expected"), [(20, 343.2), (0, 331.3), (35, 351.9)])
def test_speed_of_sound(temperature_c, expected):
    assert Atmosphere(temperature_c).sound_speed_m_s == pytest.approx(expected, abs=0.1)
