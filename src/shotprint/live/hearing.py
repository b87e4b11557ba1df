"""A sound that goes on, heard by the detector: of each look only what is new.

What stays is kept from look to look: the sound at the detector's rate, and the experts' log-odds
of all frames beyond which the network has heard as far as it can.
"""

from fractions import Fraction

import numpy as np

from shotprint.audio import resample
from shotprint.detection import Detector, Section
from shotprint.detection.detector import AHEAD_SAMPLES, BACK_SAMPLES
from shotprint.detection.facts import DETECTOR, FRAMES_A_STEP, STEP_SAMPLES
from shotprint.recognition.model import Floats
from shotprint.recognition.shots import RESAMPLING_MARGIN_S

BACK, AHEAD = BACK_SAMPLES // STEP_SAMPLES, AHEAD_SAMPLES // STEP_SAMPLES
"""How far around a frame the network hears, in steps."""


class LiveHearing:
    """Gives what `Detector.hear` gives, for sections that follow each other.

    Parameters
    ----------
    longest_s : by how much a section ends after the one before, at most

    Attributes
    ----------
    grid : in samples; sections must begin on its multiples, for the network's steps count from
        the beginning and each begins with a whole sample
    """

    def __init__(self, detector: Detector, sample_rate_hz: int, longest_s: float) -> None:
        self._detector, self._rate_hz = detector, sample_rate_hz
        step_s = Fraction(STEP_SAMPLES, DETECTOR.sample_rate_hz)
        self.grid = (step_s * sample_rate_hz).numerator
        self._grid_steps = (step_s * sample_rate_hz).denominator
        # As many steps each time, for a network is quicker and smaller with sound of one length.
        self._n_steps = BACK + int(np.ceil(longest_s / step_s)) + AHEAD + 2
        self._first = 0  # the step with which what is kept begins
        self._low = np.zeros((0, 0), np.float32)
        self._logits = np.zeros((0, 0), np.float32)

    def hear(self, section: Section) -> tuple[Floats, Floats]:
        """Return the log-odds (n_experts, n_frames), and the loudest channel (n_samples,)."""
        first = section.start_sample // self.grid * self._grid_steps
        self._logits = self._logits[:, (first - self._first) * FRAMES_A_STEP :]
        self._low = self._low[:, (first - self._first) * STEP_SAMPLES :]
        self._first = first
        low = self._resample(section)
        logits = self._listen(low)
        n_sure = max(0, low.shape[1] // STEP_SAMPLES - AHEAD) * FRAMES_A_STEP
        self._logits = logits[:, :n_sure]
        margin = round(RESAMPLING_MARGIN_S * DETECTOR.sample_rate_hz)
        self._low = low[:, : max(0, low.shape[1] - margin)]
        return logits, self._detector.pick_loudest(low)

    def _resample(self, section: Section) -> Floats:
        """Return a section at the detector's rate; what is new of it is resampled."""
        known_s = self._low.shape[1] / DETECTOR.sample_rate_hz - RESAMPLING_MARGIN_S
        n_grids = max(0, int(known_s * self._rate_hz) // self.grid)
        new = section.waveform[:, n_grids * self.grid :]
        part = resample(new, self._rate_hz, DETECTOR.sample_rate_hz)
        n_before = n_grids * self._grid_steps * STEP_SAMPLES
        if not n_before:
            return part
        return np.concatenate([self._low, part[:, self._low.shape[1] - n_before :]], axis=1)

    def _listen(self, low: Floats) -> Floats:
        """Return the log-odds of a section; what is new of it is heard."""
        begin = max(0, -(-low.shape[1] // STEP_SAMPLES) - self._n_steps)
        known = (begin + BACK) * FRAMES_A_STEP
        if not begin or self._logits.shape[1] < known:
            return self._detector.listen(low)
        part = self._detector.listen(low[:, begin * STEP_SAMPLES :])
        return np.concatenate([self._logits[:, :known], part[:, BACK * FRAMES_A_STEP :]], axis=1)
