"""A recording with its shots, and each shot: waveform, spectrogram, what was recognised."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MultipleLocator

from shotprint.plots.figures import (
    TITLE_SIZE,
    add_axes,
    measure_text_in,
    new_figure,
    write_literally,
)
from shotprint.plots.overview import Overview
from shotprint.recognition.labels import describe_shot
from shotprint.recognition.results import BurstResult, RecordingResult, ShotResult, printable

# Okabe and Ito's colours, which the colour-blind tell apart; grey is left for everything else.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3a9bd0")
OTHERS, OTHER_COLOUR = "other guns", "0.35"
SOUND_COLOUR = "0.3"
FONT_SIZE = 8.5
RANGE_DB = 70.0
TOP_HZ = 16000.0
WIDTH_IN, SHOT_WIDTH_IN, LEFT_IN = 9.0, 5.4, 0.95
WAVEFORM_IN, SPECTROGRAM_IN = 1.5, 2.0
ROW_IN, MAX_ROWS = 0.17, 7
GAP_IN = 0.12
ALONE_IN = 0.5  # a shot so far from others keeps its number
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)
CLOCK_S = 120.0  # from here on times are shown as on a clock
CLOCK_STEPS_S = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 10**9)
BEFORE_S, AFTER_S = 0.1, 0.5
"""Stretch around an onset that the picture of a shot shows."""
MAX_CANDIDATES = 8


def draw_recording(overview: Overview, result: RecordingResult) -> Figure:
    """Return a figure of a whole recording: shots with their labels, waveform, spectrogram.

    Where labels would cover each other the shots are numbered, where numbers would, not all.
    """
    colours = choose_colours(result.shots)
    texts, rows = place_labels(result.shots, overview, WIDTH_IN)
    strip = ROW_IN * (max(rows) + 1.7) if texts else 0.0
    lines = describe_recording(result)
    below = 0.55 + (0.25 if colours else 0.0)
    upper = below + SPECTROGRAM_IN + GAP_IN
    height = upper + WAVEFORM_IN + strip + 0.16 + 0.19 * len(lines)
    ends = _measure_ends(result.shots, texts, overview, WIDTH_IN)
    right = 0.15 + max(ends, default=0.0) - WIDTH_IN
    across = max(LEFT_IN + WIDTH_IN + max(0.3, right), _measure_heading_in(lines))
    figure = new_figure(across, height)
    spectrogram = add_axes(figure, LEFT_IN, below, WIDTH_IN, SPECTROGRAM_IN)
    waveform = add_axes(figure, LEFT_IN, upper, WIDTH_IN, WAVEFORM_IN)
    plot_spectrogram(spectrogram, overview)
    plot_waveform(waveform, overview)
    spectrogram.set_xlabel(name_time(overview), fontsize=FONT_SIZE)
    waveform.tick_params(labelbottom=False)
    mark_shots(waveform, result.shots, colours)
    mark_shots(spectrogram, result.shots, colours, from_below=0.93)
    for ax in (waveform, spectrogram):
        ax.set_xlim(overview.start_s, overview.end_s)
    if texts:
        ax = add_axes(figure, LEFT_IN, upper + WAVEFORM_IN, WIDTH_IN, strip)
        ax.set_xlim(overview.start_s, overview.end_s)
        plot_labels(ax, result.shots, (texts, rows), colours)
    for burst in result.bursts:
        waveform.axvspan(burst.onset_s, burst.end_s, color="0.9", zorder=0)
    _add_heading(figure, lines)
    _add_legend(figure, result.shots, colours)
    return figure


def draw_shot(overview: Overview, result: RecordingResult, place: int) -> Figure:
    """Return a figure of a shot: waveform and spectrogram around its onset, candidates as bars.

    Parameters
    ----------
    overview : of the sound around the onset
    place : which of the shots of `result`, from 0
    """
    shot = result.shots[place]
    candidates = (shot.candidates or ())[:MAX_CANDIDATES]
    names = [score.label for score in candidates]
    side = measure_text_in(names, FONT_SIZE) + 2.3 if names else 0.0
    lines = describe_single(result, place)
    width, below = SHOT_WIDTH_IN, 0.55
    upper = below + SPECTROGRAM_IN + GAP_IN
    height = upper + WAVEFORM_IN + 0.3 + 0.19 * len(lines)
    across = max(LEFT_IN + width + 0.3 + side, _measure_heading_in(lines))
    figure = new_figure(across, height)
    spectrogram = add_axes(figure, LEFT_IN, below, width, SPECTROGRAM_IN)
    waveform = add_axes(figure, LEFT_IN, upper, width, WAVEFORM_IN)
    plot_waveform(waveform, overview)
    plot_spectrogram(spectrogram, overview)
    waveform.tick_params(labelbottom=False)
    for ax in (waveform, spectrogram):
        for number, other in enumerate(result.shots):
            if number != place and overview.start_s <= other.onset_s <= overview.end_s:
                ax.axvline(other.onset_s, color="0.45", linewidth=0.8, linestyle=":")
        ax.axvline(shot.onset_s, color=COLOURS[1], linewidth=0.9)
        ax.axvline(shot.end_s, color=COLOURS[0], linewidth=1.1, linestyle="--")
        ax.set_xlim(shot.onset_s - BEFORE_S, shot.onset_s + AFTER_S)
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{1000 * (x - shot.onset_s):.0f}".replace("-", "−"))
        )
        ax.set_xticks(shot.onset_s + np.arange(-0.1, AFTER_S + 0.01, 0.1))
    spectrogram.set_xlabel(
        "time after the onset (ms); dashed: the end; dotted: other shots", fontsize=FONT_SIZE
    )
    _name_onsets(waveform, result.shots, place)
    if candidates:
        left = LEFT_IN + width + 0.45 + measure_text_in(names, FONT_SIZE)
        tall = 0.27 * len(candidates)
        middle = below + (SPECTROGRAM_IN + GAP_IN + WAVEFORM_IN - tall) / 2
        ax = add_axes(figure, left, middle, 1.25, tall)
        plot_candidates(ax, [(score.label, score.probability) for score in candidates])
    _add_heading(figure, lines)
    return figure


def plot_waveform(ax: Any, overview: Overview) -> None:
    """Draw the smallest and the largest sample of each column."""
    middles = overview.start_s + (np.arange(len(overview.lowest)) + 0.5) * overview.column_s
    ax.fill_between(
        middles,
        overview.lowest,
        overview.highest,
        color=SOUND_COLOUR,
        linewidth=0.4,
        step="mid",
        zorder=2,
    )
    top = 1.08 * float(max(overview.highest.max(), -overview.lowest.min(), 1e-3))
    ax.set_ylim(-top, top)
    tick = 10.0 ** np.floor(np.log10(top))
    tick *= max(step for step in (1, 2, 5) if step * tick <= top)
    ax.set_yticks([-tick, 0, tick], [f"−{tick:g}", "0", f"{tick:g}"])
    ax.set_ylabel("amplitude\n(full scale = 1)", fontsize=FONT_SIZE)
    ax.tick_params(labelsize=FONT_SIZE)
    ax.spines[["top", "right"]].set_visible(False)
    _format_time(ax, overview)


def plot_spectrogram(ax: Any, overview: Overview) -> None:
    """Draw the power over time and frequency, the louder the darker, over `RANGE_DB`."""
    half_hz = overview.sample_rate_hz / 2
    level_db = 10 * np.log10(np.maximum(overview.power, 1e-12))
    end_s = overview.start_s + overview.power.shape[1] * overview.column_s
    ax.imshow(
        level_db,
        origin="lower",
        aspect="auto",
        extent=(overview.start_s, end_s, 0, half_hz / 1000),
        cmap="Greys",
        vmin=level_db.max() - RANGE_DB,
        vmax=level_db.max(),
        interpolation="nearest",
    )
    ax.set_ylim(0, min(half_hz, TOP_HZ) / 1000)
    ax.set_ylabel("frequency (kHz)", fontsize=FONT_SIZE)
    ax.tick_params(labelsize=FONT_SIZE)
    _format_time(ax, overview)


def plot_candidates(ax: Any, candidates: Sequence[tuple[str, float]]) -> None:
    """Draw the probability of each candidate as a bar, its value at the right."""
    for place, (_, probability) in enumerate(candidates):
        colour = COLOURS[0] if place == 0 else "#9ecae1"
        ax.barh(place, 100 * probability, height=0.7, color=colour)
        shown = "< 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"
        ax.text(100 * probability + 3, place, shown, va="center", fontsize=FONT_SIZE)
    ax.set_yticks(range(len(candidates)), [label for label, _ in candidates], fontsize=FONT_SIZE)
    for text in ax.get_yticklabels():
        write_literally(text)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(candidates) - 0.5, -0.5)
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.set_title("which gun (probability)", fontsize=FONT_SIZE, loc="left")


def mark_shots(
    ax: Any, shots: Sequence[ShotResult], colours: Mapping[str, str], from_below: float = 0.0
) -> None:
    """Draw a line behind the sound at each onset, in the colour of its gun; many are finer.

    Parameters
    ----------
    from_below : where the lines begin, as a share of the height of the axes
    """
    width = max(0.25, min(1.0, 60 / max(1, len(shots))))
    ax.vlines(
        [shot.onset_s for shot in shots],
        from_below,
        1.0,
        colors=[_choose_colour(shot, colours) for shot in shots],
        linewidths=width,
        zorder=1,
        transform=ax.get_xaxis_transform(),
    )


def plot_labels(
    ax: Any,
    shots: Sequence[ShotResult],
    labels: tuple[Sequence[str], Sequence[int]],
    colours: Mapping[str, str],
) -> None:
    """Write texts above the onsets, a staff from each text down to its onset.

    Parameters
    ----------
    ax : stands above the waveform and has its limits of time
    labels : text of each shot (empty: none) and the row it stands in, from `place_labels`
    """
    texts, rows = labels
    ax.set_ylim(0, max(rows) + 1.7)
    ax.axis("off")
    for shot, text, row in zip(shots, texts, rows, strict=True):
        colour = _choose_colour(shot, colours)
        if not text:
            continue
        ax.plot([shot.onset_s] * 2, [0, row + 1.2], color=colour, linewidth=0.7)
        shown = ax.annotate(
            text,
            (shot.onset_s, row + 0.45),
            xytext=(2, 0),
            textcoords="offset points",
            color=colour,
            fontsize=FONT_SIZE,
        )
        write_literally(shown)


def place_labels(
    shots: Sequence[ShotResult], overview: Overview, width_in: float
) -> tuple[list[str], list[int]]:
    """Return the text of each shot, empty where there is no room, and its row from below.

    A text begins at its onset and stands above all texts that begin below it, so that no staff
    crosses a text.
    """
    if not shots:
        return [], []
    in_a_second = width_in / max(1e-9, overview.end_s - overview.start_s)
    places = [(shot.onset_s - overview.start_s) * in_a_second for shot in shots]
    numbers = [str(number) for number in range(1, len(shots) + 1)]
    full = [
        f"{number} {describe_shot(shot, 0).removeprefix('shot 0 ')}"
        for number, shot in zip(numbers, shots, strict=True)
    ]
    options = [full] if len(shots) <= 100 else []
    gaps = np.diff(places, prepend=-np.inf, append=np.inf)
    alone = np.minimum(gaps[:-1], gaps[1:]) > ALONE_IN
    options += [
        [
            text if alone[i] or i == 0 or (i + 1) % step == 0 else ""
            for i, text in enumerate(numbers)
        ]
        for step in STEPS
    ]
    for texts in options:
        rows = _stack(places, texts)
        if max(rows) < (MAX_ROWS if texts is full else 3):
            break
    return texts, rows


def _measure_ends(
    shots: Sequence[ShotResult], texts: Sequence[str], overview: Overview, width_in: float
) -> list[float]:
    """Return where each text ends, in inches from the left of the axes."""
    in_a_second = width_in / max(1e-9, overview.end_s - overview.start_s)
    return [
        (shot.onset_s - overview.start_s) * in_a_second + measure_text_in([text], FONT_SIZE)
        for shot, text in zip(shots, texts, strict=True)
        if text
    ]


def _stack(places_in: Sequence[float], texts: Sequence[str]) -> list[int]:
    """Return the row of each text: one above the highest of those that begin below it."""
    shapes = {text: re.sub(r"\d", "0", text) for text in texts if text}  # digits are as wide
    widths_in = {
        shape: measure_text_in([shape], FONT_SIZE) + 0.07 for shape in set(shapes.values())
    }
    rows = [0] * len(texts)
    for i in range(len(texts) - 1, -1, -1):
        if not texts[i]:
            continue
        reach = places_in[i] + widths_in[shapes[texts[i]]]
        for j in range(i + 1, len(texts)):
            if places_in[j] >= reach:
                break
            if texts[j]:
                rows[i] = max(rows[i], rows[j] + 1)
    return rows


def choose_colours(shots: Sequence[ShotResult]) -> dict[str, str]:
    """Return label → colour, the most frequent labels first, the rest as `OTHERS`."""
    counts = Counter(shot.label for shot in shots if shot.label is not None)
    labels = [label for label, _ in counts.most_common()]
    n_own = len(COLOURS) if len(labels) <= len(COLOURS) else len(COLOURS) - 1
    colours = dict(zip(labels[:n_own], COLOURS, strict=False))
    return {**colours, **dict.fromkeys(labels[n_own:], OTHER_COLOUR)}


def describe_recording(result: RecordingResult) -> list[str]:
    """Return the lines above the picture: name, then shots and bursts."""
    lines = [printable(Path(result.path).name)]
    if result.label is not None and result.probability is not None:
        lines[0] += f"  –  all together: {result.label} {result.probability:.2f}"
    if result.shots:
        text = f"{len(result.shots)} shot{'s' * (len(result.shots) > 1)}"
        bursts = ", ".join(map(_describe_burst, result.bursts[:3]))
        more = f" and {len(result.bursts) - 3} more" if len(result.bursts) > 3 else ""
        lines.append(f"{text}; grey: {bursts}{more}" if bursts else text)
    elif result.label is not None:
        lines.append("no shot was found: the answer is about the loudest sounds")
    return lines


def describe_single(result: RecordingResult, place: int) -> list[str]:
    """Return the lines above the picture of a shot: which one it is, then its measures."""
    shot = result.shots[place]
    name = printable(Path(result.path).name)
    facts = [
        f"detected with {shot.detection_probability:.2f}",
        f"peak {shot.peak_dbfs:.1f} dBFS{', clipped' * shot.clipped}".replace("-", "−"),
    ]
    if shot.gap_s is not None:
        facts.append(f"{shot.gap_s:.3f} s after the shot before")
    if shot.burst is not None:
        facts.append(f"in a {_describe_burst(result.bursts[shot.burst])}")
    first = f"{name}  –  shot {place + 1} of {len(result.shots)}, at {shot.onset_s:.4f} s"
    return [first, "; ".join(facts)]


def _describe_burst(burst: BurstResult) -> str:
    return f"burst of {burst.n_shots} at {burst.rate_of_fire_rpm:.0f} rounds/min"


def _choose_colour(shot: ShotResult, colours: Mapping[str, str]) -> str:
    return COLOURS[1] if shot.label is None else colours[shot.label]


def _name_onsets(ax: Any, shots: Sequence[ShotResult], place: int) -> None:
    """Write above the axes which shots the lines are, as far as there is room."""
    onset_s = shots[place].onset_s
    named = {onset_s: (f"shot {place + 1}", COLOURS[1])}
    for number, other in enumerate(shots, start=1):
        if number != place + 1 and -BEFORE_S <= other.onset_s - onset_s <= AFTER_S:
            named[other.onset_s] = (str(number), "0.35")
    taken: list[tuple[float, float]] = []
    for moment, (text, colour) in named.items():
        half_in = measure_text_in([text], FONT_SIZE) / 2 + 0.03
        half = half_in / SHOT_WIDTH_IN * (BEFORE_S + AFTER_S)
        if any(moment - half < end and moment + half > begin for begin, end in taken):
            continue
        taken.append((moment - half, moment + half))
        ax.annotate(
            text,
            (moment, 1),
            xytext=(0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontsize=FONT_SIZE,
        )


def name_time(overview: Overview) -> str:
    """Return what the axis of time shows: seconds, or a clock for a long recording."""
    if overview.end_s < CLOCK_S:
        return "time (s)"
    return "time (h:min:s)" if overview.end_s >= 3600 else "time (min:s)"


def _format_time(ax: Any, overview: Overview) -> None:
    if overview.end_s < CLOCK_S:
        return
    is_long = overview.end_s >= 3600
    n_ticks = 8
    step_s = next(s for s in CLOCK_STEPS_S if (overview.end_s - overview.start_s) / s <= n_ticks)
    ax.xaxis.set_major_locator(MultipleLocator(step_s))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _format_clock(x, is_long)))


def _format_clock(moment_s: float, is_long: bool) -> str:
    minutes, seconds = divmod(round(moment_s), 60)
    if not is_long:
        return f"{minutes}:{seconds:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _measure_heading_in(lines: Sequence[str]) -> float:
    return measure_text_in(list(lines), TITLE_SIZE) + 0.25


def _add_heading(figure: Figure, lines: Sequence[str]) -> None:
    height = figure.get_size_inches()[1]
    left = 0.12 / figure.get_size_inches()[0]
    for place, line in enumerate(lines):
        size = TITLE_SIZE if place == 0 else FONT_SIZE + 0.5
        y = 1 - (0.1 + 0.2 * place) / height
        write_literally(figure.text(left, y, line, fontsize=size, va="top"))


def _add_legend(figure: Figure, shots: Sequence[ShotResult], colours: Mapping[str, str]) -> None:
    if not colours:
        return
    counts = Counter(shot.label for shot in shots if shot.label is not None)
    shown: Counter[tuple[str, str]] = Counter()
    for label, colour in colours.items():
        name = OTHERS if colour == OTHER_COLOUR else label
        shown[name, colour] += counts[label]
    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=f"{name} ({n})")
        for (name, colour), n in shown.items()
    ]
    legend = figure.legend(
        handles=handles,
        loc="lower left",
        ncols=len(handles),
        fontsize=FONT_SIZE,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.5,
        bbox_to_anchor=(0.0, 0.0),
    )
    for text in legend.get_texts():
        write_literally(text)
