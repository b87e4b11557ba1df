"""Pairs of clips that hold the same sound: the same bytes, the same samples, or waveform shared."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shotprint.audit.comparison import MAX_S, Prepared, Shared, compare, count_bins, prepare
from shotprint.audit.fingerprints import RATE_HZ, Candidate, find_candidates
from shotprint.audit.records import Clip, Shelf, Sound
from shotprint.progress import show_progress

BYTES, SAMPLES = "bytes", "samples"
_MAX_SAMPLES = round(MAX_S * RATE_HZ)
_KEPT_SPECTRA = 64
_AT_ONCE = 1024


@dataclass(frozen=True)
class Pair:
    """Two clips, by their numbers, and the sound they share.

    Attributes
    ----------
    kind : ``bytes``, ``samples`` (decoded), ``copy`` or ``part`` (see `comparison`)
    shared : of ``copy`` and ``part``
    """

    first: int
    second: int
    kind: str
    shared: Shared | None = None


def find_pairs(clips: Sequence[Clip], shelf: Shelf, jobs: int) -> list[Pair]:
    """Return the pairs that share sound, by their first clip.

    Of identical clips each is paired with the first of them, and only that one with others.
    Silent clips and those that could not be read share nothing.
    """
    audible = [i for i, clip in enumerate(clips) if clip.sound and not clip.sound.is_silent]
    identical, distinct = _match_identical(clips, audible)
    sounds = {i: sound for i in distinct if (sound := clips[i].sound) is not None}
    candidates = find_candidates([sounds[i].fingerprint for i in distinct])
    compare_two = _make_comparer([sounds[i] for i in distinct], shelf)
    alike = []
    with ThreadPoolExecutor(jobs) as pool:
        blocks = range(0, len(candidates), _AT_ONCE)
        compared = (
            shared
            for start in blocks
            for shared in pool.map(compare_two, candidates[start : start + _AT_ONCE])
        )
        shown = show_progress(compared, total=len(candidates), description="comparing waveforms")
        for candidate, each in zip(candidates, shown, strict=True):
            if each is not None:
                numbers = distinct[candidate.first], distinct[candidate.second]
                alike.append(Pair(*numbers, each.kind.value, each))
    return sorted([*identical, *alike], key=lambda pair: (pair.first, pair.second))


def _match_identical(clips: Sequence[Clip], audible: Sequence[int]) -> tuple[list[Pair], list[int]]:
    """Return the pairs of identical clips, and one clip of each kind."""
    first_of: dict[str, int] = {}
    pairs = []
    for i in audible:
        clip = clips[i]
        assert clip.sound is not None
        first = first_of.setdefault(clip.sound.samples_sha256, i)
        if first != i:
            kind = BYTES if clips[first].sha256 == clip.sha256 else SAMPLES
            pairs.append(Pair(first, i, kind))
    return pairs, list(first_of.values())


def _make_comparer(sounds: Sequence[Sound], shelf: Shelf) -> Callable[[Candidate], Shared | None]:
    """Return what compares the two clips of a candidate; spectra are kept for the next ones."""

    @functools.lru_cache(maxsize=_KEPT_SPECTRA)
    def take(clip: int, start: int, stop: int, n_fft: int) -> Prepared:
        return prepare(shelf.take(sounds[clip].place, start, stop), n_fft)

    def compare_two(candidate: Candidate) -> Shared | None:
        numbers = candidate.first, candidate.second
        anchors = candidate.first_sample, candidate.second_sample
        spans = [
            _choose_span(sounds[clip].place[1], anchor)
            for clip, anchor in zip(numbers, anchors, strict=True)
        ]
        n_fft = count_bins(sum(stop - start for start, stop in spans))
        one, two = (take(clip, *span, n_fft) for clip, span in zip(numbers, spans, strict=True))
        shared = compare(one, two)
        (first, _), (second, _) = spans
        if shared is None or first == second == 0:
            return shared
        return dataclasses.replace(
            shared,
            lag_s=round(shared.lag_s + (first - second) / RATE_HZ, 5),
            start_s=round(shared.start_s + first / RATE_HZ, 3),
        )

    return compare_two


def _choose_span(n_samples: int, anchor: int) -> tuple[int, int]:
    """Return the samples that are compared: all, or `MAX_S` around the anchor."""
    start = min(max(0, anchor - _MAX_SAMPLES // 2), max(0, n_samples - _MAX_SAMPLES))
    return start, min(n_samples, start + _MAX_SAMPLES)
