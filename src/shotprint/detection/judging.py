"""Shot or echo, shot or door: each candidate is judged by what was heard before it.

The network proposes moments; boosted trees judge them. What they look at (`EVIDENCE`) is what
an examiner looks at: how sure both experts are, how loud and how sharp the sound is, how it dies
away, how like a shot it sounds to a network that knows many sounds, and how it compares with what
came before: an echo is duller and weaker than a shot shortly before it, and follows it as late as
other echoes follow other shots. Of what comes later only the clip of the sound itself counts, so
that a live stream is judged as a file is.
"""

import base64
import functools
import itertools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotprint.clips import normalize_level
from shotprint.detection.facts import DETECTOR
from shotprint.errors import ShotprintError

Floats = NDArray[np.float32]
Evidence = NDArray[np.float64]

EVIDENCE = (
    "log-odds of the far expert",
    "log-odds of the near expert",
    "peak of the sound's first difference, dB",
    "peak, dB",
    "the former over the latter, dB",
    "peak over the level before, dB",
    "energy of the first 10 ms over 10 to 50 ms, dB",
    "over 50 to 150 ms, dB",
    "over 150 to 400 ms, dB",
    "sharpness over that of the sharpest before, dB",
    "peak over that of the sharpest before, dB",
    "time since the sharpest before, s",
    "log-odds of the surest before over its own",
    "candidates in the 2.5 s before",
    "candidates in the 0.5 s before",
    "time since the one before, s",
    "sharpness over the one before, dB",
    "peak over the one before, dB",
    "log-odds (far) over the one before",
    "log-odds (near) over the one before",
    "how much duller it and another are than what came as long before both, dB",
    "sharpness of what follows in its clip over its own, dB",
    "peak of what follows in its clip over its own, dB",
    "likeness: log-odds that its clip is of a shot",
)
LIKENESS = len(EVIDENCE) - 1
BEFORE_S, SOON_S = 2.5, 0.5
MAX_BEFORE = 24
"""Candidates that a candidate is compared with: the last ones."""
LAG_S = 0.006
CLIP_SAMPLES, LEAD_SAMPLES = DETECTOR.sample_rate_hz, DETECTOR.sample_rate_hz // 10
"""A second, of which 0.1 s come before the sound."""
FOLLOWS_SAMPLES = 360
"""30 ms: what comes later in the clip follows the sound."""
FIRST = (9.0, 9.0, 3.0, -9.0, 0.0, 0.0, 3.0, 9.0, 9.0, 9.0, 9.0)
"""What stands for comparisons where nothing came before."""
NODE = np.dtype([("feature", "<i2"), ("left", "<i2"), ("right", "<i2"), ("value", "<f4")])
"""Of a tree; `value`: threshold, go left where at most that; feature −1: a leaf, its score."""


def cut_candidates(waveform: Floats, moments: NDArray[np.float64]) -> Floats:
    """Cut the clip of each candidate, its level normalised, zeros beyond the sound's ends.

    Parameters
    ----------
    waveform : (n_samples,) at the detector's rate
    moments : (n,) in frames

    Returns
    -------
    (n, CLIP_SAMPLES)
    """
    clips = np.zeros((len(moments), CLIP_SAMPLES), np.float32)
    for clip, moment in zip(clips, moments.tolist(), strict=True):
        start = int(max(moment, 0.0) * DETECTOR.hop_length) - LEAD_SAMPLES
        part = waveform[max(0, start) : start + CLIP_SAMPLES]
        clip[max(0, -start) :][: len(part)] = part
    return normalize_level(clips) if len(clips) else clips


def gather_evidence(waveform: Floats, logits: Floats, moments: NDArray[np.float64]) -> Evidence:
    """Measure each candidate and compare it with those before.

    Parameters
    ----------
    waveform : (n_samples,) at the detector's rate
    logits : (2, n_frames) of the experts, far and near
    moments : (n,) rising, in frames

    Returns
    -------
    (n, len(EVIDENCE)), the likeness 0: what the clips of `cut_candidates` are like is asked apart
    """
    times_s = np.maximum(moments, 0.0) * DETECTOR.hop_length / DETECTOR.sample_rate_hz
    own, after = _measure(waveform, logits, times_s)
    rows = [
        np.concatenate([own[place], _compare(own, times_s, place), after[place], [0.0]])
        for place in range(len(moments))
    ]
    return np.array(rows).reshape(len(moments), len(EVIDENCE))


def _measure(
    waveform: Floats, logits: Floats, times_s: NDArray[np.float64]
) -> tuple[Evidence, Evidence]:
    """Return what concerns each candidate alone, (n, 9), and what follows it, (n, 2)."""
    rate_hz = DETECTOR.sample_rate_hz
    sharp = np.abs(np.diff(waveform, prepend=waveform[:1]))
    loud = np.abs(waveform)
    rows, after = [], []
    for time_s in times_s.tolist():
        start = int(time_s * rate_hz)
        frame = round(start / DETECTOR.hop_length)
        experts = logits[:, max(0, frame - 2) : frame + 3].max(axis=1)
        before = waveform[max(0, start - 600) : max(1, start - 36)]
        sharpness = _to_db(float(sharp[start : start + 240].max(initial=0.0)))
        peak = _to_db(float(loud[start : start + 240].max(initial=0.0)))
        floor = _to_db(float(np.sqrt(np.mean(before**2))) if len(before) else 0.0)
        ends = [start, start + 120, start + 600, start + 1800, start + 4800]
        energies = [
            float(np.sum(waveform[a:b].astype(np.float64) ** 2)) + 1e-9
            for a, b in itertools.pairwise(ends)
        ]
        falls = [10 * np.log10(energies[0] / energy) for energy in energies[1:]]
        rows.append([*experts, sharpness, peak, sharpness - peak, peak - floor, *falls])
        follows = slice(start + FOLLOWS_SAMPLES, start + CLIP_SAMPLES - LEAD_SAMPLES)
        louder = [_to_db(float(each[follows].max(initial=0.0))) for each in (sharp, loud)]
        after.append([louder[0] - sharpness, louder[1] - peak])
    return (
        np.array(rows, np.float64).reshape(len(times_s), 9),
        np.array(after, np.float64).reshape(len(times_s), 2),
    )


def _to_db(amplitude: float) -> float:
    return float(20 * np.log10(amplitude + 1e-5))


def _compare(own: Evidence, times_s: NDArray[np.float64], place: int) -> NDArray[np.float64]:
    """Return how a candidate compares with those before it, (12,)."""
    first = max(0, place - MAX_BEFORE)
    before = np.arange(first, place)[times_s[place] - times_s[first:place] < BEFORE_S]
    if len(before) == 0:
        return np.array([*FIRST, 0.0])
    sharp, peak = own[:, 2], own[:, 3]
    late_s = times_s[place] - times_s[before]
    sharpest = before[int(sharp[before].argmax())]
    surest = float(own[before, :2].max() - own[place, :2].max())
    last = place - 1
    return np.array(
        [
            sharp[place] - sharp[sharpest],
            peak[place] - peak[sharpest],
            times_s[place] - times_s[sharpest],
            surest,
            len(before),
            int((late_s < SOON_S).sum()),
            times_s[place] - times_s[last],
            sharp[place] - sharp[last],
            peak[place] - peak[last],
            own[place, 0] - own[last, 0],
            own[place, 1] - own[last, 1],
            _find_echo(sharp[first : place + 1], times_s[first : place + 1], before - first),
        ]
    )


def _find_echo(
    sharp: NDArray[np.float64], times_s: NDArray[np.float64], before: NDArray[np.int64]
) -> float:
    """Return by how much the last of some sounds looks like an echo, as another pair does.

    It is duller by more than 1 dB than one of `before`, and another sound is duller by more than
    that than one that came as long before it. The lesser of the two differences; 0: no such pair.
    """
    lags_s = times_s[-1] - times_s[before]
    duller = sharp[before] - sharp[-1]
    earlier, later = np.triu_indices(len(times_s) - 1, 1)
    other_s = times_s[later] - times_s[earlier]
    other = sharp[earlier] - sharp[later]
    alike = np.abs(other_s[None] - lags_s[:, None]) < LAG_S
    alike &= (duller[:, None] > 1) & (other[None] > 1)
    alike &= later[None] != before[:, None]
    alike &= earlier[None] != before[:, None]
    support = np.where(alike, np.minimum(duller[:, None], other[None]), 0.0)
    return float(support.max(initial=0.0))


class _Plan(NamedTuple):
    """Trees in an order in which each node stands behind those below it.

    feature, limit: of the nodes that ask; leaves: scores of the others, which follow them; levels:
    where what is left and right of nodes stands, level after level; roots: where trees begin.
    """

    feature: NDArray[np.int16]
    limit: Floats
    leaves: Floats
    levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    roots: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Judge:
    """Boosted trees: evidence in, log-odds of a shot out.

    Attributes
    ----------
    nodes : (n_nodes,) of all trees, one after the other, each with its root first
    roots : (n_trees,) where each begins; `left` and `right` count from there
    baseline : log-odds before any tree speaks
    """

    nodes: NDArray[Any]
    roots: NDArray[np.int64]
    baseline: float

    def score(self, evidence: Evidence, unknown: int | None = None) -> NDArray[np.float64]:
        """Return the log-odds of each candidate, (n,), for (n, len(EVIDENCE)).

        Parameters
        ----------
        unknown : a kind of evidence that was not gathered; the log-odds are then the most that
            there could be, whatever it is
        """
        plan = self._plan
        goes_left = evidence.take(plan.feature, axis=1) <= plan.limit
        is_unknown = plan.feature == (-1 if unknown is None else unknown)
        values = np.empty((len(evidence), len(self.nodes)), np.float32)
        values[:, len(plan.feature) :] = plan.leaves
        begin = 0
        for left, right in plan.levels:
            level = slice(begin, begin + len(left))
            low, high = values.take(left, axis=1), values.take(right, axis=1)
            best = np.where(goes_left[:, level], low, high)
            if (both := is_unknown[level]).any():
                best[:, both] = np.maximum(low[:, both], high[:, both])
            values[:, level] = best
            begin = level.stop
        scores: NDArray[np.float64] = self.baseline + values.take(plan.roots, axis=1).sum(
            axis=1, dtype=np.float64
        )
        return scores

    @functools.cached_property
    def _plan(self) -> "_Plan":
        """Return the nodes that ask, those nearest to the leaves first, then the leaves."""
        n_nodes = len(self.nodes)
        first = np.repeat(self.roots, np.diff(np.append(self.roots, n_nodes)))
        left, right = first + self.nodes["left"], first + self.nodes["right"]
        asks = self.nodes["feature"] >= 0
        levels: list[NDArray[np.int64]] = []
        places = self.roots[asks[self.roots]]
        while len(places):
            levels.insert(0, places)
            below = np.concatenate([left[places], right[places]])
            places = below[asks[below]]
        asking = np.concatenate([np.zeros(0, np.int64), *levels])
        leaves = np.flatnonzero(~asks)
        place = np.empty(n_nodes, np.int64)
        place[np.concatenate([asking, leaves])] = np.arange(n_nodes)
        return _Plan(
            feature=self.nodes["feature"][asking],
            limit=self.nodes["value"][asking],
            leaves=self.nodes["value"][leaves],
            levels=[(place[left[level]], place[right[level]]) for level in levels],
            roots=place[self.roots],
        )

    def to_mapping(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "evidence": list(EVIDENCE),
            "nodes": base64.b64encode(zlib.compress(self.nodes.tobytes(), 9)).decode("ascii"),
            "roots": self.roots.tolist(),
            "baseline": self.baseline,
        }

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> "Judge":
        """Read what `to_mapping` gave; ShotprintError where it judges by other evidence."""
        if list(content["evidence"]) != list(EVIDENCE):
            raise ShotprintError(
                "its judge looks at other evidence than this version of shotprint gathers; "
                "install the version that it was made with, or train it again"
            )
        nodes = np.frombuffer(zlib.decompress(base64.b64decode(content["nodes"])), NODE)
        return cls(nodes, np.array(content["roots"], np.int64), float(content["baseline"]))
