"""What the same set scores under several protocols: a dot with its interval each."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from shotprint.evaluation.output import describe_intervals, describe_simulation
from shotprint.plots.figures import (
    NOTE_COLOUR,
    add_axes,
    add_title,
    measure_text_in,
    measure_title_in,
    new_figure,
    save_figure,
    write_literally,
)

FONT_SIZE = 9.0
ROW_IN = 0.4
WIDTH_IN = 5.4
BELOW_IN = 1.25
HONEST_COLOUR = "#08306b"
TITLE = "How often the gun is recognised, by what is kept out of training"


def draw_protocols(comparison: dict[str, Any], path: Path) -> tuple[Path, Path]:
    """Write the picture of a comparison as PNG and SVG; see `plot_protocols`."""
    return save_figure(_draw(comparison), path)


def _draw(comparison: dict[str, Any]) -> Figure:
    rows = comparison["protocols"]
    note = describe_simulation(comparison)
    left = measure_text_in([line for row in rows for line in _name(row).split("\n")], FONT_SIZE)
    left += 0.25
    height = ROW_IN * len(rows)
    above = measure_title_in(note) + 0.15
    figure = new_figure(left + WIDTH_IN + 1.9, BELOW_IN + height + above)
    ax = add_axes(figure, left, BELOW_IN, WIDTH_IN, height)
    plot_protocols(ax, comparison)
    add_title(ax, TITLE, note)
    caption = (
        f"{describe_intervals(comparison)}\nFilled: no group stands in training and test at once. "
        "Open, orange: groups do (leaks).\nRight: accuracy, and how much random folds give more "
        f"(points). Dotted: guessing among {comparison['n_labels']} guns."
    )
    across, up = figure.get_size_inches()
    figure.text(0.1 / across, 0.1 / up, caption, fontsize=8, va="bottom")
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
        ends = accuracy["bootstrap"] or accuracy["wilson"]
        ax.plot([100 * end for end in ends], [place, place], color=colour, linewidth=1.8)
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
    return f"{text}   random {100 * cost['value']:+.1f}" if cost else text
