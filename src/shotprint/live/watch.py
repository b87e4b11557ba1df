"""What is wrong with a sound that goes on: said when it begins, and when it is over."""

from dataclasses import dataclass

import numpy as np

from shotprint.audio.channels import Tally
from shotprint.audio.reading import SILENT_SWING
from shotprint.live.pcm import Floats

WINDOW_S = 1.0
FULL_SCALE = 0.999
CLIPPED_SHARE = 0.01
"""A shot clips some milliseconds; this share of every second is no shot."""
MAX_OFFSET = 0.05
DAMAGED, SILENT, CLIPPED, OFFSET = "damaged", "silent", "clipped", "offset"
BEGIN_S = {DAMAGED: 1, SILENT: 5, CLIPPED: 3, OFFSET: 3}
END_S = {DAMAGED: 5, SILENT: 1, CLIPPED: 3, OFFSET: 3}
"""A state begins when it has lasted so many windows, and ends likewise."""
BEGINS = {
    DAMAGED: "samples that are no finite numbers are set to 0; is --sample-format right?",
    SILENT: "digital silence: all samples are the same; is the microphone muted?",
    CLIPPED: "it is clipped all the time; turn the recorder down",
    OFFSET: "its samples do not swing around 0; shots may be missed",
}
ENDS = {
    DAMAGED: "all samples are numbers again",
    SILENT: "there is sound again",
    CLIPPED: "it is not clipped any more",
    OFFSET: "its samples swing around 0 again",
}


@dataclass
class _Window:
    """Sums over one second."""

    n_samples: int = 0
    n_damaged: int = 0
    n_full: int = 0
    mean: float = 0.0  # of the channel that is farthest from 0, times n_samples
    lowest: float = np.inf
    highest: float = -np.inf


class Watch:
    """Looks at the samples of all channels on their way.

    Attributes
    ----------
    peak : largest sample of the last block, 0…
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._n_window = round(WINDOW_S * sample_rate_hz)
        self._window = _Window()
        self._lasted = dict.fromkeys(BEGINS, 0)
        self._on: set[str] = set()
        self.peak = 0.0

    def look(self, block: Floats) -> tuple[Floats, list[tuple[str, str]]]:
        """Take a block (n_channels, n_samples).

        Returns
        -------
        The block with 0 for samples that are no numbers; (state, text) of what began or ended.
        """
        tally = Tally(len(block))
        block = tally.add(block)
        window = self._window
        window.n_samples += block.shape[1]
        window.n_damaged += tally.n_not_finite
        lowest, highest = float(block.min()), float(block.max())
        window.lowest = min(window.lowest, lowest)
        window.highest = max(window.highest, highest)
        self.peak = max(highest, -lowest)
        if self.peak >= FULL_SCALE:
            window.n_full += int((np.abs(block) >= FULL_SCALE).sum(axis=1).max())
        sums = block.sum(axis=1)
        window.mean += float(sums[np.abs(sums).argmax()])
        if window.n_samples < self._n_window:
            return block, []
        self._window = _Window()
        return block, self._judge(window)

    def _judge(self, window: _Window) -> list[tuple[str, str]]:
        is_silent = window.highest - window.lowest <= SILENT_SWING
        is_now = {
            DAMAGED: window.n_damaged > 0,
            SILENT: is_silent and not window.n_damaged,
            CLIPPED: not is_silent and window.n_full > CLIPPED_SHARE * window.n_samples,
            OFFSET: not is_silent and abs(window.mean) > MAX_OFFSET * window.n_samples,
        }
        found = []
        for name, is_so in is_now.items():
            is_on = name in self._on
            self._lasted[name] = self._lasted[name] + 1 if is_so != is_on else 0
            if self._lasted[name] >= (END_S if is_on else BEGIN_S)[name]:
                self._lasted[name] = 0
                self._on ^= {name}
                found.append((name, (ENDS if is_on else BEGINS)[name]))
        return found
