"""Pictures of an audit: pairs of clips laid over each other, and facts that follow the class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotprint.audio import read
from shotprint.audit.auditing import Audit
from shotprint.audit.confounds import NUMBERS, Confound, list_facts
from shotprint.audit.fingerprints import RATE_HZ
from shotprint.audit.pairs import Pair
from shotprint.errors import RecordingError
from shotprint.plots.figures import (
    add_axes,
    measure_text_in,
    new_axes,
    new_figure,
    render_figure,
    write_literally,
)

Floats = NDArray[np.float32]

WIDTH_IN = 4.2  # readable on a telephone
FONT_SIZE = 8.0
FIRST_COLOUR, SECOND_COLOUR, SHARED_COLOUR = "#08519c", "#d94801", "#fdd0a2"
ZOOM_S = 0.02
MAX_DRAWN_S = 60.0
N_COLUMNS = 600
UNITS = {
    "length": "length in s",
    "peak level": "peak level in dBFS",
    "mean level": "mean level in dBFS",
    "end of the band": "end of the band in Hz",
}


@dataclass(frozen=True)
class Picture:
    """A picture (SVG), what stands below it, and what it shows in words."""

    svg: bytes
    caption: str
    alternative: str


def draw_pairs(audit: Audit, n_most: int = 12) -> list[Picture]:
    """Draw pairs with shared waveform, those that matter most first.

    That is across folds, across labels, across groups, then those that agree least; one that
    cannot be read any more is left out.
    """
    pairs = [pair for pair in audit.pairs if pair.shared is not None]
    pairs.sort(key=lambda pair: _weigh(audit, pair))
    pictures = []
    for pair in pairs[:n_most]:
        rows = [audit.clips[place].row for place in (pair.first, pair.second)]
        try:
            waveforms = [_read_start(row.path) for row in rows]
        except (RecordingError, OSError):
            continue
        names = [row.recording for row in rows]
        assert pair.shared is not None
        caption = (
            f"{names[0]} and {names[1]} — {pair.kind}: {pair.shared.shared_s:.2f} s agree to "
            f"{pair.shared.agreement:.3f}"
        )
        figure = draw_pair(waveforms[0], waveforms[1], pair, names)
        alternative = f"Waveforms of {names[0]} and {names[1]}, aligned"
        pictures.append(Picture(render_figure(figure, "svg"), caption, alternative))
    return pictures


def _weigh(audit: Audit, pair: Pair) -> tuple[bool, bool, bool, float]:
    one, two = audit.clips[pair.first].row, audit.clips[pair.second].row
    folds, shared = audit.folds, pair.shared
    return (
        folds is None or folds[pair.first] == folds[pair.second],
        one.label == two.label,
        one.group == two.group,
        1.0 if shared is None else shared.agreement,
    )


def _read_start(path: Path) -> Floats:
    waveform: Floats = read(path, sample_rate_hz=RATE_HZ, duration_s=MAX_DRAWN_S).waveform[0]
    return waveform


def draw_pair(first: Floats, second: Floats, pair: Pair, names: Sequence[str]) -> Figure:
    """Draw two waveforms (n_samples,) on one clock, and 20 ms of them over each other.

    Parameters
    ----------
    first, second : at `RATE_HZ`
    pair : with its shared stretch
    """
    shared = pair.shared
    assert shared is not None
    figure = new_figure(WIDTH_IN, 3.4)
    panels = [add_axes(figure, 0.15, bottom, WIDTH_IN - 0.3, 0.7) for bottom in (2.5, 1.55)]
    starts_s = (0.0, shared.lag_s)
    begin_s = min(starts_s)
    end_s = max(len(first) / RATE_HZ, shared.lag_s + len(second) / RATE_HZ)
    for ax, waveform, name, start_s, colour in zip(
        panels, (first, second), names, starts_s, (FIRST_COLOUR, SECOND_COLOUR), strict=True
    ):
        _plot_envelope(ax, waveform, start_s, colour)
        ax.axvspan(shared.start_s, shared.start_s + shared.shared_s, color=SHARED_COLOUR, zorder=0)
        ax.set_xlim(begin_s, end_s)
        ax.set_yticks([])
        write_literally(ax.set_title(name, loc="left", fontsize=FONT_SIZE, color=colour))
        ax.tick_params(labelsize=FONT_SIZE - 1)
    panels[0].set_xticks([])
    panels[1].set_xlabel(
        "s of the first clip; coloured: shared", fontsize=FONT_SIZE - 1, labelpad=1
    )
    _plot_zoom(add_axes(figure, 0.15, 0.35, WIDTH_IN - 0.3, 0.6), (first, second), pair)
    return figure


def _plot_envelope(ax: Any, waveform: Floats, start_s: float, colour: str) -> None:
    """Draw the lowest and the highest sample of each column of pixels."""
    width = max(1, len(waveform) // N_COLUMNS)
    n = len(waveform) // width
    parts = waveform[: n * width].reshape(n, width)
    time_s = start_s + (np.arange(n) + 0.5) * width / RATE_HZ
    peak = max(float(np.abs(waveform).max()), 1e-9)
    ax.fill_between(
        time_s, parts.min(axis=1) / peak, parts.max(axis=1) / peak, color=colour, linewidth=0.3
    )


def _plot_zoom(ax: Any, waveforms: Sequence[Floats], pair: Pair) -> None:
    """Draw both waveforms, each at its own scale, around the loudest moment they share."""
    shared = pair.shared
    assert shared is not None
    first = waveforms[0]
    begin = round(shared.start_s * RATE_HZ)
    stretch = first[begin : begin + max(1, round(shared.shared_s * RATE_HZ))]
    centre_s = shared.start_s
    if len(stretch):
        centre_s += int(np.abs(stretch).argmax()) / RATE_HZ
    left_s = centre_s - ZOOM_S / 4
    for waveform, start_s, colour in zip(
        waveforms, (0.0, shared.lag_s), (FIRST_COLOUR, SECOND_COLOUR), strict=True
    ):
        time_s = start_s + np.arange(len(waveform)) / RATE_HZ - left_s
        seen = (time_s >= 0) & (time_s <= ZOOM_S)
        part = waveform[seen]
        scale = max(float(np.abs(part).max()), 1e-9) if len(part) else 1.0
        ax.plot(1000 * time_s[seen], part / scale, color=colour, linewidth=0.9, alpha=0.8)
    ax.set_xlim(0, 1000 * ZOOM_S)
    ax.set_yticks([])
    ax.tick_params(labelsize=FONT_SIZE - 1)
    ax.set_xlabel(f"ms from {left_s:.3f} s of the first clip", fontsize=FONT_SIZE)
    ax.set_title("both laid over each other", loc="left", fontsize=FONT_SIZE)


def draw_confounds(confounds: Sequence[Confound]) -> Picture:
    """Draw how often the class is guessed right from each fact, beside blind guessing."""
    names = [each.fact for each in confounds]
    left = measure_text_in(names, FONT_SIZE) + 0.2
    height = 0.24 * len(names)
    figure, ax = new_axes(WIDTH_IN - left - 0.2, height, left=left, right=0.2, below=0.5, above=0.1)
    for place, each in enumerate(confounds):
        ax.plot([100 * each.value], [place], "o", color=FIRST_COLOUR, markersize=5)
        if each.interval is not None:
            ends = [100 * end for end in each.interval]
            ax.plot(ends, [place, place], color=FIRST_COLOUR, linewidth=1.5)
    ax.axvline(100 * confounds[0].chance, color=SECOND_COLOUR, linestyle="--", linewidth=1)
    ax.set_yticks(range(len(names)), names, fontsize=FONT_SIZE)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0, 100)
    ax.set_xlabel("% of clips whose class is guessed right; dashed: blindly", fontsize=FONT_SIZE)
    ax.tick_params(axis="x", labelsize=FONT_SIZE)
    ax.grid(axis="x", color="0.85", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    caption = (
        "How often the class is guessed right from how the clips were made; the lines "
        "are 95 % intervals (bootstrap over groups)."
    )
    return Picture(render_figure(figure, "svg"), caption, "Guesses of the class from each fact")


def draw_facts(audit: Audit) -> list[Picture]:
    """Draw the numbers of each clip by class, one picture a fact that is not the same for all."""
    heard = [(clip.row.label, clip.sound) for clip in audit.clips if clip.sound is not None]
    facts = list_facts([sound for _, sound in heard])
    labels = sorted({label for label, _ in heard})
    pictures = []
    for name in NUMBERS:
        values = np.array(facts[name], dtype=float)
        if np.ptp(values) == 0:
            continue
        left = min(1.6, measure_text_in(labels, FONT_SIZE)) + 0.2
        figure, ax = new_axes(
            WIDTH_IN - left - 0.2, 0.22 * len(labels), left=left, right=0.2, below=0.5, above=0.1
        )
        rng = np.random.default_rng(0)
        for place, label in enumerate(labels):
            own = values[[each == label for each, _ in heard]]
            rows = place + rng.uniform(-0.3, 0.3, len(own))
            ax.plot(own, rows, ".", color=FIRST_COLOUR, markersize=2.5, alpha=0.5)
        ax.set_yticks(range(len(labels)), labels, fontsize=FONT_SIZE)
        for text in ax.get_yticklabels():
            write_literally(text)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.tick_params(axis="x", labelsize=FONT_SIZE)
        ax.set_xlabel(UNITS[name], fontsize=FONT_SIZE)
        ax.grid(axis="x", color="0.85", linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        caption = f"{name.capitalize()} by class; a dot is a clip."
        pictures.append(Picture(render_figure(figure, "svg"), caption, caption))
    return pictures


def draw_audit(audit: Audit) -> dict[str, list[Picture]]:
    """Draw what the page shows: ``pairs``, ``confounds`` and ``facts``."""
    return {
        "pairs": draw_pairs(audit),
        "confounds": [draw_confounds(audit.confounds)] if audit.confounds else [],
        "facts": draw_facts(audit),
    }
