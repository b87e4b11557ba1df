"""From a recording of any length to the clips that a model hears, in bounded memory."""

import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio, require_length, require_sound
from shotprint.clips import (
    ClipRule,
    compute_power,
    count_frame_samples,
    cut_clips,
    find_onsets,
    pick_onset_frames,
)
from shotprint.clips import place_clips as place_starts
from shotprint.detection import Heard, Listening, describe_heard, open_blocks
from shotprint.recognition.model import Floats, ModelMetadata

BLOCK_S = 60.0
"""A recording up to this length is decoded once; a longer one in blocks, first to find its
loudest onsets, then once for each length of clips. A model that hears recordings whole hears its
blocks."""


def listen(
    path: str | os.PathLike[str],
    metadata: ModelMetadata,
    listening: Listening,
    take: Callable[[Floats], None],
    check: Callable[[], None] = lambda: None,
) -> Heard:
    """Cut the clips of a recording by a model's rule and hand them to `take`.

    Parameters
    ----------
    listening : channel and track; ``each`` gives the clips of every channel with sound
    take : gets clips (n, n_samples) of the model's rate, level not yet changed
    check : called at every block; what it raises ends the listening

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`, or the recording is silent or too short
    """
    rate_hz = metadata.sample_rate_hz

    def read_blocks() -> Iterator[Audio]:
        for block in open_blocks(path, listening, block_s=BLOCK_S, sample_rate_hz=rate_hz):
            check()
            yield block

    blocks = read_blocks()
    first = next(blocks)
    second = next(blocks, None)
    if second is None:
        require_length(first, path)
        require_sound(first, path)
        take_clips(first.waveform, metadata, take)
        return describe_heard(first, first.waveform.shape[1])
    blocks = _chain(first, second, blocks)
    if metadata.clip_rule.length_s == 0:
        last, n_samples = _take_blocks(blocks, metadata, take)
        require_sound(last, path)
    else:
        powers, last, n_samples = _measure_power(blocks, rate_hz)
        require_sound(last, path)
        for view in metadata.clip_rule.views:
            take(_cut_loudest(read_blocks(), powers, n_samples, rate_hz, view))
    return describe_heard(last, n_samples)


def take_clips(waveform: Floats, metadata: ModelMetadata, take: Callable[[Floats], None]) -> None:
    """Cut the clips of a recording (n_channels, n_samples) at the model's rate; see `listen`."""
    rate_hz, rule = metadata.sample_rate_hz, metadata.clip_rule
    for channel in _channels_with_sound(waveform):
        onsets = find_onsets(channel, rate_hz, rule)
        for view in rule.views:
            clips = cut_clips(channel, rate_hz, view, onsets).waveforms
            take(_lengthen(clips, metadata.min_samples))


def _chain(first: Audio, second: Audio, others: Iterator[Audio]) -> Iterator[Audio]:
    yield first
    yield second
    yield from others


def _channels_with_sound(waveform: Floats) -> Iterator[Floats]:
    """Yield the channels (n_samples,) that are not constant; all of them where there is one."""
    for channel in waveform:
        if len(waveform) == 1 or np.ptp(channel) > 0:
            yield channel


def _lengthen(clips: Floats, min_samples: int) -> Floats:
    """Append zeros to clips (n, n_samples) that are shorter than a model can take."""
    return np.pad(clips, ((0, 0), (0, max(0, min_samples - clips.shape[1]))))


def _take_blocks(
    blocks: Iterable[Audio], metadata: ModelMetadata, take: Callable[[Floats], None]
) -> tuple[Audio, int]:
    """Hand over whole blocks; return the last one and the length of all."""
    n_samples = 0
    for block in blocks:
        n_samples += block.waveform.shape[1]
        for waveform in _channels_with_sound(block.waveform):
            take(_lengthen(waveform[None], metadata.min_samples))
    return block, n_samples


def _measure_power(
    blocks: Iterable[Audio], rate_hz: int
) -> tuple[list[NDArray[np.float64]], Audio, int]:
    """Return the frame powers of each channel, the last block and the length of all."""
    n_frame = count_frame_samples(rate_hz)
    parts: list[list[NDArray[np.float64]]] = []
    held: Floats | None = None  # the samples after the last whole frame
    n_samples = 0
    for block in blocks:
        n_samples += block.waveform.shape[1]
        waveform = block.waveform if held is None else np.hstack([held, block.waveform])
        parts.append([compute_power(channel, rate_hz) for channel in waveform])
        held = waveform[:, waveform.shape[1] // n_frame * n_frame :].copy()
    return [np.concatenate(channel) for channel in zip(*parts, strict=True)], block, n_samples


def _cut_loudest(
    blocks: Iterator[Audio],
    powers: list[NDArray[np.float64]],
    n_samples: int,
    rate_hz: int,
    rule: ClipRule,
) -> Floats:
    """Cut the clips around the loudest onsets of each channel while the blocks go by."""
    length = round(rule.length_s * rate_hz)
    wanted: list[tuple[int, int]] = []  # channel, start
    for channel, power in enumerate(powers):
        if len(powers) > 1 and not power.any():
            continue
        onsets = pick_onset_frames(power, rule) * count_frame_samples(rate_hz)
        starts = np.unique(place_starts(onsets, n_samples, rate_hz, rule))
        wanted += [(channel, start) for start in starts.tolist()]
    clips = np.zeros((len(wanted), length), np.float32)
    offset, end = 0, max(start for _, start in wanted) + length
    for block in blocks:
        n_block = block.waveform.shape[1]
        for clip, (channel, start) in zip(clips, wanted, strict=True):
            first, last = max(start, offset), min(start + length, offset + n_block)
            if first < last:
                cut = block.waveform[channel, first - offset : last - offset]
                clip[first - start : last - start] = cut
        offset += n_block
        if offset >= end:
            break
    return clips
