"""How well shots are found: precision against recall."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shotprint.plots.figures import new_axes, save_figure

LINE_COLOUR, POINT_COLOUR = "#08519c", "#d94801"


def plot_precision_recall(ax: Any, figures: Mapping[str, Any]) -> None:
    """Draw precision over recall for falling thresholds, and the point of use.

    Parameters
    ----------
    figures : of `training.detector.figures.summarize_held_out`
    """
    curve = figures["curve"]
    recall = [each["recall"] for each in curve]
    precision = [each["precision"] for each in curve]
    ax.plot(recall, precision, "o-", color=LINE_COLOUR, markersize=3, linewidth=1.2)
    for each in curve[::2]:
        place = (each["recall"], each["precision"])
        ax.annotate(
            f"{each['threshold']:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=7
        )
    held_out = figures["held_out"]
    point = (held_out["recall"]["value"], held_out["precision"]["value"])
    ax.plot(*point, "D", color=POINT_COLOUR, markersize=6)
    ax.annotate(
        f"in use: F1 {held_out['f1']['value']:.3f}",
        point,
        xytext=(-8, -14),
        textcoords="offset points",
        fontsize=8,
        color=POINT_COLOUR,
        ha="right",
    )
    ax.set_xlabel("share of the shots that are found (recall)")
    ax.set_ylabel("share of what is found that is a shot (precision)")
    ax.set_xlim(0, 1.02)
    ax.set_ylim(0, 1.02)
    ax.grid(color="#dddddd", linewidth=0.6)


def draw_detection(path: str | os.PathLike[str], figures: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write the curve as PNG and SVG; return their paths."""
    figure, ax = new_axes(4.6, 4.0, left=0.7, right=0.2, below=0.6, above=0.5)
    plot_precision_recall(ax, figures)
    ax.set_title(
        "Shots on firing positions never trained on\nnumbers: threshold", fontsize=9, loc="left"
    )
    return save_figure(figure, path)
