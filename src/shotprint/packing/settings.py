"""How recordings are packed, and which stretches of them are kept."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shotprint.audio.channels import parse_channel
from shotprint.clips import ClipRule, place_clips
from shotprint.errors import ShotprintError

FORMAT = "shotprint-pack/1"
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PackSettings:
    """How recordings are packed.

    Parameters
    ----------
    sample_rate_hz : of the backbone that is to be trained
    channel : ``mix``, ``loudest`` or a number from ``0``
    crop : keep the surroundings of the onsets; False keeps recordings whole
    clip_rule : which onsets are found, and how much around them is kept
    margin_s : kept on both sides of a clip, for shifting it in time
    on_conflict : the same bytes under two labels: ``stop``, ``drop`` them all, or keep the
        ``first`` in the manifest
    """

    sample_rate_hz: int = 32000
    channel: str = "mix"
    crop: bool = True
    clip_rule: ClipRule = field(default_factory=ClipRule)
    margin_s: float = 0.25
    on_conflict: Literal["stop", "drop", "first"] = "stop"

    def __post_init__(self) -> None:
        if parse_channel(self.channel) == "each":
            raise ShotprintError(
                "a recording is packed as one waveform; give mix, loudest or a number, not each"
            )
        if self.sample_rate_hz <= 0 or self.margin_s < 0:
            raise ShotprintError(
                f"found {self.sample_rate_hz} Hz and a margin of {self.margin_s} s; expected a "
                "rate above 0 Hz and a margin of 0 s or more"
            )
        if self.on_conflict not in ("stop", "drop", "first"):
            raise ShotprintError(
                f"found on_conflict {self.on_conflict!r}; expected stop, drop or first"
            )


def choose_segments(
    onset_samples: Ints, n_samples: int, settings: PackSettings
) -> list[tuple[int, int]]:
    """Return (start, end) of the stretches of a recording to keep, in order, none overlapping."""
    rule = settings.clip_rule
    if not settings.crop or rule.length_s == 0:
        return [(0, n_samples)]
    rate = settings.sample_rate_hz
    margin, length = round(settings.margin_s * rate), round(rule.length_s * rate)
    segments: list[tuple[int, int]] = []
    for place in np.sort(place_clips(onset_samples, n_samples, rate, rule)).tolist():
        start, end = max(0, place - margin), min(n_samples, place + length + margin)
        if segments and start <= segments[-1][1]:
            segments[-1] = (segments[-1][0], max(end, segments[-1][1]))
        else:
            segments.append((start, end))
    return segments
