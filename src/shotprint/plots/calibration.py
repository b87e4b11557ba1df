"""How true the probabilities are, and what can be stated by them."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from shotprint.decisions import INCONCLUSIVE, SPECIFIC
from shotprint.evaluation.intervals import wilson_interval
from shotprint.plots.figures import add_title, new_axes

STATED_COLOURS = {
    "model": "#08519c",
    "calibre": "#6baed6",
    "category": "#c6dbef",
    INCONCLUSIVE: "#eeeeee",
}
WRONG_COLOUR = "#a33b00"


def draw_reliability(calibration: Mapping[str, Any], note: str | None = None) -> Figure:
    """Return a figure of `plot_reliability`."""
    figure, ax = new_axes(4.2, 4.2, left=0.75, right=0.25, below=0.65, above=0.75)
    plot_reliability(ax, calibration, note)
    return figure


def plot_reliability(ax: Any, calibration: Mapping[str, Any], note: str | None = None) -> None:
    """Draw how often answers are right over how probable they say to be.

    Parameters
    ----------
    ax : matplotlib axes, best square
    calibration : what `evaluation.calibration.describe_calibration` gives
    """
    bins = calibration["bins"]
    n, right = [each["n"] for each in bins], [each["n_correct"] for each in bins]
    stated = [100 * each["mean_probability"] for each in bins]
    share = [100 * a / b for a, b in zip(right, n, strict=True)]
    low, high = (100 * ends for ends in wilson_interval(right, n))
    ax.plot([0, 100], [0, 100], color="0.6", linewidth=1, label="as often right as it says")
    ax.vlines(stated, low, high, color="#08306b", linewidth=1.2)
    ax.plot(
        stated,
        share,
        "o",
        color="#08306b",
        markersize=5,
        clip_on=False,
        label=f"{n[0]} recordings a point",
    )
    ends = calibration["ece"]["bootstrap"]
    interval = f" (95 % {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    ax.text(
        98, 3, f"mean distance from the line (ECE)\n{calibration['ece']['value']:.3f}{interval}",
        ha="right", fontsize=8.5,
    )  # fmt: skip
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 102)
    ax.set_xlabel("probability of the answer (%)")
    ax.set_ylabel("answers that are right (%)")
    ax.legend(loc="upper left", fontsize=8.5, frameon=False)
    ax.grid(color="0.9", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    add_title(ax, "Do answers come true as often as they say?", note)


def draw_decisions(decisions: Sequence[Mapping[str, Any]], note: str | None = None) -> Figure:
    """Return a figure of `plot_decisions`."""
    figure, ax = new_axes(5.2, 0.36 * len(decisions), left=1.5, right=1.9, below=0.85, above=0.75)
    plot_decisions(ax, decisions, note)
    return figure


def plot_decisions(
    ax: Any, decisions: Sequence[Mapping[str, Any]], note: str | None = None
) -> None:
    """Draw what share of recordings is stated how specifically, a bar a level.

    Parameters
    ----------
    decisions : what `evaluation.decisions.evaluate_decisions` gives
    """
    for place, row in enumerate(decisions):
        left = 0.0
        for name in (*SPECIFIC, INCONCLUSIVE):
            width = 100 * row["counts"][name] / row["n"]
            label = name if place == 0 else None
            ax.barh(place, width, left=left, height=0.72, color=STATED_COLOURS[name], label=label)
            left += width
        wrong = "–" if row["error"] is None else f"{100 * row['error']:.1f} %"
        allowed = f"{100 * (1 - row['level']):g} %"
        ax.text(102, place, f"{wrong} (at most {allowed})", va="center", color=WRONG_COLOUR)
    ax.text(102, -0.9, "wrong of what is stated", color=WRONG_COLOUR, fontsize=8.5)
    names = [f"from {100 * row['level']:g} %" for row in decisions]
    ax.set_yticks(range(len(decisions)), names)
    ax.set_xlim(0, 100)
    ax.set_ylim(len(decisions) - 0.5, -0.5)
    ax.set_xticks(range(0, 101, 20), [f"{x} %" for x in range(0, 101, 20)])
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("probability asked for")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=4, fontsize=8.5, frameon=False)
    ax.spines[["top", "right", "left"]].set_visible(False)
    add_title(ax, "What can be stated of the recordings", note, above_points=16)
