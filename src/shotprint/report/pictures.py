"""Pictures of a report: time line, exhibits, shots; PNG of few colours, in any language."""

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from shotprint.detection import Listening, open_blocks
from shotprint.plots.figures import (
    add_axes,
    measure_text_in,
    new_figure,
    render_figure,
    write_literally,
)
from shotprint.plots.overview import Overview, measure_overview
from shotprint.plots.recordings import MARGIN_S, SHOT_WINDOW_S
from shotprint.plots.shots import (
    AFTER_S,
    BEFORE_S,
    COLOURS,
    OTHER_COLOUR,
    choose_colours,
    mark_shots,
    plot_spectrogram,
    plot_waveform,
)
from shotprint.recognition.excerpts import BLOCK_S, read_excerpts
from shotprint.recognition.results import ShotResult
from shotprint.report.case import Exhibit
from shotprint.report.texts import Texts, write_clock

FONT_SIZE = 9.0
WIDE_IN, SHOT_IN, LEFT_IN = 6.9, 4.6, 0.72
ROW_IN, MAX_ROWS = 0.3, 40
MARKS = "osD^vP"  # with the colour, so that no one needs to tell colours apart
N_GREYS = 40
TINTS = (1.0, 0.65, 0.3)  # of a colour, where a line is drawn soft
NUMBER_IN = 0.22  # shots nearer to each other than this share one number


@dataclass(frozen=True)
class Drawn:
    """The pictures of an exhibit: the whole, and its first shots."""

    whole: bytes
    shots: tuple[bytes, ...]


def draw_exhibit(exhibit: Exhibit, listening: Listening, n_shots: int, texts: Texts) -> Drawn:
    """Return the picture of a recording and those of its first `n_shots` shots.

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`
    """
    result = exhibit.result
    blocks = open_blocks(exhibit.path, listening, block_s=BLOCK_S)
    overview = measure_overview(blocks, result.duration_s or 0.0)
    whole = _draw_whole(overview, result.shots, texts)
    shots = result.shots[:n_shots]
    spans_s = [
        (each.onset_s - BEFORE_S - MARGIN_S, each.onset_s + AFTER_S + MARGIN_S) for each in shots
    ]
    pictures = []
    excerpts = read_excerpts(exhibit.path, spans_s, listening) if spans_s else ()
    for place, excerpt in enumerate(excerpts):
        length_s = excerpt.waveform.shape[1] / excerpt.sample_rate_hz
        around = measure_overview([excerpt], length_s, SHOT_WINDOW_S)
        pictures.append(_draw_shot(around, result.shots, place, texts))
    return Drawn(whole, tuple(pictures))


def draw_timelines(exhibits: Sequence[Exhibit], texts: Texts) -> list[bytes]:
    """Return pictures of the shots of all exhibits, a line each, at most `MAX_ROWS` a picture."""
    every = [shot for each in exhibits for shot in each.result.shots]
    colours = choose_colours(every)
    pages = [exhibits[i : i + MAX_ROWS] for i in range(0, len(exhibits), MAX_ROWS)]
    return [_draw_timeline(page, colours, texts) for page in pages]


def _draw_timeline(exhibits: Sequence[Exhibit], colours: dict[str, str], texts: Texts) -> bytes:
    marks = {label: MARKS[place % len(MARKS)] for place, label in enumerate(colours)}
    names = [texts.say("exhibit_number", number=each.number) for each in exhibits]
    left = measure_text_in(names, FONT_SIZE) + 0.2
    above, tall = 0.1, ROW_IN * len(exhibits)
    below = 0.12 + 0.2 * -(-len(colours) // 4)
    figure = new_figure(WIDE_IN, above + tall + below)
    ax = add_axes(figure, left, below, WIDE_IN - left - 0.85, tall)
    for row, each in enumerate(exhibits):
        length_s = each.result.duration_s or 0.0
        ax.plot([0, 1], [row, row], color="0.75", linewidth=1.2, zorder=0)
        for shot in each.result.shots:
            at = (shot.onset_s - (each.result.start_s or 0.0)) / max(length_s, 1e-9)
            colour = colours.get(shot.label or "", OTHER_COLOUR)
            ax.plot(at, row, marks.get(shot.label or "", "o"), color=colour, markersize=5)
        end = write_clock(length_s, 0) if each.result.error is None else texts.say("failed_short")
        ax.text(1.015, row, end, va="center", fontsize=FONT_SIZE)
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(len(exhibits) - 0.5, -0.5)
    ax.set_yticks(range(len(exhibits)), names, fontsize=FONT_SIZE)
    ax.tick_params(length=0)
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    _add_legend(figure, colours, marks)
    return _to_png(figure)


def _add_legend(figure: Figure, colours: dict[str, str], marks: dict[str, str]) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marks[label], linestyle="", markersize=5, label=label)
        for label, colour in colours.items()
    ]
    if not handles:
        return
    legend = figure.legend(
        handles=handles,
        loc="lower left",
        ncols=4,
        fontsize=FONT_SIZE,
        frameon=False,
        handletextpad=0.2,
        bbox_to_anchor=(0.0, 0.0),
    )
    for text in legend.get_texts():
        write_literally(text)


def _draw_whole(overview: Overview, shots: Sequence[ShotResult], texts: Texts) -> bytes:
    """Draw waveform and spectrogram of a recording; shots are lines with their numbers."""
    colours = choose_colours(shots)
    figure, waveform, spectrogram = _stack(WIDE_IN, (1.1, 1.3), 0.22)
    _plot_both(waveform, spectrogram, overview, texts)
    mark_shots(waveform, shots, colours)
    mark_shots(spectrogram, shots, colours, from_below=0.93)
    for ax in (waveform, spectrogram):
        ax.set_xlim(overview.start_s, overview.end_s)
        ax.xaxis.set_major_locator(MaxNLocator(7))
        _format_axis(ax, lambda x: write_clock(x, 0) if overview.end_s >= 60 else f"{x:g}", texts)
    waveform.tick_params(labelbottom=False)
    minutes = "axis_minutes" if overview.end_s >= 60 else "axis_seconds"
    spectrogram.set_xlabel(texts.say(minutes), fontsize=FONT_SIZE)
    in_a_second = (WIDE_IN - LEFT_IN) / max(1e-9, overview.end_s - overview.start_s)
    last = -np.inf
    for number, shot in enumerate(shots, 1):
        if (shot.onset_s - last) * in_a_second >= NUMBER_IN:
            last = shot.onset_s
            _write_above(waveform, shot.onset_s, str(number), "0.2")
    return _to_png(figure)


def _draw_shot(overview: Overview, shots: Sequence[ShotResult], place: int, texts: Texts) -> bytes:
    """Draw waveform and spectrogram around an onset; lines are its onset, its end, other shots."""
    shot = shots[place]
    figure, waveform, spectrogram = _stack(SHOT_IN, (0.9, 1.15), 0.2)
    _plot_both(waveform, spectrogram, overview, texts)
    for ax in (waveform, spectrogram):
        for number, other in enumerate(shots):
            if number != place and overview.start_s <= other.onset_s <= overview.end_s:
                ax.axvline(other.onset_s, color="0.45", linewidth=0.8, linestyle=":")
        ax.axvline(shot.onset_s, color=COLOURS[1], linewidth=1.0)
        ax.axvline(shot.end_s, color=COLOURS[0], linewidth=1.1, linestyle="--")
        ax.set_xlim(shot.onset_s - BEFORE_S, shot.onset_s + AFTER_S)
        ax.set_xticks(shot.onset_s + np.arange(-0.1, AFTER_S + 0.01, 0.1))
        _format_axis(ax, lambda x: f"{1000 * (x - shot.onset_s):.0f}", texts)
    waveform.tick_params(labelbottom=False)
    spectrogram.set_xlabel(texts.say("axis_onset"), fontsize=FONT_SIZE)
    onset, end = texts.say("mark_onset"), texts.say("mark_end")
    _write_above(waveform, shot.onset_s, onset, COLOURS[1])
    wide = measure_text_in([onset], FONT_SIZE - 1) + 0.05
    length_s = shot.end_s - shot.onset_s
    nearest_s = wide * (BEFORE_S + AFTER_S) / (SHOT_IN - LEFT_IN)
    if nearest_s < length_s < AFTER_S - 0.06:
        _write_above(waveform, shot.end_s, end, COLOURS[0])
    return _to_png(figure)


def _stack(
    width_in: float, heights_in: tuple[float, float], above_in: float
) -> tuple[Figure, Any, Any]:
    """Return a figure with axes for a waveform above those for a spectrogram."""
    below = 0.5
    upper = below + heights_in[1] + 0.08
    figure = new_figure(width_in, upper + heights_in[0] + above_in)
    across = width_in - LEFT_IN - 0.12
    spectrogram = add_axes(figure, LEFT_IN, below, across, heights_in[1])
    return figure, add_axes(figure, LEFT_IN, upper, across, heights_in[0]), spectrogram


def _plot_both(waveform: Any, spectrogram: Any, overview: Overview, texts: Texts) -> None:
    plot_waveform(waveform, overview)
    plot_spectrogram(spectrogram, overview)
    for ax, name in ((waveform, "axis_amplitude"), (spectrogram, "axis_frequency")):
        ax.set_ylabel(texts.say(name), fontsize=FONT_SIZE)
        ax.tick_params(labelsize=FONT_SIZE - 0.5)
    ticks = waveform.get_yticks()
    waveform.set_yticks(ticks, [texts.translate_number(f"{tick:g}") for tick in ticks])


def _format_axis(ax: Any, write: Callable[[float], str], texts: Texts) -> None:
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: texts.translate_number(write(x))))


def _write_above(ax: Any, moment_s: float, text: str, colour: str) -> None:
    ax.annotate(
        text,
        (moment_s, 1.0),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        color=colour,
        fontsize=FONT_SIZE - 1,
    )


@functools.cache
def _make_palette() -> Image.Image:
    """Return an image that holds the palette of all pictures."""
    greys = np.linspace(0, 1, N_GREYS)[:, None].repeat(3, axis=1)
    own = np.array([to_rgb(colour) for colour in COLOURS])
    tints = [1 - tint * (1 - own) for tint in TINTS]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * np.concatenate([greys, *tints])).astype(np.uint8).tobytes())
    return palette


def _to_png(figure: Figure) -> bytes:
    """Return a picture in greys and the colours of guns, a byte a dot: a quarter of the size."""
    drawn = Image.open(io.BytesIO(render_figure(figure, "png"))).convert("RGB")
    content = io.BytesIO()
    few = drawn.quantize(palette=_make_palette(), dither=Image.Dither.NONE)
    few.save(content, format="png", optimize=True)
    return content.getvalue()
