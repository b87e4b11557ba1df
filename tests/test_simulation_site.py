import dataclasses

import numpy as np
import pytest

from shotprint.simulation.air import Atmosphere, air_absorption_db_per_m
from shotprint.simulation.site import (
    Reflector,
    Site,
    background_noise,
    ground_reflection,
    late_response,
    make_site,
    microphone_position,
    propagate,
)

RATE_HZ = 96000


def level_db(waveform):
    return 10 * np.log10(np.mean(waveform**2))


def tone(frequency_hz):
    return np.sin(2 * np.pi * frequency_hz * np.arange(9600) / RATE_HZ) * np.hanning(9600)


@pytest.mark.parametrize("frequency_hz", [100.0, 1000.0, 10000.0, 30000.0])
def test_level_drops_by_6_db_a_doubling_and_by_absorption(frequency_hz):
    air = Atmosphere(20.0, 50.0)
    near, far = (propagate(tone(frequency_hz), RATE_HZ, d, air) for d in (20.0, 40.0))
    expected_db = 20 * np.log10(2) + 20 * air_absorption_db_per_m(frequency_hz, 20.0, 50.0)
    assert level_db(near) - level_db(far) == pytest.approx(expected_db, abs=0.02)


def test_propagation_over_no_distance_changes_nothing():
    assert np.allclose(propagate(tone(500.0), RATE_HZ, 1.0, Atmosphere()), tone(500.0))


def test_hard_ground_reflects_everything_and_no_ground_more_than_that():
    frequency_hz = np.geomspace(20, 20000, 50)
    assert ground_reflection(frequency_hz, 0.5, 1e9) == pytest.approx(1, abs=0.01)
    for sine in (0.05, 0.3, 1.0):
        assert np.all(np.abs(ground_reflection(frequency_hz, sine, 200.0)) <= 1)


def test_grass_reflects_low_tones_better_than_high_ones_at_normal_incidence():
    low, high = np.abs(ground_reflection(np.array([50.0, 5000.0]), 1.0, 200.0))
    assert low > 0.9
    assert high < 0.5


def test_grazing_sound_is_turned_round_by_soft_ground():
    assert ground_reflection(np.array([4000.0]), 0.02, 200.0)[0].real < -0.9


def test_the_ground_answers_after_the_sound_not_before():
    frequency_hz = np.fft.rfftfreq(8192, 1 / RATE_HZ)
    answer = np.fft.irfft(ground_reflection(frequency_hz, 0.3, 100.0))
    after, before = answer[1:4096], answer[4097:]
    assert np.sum(after**2) > 20 * np.sum(before**2)


def bare_site(**changes):
    return dataclasses.replace(Site(atmosphere=Atmosphere(20.0)), **changes)


def test_late_sound_starts_after_the_direct_and_ends_with_the_recording():
    position = microphone_position(90, 40.0, 1.0)
    response = late_response(bare_site(), position, RATE_HZ, 96000, np.random.default_rng(0))
    arrival = int(40.0 / 343.2 * RATE_HZ)
    assert not response[: arrival - 1].any()
    assert response[arrival + 100 : arrival + 5000].any()
    assert response[-1] == 0


@pytest.mark.parametrize("reverberation_s", [0.4, 0.9])
def test_reverberation_dies_away_in_its_time(reverberation_s):
    site = bare_site(reverberation_s=(reverberation_s,) * 3)
    response = late_response(site, (0.0, 5.0, 1.0), RATE_HZ, 96000, np.random.default_rng(1))
    early, late = response[int(0.1 * RATE_HZ) :][:9600], response[int(0.3 * RATE_HZ) :][:9600]
    assert level_db(early) - level_db(late) == pytest.approx(60 * 0.2 / reverberation_s, abs=0.8)


def test_an_echo_comes_when_the_way_there_and_back_says():
    wall = bare_site(reflectors=(Reflector(0.0, 60.0, 0.8),), reverberation_db=-60.0)
    response = late_response(wall, (0.0, -20.0, 1.0), RATE_HZ, 96000, np.random.default_rng(2))
    arrival = round((60 + 80) / 343.2 * RATE_HZ)
    assert level_db(response[arrival : arrival + 500]) > 30 + level_db(
        response[arrival - 600 : arrival - 100]
    )


def test_an_echo_after_the_end_is_left_out():
    far = bare_site(reflectors=(Reflector(0.0, 600.0, 0.8),))
    response = late_response(far, (0.0, 20.0, 1.0), RATE_HZ, 48000, np.random.default_rng(2))
    assert response.shape == (48000,)


def test_background_has_its_level_and_falls_with_frequency():
    site = bare_site(wind_db=70.0, ambient_db=20.0, hum_db=0.0)
    draws = [background_noise(48000, 48000, site, np.random.default_rng(k)) for k in range(40)]
    levels_db = [level_db(noise) - 20 * np.log10(2e-5) for noise in draws]
    assert np.median(levels_db) == pytest.approx(70, abs=3)
    power = np.mean([np.abs(np.fft.rfft(noise)) ** 2 for noise in draws], axis=0)
    assert power[40:60].mean() > 30 * power[400:600].mean()


def test_hum_stands_at_the_mains_frequency():
    site = bare_site(wind_db=0.0, ambient_db=0.0, hum_db=60.0)
    noise = background_noise(48000, 48000, site, np.random.default_rng(3))
    assert np.abs(np.fft.rfft(noise)).argmax() == 60


def test_sites_differ_by_seed_only():
    first, again, other = (make_site(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("azimuth_deg", "expected"), [(0, (5, 0)), (90, (0, 5)), (180, (-5, 0)), (-90, (0, -5))]
)
def test_azimuth_zero_is_down_range(azimuth_deg, expected):
    assert microphone_position(azimuth_deg, 5.0, 1.2) == pytest.approx((*expected, 1.2))
