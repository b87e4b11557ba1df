import numpy as np
import pytest

from shotprint.simulation.air import Atmosphere
from shotprint.simulation.waves import (
    blast_impulse_pa_s,
    find_bullet_ray,
    muzzle_blast,
    muzzle_blast_spectrum,
    n_wave,
    n_wave_spectrum,
    whitham,
)

FREQUENCIES_HZ = np.array([0.0, 10.0, 333.0, 2500.0, 20000.0])


def integrate(values, time_s):
    return np.sum(0.5 * (values[1:] + values[:-1]) * np.diff(time_s))


def transform(waveform, time_s):
    """The Fourier integral, summed up."""
    return [
        integrate(waveform * np.exp(-2j * np.pi * frequency_hz * time_s), time_s)
        for frequency_hz in FREQUENCIES_HZ
    ]


def test_muzzle_blast_has_its_peak_and_its_positive_phase():
    pressure = muzzle_blast([-1e-6, 0.0, 0.9e-3, 1e-3, 1.1e-3], 200.0, 1e-3, decay=1.5)
    assert pressure[0] == 0
    assert pressure[1] == 200
    assert pressure[2] > 0
    assert pressure[3] == pytest.approx(0, abs=1e-12)
    assert pressure[4] < 0


@pytest.mark.parametrize("decay", [0.5, 1.0, 2.5])
def test_muzzle_blast_impulse(decay):
    time_s = np.linspace(0, 0.4e-3, 200_001)
    positive = integrate(muzzle_blast(time_s, 800.0, 0.4e-3, decay), time_s)
    assert blast_impulse_pa_s(800.0, 0.4e-3, decay) == pytest.approx(positive, rel=1e-6)


def test_friedlanders_own_wave_has_no_net_impulse():
    assert abs(muzzle_blast_spectrum(0.0, 500.0, 1e-3)) < 1e-12
    assert blast_impulse_pa_s(500.0, 1e-3) == pytest.approx(0.5 / np.e)


@pytest.mark.parametrize("decay", [1.0, 2.0])
def test_muzzle_blast_spectrum_is_the_transform_of_the_wave(decay):
    time_s = np.linspace(0, 0.02, 400_001)
    wave = muzzle_blast(time_s, 300.0, 0.5e-3, decay)
    found = muzzle_blast_spectrum(FREQUENCIES_HZ, 300.0, 0.5e-3, decay)
    assert np.allclose(found, transform(wave, time_s), atol=1e-6)


def test_n_wave_spectrum_is_the_transform_of_the_wave():
    time_s = np.linspace(0, 0.2e-3, 100_001)
    wave = n_wave(time_s, 150.0, 0.2e-3)
    found = n_wave_spectrum(FREQUENCIES_HZ, 150.0, 0.2e-3)
    assert np.allclose(found, transform(wave, time_s), atol=1e-7)


def test_n_wave_goes_from_peak_to_minus_peak():
    duration_s = 2e-4
    pressure = n_wave(np.array([-0.01, 0, 0.25, 0.5, 1, 1.01]) * duration_s, 100.0, duration_s)
    assert pressure == pytest.approx([0, 100, 50, 0, -100, 0])


def test_whitham_by_hand():
    # M193 bullet, 5.69 mm × 19 mm, Mach 2.88, 10 m off, 20 °C, 1 atm, worked out on paper:
    # (M² − 1) = 7.294, ^(1/8) = 1.282, ^(3/8) = 2.107; l^(1/4) = 0.3713; 10^(3/4) = 5.623
    # p = 0.53 · 101325 · 1.282 · 0.00569 / (5.623 · 0.3713) = 187.6 Pa
    # T = 1.82 · 2.88 · 1.778 · 0.00569 / (343.2 · 2.107 · 0.3713) = 197.5 µs
    peak_pa, duration_s = whitham(2.88, 10.0, 5.69e-3, 19e-3, Atmosphere(20.0))
    assert peak_pa == pytest.approx(187.6, rel=2e-3)
    assert duration_s == pytest.approx(197.5e-6, rel=2e-3)


def test_whitham_falls_and_stretches_with_the_miss_distance():
    near = whitham(2.0, 5.0, 8e-3, 28e-3, Atmosphere())
    far = whitham(2.0, 80.0, 8e-3, 28e-3, Atmosphere())
    assert near[0] / far[0] == pytest.approx(16**0.75)
    assert far[1] / near[1] == pytest.approx(2.0)


@pytest.mark.parametrize("mach", [1.0, 0.9, float("nan")])
def test_whitham_refuses_a_subsonic_bullet(mach):
    with pytest.raises(ValueError, match="makes no N-wave"):
        whitham(mach, 5.0, 8e-3, 28e-3, Atmosphere())


@pytest.mark.parametrize("velocity_m_s", [400.0, 720.0, 990.0])
def test_bullet_ray_without_drag_is_the_mach_cone(velocity_m_s):
    c, along_m, miss_m = 340.0, 60.0, 12.0
    mach = velocity_m_s / c
    ray = find_bullet_ray(along_m, miss_m, velocity_m_s, 1e12, c)
    assert ray.mach == pytest.approx(mach)
    # plane cone of half-angle arcsin(1/M) swept by the bullet: t = (x + r √(M² − 1)) / v
    assert ray.arrival_s == pytest.approx(
        (along_m + miss_m * np.sqrt(mach**2 - 1)) / velocity_m_s, rel=1e-9
    )
    assert (along_m - ray.emission_m) / ray.path_m == pytest.approx(1 / mach)


def test_bullet_ray_with_drag_is_the_quickest_path():
    c, along_m, miss_m, velocity_m_s, drag_m = 340.0, 80.0, 10.0, 700.0, 300.0
    feet_m = np.linspace(0, 80, 80_001)
    flight_s = drag_m / velocity_m_s * np.expm1(feet_m / drag_m)
    arrivals_s = flight_s + np.hypot(along_m - feet_m, miss_m) / c
    ray = find_bullet_ray(along_m, miss_m, velocity_m_s, drag_m, c)
    assert ray.arrival_s == pytest.approx(arrivals_s.min(), abs=1e-8)
    assert ray.emission_m == pytest.approx(feet_m[arrivals_s.argmin()], abs=0.02)
    assert ray.mach == pytest.approx(velocity_m_s / c * np.exp(-ray.emission_m / drag_m))


def ask(along_m=50.0, miss_m=10.0, velocity_m_s=680.0, drag_m=1e12, range_m=np.inf):
    return find_bullet_ray(along_m, miss_m, velocity_m_s, drag_m, 340.0, range_m)


@pytest.mark.parametrize(
    ("situation", "heard"),
    [
        ({}, True),
        ({"velocity_m_s": 330.0}, False),  # subsonic
        ({"velocity_m_s": 340.0}, False),
        ({"along_m": -20.0}, False),  # behind the muzzle
        ({"along_m": 0.0}, False),
        # Mach 2: rays leave at 60°, so beside the muzzle's own ray nothing is heard
        ({"along_m": 10.0, "miss_m": 10.0 * np.tan(np.radians(59.9))}, True),
        ({"along_m": 10.0, "miss_m": 10.0 * np.tan(np.radians(60.1))}, False),
        ({"range_m": 44.0}, False),  # stopped before the foot at 44.2 m
        ({"range_m": 44.5}, True),
        ({"velocity_m_s": 360.0, "drag_m": 300.0, "miss_m": 1.0}, True),
        ({"velocity_m_s": 360.0, "drag_m": 300.0, "along_m": 200.0, "miss_m": 75.0}, False),
    ],
)
def test_where_the_bullet_is_heard(situation, heard):
    assert (ask(**situation) is not None) == heard
