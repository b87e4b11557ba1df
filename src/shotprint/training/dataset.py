"""Clips of a pack: random ones for training, those of recognition for scoring.

What is drawn depends on seed, epoch and step alone, never on what was drawn before, so that a
run can go on from any epoch.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from shotprint.clips import ClipRule, normalize_level, place_clips
from shotprint.errors import ShotprintError
from shotprint.packing import Pack
from shotprint.training.devices import ALONE, Share
from shotprint.training.recipe import Recipe

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_ORDER, _CLIPS = 0, 1  # streams of random numbers; `module` has further ones


class Batch(NamedTuple):
    """Clips of one step, and which step it is.

    Attributes
    ----------
    waveforms : (n, n_samples) float32, of the own share of the batch
    labels : (batch_size,) of the whole batch
    """

    waveforms: Tensor
    labels: Tensor
    epoch: int
    step: int


def choose_clip_rule(pack: Pack, recipe: Recipe) -> ClipRule:
    """Return the clip rule of a recipe; what it leaves open is as packed.

    Raises
    ------
    ShotprintError : the recipe wants more than was packed
    """
    packed = pack.settings.clip_rule
    rule = ClipRule(
        length_s=packed.length_s if recipe.clip_length_s is None else recipe.clip_length_s,
        onset_at_s=packed.onset_at_s if recipe.onset_at_s is None else recipe.onset_at_s,
        max_clips=packed.max_clips if recipe.max_clips is None else recipe.max_clips,
        min_gap_s=packed.min_gap_s,
    )
    if rule.onset_at_s < recipe.short_clip_s < rule.length_s:
        rule = dataclasses.replace(rule, short_length_s=recipe.short_clip_s)
    if rule.max_clips > packed.max_clips:
        raise ShotprintError(
            f"max_clips is {rule.max_clips}, but {pack.path} has {packed.max_clips} onsets a "
            "recording at most; pack again with more"
        )
    if pack.settings.crop and packed.length_s and not _holds(pack, rule):
        raise ShotprintError(
            f"clips of {rule.length_s:g} s with the onset at {rule.onset_at_s:g} s were asked "
            f"for, but {pack.path} holds {packed.length_s:g} s with the onset at "
            f"{packed.onset_at_s:g} s and {pack.settings.margin_s:g} s around them; pack again "
            "with longer clips or --clip full"
        )
    return rule


def _holds(pack: Pack, rule: ClipRule) -> bool:
    packed, margin_s = pack.settings.clip_rule, pack.settings.margin_s + 1e-9
    before_s = packed.onset_at_s + margin_s
    after_s = packed.length_s - packed.onset_at_s + margin_s
    is_longer = rule.length_s == 0 or rule.length_s > packed.length_s
    # A clip moved inside the recording may begin anywhere, so longer ones never fit everywhere.
    return (
        not is_longer and rule.onset_at_s <= before_s and rule.length_s - rule.onset_at_s <= after_s
    )


@dataclass(eq=False)
class TrainingBatches(Dataset[Batch]):
    """Batches of clips around random onsets of the recordings of a training part.

    An item is asked for by (epoch, step). Over an epoch each recording is drawn about
    ``clips_per_recording`` times; `class_balance` moves this towards rare labels. With clips of
    two lengths the steps take turns.

    Parameters
    ----------
    rows : the recordings of the training part, as rows of the pack
    labels : (n_recordings of the pack,) the class of each
    share : of several processes each reads its share of every batch
    """

    pack: Pack
    rows: Ints
    labels: Ints
    rule: ClipRule
    recipe: Recipe
    share: Share = ALONE
    _order: tuple[int, Ints] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        counts = np.bincount(self.pack.onset_recording, minlength=len(self.pack.manifest))
        self._n_onsets = np.minimum(counts, self.rule.max_clips)
        self._first_onset = np.cumsum(counts) - counts

    @property
    def n_steps(self) -> int:
        """Steps an epoch, at least one; a last part of a batch is left out."""
        n_drawn = len(self.rows) * self.recipe.clips_per_recording
        return max(1, n_drawn // self.recipe.batch_size)

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        epoch, step = place
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self.draw_order(epoch)
        size = self.recipe.batch_size
        rows = self._order[1][step * size : (step + 1) * size]
        rng = np.random.default_rng((self.recipe.seed, epoch, step, _CLIPS))
        chosen = (rng.random(size) * self._n_onsets[rows]).astype(np.int64)
        shifts_s = rng.normal(0, self.recipe.time_shift_s, size)
        onsets = self._first_onset[rows] + chosen
        views = self.rule.views
        length_s = views[step % len(views)].length_s
        mine = zip(self.share.take(onsets), self.share.take(shifts_s), strict=True)
        places = [self.place_clip(int(onset), float(shift_s), length_s) for onset, shift_s in mine]
        self.pack.fetch(places)
        length = round(length_s * self.pack.settings.sample_rate_hz)
        if length == 0:  # whole recordings: as long as the longest that any process has
            length = int(self.pack.segment_n_samples[self.pack.onset_segment[onsets]].max())
        clips = [self.pack.read_samples(*place) for place in places]
        fill = _centre if length_s else _fill_behind
        waveforms = torch.from_numpy(np.stack([fill(clip, length) for clip in clips]))
        return Batch(waveforms, torch.from_numpy(self.labels[rows]), epoch, step)

    def draw_order(self, epoch: int) -> Ints:
        """Return the recordings of an epoch, (n_steps · batch_size,).

        Systematic sampling: the number of times that a recording is drawn differs from its
        expectation by less than one, so that without balancing each comes equally often.
        """
        rng = np.random.default_rng((self.recipe.seed, epoch, 0, _ORDER))
        labels = self.labels[self.rows]
        weight = np.bincount(labels)[labels] ** -float(self.recipe.class_balance)
        n_drawn = self.n_steps * self.recipe.batch_size
        shuffled = rng.permutation(len(self.rows))
        ends = np.cumsum(weight[shuffled])
        places = (np.arange(n_drawn) + rng.random()) * (ends[-1] / n_drawn)
        drawn = np.minimum(np.searchsorted(ends, places, side="right"), len(ends) - 1)
        return self.rows[shuffled[rng.permutation(drawn)]]

    def place_clip(self, onset: int, shift_s: float, length_s: float) -> tuple[int, int, int]:
        """Return the clip around an onset (row of the onsets), moved by `shift_s`.

        Returns
        -------
        segment, start, n_samples, as `Pack.read_samples` takes them; all that is stored where
        that is no longer than the clip
        """
        pack, rate = self.pack, self.pack.settings.sample_rate_hz
        segment = int(pack.onset_segment[onset])
        first, stored = int(pack.segment_start[segment]), int(pack.segment_n_samples[segment])
        length = round(length_s * rate)
        if length == 0 or stored <= length:
            return segment, first, stored
        start = int(pack.onset_sample[onset]) - round((self.rule.onset_at_s - shift_s) * rate)
        return segment, min(max(start, first), first + stored - length), length


class StepSampler(Sampler[tuple[int, int]]):
    """Yield (epoch, step); the trainer says which epoch it is."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(self.n_steps))

    def __len__(self) -> int:
        return self.n_steps


def read_scoring_clips(pack: Pack, row: int, rule: ClipRule) -> Floats:
    """Return the clips that recognition would cut, their level normalised: (n, n_samples)."""
    return normalize_level(read_recorded_clips(pack, row, rule))


def read_recorded_clips(
    pack: Pack, row: int, rule: ClipRule, *, every_onset: bool = False
) -> Floats:
    """Return the clips that recognition would cut, level as recorded: (n, n_samples).

    Of the rule's first length only; `ClipRule.views` has a rule for each. The same as
    ``cut_clips(…).waveforms`` on the recording, up to the rounding of the pack to 16 bits.

    Parameters
    ----------
    every_onset : one clip an onset, as where shots are recognised one by one, also where an end
        of the recording lets two fall together
    """
    rate = pack.settings.sample_rate_hz
    first, end = np.searchsorted(pack.onset_recording, [row, row + 1])
    end = min(int(end), int(first) + rule.max_clips)
    n_samples = int(pack.n_samples[row])
    length = round(rule.length_s * rate)
    if length == 0 or n_samples <= length:
        samples = pack.read_samples(int(pack.onset_segment[first]), 0, n_samples)
        clip = _centre(samples, length)[None]
        return np.repeat(clip, end - first, axis=0) if every_onset else clip
    starts = place_clips(pack.onset_sample[first:end], n_samples, rate, rule)
    _, kept = np.unique(starts, return_index=True)
    kept = np.arange(len(starts)) if every_onset else np.sort(kept)
    clips = [
        pack.read_samples(int(pack.onset_segment[first + i]), int(starts[i]), length) for i in kept
    ]
    return np.stack(clips)


def _centre(samples: Floats, length: int) -> Floats:
    """Put a waveform in the middle of zeros, as `clips.cut_clips` does; longer ones stay."""
    missing = max(0, length - len(samples))
    return np.pad(samples, (missing // 2, missing - missing // 2)) if missing else samples


def _fill_behind(samples: Floats, length: int) -> Floats:
    """Fill a whole recording up with zeros."""
    return np.pad(samples, (0, length - len(samples)))
