"""A detector at work: sections in, shots out."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio, require_length, require_sound, resample, stream
from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.detection.judging import LIKENESS, Judge, cut_candidates, gather_evidence
from shotprint.detection.model import DetectorModel
from shotprint.detection.picking import Onsets, pick_onsets
from shotprint.detection.sections import SECTION_S, Section, cut_sections
from shotprint.detection.shots import DetectedShot, append_shots, measure_shot

Floats = NDArray[np.float32]

FRAME_S = DETECTOR.hop_length / DETECTOR.sample_rate_hz
PIECE_SAMPLES = 500 * STEP_SAMPLES
"""8 s at the detector's rate: longer pieces are hardly faster and need more memory."""
BACK_SAMPLES, AHEAD_SAMPLES = 132 * STEP_SAMPLES, 63 * STEP_SAMPLES
"""How far around a piece the network hears: 2.11 s and 1.01 s."""
BATCH = 4
"""Clips of candidates rated at once: more are no faster and need more memory."""

BLOCK_S = 5.0
"""What is decoded at a time of a recording that is cut into sections."""
OVERLAP_FRAMES = 3
"""A maximum so near to a section's end is reported by both sections, then kept once."""


@dataclass(frozen=True)
class Listening:
    """How a recording is opened.

    Attributes
    ----------
    channel : ``mix``, ``loudest``, ``each`` or a number; with ``each`` a shot in any channel counts
    track : which sound track of a video, from 0; None: the best
    section_s : length of the sections
    """

    channel: str = "mix"
    track: int | None = None
    section_s: float = SECTION_S


@dataclass(frozen=True)
class Heard:
    """A recording's own rate, channels, length and start, and what makes an answer doubtful."""

    duration_s: float
    sample_rate_hz: int
    channels: int
    start_s: float
    warnings: tuple[str, ...]


class Detector:
    """A network that finds shots, and the probability from which on something is one."""

    def __init__(self, model: DetectorModel, threshold: float | None = None) -> None:
        self.model = model
        self.threshold = model.metadata.threshold if threshold is None else threshold
        facts = model.metadata
        self._judge = None if facts.judge is None else Judge.from_mapping(facts.judge)
        self.candidate = self.threshold if facts.candidate is None else facts.candidate

    def hear(self, waveform: Floats, sample_rate_hz: int) -> tuple[Floats, Floats]:
        """Return the experts' log-odds of a shot every 4 ms, and what they heard.

        Parameters
        ----------
        waveform : (n_channels, n_samples) at any rate

        Returns
        -------
        (n_experts, n_frames) of the channel that has most, and the loudest channel (n_samples,)
        at 12 kHz
        """
        low = resample(waveform, sample_rate_hz, DETECTOR.sample_rate_hz)
        return self.listen(low), self.pick_loudest(low)

    def listen(self, low: Floats) -> Floats:
        """Return the log-odds of `hear` for sound (n_channels, n_samples) at 12 kHz."""
        n_samples = low.shape[1]
        n_frames = n_samples // DETECTOR.hop_length
        n_missing = -n_samples % STEP_SAMPLES
        if n_samples < 2 * STEP_SAMPLES:
            n_missing += 2 * STEP_SAMPLES
        padded = low
        if n_missing:
            mode = "reflect" if n_missing < n_samples else "constant"
            padded = np.pad(low, ((0, 0), (0, n_missing)), mode=mode)  # type: ignore[call-overload]
        parts = []
        for first in range(0, padded.shape[1], PIECE_SAMPLES):
            begin = max(0, first - BACK_SAMPLES)
            part = self.model.run(padded[:, begin : first + PIECE_SAMPLES + AHEAD_SAMPLES])
            shift = (first - begin) // DETECTOR.hop_length
            parts.append(part[..., shift : shift + PIECE_SAMPLES // DETECTOR.hop_length])
        logits = np.concatenate(parts, axis=-1)[..., :n_frames]
        most: Floats = (logits if logits.ndim == 3 else logits[:, None]).max(axis=0)
        return most

    def pick_loudest(self, low: Floats) -> Floats:
        """Return the channel of the most energy, (n_samples,)."""
        loudest: Floats = low[int(np.einsum("ij,ij->i", low, low).argmax())]
        return loudest

    def judge(
        self, logits: Floats, waveform: Floats, first: int = 0, last: int | None = None
    ) -> Onsets:
        """Return the candidates with the probability that the judge gives them.

        Its clip is listened to where that can make a candidate a shot; else the probability is
        the most that it could be, which is below the threshold.

        Parameters
        ----------
        logits, waveform : of `hear`
        first, last : frames; candidates before the first are what the others are compared with,
            and are left out; those from the last on are as probable as the surer expert says
        """
        found = pick_onsets(logits.max(axis=0), self.candidate)
        is_asked = found.place >= first
        if self._judge is not None:
            is_judged = is_asked & (found.place < (len(logits[0]) if last is None else last))
            evidence = gather_evidence(waveform, logits, found.moment)[is_judged]
            log_odds = self._judge.score(evidence, unknown=LIKENESS)
            hopeful = log_odds >= np.log(self.threshold / (1 - self.threshold))
            if hopeful.any():
                evidence[hopeful, LIKENESS] = self._rate(waveform, found.moment[is_judged][hopeful])
                log_odds[hopeful] = self._judge.score(evidence[hopeful])
            found.probability[is_judged] = 1 / (1 + np.exp(-log_odds))
        return Onsets(found.place[is_asked], found.moment[is_asked], found.probability[is_asked])

    def _rate(self, waveform: Floats, moments: NDArray[np.float64]) -> Floats:
        parts = np.split(moments, range(BATCH, len(moments), BATCH))
        return np.concatenate([self.model.rate(cut_candidates(waveform, part)) for part in parts])

    def find(
        self, section: Section, heard: tuple[Floats, Floats] | None = None
    ) -> list[DetectedShot]:
        """Return the shots that begin in a section, in order.

        Some that begin 12 ms outside may be among them: `append_shots` joins sections.

        Parameters
        ----------
        heard : what `hear` gives for its waveform, where that is known
        """
        rate_hz = section.sample_rate_hz
        frames_a_sample = 1 / (rate_hz * FRAME_S)
        first = round((section.first_sample - section.start_sample) * frames_a_sample)
        last = round((section.last_sample - section.start_sample) * frames_a_sample)
        begin = 0 if section.is_first else first - OVERLAP_FRAMES
        end = None if section.is_last else last + OVERLAP_FRAMES
        heard = self.hear(section.waveform, rate_hz) if heard is None else heard
        place, moment, probability = self.judge(*heard, begin, end)
        sure = probability >= self.threshold
        onsets = Onsets(place[sure], moment[sure], probability[sure])
        samples = np.round(onsets.moment * FRAME_S * rate_hz).astype(np.int64)
        shots = []
        for shot, place in enumerate(onsets.place.tolist()):
            if end is not None and place >= end:
                continue
            onset = min(max(0, int(samples[shot])), section.waveform.shape[1] - 1)
            following = int(samples[shot + 1]) if shot + 1 < len(samples) else None
            stop, peak_dbfs, clipped = measure_shot(section.waveform, rate_hz, onset, following)
            moment_s = max(0.0, float(onsets.moment[shot]) * FRAME_S)
            shots.append(
                DetectedShot(
                    onset_s=round(section.start_s + moment_s, 5),
                    end_s=round(section.start_s + stop / rate_hz, 5),
                    probability=float(onsets.probability[shot]),
                    peak_dbfs=round(peak_dbfs, 2),
                    clipped=clipped,
                )
            )
        return shots


def open_blocks(
    path: str | os.PathLike[str],
    listening: Listening,
    *,
    block_s: float = BLOCK_S,
    sample_rate_hz: int | None = None,
) -> Iterator[Audio]:
    """Yield a recording in blocks, at its own rate unless another is asked for."""
    return stream(
        path,
        block_s=block_s,
        sample_rate_hz=sample_rate_hz,
        channel=listening.channel,
        track=listening.track,
    )


class Reading:
    """A recording read section by section; what it is like is known at the end.

    Iterate once; then `heard` tells what was heard, and `whole` is the recording where it is a
    single section, else None.

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`, or the recording is silent or too short
    """

    heard: Heard
    whole: Section | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        listening: Listening,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._listening = listening
        self._check = check

    def __iter__(self) -> Iterator[Section]:
        last: list[Audio] = []
        n_samples = 0

        def watch() -> Iterator[Audio]:
            nonlocal n_samples
            for block in open_blocks(self._path, self._listening):
                self._check()
                last[:] = [block]
                n_samples += block.waveform.shape[1]
                yield block

        for section in cut_sections(watch(), self._listening.section_s):
            self.whole = section if section.is_whole else None
            yield section
            del section  # whoever asks for the next one is done with it
        block = last[0]
        if n_samples == block.waveform.shape[1]:
            require_length(block, self._path)
        require_sound(block, self._path)
        self.heard = describe_heard(block, n_samples)


def describe_heard(last: Audio, n_samples: int) -> Heard:
    """Return what was heard of a recording of `n_samples` whose last block is given."""
    duration_s = n_samples / last.sample_rate_hz
    return Heard(
        duration_s=round(duration_s, 4),
        sample_rate_hz=last.source_sample_rate_hz,
        channels=last.source_channels,
        start_s=max(0.0, round(last.start_s + last.duration_s - duration_s, 4)),
        warnings=last.warnings,
    )


def find_shots(
    path: str | os.PathLike[str], detector: Detector, listening: Listening | None = None
) -> tuple[list[DetectedShot], Heard]:
    """Return the shots of a recording of any length, and what was heard.

    Raises
    ------
    RecordingError : it cannot be read, or is silent
    """
    reading = Reading(path, listening or Listening())
    shots: list[DetectedShot] = []
    for section in reading:
        append_shots(shots, detector.find(section))
    return shots, reading.heard
