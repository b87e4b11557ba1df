"""What the same set scores under several protocols: a dot with its interval each."""

import textwrap
from typing import Any

from matplotlib.figure import Figure

from shotprint.evaluation.output import (
    choose_interval,
    describe_intervals,
    describe_simulation,
)
from shotprint.plots.figures import (
    NOTE_COLOUR,
    add_axes,
    add_title,
    measure_text_in,
    measure_title_in,
    new_figure,
    write_literally,
)

FONT_SIZE = 9.0
ROW_IN = 0.4
WIDTH_IN = 5.4
AXIS_IN = 0.3
LINE_IN = 0.155
CAPTION_WIDTH = 110  # characters a line
HONEST_COLOUR = "#08306b"
TITLE = "How often the gun is recognised, by what is kept out of training"


def draw_protocols(comparison: dict[str, Any]) -> Figure:
    """Return a figure with `plot_protocols`, its title, and what it shows in words below."""
    rows = comparison["protocols"]
    note = describe_simulation(comparison)
    lines = _caption(comparison)
    left = measure_text_in([_name(row) for row in rows], FONT_SIZE) + 0.25
    right = measure_text_in([_describe(row) for row in rows], FONT_SIZE) + 0.3
    below, height = AXIS_IN + LINE_IN * len(lines) + 0.15, ROW_IN * len(rows)
    figure = new_figure(left + WIDTH_IN + right, below + height + measure_title_in(note) + 0.15)
    ax = add_axes(figure, left, below, WIDTH_IN, height)
    plot_protocols(ax, comparison)
    add_title(ax, TITLE, note)
    across, up = figure.get_size_inches()
    figure.text(0.1 / across, 0.1 / up, "\n".join(lines), fontsize=8, va="bottom")
    return figure


def plot_protocols(ax: Any, comparison: dict[str, Any]) -> None:
    """Draw a dot a protocol with the interval of its accuracy; leaking ones are open and orange.

    Parameters
    ----------
    ax : matplotlib axes; about 0.4 inches a row can be read
    comparison : what `compare_protocols` returns
    """
    rows = comparison["protocols"]
    for place, row in enumerate(rows):
        accuracy, colour = row["accuracy"], NOTE_COLOUR if row["leaks"] else HONEST_COLOUR
        ends = choose_interval(comparison, accuracy) or ()
        ax.plot([100 * end for end in ends], [place] * len(ends), color=colour, linewidth=1.8)
        face = "white" if row["leaks"] else colour
        value = 100 * accuracy["value"]
        ax.plot(value, place, "o", color=colour, markerfacecolor=face, markersize=7, clip_on=False)
        ax.text(102, place, _describe(row), va="center", fontsize=FONT_SIZE)
    ax.axvline(100 / comparison["n_labels"], color="0.4", linestyle=":", linewidth=1)
    ax.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=FONT_SIZE)
    for text in ax.get_yticklabels():
        write_literally(text)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xticks(range(0, 101, 20), [f"{x} %" for x in range(0, 101, 20)], fontsize=FONT_SIZE)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.88", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _name(row: dict[str, Any]) -> str:
    leaks = "leaks, " if row["leaks"] else ""
    return f"{row['protocol']}  ({leaks}{row['n_folds']} folds)"


def _describe(row: dict[str, Any]) -> str:
    text = f"{100 * row['accuracy']['value']:.1f} %"
    cost = row["cost_of_leakage"]
    return f"{text}  ({100 * cost['value']:+.1f})" if cost else text


def _caption(comparison: dict[str, Any]) -> list[str]:
    sentences = (
        describe_intervals(comparison),
        "Filled: no group stands in training and test at once. Open, orange: groups do (leaks).",
        "Right: accuracy, and in brackets how many points random folds give more. "
        f"Dotted: guessing among {comparison['n_labels']} guns.",
    )
    return [line for text in sentences for line in textwrap.wrap(text, CAPTION_WIDTH)]
