"""When each frame of FFmpeg is heard, on the clock that a player shows.

The clock of a player starts with the earliest stream of the container; that of MP4 and QuickTime
with their time 0, which an edit list may put before all sound. FFmpeg applies the edit lists and
leaves out the priming of the encoders.
"""

import os
import struct
from pathlib import Path
from typing import Any

from shotprint.audio.sources import Damage

# Containers whose timestamps say when a frame is heard; of others they are counted or guessed.
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
TRUSTED = frozenset((MP4, "matroska,webm", "mpegts", "mpeg", "ogg", "flv", "asf", "nut", "flac"))
# A timestamp that is later than the samples before it by more is a gap: less than one lost frame
# of the usual codecs, more than the rounding and trembling of timestamps.
MIN_GAP_S = 0.015
# So much silence is put into one recording; longer gaps are damaged timestamps.
MAX_GAP_S = 3600.0
# Timestamps that go back by more begin anew.
MAX_OVERLAP_S = 0.5
# The first fragment of an MP4 stands among so many boxes.
MAX_BOXES = 64


class Timeline:
    """Compares the timestamps of the frames with the samples counted."""

    def __init__(self, container: Any, stream: Any, path: Path, damage: Damage) -> None:
        self._tick_s = float(stream.time_base or 1.0)
        self._zero_s: float | None = None  # a lone track of sound begins at 0
        if container.format.name == MP4 or len(container.streams) > 1:
            self._zero_s = _player_zero_s(container, path)
        self._trusted = container.format.name in TRUSTED
        self._rate_hz = 0
        self._damage = damage
        self._gaps: list[tuple[float, float]] = []  # where, how long
        self._jumps: list[tuple[float, float]] = []
        self._shift_s = 0.0  # of the timestamps since they jumped
        self.now_s = 0.0

    def start(self, frame: Any) -> None:
        """Set the clock to the first frame."""
        self._rate_hz = frame.sample_rate
        if self._zero_s is None:
            self._zero_s = (frame.pts or 0) * self._tick_s
        start_s = self._time_s(frame)
        if start_s > MAX_GAP_S:
            self._shift_s = -start_s
            self._jumps.append((0.0, start_s))
        self.now_s = max(0.0, self._time_s(frame))

    def place(self, frame: Any, following: Any) -> float:
        """Put the clock behind a frame; return the seconds of silence due before it.

        A single timestamp that `following` (None: the end) does not confirm is not believed.
        """
        if frame.sample_rate != self._rate_hz and round(1 / self._tick_s) == self._rate_hz:
            self._trusted = False  # timestamps that count samples: of which rate?
        length_s = frame.samples / frame.sample_rate
        lag_s, silence_s = self._time_s(frame) - self.now_s, 0.0
        if following is not None and not -MAX_OVERLAP_S <= lag_s <= MIN_GAP_S:
            next_lag_s = self._time_s(following) - self.now_s - length_s
            lag_s = min(lag_s, next_lag_s, key=abs)
        if MIN_GAP_S < lag_s <= MAX_GAP_S - sum(gap_s for _, gap_s in self._gaps):
            silence_s = lag_s
            self._gaps.append((self.now_s, lag_s))
        elif lag_s > MIN_GAP_S or lag_s < -MAX_OVERLAP_S:
            self._shift_s -= lag_s
            self._jumps.append((self.now_s, lag_s))
        self.now_s += silence_s + length_s
        return silence_s

    def finish(self) -> None:
        """Say what was put in, where the clock went wrong and why it ends."""
        if self._gaps:
            (at_s, gap_s), n = self._gaps[0], len(self._gaps)
            text = f"a gap of {gap_s:.2f} s at {at_s:.2f} s filled with silence"
            if n > 1:
                whole_s = sum(length_s for _, length_s in self._gaps)
                text = f"{n} gaps of {whole_s:.2f} s in all filled with silence, the first of "
                text += f"{gap_s:.2f} s at {at_s:.2f} s"
            self._damage.remarks.append(text)
        if self._jumps:
            (at_s, jump_s), n = self._jumps[0], len(self._jumps)
            others = f", and {n - 1} times later" * (n > 1)
            self._damage.remarks.append(
                f"its clock jumps by {jump_s:+.2f} s at {at_s:.2f} s{others}: "
                "the sound is taken as unbroken there"
            )
        if self._damage.broken_off:
            text = f"what follows {self.now_s:.2f} s cannot be read ({self._damage.broken_off})"
            self._damage.remarks.append(text)

    def _time_s(self, frame: Any) -> float:
        """Return when a frame is heard, as far as that can be known."""
        if frame.pts is None or self._zero_s is None or not self._trusted:
            return self.now_s
        return float(frame.pts * self._tick_s - self._zero_s + self._shift_s)


def _player_zero_s(container: Any, path: Path) -> float:
    """Return the timestamp at which a player starts to count."""
    start_s = (container.start_time or 0) / 1e6
    is_mp4 = container.format.name == MP4
    return 0.0 if is_mp4 and start_s > 0 and not _is_fragmented(path) else start_s


def _is_fragmented(path: Path) -> bool:
    """Tell an MP4 of fragments, which may be a part of a longer one and begin at any time."""
    with path.open("rb") as file:
        for _ in range(MAX_BOXES):
            size, name = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
            if size == 1:  # a larger number follows
                size = int.from_bytes(file.read(8), "big") - 8
            if name == b"moof" or size < 8:
                return bool(name == b"moof")
            file.seek(size - 8, os.SEEK_CUR)
    return False
