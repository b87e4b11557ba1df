"""Finding shots: moments from a network's outputs, sections, what is measured, bursts."""

import dataclasses

import numpy as np
import pytest

from shotprint.audio import Audio, read, write_wav
from shotprint.detection import (
    DetectedShot,
    Detector,
    Listening,
    OnnxDetector,
    append_shots,
    cut_sections,
    find_bursts,
    find_shots,
    measure_shot,
)
from shotprint.detection.judging import EVIDENCE, LIKENESS, Judge
from shotprint.detection.picking import MIN_GAP_FRAMES, pick_onsets
from shotprint.detection.sections import AHEAD_S, BACK_S
from shotprint.errors import RecordingError, ShotprintError
from shotprint.weights import shipped_detector
from sounds import encode
from toy import make_shots, write_bursts, write_toy_detector

# picking


def make_logits(n, peaks):
    logits = np.full(n, -8.0, np.float32)
    for place, value in peaks.items():
        logits[place] = value
    return logits


def test_a_maximum_below_the_threshold_is_no_shot():
    logits = make_logits(100, {20: 0.1, 60: -0.1})
    assert pick_onsets(logits, 0.5).place.tolist() == [20]
    assert pick_onsets(logits, 0.45).place.tolist() == [20, 60]
    assert pick_onsets(logits, 0.9).place.tolist() == []


def test_of_two_maxima_too_near_the_higher_one_counts():
    near, far = MIN_GAP_FRAMES - 1, MIN_GAP_FRAMES
    for gap, expected in ((near, [30 + near]), (far, [30, 30 + far])):
        assert pick_onsets(make_logits(99, {30: 3, 30 + gap: 4}), 0.5).place.tolist() == expected
        lower_behind = make_logits(99, {30: 4, 30 + gap: 3})
        assert pick_onsets(lower_behind, 0.5).place.tolist() == ([30] if gap == near else expected)


def test_the_moment_is_the_centre_of_gravity_of_the_probability():
    logits = make_logits(50, {9: 0.0, 10: 40.0})  # probabilities 1/2 and 1
    moment = pick_onsets(logits, 0.5).moment
    assert moment == pytest.approx([10 - 1 / 3], abs=2e-3)
    both = make_logits(50, {9: 2.0, 10: 40.0, 11: 2.0})
    assert pick_onsets(both, 0.5).moment == pytest.approx([10.0], abs=1e-6)


@pytest.mark.parametrize("place", [0, 1, 48, 49])
def test_a_shot_at_either_end_is_found_once(place):
    onsets = pick_onsets(make_logits(50, {place: 5.0}), 0.5)
    assert onsets.place.tolist() == [place]
    assert onsets.probability == pytest.approx([1 / (1 + np.exp(-5))])


def test_a_plateau_is_one_shot_and_nothing_is_none():
    assert pick_onsets(make_logits(50, {20: 3.0, 21: 3.0}), 0.5).place.tolist() == [20]
    assert pick_onsets(np.full(50, -9, np.float32), 0.5).place.tolist() == []
    assert pick_onsets(np.zeros(0, np.float32), 0.5).place.tolist() == []


# judging


def test_what_is_unknown_counts_at_its_best():
    """The bound is one: no likeness gives more, and some likeness gives as much to one tree."""
    judge = Judge.from_mapping(OnnxDetector(shipped_detector()).metadata.judge)
    rng = np.random.default_rng(3)
    evidence = rng.normal(0, 8, (40, len(EVIDENCE)))
    most = judge.score(evidence, unknown=LIKENESS)
    grid = np.sort(judge.nodes["value"][judge.nodes["feature"] == LIKENESS])
    grid = np.append(grid, grid[-1] + 1)
    known = np.array([judge.score(replace_likeness(evidence, value)) for value in grid])
    assert (most >= known.max(axis=0) - 1e-9).all()
    assert (most > known.min(axis=0)).any()
    last = int(judge.roots[-1])
    tree = Judge(judge.nodes[last:], np.array([0]), 0.0)
    alone = np.array([tree.score(replace_likeness(evidence, value)) for value in grid])
    assert tree.score(evidence, unknown=LIKENESS) == pytest.approx(alone.max(axis=0))


def replace_likeness(evidence, value):
    changed = evidence.copy()
    changed[:, LIKENESS] = value
    return changed


# sections


def cut_blocks(waveform, rate_hz, block_s):
    n = max(1, round(block_s * rate_hz))
    for start in range(0, waveform.shape[1], n):
        yield Audio(waveform[:, start : start + n], rate_hz, rate_hz, len(waveform))


@pytest.mark.parametrize(("duration_s", "rate_hz"), [(0.01, 8000), (3.0, 8000), (17.3, 11025)])
def test_sections_do_not_depend_on_the_blocks(duration_s, rate_hz):
    n_samples = round(duration_s * rate_hz)
    waveform = np.arange(2 * n_samples, dtype=np.float32).reshape(2, -1)
    expected = list(cut_sections([Audio(waveform, rate_hz, rate_hz, 2)], section_s=4.0))
    for block_s in (0.03, 1.0, 4.0, 5.0, 100.0):
        sections = list(cut_sections(cut_blocks(waveform, rate_hz, block_s), section_s=4.0))
        assert len(sections) == len(expected)
        for mine, other in zip(sections, expected, strict=True):
            np.testing.assert_array_equal(mine.waveform, other.waveform)
            facts = dataclasses.replace(mine, waveform=None)
            assert vars(facts) == vars(dataclasses.replace(other, waveform=None))


def test_sections_cover_a_recording_once_with_their_surroundings():
    rate_hz, waveform = 8000, np.arange(8000 * 17, dtype=np.float32)[None]
    sections = list(cut_sections(cut_blocks(waveform, rate_hz, 1.3), section_s=4.0))
    assert [each.index for each in sections] == list(range(len(sections)))
    assert [each.is_last for each in sections] == [False] * (len(sections) - 1) + [True]
    reached = 0
    for section in sections:
        assert section.first_sample == reached
        reached = section.last_sample
        assert section.waveform[0, 0] == section.start_sample
        back = section.first_sample - section.start_sample
        assert back == min(section.first_sample, round(BACK_S * rate_hz))
        ahead = section.start_sample + section.waveform.shape[1] - section.last_sample
        assert ahead == (0 if section.is_last else round(AHEAD_S * rate_hz))
    assert reached == waveform.shape[1]


def test_no_blocks_give_no_sections():
    assert list(cut_sections([])) == []


# measuring

RATE_HZ = 8000


def make_burst(level=0.5, at_s=0.5, length_s=0.2, floor=0.0):
    """Return a tone (1, n_samples) of a second that begins and ends at once."""
    t = np.arange(RATE_HZ) / RATE_HZ
    inside = (t >= at_s) & (t < at_s + length_s)
    tone = np.where(inside, level * np.sin(2 * np.pi * 500 * t), 0)
    floor = floor * np.random.default_rng(0).choice([-1, 1], RATE_HZ)
    return (tone + floor)[None].astype(np.float32)


def test_the_end_is_where_the_sound_has_fallen():
    end, peak_dbfs, clipped = measure_shot(make_burst(), RATE_HZ, 4000, None)
    assert end / RATE_HZ == pytest.approx(0.7, abs=0.006)
    assert peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.05)
    assert not clipped


def test_sound_at_the_level_before_counts_as_fallen():
    noisy = make_burst(floor=0.1)  # only 11 dB below, never 40
    assert measure_shot(noisy, RATE_HZ, 4000, None)[0] / RATE_HZ == pytest.approx(0.7, abs=0.006)


def test_the_shot_before_does_not_shorten_one_in_a_burst():
    t = np.arange(RATE_HZ) / RATE_HZ
    tones = sum(
        np.where(t >= at_s, np.exp(-np.maximum(t - at_s, 0) / 0.05), 0) for at_s in (0.4, 0.46)
    )
    floor = 1e-4 * np.random.default_rng(0).choice([-1, 1], RATE_HZ)
    waveform = (0.3 * tones * np.sin(2 * np.pi * 500 * t) + floor)[None].astype(np.float32)
    end, *_ = measure_shot(waveform, RATE_HZ, round(0.46 * RATE_HZ), None)
    assert end / RATE_HZ == pytest.approx(0.46 + 0.05 * np.log(100), abs=0.015)  # 40 dB


def test_the_next_shot_and_a_second_end_it():
    lasting = make_burst(at_s=0.0, length_s=1.0)
    assert measure_shot(lasting, RATE_HZ, 0, 1600)[0] == 1600
    assert measure_shot(np.tile(lasting, 3), RATE_HZ, 0, None)[0] == RATE_HZ


@pytest.mark.parametrize(("top", "expected"), [(1.0, True), (0.7, True), (None, False)])
def test_clipped_are_samples_in_a_row_at_the_top(top, expected):
    waveform = make_burst(level=0.99 if top is None else 2.0)
    if top is not None:
        waveform = waveform.clip(-top, top)
    assert measure_shot(waveform, RATE_HZ, 4000, None)[2] is expected


def test_the_loudest_channel_counts():
    both = np.concatenate([0.1 * make_burst(), make_burst()])
    assert measure_shot(both, RATE_HZ, 4000, None) == measure_shot(both[1:], RATE_HZ, 4000, None)


def test_a_shot_at_the_last_sample_has_a_measure():
    end, peak_dbfs, _ = measure_shot(make_burst(), RATE_HZ, RATE_HZ - 1, None)
    assert end == RATE_HZ
    assert peak_dbfs == pytest.approx(-180)


# joining, bursts


def make_shot_at(onset_s, probability=0.9):
    return DetectedShot(onset_s, onset_s + 0.1, probability, -3.0, False)


def test_a_shot_of_two_sections_is_kept_once_the_surer_one():
    joined = [make_shot_at(1.0), make_shot_at(2.0, 0.6)]
    append_shots(joined, [make_shot_at(2.004, 0.8), make_shot_at(2.05)])
    assert [shot.onset_s for shot in joined] == [1.0, 2.004, 2.05]
    append_shots(joined, [make_shot_at(2.052, 0.7)])
    assert joined[-1] == make_shot_at(2.05)


def test_bursts_are_three_or_more_in_quick_succession():
    assert find_bursts([]) == []
    assert find_bursts([1.0, 1.1]) == []
    assert [tuple(burst) for burst in find_bursts([1.0, 1.1, 1.2])] == [(0, 2, 600.0)]
    onsets = [0.0, 5.0, 5.05, 5.10, 5.15, 9.0, 9.2, 9.4, 9.6, 10.0]
    assert [tuple(burst) for burst in find_bursts(onsets)] == [(1, 4, 1200.0), (5, 8, 300.0)]


def test_a_missed_shot_does_not_change_the_rate_of_fire():
    onsets = [0.1 * i for i in range(9) if i != 4]
    assert find_bursts(onsets)[0].rate_rpm == pytest.approx(600)


# all together

ONSETS_S = [0.004, 0.7, 0.76, 0.82, 0.88, 3.96, 4.0, 7.999, 8.05, 11.5]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return write_bursts(tmp_path_factory.mktemp("a") / "a.wav", ONSETS_S, 12.0)


@pytest.fixture(scope="module")
def detector(toy_detector):
    return Detector(OnnxDetector(toy_detector))


def test_every_shot_is_found_at_its_moment(recording, detector):
    shots, heard = find_shots(recording, detector)
    assert [shot.onset_s for shot in shots[1:]] == pytest.approx(ONSETS_S[1:], abs=0.006)
    assert heard.duration_s == 12.0
    assert (heard.sample_rate_hz, heard.channels, heard.warnings) == (48000, 2, ())
    for shot, following in zip(shots, [*ONSETS_S[1:], 12.0], strict=True):
        assert shot.onset_s < shot.end_s < following + 0.006


def test_the_sound_of_a_video_may_begin_late(tmp_path, detector):
    waveform = make_shots([0.5, 1.4], 2.0)[None]
    encode(
        tmp_path / "a.mkv", waveform, 48000, "pcm_s16le", video="mpeg4", placed=lambda t: t + 0.7
    )
    shots, heard = find_shots(tmp_path / "a.mkv", detector, Listening(section_s=0.512))
    assert [shot.onset_s for shot in shots] == pytest.approx([1.2, 2.1], abs=0.006)
    assert (heard.start_s, heard.duration_s) == (pytest.approx(0.7, abs=1e-3), 2.0)


@pytest.mark.parametrize("section_s", [1.008, 4.0, 30.0])
def test_shots_do_not_depend_on_the_sections(recording, detector, section_s):
    expected, _ = find_shots(recording, detector)
    shots, _ = find_shots(recording, detector, Listening(section_s=section_s))
    assert [shot.onset_s for shot in shots] == pytest.approx(
        [shot.onset_s for shot in expected], abs=2e-3
    )


def test_each_hears_the_channel_in_which_a_shot_is(tmp_path, detector):
    waveform = np.stack([make_shots([0.5], 2.0), make_shots([1.2], 2.0)])
    write_wav(tmp_path / "a.wav", waveform, 48000)
    for channel, expected in (("0", [0.5]), ("1", [1.2]), ("each", [0.5, 1.2])):
        shots, _ = find_shots(tmp_path / "a.wav", detector, Listening(channel))
        assert [shot.onset_s for shot in shots] == pytest.approx(expected, abs=0.006)


def test_a_threshold_is_the_models_unless_another_is_given(toy_detector, tmp_path):
    model = OnnxDetector(write_toy_detector(tmp_path / "strict.onnx", threshold=0.9))
    assert Detector(model).threshold == 0.9
    assert Detector(model, 0.1).threshold == 0.1
    with pytest.raises(ShotprintError, match="threshold"):
        dataclasses.replace(model.metadata, threshold=1.0)


def test_silence_is_refused_and_noise_has_no_shots(tmp_path, detector):
    write_wav(tmp_path / "silent.wav", np.zeros(9000, np.float32), 8000)
    with pytest.raises(RecordingError, match="silent"):
        find_shots(tmp_path / "silent.wav", detector)
    write_wav(tmp_path / "noise.wav", make_shots([], 2.0, 8000), 8000)
    assert find_shots(tmp_path / "noise.wav", detector)[0] == []


@pytest.mark.parametrize("n_samples", [1, 40, 200, 400])
def test_very_short_recordings_are_heard(tmp_path, detector, n_samples):
    logits, heard = detector.hear(make_shots([], 1.0)[None, : 4 * n_samples], 48000)
    assert logits.shape == (1, n_samples // 48)
    assert heard.shape == (n_samples,)
    assert len(detector.judge(logits, heard).place) == 0


def test_shots_of_a_real_recording_are_where_they_were_marked(shared):
    """With the shipped detector, which may be another one tomorrow: most of the shots."""
    from shotprint.weights import shipped_detector

    path = shared / "data" / "shotspotter-cut" / "FP1" / "test_001_SCP-00-BNG-5567.flac"
    shots, _ = find_shots(path, Detector(OnnxDetector(shipped_detector())))
    assert read(path).duration_s > 5
    found = np.array([shot.onset_s for shot in shots])
    for onset_s in (2.0645, 3.1685, 4.3365):
        assert np.abs(found - onset_s).min() < 0.02
