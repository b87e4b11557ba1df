import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from shotprint.simulation import (
    RECORDERS,
    Atmosphere,
    Individual,
    Recorder,
    Site,
    Take,
    draw_individual,
    draw_late_spectra,
    find_bullet_ray,
    fire,
    microphone_position,
    read_guns,
    simulate_shot,
)
from shotprint.simulation.shot import direct_sound, find_pulses

C = 343.2
STILL = Site(
    atmosphere=Atmosphere(20.0, 50.0),
    ground_flow_resistivity=1e9,
    reverberation_db=-80.0,
    wind_db=-40.0,
    ambient_db=-40.0,
    hum_db=-40.0,
)
IDEAL = Recorder("Ideal", "ID", 192000, low_hz=0.01, high_hz=1e6, overload_db=250.0,
                 full_scale_db=180.0, noise_db=-200.0)  # fmt: skip


def discharge_of(label, seed=0, **changes):
    return fire(
        dataclasses.replace(Individual(read_guns()[label], jet_db=-200.0), **changes),
        np.random.default_rng(seed),
    )


def take_at(azimuth_deg, distance_m, recorder=IDEAL, site=STILL, height_m=1.5, **changes):
    place = microphone_position(azimuth_deg, distance_m, height_m)
    return dataclasses.replace(Take(recorder, site, place), **changes)


def hear(label, azimuth_deg, distance_m, **changes):
    take = take_at(azimuth_deg, distance_m, **changes)
    return simulate_shot(discharge_of(label), take, np.random.default_rng(1))


def crossing_s(shot, from_s, to_s, share):
    """When the waveform first passes `share` of its largest value between two times.

    Filters without phase round a jump alike before and after, so it is half done at its time.
    """
    rate = shot.sample_rate_hz
    first = int(from_s * rate)
    part = shot.waveform[0, first : int(to_s * rate)].astype(float)
    level = share * part.max()
    after = int((part > level).argmax())
    before = after - 1
    return (first + before + (level - part[before]) / (part[after] - part[before])) / rate


def test_the_muzzle_blast_arrives_after_its_way_through_the_air():
    shot = hear("Glock45", 90, 30.0)
    assert shot.muzzle_blast_arrival_s == pytest.approx(0.25 + 30 / C, abs=1e-5)
    assert shot.onset_s == shot.muzzle_blast_arrival_s
    assert crossing_s(shot, 0, 1, 0.5) == pytest.approx(shot.onset_s, abs=5e-6)
    before = shot.waveform[0, : int((shot.onset_s - 2e-4) * shot.sample_rate_hz)]
    assert np.abs(before).max() < 3e-3 * np.abs(shot.waveform).max()


def test_the_ground_reflection_comes_late_by_the_longer_way():
    shot = hear("Glock45", 90, 3.0)
    delay_s = (np.hypot(3.0, 3.0) - 3.0) / C  # both 1.5 m above the ground
    assert shot.ground_arrival_s - shot.muzzle_blast_arrival_s == pytest.approx(delay_s)
    bounced_s = crossing_s(shot, shot.onset_s + 0.5 * delay_s, shot.onset_s + 2 * delay_s, 0.4)
    assert bounced_s - shot.onset_s == pytest.approx(delay_s, abs=1e-5)


def test_the_grazing_angle_is_that_of_the_mirrored_microphone():
    pulses = find_pulses(discharge_of("M16"), take_at(30, 20.0, height_m=1.0))
    grazing = {pulse.kind: pulse.grazing_sine for pulse in pulses if pulse.grazing_sine}
    assert grazing["muzzle blast"] == pytest.approx(2.5 / np.hypot(20.0, 2.5))
    assert 0.2 < grazing["N-wave"] < 0.25  # a shorter way, so steeper


def test_hard_ground_gives_the_blast_back_weaker_by_the_longer_way():
    shot = hear("Glock45", 90, 3.0)
    rate = shot.sample_rate_hz
    direct = shot.waveform[0, int(shot.onset_s * rate) :][:100].max()
    bounced = shot.waveform[0, int((shot.ground_arrival_s - 1e-4) * rate) :][:100].max()
    assert bounced / direct == pytest.approx(1 / np.sqrt(2), rel=0.15)  # on the blast's own tail


@pytest.mark.parametrize("azimuth_deg", [30, -30, 45])
def test_the_n_wave_comes_first_as_long_and_as_strong_as_whitham_says(azimuth_deg):
    shot = hear("M16", azimuth_deg, 20.0)
    assert shot.onset_s == shot.n_wave_arrival_s < shot.muzzle_blast_arrival_s - 0.003
    start_s, middle_s = shot.n_wave_arrival_s, shot.n_wave_arrival_s + shot.n_wave_duration_s / 2
    assert crossing_s(shot, start_s - 1e-4, middle_s, 0.5) == pytest.approx(start_s, abs=3e-6)
    turned = dataclasses.replace(shot, waveform=-shot.waveform[:, ::-1])
    whole_s = shot.waveform.shape[1] / shot.sample_rate_hz
    end_s = whole_s - crossing_s(turned, whole_s - start_s - 4e-4, whole_s - middle_s, 0.5)
    assert end_s - start_s == pytest.approx(shot.n_wave_duration_s, abs=1e-5)
    peak_pa = shot.waveform[0, int(start_s * 192000) :][:30].max() * 2e-5 * 10 ** (180 / 20)
    assert 0.7 < peak_pa / shot.n_wave_peak_pa < 1.0  # the air rounds the shock


def test_the_n_wave_comes_off_the_mach_cone():
    gun = dataclasses.replace(read_guns()["M16"], drag_distance_m=1e9, velocity_sd_m_s=0.0)
    discharge = fire(Individual(gun), np.random.default_rng(0))
    shot = simulate_shot(discharge, take_at(30, 20.0), np.random.default_rng(1))
    x, r, v = 20 * np.cos(np.pi / 6), 20 * np.sin(np.pi / 6), 988.0
    expected_s = (x + r * np.sqrt((v / C) ** 2 - 1)) / v
    assert shot.n_wave_arrival_s == pytest.approx(0.25 + expected_s, abs=1e-6)


@pytest.mark.parametrize(
    ("label", "azimuth_deg"),
    [
        ("Colt1911", 0),  # subsonic
        ("Smith&Wesson38special", 20),
        ("M16", 90),  # beside the muzzle, outside the cone
        ("M16", 72),  # Mach 2.9: rays leave at 69.7°
        ("Remington700", 180),  # behind
        ("Remington700", 130),
        ("Ruger22", 30),  # Mach 1.08: rays leave at 22°
    ],
)
def test_no_n_wave(label, azimuth_deg):
    shot = hear(label, azimuth_deg, 20.0)
    assert shot.n_wave_arrival_s is None
    assert shot.n_wave_duration_s is None
    assert shot.onset_s == shot.muzzle_blast_arrival_s
    early = shot.waveform[0, : int((shot.onset_s - 2e-4) * shot.sample_rate_hz)]
    assert np.abs(early).max() < 5e-3 * np.abs(shot.waveform).max()


@pytest.mark.parametrize(("label", "azimuth_deg"), [("M16", 67), ("Ruger22", 10), ("Glock9", 5)])
def test_an_n_wave_inside_the_cone(label, azimuth_deg):
    assert hear(label, azimuth_deg, 20.0).n_wave_arrival_s is not None


def test_level_drops_with_distance_as_air_and_spreading_say():
    discharge, peaks = discharge_of("Glock45"), []
    for distance_m in (10.0, 20.0, 40.0):
        take = take_at(90, distance_m)
        [blast, *_] = pulses = find_pulses(discharge, take)
        spectrum = np.fft.rfft(direct_sound(discharge, take, [blast]))
        frequency = np.fft.rfftfreq(take.n_samples, 1 / 192000)
        peaks.append(np.abs(spectrum[(frequency > 300) & (frequency < 400)]).mean())
        assert len(pulses) == 2
    drops_db = -20 * np.log10(np.array(peaks[1:]) / peaks[:-1])
    assert drops_db == pytest.approx([6.02 + 0.019, 6.02 + 0.038], abs=0.01)  # 1.9 dB/km


def test_a_revolver_speaks_from_its_gap_first():
    discharge = discharge_of("Ruger357", gap_strength=0.3)
    pulses = {p.kind: p for p in find_pulses(discharge, take_at(90, 10.0)) if not p.grazing_sine}
    lead_s = pulses["muzzle blast"].arrival_s - pulses["cylinder gap"].arrival_s
    assert lead_s == pytest.approx(2 * 0.118 / discharge.muzzle_velocity_m_s, abs=5e-6)
    assert 0.2 < pulses["cylinder gap"].peak_pa / pulses["muzzle blast"].peak_pa < 0.6
    assert draw_individual(read_guns()["Glock9"], np.random.default_rng(0)).gap_strength == 0
    assert draw_individual(read_guns()["Ruger357"], np.random.default_rng(0)).gap_strength > 0.19


def test_phones_and_zoom_hear_the_same_sound():
    # the same spectrum below 12 kHz, whatever the rate: jet, blast, gap, N-wave, ground
    discharge = fire(draw_individual(read_guns()["M16"], np.random.default_rng(3)),
                     np.random.default_rng(4))  # fmt: skip
    spectra = []
    for recorder in (RECORDERS["Zoom"], RECORDERS["iPhone"]):
        take = take_at(40, 10.0, recorder)
        sound = direct_sound(discharge, take, find_pulses(discharge, take))
        n_kept = round(12000 * take.duration_s)
        spectra.append(np.fft.rfft(sound)[:n_kept] / recorder.sample_rate_hz)
    assert np.allclose(*spectra, atol=2e-4 * np.abs(spectra[0]).max())


def test_one_shot_on_three_recorders_has_one_time():
    discharge = fire(draw_individual(read_guns()["WASR-10"], np.random.default_rng(3)),
                     np.random.default_rng(4))  # fmt: skip
    onsets_s = []
    for recorder in RECORDERS.values():
        level_db = None if recorder.full_scale_db else 150.0
        take = take_at(30, 9.0, recorder, full_scale_db=level_db, height_m=1.0)
        shot = simulate_shot(discharge, take, np.random.default_rng(5))
        assert shot.waveform.shape == (recorder.n_channels, take.n_samples)
        assert shot.waveform.dtype == np.float32
        onsets_s.append(shot.onset_s)
        loud = np.abs(shot.waveform[0]) > 0.3 * np.abs(shot.waveform[0]).max()
        assert loud.argmax() / recorder.sample_rate_hz == pytest.approx(shot.onset_s, abs=2e-4)
    assert onsets_s[0] == onsets_s[1] == onsets_s[2]


def test_the_lead_in_moves_everything():
    room = draw_late_spectra(take_at(30, 20.0, lead_in_s=0.45), np.random.default_rng(1))
    early, late = (
        simulate_shot(
            discharge_of("M16"),
            take_at(30, 20.0, lead_in_s=lead_in_s),
            np.random.default_rng(1),
            room,
        )
        for lead_in_s in (0.2, 0.45)
    )
    assert late.onset_s - early.onset_s == pytest.approx(0.25)
    moved, stayed = late.waveform[0, 86400:138000], early.waveform[0, 38400:90000]
    assert np.allclose(moved, stayed, atol=1e-3 * stayed.max())


def test_the_same_seed_gives_the_same_shot_and_another_does_not():
    take = take_at(90, 10.0, RECORDERS["iPhone"], site=Site())
    first, again, other = (
        simulate_shot(discharge_of("M16"), take, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first.waveform, again.waveform)
    assert not np.array_equal(first.waveform, other.waveform)


def test_shots_of_one_gun_vary_and_guns_of_one_model_do():
    individuals = [draw_individual(read_guns()["Glock9"], np.random.default_rng(k)) for k in (0, 1)]
    shots = [fire(individuals[0], np.random.default_rng(k)) for k in range(200)]
    velocities = [shot.muzzle_velocity_m_s for shot in shots]
    assert np.std(velocities) == pytest.approx(4.0, rel=0.2)
    assert individuals[0] != individuals[1]


def test_the_late_sound_is_the_sites_not_the_guns():
    take = take_at(90, 20.0, RECORDERS["iPhone"], site=Site())
    late = draw_late_spectra(take, np.random.default_rng(9))
    kept = late.copy()
    first, other = (
        simulate_shot(discharge_of(label), take, np.random.default_rng(1), late).waveform[0]
        for label in ("WinchesterM14", "Remington700")
    )
    tail = slice(int(0.45 * 48000), int(0.6 * 48000))
    assert np.corrcoef(first[tail], other[tail])[0, 1] > 0.9
    assert np.array_equal(late, kept)


def test_a_pair_turned_aside_hears_more_on_one_side():
    take = take_at(90, 10.0, RECORDERS["Zoom"], full_scale_db=150.0)
    for pointing_deg, louder in ((30.0, 1), (-30.0, 0)):
        turned = dataclasses.replace(take, pointing_deg=pointing_deg)
        waveform = simulate_shot(discharge_of("M16"), turned, np.random.default_rng(1)).waveform
        peaks = np.abs(waveform).max(axis=1)
        assert peaks.argmax() == louder
        assert peaks.max() > 1.2 * peaks.min()


def test_loud_shots_clip_and_say_so():
    loud = hear("M16", 90, 3.0, recorder=RECORDERS["Samsung"])
    quiet = hear("M16", 90, 3.0)
    assert loud.clipped > 0
    assert np.mean(np.abs(loud.waveform) >= 1) == loud.clipped
    assert quiet.clipped == 0


def test_all_guns_sound_different():
    take = take_at(30, 9.0, RECORDERS["iPhone"])
    waveforms = [
        simulate_shot(discharge_of(label), take, np.random.default_rng(1)).waveform
        for label in read_guns()
    ]
    for i, one in enumerate(waveforms):
        assert one.any()
        assert all(not np.array_equal(one, other) for other in waveforms[:i])


def test_the_ray_of_a_shot_is_the_ray_of_the_waves_module():
    shot = hear("WinchesterM14", 20, 20.0)
    x, y, _ = microphone_position(20, 20.0, 1.5)
    ray = find_bullet_ray(x, y, shot.muzzle_velocity_m_s, 850.0, C, 100.0)
    assert shot.n_wave_arrival_s == pytest.approx(0.25 + ray.arrival_s, abs=1e-9)


def test_the_example_of_the_documentation_runs(capsys):
    page = Path(__file__).resolve().parents[1] / "docs" / "simulation.md"
    [example] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(example, names)
    assert names["phone"].shape == (1, 57600)
    assert capsys.readouterr().out.startswith("(1, 57600) ")
