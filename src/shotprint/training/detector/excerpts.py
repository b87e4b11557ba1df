"""What the network hears in training: excerpts of six seconds, made up anew each time.

Stretches of recordings, one after the other · shots composed to bursts · simulated shots, all
over background at −5 to 30 dB → recorder and codec: band, tilt, level, clipping, µ-law, a
perceptual coder, a telephone, digital zeros at the ends. An excerpt is a function of seed, step
and place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.simulation.recorders import (
    apply_mu_law,
    apply_telephone,
    apply_transform_codec,
)
from shotprint.training.detector.bursts import Single, cut_singles
from shotprint.training.detector.labels import FRAME_S, Labels, draw_targets
from shotprint.training.detector.sets import Floats, Recording, Times

RATE_HZ = DETECTOR.sample_rate_hz
EXCERPT_S = 6.0
N_SAMPLES = round(EXCERPT_S * RATE_HZ) // STEP_SAMPLES * STEP_SAMPLES
N_FRAMES = N_SAMPLES // DETECTOR.hop_length
N_FILTER = 1 << 17


class Excerpt(NamedTuple):
    """waveform (N_SAMPLES,), targets and weights (N_FRAMES,)."""

    waveform: Floats
    targets: Floats
    weights: Floats


class Stretch(NamedTuple):
    """A part of a recording: waveform (n_samples,), onsets in seconds of it, doubtful frames."""

    waveform: Floats
    onsets_s: Times
    doubtful: NDArray[Any]


@dataclass
class Pool:
    """What excerpts are made of; `labels` of marked recordings change as the network learns."""

    recordings: Sequence[Recording]
    labels: list[Labels]
    exact: list[int]
    marked: list[int]
    without: list[int]
    simulated: list[int]
    singles: list[Single]
    hardness: NDArray[Any]
    shares: Mapping[str, float]

    def weigh(self, places: list[int]) -> NDArray[Any]:
        """Return how often each recording is drawn: what deceives more comes more often."""
        weights: NDArray[np.float64] = self.hardness[places]
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    @property
    def kinds(self) -> list[tuple[str, float]]:
        members = {"burst": self.singles} | {
            name: getattr(self, name) for name in ("exact", "marked", "without", "simulated")
        }
        return [(name, share) for name, share in self.shares.items() if members[name]]


FAR = {"exact": 0.67, "without": 0.33}
NEAR = {"marked": 0.3, "without": 0.3, "burst": 0.2, "simulated": 0.1, "exact": 0.1}
"""How often the two experts hear what: excerpts of recordings with known onsets, marked ones,
ones without shots, simulated shots, composed bursts."""


def make_pool(
    recordings: Sequence[Recording],
    labels: list[Labels],
    n_simulated: int,
    shares: Mapping[str, float],
) -> Pool:
    """Sort recordings by what is known of them; the last `n_simulated` are simulated."""
    n_real = len(recordings) - n_simulated
    exact = [i for i in range(n_real) if len(_onsets(recordings[i])) and not _marks(recordings[i])]
    marked = [i for i in range(n_real) if _marks(recordings[i])]
    without = [i for i in range(n_real) if not recordings[i].has_shots]
    simulated = list(range(n_real, len(recordings)))
    even = np.ones(len(recordings))
    pool = Pool(recordings, labels, exact, marked, without, simulated, [], even, shares)
    pool.singles = find_singles(pool)
    return pool


def _onsets(recording: Recording) -> Times:
    return np.zeros(0) if recording.onsets_s is None else recording.onsets_s


def _marks(recording: Recording) -> bool:
    return recording.marks_s is not None


def find_singles(pool: Pool) -> list[Single]:
    """Cut the shots that stand alone."""
    return [
        single
        for place in [*pool.marked, *pool.exact]
        for single in cut_singles(pool.recordings[place], pool.labels[place])
    ]


def make_excerpt(pool: Pool, rng: np.random.Generator) -> Excerpt:
    """Draw one excerpt."""
    names, shares = zip(*pool.kinds, strict=True)
    kind = str(rng.choice(names, p=np.array(shares) / sum(shares)))
    if kind == "burst":
        waveform, onsets_s = _compose_bursts(pool, rng)
        doubtful = np.zeros(N_FRAMES, bool)
    elif kind == "exact" and "marked" not in pool.shares and (way := rng.random()) < 0.6:
        compose = _repeat if way < 0.3 else _overlay
        waveform, onsets_s = compose(pool, rng)
        doubtful = np.zeros(N_FRAMES, bool)
    else:
        waveform, onsets_s, doubtful = _join(pool, getattr(pool, kind), rng)
    if pool.without and rng.random() < (0.7 if kind == "burst" else 0.25):
        waveform = _add_background(pool, waveform, rng)
    waveform = _record(waveform, rng)
    if rng.random() < 0.1:
        onsets_s = _silence_ends(waveform, onsets_s, doubtful, rng)
    targets = draw_targets(onsets_s, N_FRAMES)
    return Excerpt(waveform, targets, np.where(doubtful, 0.0, 1.0).astype(np.float32))


def _join(
    pool: Pool, places: list[int], rng: np.random.Generator
) -> tuple[Floats, Times, NDArray[Any]]:
    """Stretches of some recordings one after the other, each at a level of its own."""
    waveform = np.zeros(N_SAMPLES, np.float32)
    doubtful = np.zeros(N_FRAMES, bool)
    onsets: list[float] = []
    filled = int(rng.integers(0, RATE_HZ)) if rng.random() < 0.1 else 0
    filled -= filled % DETECTOR.hop_length
    while filled < N_SAMPLES:
        place = int(rng.choice(places, p=pool.weigh(places)))
        stretch = _draw_stretch(pool, place, rng)
        n = min(len(stretch.waveform), N_SAMPLES - filled) // DETECTOR.hop_length
        level = 10 ** (-rng.uniform(0, 25) / 20) / max(1e-6, float(np.abs(stretch.waveform).max()))
        part = stretch.waveform[: n * DETECTOR.hop_length] * np.float32(level)
        waveform[filled : filled + len(part)] = part
        first = filled // DETECTOR.hop_length
        doubtful[first : first + n] = stretch.doubtful[:n]
        onsets += [s + first * FRAME_S for s in stretch.onsets_s if s < n * FRAME_S]
        filled += max(1, n) * DETECTOR.hop_length
        if rng.random() < 0.1:
            pause = int(rng.uniform(0.05, 0.6) * RATE_HZ)
            filled += pause - pause % DETECTOR.hop_length
    return waveform, np.array(onsets), doubtful


def _draw_stretch(pool: Pool, place: int, rng: np.random.Generator) -> Stretch:
    """A part of a recording, as long as it may be; its start is doubtful within a shot's sound."""
    recording, labels = pool.recordings[place], pool.labels[place]
    n_frames = len(labels.doubtful)
    longest = N_FRAMES if rng.random() < 0.7 else round(rng.uniform(0.8, 4.0) / FRAME_S)
    n = min(n_frames, longest)
    first = int(rng.integers(0, n_frames - n + 1))
    if rng.random() < 0.3:
        first = 0
    start = first * DETECTOR.hop_length
    waveform = recording.waveform[start : start + n * DETECTOR.hop_length]
    onsets_s = labels.onsets_s - first * FRAME_S
    doubtful = labels.doubtful[first : first + n].copy()
    if np.any((onsets_s < 0.004) & (onsets_s > -0.3)) or (recording.has_shots and first):
        doubtful[:6] = True
    inside = onsets_s[(onsets_s >= 0) & (onsets_s < n * FRAME_S)]
    return Stretch(waveform, inside, doubtful)


def _compose_bursts(pool: Pool, rng: np.random.Generator) -> tuple[Floats, Times]:
    """Bursts of one real shot, 45 to 160 ms apart, each a little other than the one before."""
    waveform = np.zeros(N_SAMPLES + RATE_HZ, np.float32)
    onsets: list[float] = []
    now_s = float(rng.uniform(0.1, 1.0))
    while now_s < EXCERPT_S - 0.3:
        gap_s = float(rng.choice([rng.uniform(0.045, 0.16), rng.uniform(0.15, 0.6)], p=[0.8, 0.2]))
        n_shots = int(rng.integers(1, 13))
        level = 10 ** (-rng.uniform(0, 20) / 20)
        n_sources = int(rng.integers(1, 3))
        sources = [pool.singles[int(rng.integers(len(pool.singles)))] for _ in range(n_sources)]
        for _ in range(n_shots):
            shot = sources[int(rng.integers(n_sources))]
            start = round((now_s - shot.onset_s) * RATE_HZ)
            part = shot.waveform * np.float32(level * 10 ** (rng.normal(0, 1.5) / 20))
            if start >= 0 and now_s < EXCERPT_S - 0.05:
                waveform[start : start + len(part)] += part[: len(waveform) - start]
                onsets.append(shot.onset_s + start / RATE_HZ)
            now_s += gap_s * float(rng.normal(1, 0.04))
        now_s += float(rng.uniform(0.15, 1.5))
    return waveform[:N_SAMPLES], np.array(onsets)


def _repeat(pool: Pool, rng: np.random.Generator) -> tuple[Floats, Times]:
    """One recorded shot with all its echoes several times, at gaps that nobody fired."""
    alone = [place for place in pool.exact if len(_onsets(pool.recordings[place])) == 1]
    recording = pool.recordings[int(rng.choice(alone or pool.exact))]
    times_s = np.sort(rng.uniform(0.05, EXCERPT_S - 0.1, int(rng.integers(1, 7))))
    times_s = times_s[np.diff(times_s, prepend=-1.0) > 0.05]
    waveform, onsets = np.zeros(N_SAMPLES, np.float32), []
    first_s = float(_onsets(recording)[0])
    for place, time_s in enumerate(times_s.tolist()):
        # The first one brings the noise before it; of the others it would be heard to begin.
        lead_s = first_s if place == 0 else 0.01
        onsets += _lay(waveform, recording, time_s - first_s, first_s - lead_s, rng)
    return waveform, np.array(onsets)


def _overlay(pool: Pool, rng: np.random.Generator) -> tuple[Floats, Times]:
    """Two recordings at once."""
    waveform, onsets = np.zeros(N_SAMPLES, np.float32), []
    for _ in range(2):
        recording = pool.recordings[int(rng.choice(pool.exact))]
        shift_s = float(rng.uniform(-0.5, 0.5))
        onsets += _lay(waveform, recording, shift_s, 0.0, rng)
    return waveform, np.array(onsets)


def _lay(
    waveform: Floats, recording: Recording, shift_s: float, from_s: float, rng: np.random.Generator
) -> list[float]:
    """Add a recording from `from_s` on, moved by `shift_s`, to an excerpt; return its onsets."""
    shift = round(shift_s * RATE_HZ)
    begin = max(round(from_s * RATE_HZ), -shift, 0)
    part = recording.waveform[begin : N_SAMPLES - shift].copy()
    n_fade = min(len(part), round(0.005 * RATE_HZ))
    part[:n_fade] *= np.linspace(0, 1, n_fade, dtype=np.float32)
    level = 10 ** (rng.uniform(-8, 0) / 20) / max(1e-6, float(np.abs(recording.waveform).max()))
    waveform[begin + shift : begin + shift + len(part)] += part * np.float32(level)
    moments_s = _onsets(recording) + shift / RATE_HZ
    inside = (moments_s >= max(0.0, (begin + shift) / RATE_HZ)) & (moments_s < EXCERPT_S)
    return [float(moment) for moment in moments_s[inside]]


def _add_background(pool: Pool, waveform: Floats, rng: np.random.Generator) -> Floats:
    """Lay a recording without shots below; its level by the loudest 20 ms of the shots."""
    background = np.zeros(N_SAMPLES, np.float32)
    filled = 0
    while filled < N_SAMPLES:
        source = pool.recordings[int(rng.choice(pool.without))].waveform
        if len(source) < 10:
            continue
        start = int(rng.integers(len(source))) if len(source) > N_SAMPLES else 0
        part = source[start : start + N_SAMPLES - filled]
        background[filled : filled + len(part)] = part / max(1e-6, float(np.abs(part).max()))
        filled += len(part)
    n = 240
    power = np.mean(waveform[: N_SAMPLES // n * n].reshape(-1, n) ** 2, axis=1).max()
    wanted = power * 10 ** (-rng.uniform(-5, 30) / 10)
    scale = np.sqrt(wanted / max(1e-12, float(np.mean(background**2))))
    return waveform + background * np.float32(scale)


def _record(sound: Floats, rng: np.random.Generator) -> Floats:
    """Band, tilt, noise, level, clipping, codec."""
    waveform: NDArray[Any] = _colour(sound, rng) if rng.random() < 0.6 else sound
    waveform = waveform / max(1e-6, float(np.abs(waveform).max()))
    if rng.random() < 0.15:
        waveform = np.clip(waveform * 10 ** (rng.uniform(0, 24) / 20), -1, 1)
    coder = rng.random()
    if coder < 0.08:
        waveform = apply_mu_law(waveform)
    elif coder < 0.23:
        waveform = apply_telephone(waveform, RATE_HZ)
    elif coder < 0.31:
        band_hz, snr_db = rng.uniform(3000, 6000), rng.uniform(6, 20)
        waveform = apply_transform_codec(waveform[None], RATE_HZ, band_hz, snr_db, 256)[0]
    waveform = waveform * 10 ** (-rng.uniform(0, 40) / 20)
    if rng.random() < 0.4:
        waveform = waveform + rng.standard_normal(N_SAMPLES) * 10 ** (-rng.uniform(50, 96) / 20)
    recorded: Floats = waveform.astype(np.float32)
    return recorded


def _silence_ends(
    waveform: Floats, onsets_s: Times, doubtful: NDArray[Any], rng: np.random.Generator
) -> Times:
    """Put digital zeros at both ends; return the onsets that are left.

    Where a sound begins out of zeros is doubtful: it may be in the middle of a shot.
    """
    begin, end = rng.uniform(0, 0.5), EXCERPT_S - rng.uniform(0, 0.5)
    waveform[: round(begin * RATE_HZ)] = 0
    waveform[round(end * RATE_HZ) :] = 0
    first = round(begin / FRAME_S)
    doubtful[max(0, first - 2) : first + 6] = True
    return onsets_s[(onsets_s >= begin) & (onsets_s < end)]


def _colour(waveform: Floats, rng: np.random.Generator) -> Floats:
    """Tilt the spectrum, narrow the band, add an echo."""
    frequency = np.fft.rfftfreq(N_FILTER, 1 / RATE_HZ)
    response = np.ones(len(frequency), np.complex128)
    if rng.random() < 0.5:
        tilt_db = rng.uniform(-3, 3)  # an octave
        response *= 10 ** (tilt_db * np.log2(np.maximum(frequency, 60) / 1000) / 20)
    if rng.random() < 0.3:
        response /= 1 + (frequency / rng.uniform(2500, 6000)) ** 8
    if rng.random() < 0.3:
        low_hz = rng.uniform(20, 300)
        response *= frequency**2 / (frequency**2 + low_hz**2)
    if rng.random() < 0.1:
        gain, delay_s = rng.uniform(0.1, 0.5), rng.uniform(0.004, 0.6)
        response *= 1 + gain * np.exp(-2j * np.pi * frequency * delay_s)
    spectrum = np.fft.rfft(waveform, N_FILTER) * response
    return np.fft.irfft(spectrum, N_FILTER)[:N_SAMPLES].astype(np.float32)
