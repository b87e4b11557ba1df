"""Shots of a sound that goes on and on, each as soon as it is certain.

What serves files serves here too: sections with their surroundings, `answer_section`,
`append_shots`. Only their length differs, and that of a section only what is new is heard
(`hearing`). A shot is certain when the detector has heard `AHEAD_S`
beyond it, which is later than the end of its clip. So a section ends that long before the newest
sample, and the question is when to look:

- every `CALM_S`, whatever happens: so no shot is missed, and a quiet hour costs little;
- as soon as something is certain that looked like a shot when less than that was heard after it.
  The network says so by the way, about the part behind the section.

A hasty look can therefore cost time, never a shot.
"""

import numpy as np

from shotprint.detection import Detector, Section, append_shots
from shotprint.detection.detector import FRAME_S
from shotprint.detection.picking import pick_onsets
from shotprint.detection.sections import AHEAD_S, BACK_S
from shotprint.detection.shots import MIN_GAP_S
from shotprint.live.hearing import LiveHearing
from shotprint.recognition.model import Floats, Model
from shotprint.recognition.shots import RESAMPLING_MARGIN_S, AnsweredShot, answer_section

CALM_S = 0.48
"""Short enough to look once after `GLIMPSE_S` and before the sound is certain."""
SPACING_S = 0.04
"""Looks are this far apart at least, when much happens."""
HOLD_S = MIN_GAP_S + 0.012
"""The next section may still report the same shot, or a stronger one, so near to this one's end."""
GLIMPSE_S = 0.55
"""With less than this heard after it, nothing is said about a sound yet."""
DOUBT = 1.5
"""Log-odds by which something may still rise: 0.5 s after its beginning none of 3,100 shots and
other sounds that the first detector found was more than 1.1 below its threshold."""


class LiveEngine:
    """Takes sound in pieces of any length; returns shots.

    The shots are those that `Recognizer` finds in a file of the same sound, and do not depend on
    the pieces. Memory is bounded: about seven seconds of sound.

    Parameters
    ----------
    sample_rate_hz : of all pieces
    offset_s : added to the times of shots
    """

    def __init__(
        self, detector: Detector, model: Model, sample_rate_hz: int, offset_s: float = 0.0
    ) -> None:
        self._detector, self._model = detector, model
        self._hearing = LiveHearing(detector, sample_rate_hz, CALM_S)
        self._logits = np.zeros((1, 0), np.float32)
        self._rate_hz, self._offset_s = sample_rate_hz, offset_s
        self._least = 1 / (1 + np.exp(DOUBT) * (1 / self._detector.candidate - 1))
        rule = model.metadata.clip_rule
        after_s = rule.length_s - rule.onset_at_s + RESAMPLING_MARGIN_S
        self._ahead = self._count(max(AHEAD_S, after_s))
        self._back = self._count(max(BACK_S, rule.onset_at_s + RESAMPLING_MARGIN_S))
        self._grid = self._hearing.grid
        self._window = self._back + self._count(CALM_S) + self._ahead
        self._held = np.zeros((0, 0), np.float32)
        self._start = 0  # the sample that stands first in what is held
        self._n_held = 0
        self._index = 0
        self._last = 0  # sections are done up to this sample
        self._due = self._count(CALM_S) + self._ahead
        self._joined: list[AnsweredShot] = []  # the first `n_given` are given away
        self._n_given = 0

    @property
    def n_samples(self) -> int:
        """How many were pushed."""
        return self._start + self._n_held

    @property
    def idle_s(self) -> float:
        """Seconds of sound until it looks again; before that it only keeps what is pushed."""
        return (self._due - self.n_samples) / self._rate_hz

    def push(self, waveform: Floats) -> list[AnsweredShot]:
        """Take the next piece (n_channels, n_samples); return the shots that are certain now."""
        shots: list[AnsweredShot] = []
        while True:
            n = min(waveform.shape[1], self._due - self.n_samples)
            self._hold(waveform[:, :n])
            waveform = waveform[:, n:]
            if self.n_samples < self._due:
                return shots
            shots += self._look()

    def finish(self) -> list[AnsweredShot]:
        """Return the shots that are left; the sound ends here."""
        if self._n_held == 0:
            return []
        self._hear(self.n_samples, is_last=True)
        return self._give(len(self._joined))

    def _count(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    def _hold(self, waveform: Floats) -> None:
        """Append to what is held; move it to the front of its memory where that is used up."""
        n_channels, n = waveform.shape
        if not self._held.size:
            self._held = np.zeros((n_channels, 2 * (self._window + self._grid)), np.float32)
        if self._n_held + n > self._held.shape[1]:
            first = self._find_start() - self._start
            self._n_held -= first
            self._start += first
            self._held[:, : self._n_held] = self._held[:, first : first + self._n_held].copy()
        self._held[:, self._n_held : self._n_held + n] = waveform
        self._n_held += n

    def _find_start(self) -> int:
        """Return the sample with which a look at what is held begins."""
        return max(0, self.n_samples - self._window) // self._grid * self._grid

    def _look(self) -> list[AnsweredShot]:
        self._hear(self.n_samples - self._ahead, is_last=False)
        n_sure = sum(self._place(shot) < self._last - self._count(HOLD_S) for shot in self._joined)
        shots = self._give(n_sure)
        calm = self._last + self._count(CALM_S) + self._ahead
        soon = self._find_doubt() + self._count(HOLD_S) + self._ahead
        self._due = min(calm, max(soon, self.n_samples + self._count(SPACING_S)))
        return shots

    def _hear(self, last: int, is_last: bool) -> None:
        """Find and answer the shots from where the section before ended, up to `last`."""
        start = self._find_start()
        section = Section(
            index=self._index,
            waveform=self._held[:, start - self._start : self._n_held],
            sample_rate_hz=self._rate_hz,
            start_sample=start,
            first_sample=self._last,
            last_sample=last,
            is_last=is_last,
            offset_s=self._offset_s,
        )
        heard = self._hearing.hear(section)
        append_shots(self._joined, answer_section(section, self._detector, self._model, heard))
        self._logits = heard[0]
        self._index += 1
        self._section, self._last = section, last

    def _give(self, n: int) -> list[AnsweredShot]:
        """Return the shots up to the n-th that were not given yet; forget all but the last."""
        shots = self._joined[self._n_given : n]
        n_forgotten = max(0, n - 1)
        self._joined, self._n_given = self._joined[n_forgotten:], n - n_forgotten
        return shots

    def _find_doubt(self) -> int:
        """Return the sample of the first thing that is not certain yet; far away: there is none."""
        waiting = [self._place(shot) for shot in self._joined[self._n_given :]]
        start = self._section.start_sample
        logits = self._logits.max(axis=0)
        frame = FRAME_S * self._rate_hz
        first = int((self._last - start) / frame)
        last = int((self.n_samples - self._count(GLIMPSE_S) - start) / frame)
        seen = pick_onsets(logits[first:last], self._least).moment
        waiting += (start + np.ceil((first + seen) * frame)).astype(int).tolist()
        return min(waiting, default=1 << 62)

    def _place(self, shot: AnsweredShot) -> int:
        """Return the sample at which a shot begins."""
        return self._count(shot.onset_s - self._offset_s)
