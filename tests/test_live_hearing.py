"""Of live sound only what is new is heard, and it sounds as if all were heard anew."""

import numpy as np
import pytest

from shotprint.detection import Detector, OnnxDetector, Section
from shotprint.detection.detector import BACK_SAMPLES
from shotprint.detection.facts import DETECTOR
from shotprint.detection.sections import AHEAD_S
from shotprint.live.engine import CALM_S, GLIMPSE_S, HOLD_S
from shotprint.live.hearing import LiveHearing
from shotprint.weights import shipped_detector

WINDOW_S = 6.0
BACK_FRAMES = BACK_SAMPLES // DETECTOR.hop_length


class Counting(OnnxDetector):
    """The shipped network, which counts what it is given."""

    n_heard = 0

    def run(self, waveforms):
        self.n_heard += waveforms.shape[1]
        return super().run(waveforms)


def make_sections(sound, rate_hz, grid, rng):
    """Yield sections that end at random moments, each with what came before it."""
    last = index = 0
    end = round((CALM_S + AHEAD_S) * rate_hz)
    while end < sound.shape[1]:
        start = max(0, end - round(WINDOW_S * rate_hz)) // grid * grid
        section_end = end - round(AHEAD_S * rate_hz)
        yield Section(index, sound[:, start:end], rate_hz, start, last, section_end, False)
        last, index = section_end, index + 1
        end += round(rng.uniform(0.04, CALM_S) * rate_hz)


@pytest.mark.parametrize("rate_hz", [48000, 44100, 12000, 11025, 8000])
def test_it_hears_what_a_whole_look_hears(rate_hz):
    rng = np.random.default_rng(rate_hz)
    sound = rng.normal(0, 1e-3, (2, 12 * rate_hz)).astype(np.float32)
    for place in rng.integers(0, sound.shape[1] - rate_hz, 9):
        fall = np.exp(-np.arange(rate_hz) / (0.02 * rate_hz))
        sound[:, place : place + rate_hz] += 0.3 * fall * rng.standard_normal(rate_hz)
    detector = Detector(OnnxDetector(shipped_detector()))
    hearing = LiveHearing(detector, rate_hz, CALM_S)
    n_looks = 0
    for section in make_sections(sound, rate_hz, hearing.grid, rng):
        logits, low = hearing.hear(section)
        expected, expected_low = detector.hear(section.waveform, rate_hz)
        first = BACK_FRAMES if section.start_sample else 0  # before, only it knows what came before
        assert logits.shape == expected.shape
        np.testing.assert_allclose(logits[:, first:], expected[:, first:], atol=5e-3)
        margin = 240 if section.start_sample else 0
        np.testing.assert_allclose(low[margin:], expected_low[margin:], atol=1e-5)
        n_looks += 1
    assert n_looks > 30


def test_little_is_heard_again():
    rate_hz = 48000
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 1e-2, (1, 20 * rate_hz)).astype(np.float32)
    model = Counting(shipped_detector())
    hearing = LiveHearing(Detector(model), rate_hz, CALM_S)
    looks = [hearing.hear(each) for each in make_sections(sound, rate_hz, hearing.grid, rng)]
    heard_s = model.n_heard / DETECTOR.sample_rate_hz / len(looks)
    assert heard_s < CALM_S + (BACK_SAMPLES / DETECTOR.sample_rate_hz) + AHEAD_S + 0.1


def test_a_sound_is_seen_before_it_is_certain():
    """Else it would be reported late: the network says by the way what it will look at next."""
    assert GLIMPSE_S + CALM_S <= AHEAD_S + HOLD_S
