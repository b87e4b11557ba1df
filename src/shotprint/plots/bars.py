"""Rates with their intervals, one row each."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from shotprint.plots.figures import (
    TITLE_SIZE,
    add_axes,
    add_title,
    measure_text_in,
    measure_title_in,
    new_figure,
    write_literally,
)

FONT_SIZE = 8.5
ROW_IN = 0.24
WIDTH_IN = 4.6
PANEL_GAP_IN = 0.7
CAPTION_WIDTH = 85  # characters a line
BAR_COLOUR = "#9ecae1"
INTERVAL_COLOUR = "#08306b"


@dataclass(frozen=True)
class Rate:
    """A rate 0…1 with its interval; None where there is nothing to count."""

    name: str
    value: float | None
    interval: Sequence[float] | None
    n: int


def draw_rates(
    panels: Mapping[str, Sequence[Rate]],
    caption: str,
    note: str | None = None,
    breaks: Sequence[int] = (),
) -> Figure:
    """Return a figure with one `plot_rates` a title, one below the other, and a caption.

    Parameters
    ----------
    panels : title → rates
    note : stands below the first title
    breaks : as in `plot_rates`
    """
    rows = [_name_row(rate) for rates in panels.values() for rate in rates]
    left = measure_text_in(rows, FONT_SIZE) + 0.2
    width = max(WIDTH_IN, measure_text_in(list(panels), TITLE_SIZE))
    lines = textwrap.wrap(caption, CAPTION_WIDTH)
    heights = [ROW_IN * len(rates) for rates in panels.values()]
    total = sum(heights) + PANEL_GAP_IN * len(panels) + measure_title_in(note)
    total += 0.16 * len(lines)
    figure = new_figure(left + width + 0.6, total)
    place = total - measure_title_in(note) - 0.15
    for (title, rates), height in zip(panels.items(), heights, strict=True):
        ax = add_axes(figure, left, place - height, width, height)
        plot_rates(ax, rates, title, note, breaks)
        place -= height + PANEL_GAP_IN
        note = None
    figure.text(0.1 / (left + width + 0.6), 0.1 / total, "\n".join(lines), fontsize=8)
    return figure


def plot_rates(
    ax: Any,
    rates: Sequence[Rate],
    title: str = "",
    note: str | None = None,
    breaks: Sequence[int] = (),
) -> None:
    """Draw one bar a rate, with its interval as a line and its value in per cent at the right.

    Parameters
    ----------
    ax : matplotlib axes; about 0.24 inches a row can be read (see `draw_rates`)
    title, note : the note stands below the title in a warning colour
    breaks : places of rows above which a line separates groups
    """
    for place, rate in enumerate(rates):
        if rate.value is not None:
            ax.barh(place, 100 * rate.value, height=0.7, color=BAR_COLOUR)
        if rate.interval is not None:
            ends = [100 * end for end in rate.interval]
            ax.plot(ends, [place, place], color=INTERVAL_COLOUR, linewidth=1.5)
            ax.plot(ends, [place, place], "|", color=INTERVAL_COLOUR, markersize=6)
        value = "–" if rate.value is None else f"{100 * rate.value:.0f} %"
        ax.text(102, place, value, va="center", fontsize=FONT_SIZE)
    for place in breaks:
        ax.axhline(place - 0.5, color="0.4", linewidth=0.8)
    _format_axes(ax, rates)
    add_title(ax, title, note)


def _format_axes(ax: Any, rates: Sequence[Rate]) -> None:
    ax.set_yticks(range(len(rates)), [_name_row(rate) for rate in rates], fontsize=FONT_SIZE)
    for text in ax.get_yticklabels():
        write_literally(text)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(rates) - 0.5, -0.5)
    ax.set_xticks(range(0, 101, 20), [f"{x} %" for x in range(0, 101, 20)], fontsize=FONT_SIZE)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.85", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _name_row(rate: Rate) -> str:
    return f"{rate.name}  ({rate.n})"
