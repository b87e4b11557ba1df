"""A confusion matrix in which guns of one calibre stand together."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from shotprint.evaluation.classification import divide
from shotprint.evaluation.levels import UNKNOWN, name_levels, order_labels
from shotprint.evaluation.matrix import ConfusionMatrix
from shotprint.firearms import Firearm
from shotprint.plots.figures import (
    POINTS_PER_INCH,
    TITLE_SIZE,
    add_title,
    measure_text_in,
    measure_title_in,
    new_axes,
    write_literally,
)

COLOURS = "Blues"  # one hue, light to dark: readable in grey and with any colour blindness
FONT_SIZE = 8.5
CELL_IN = 0.37
SMALL_CELL_IN = 0.24  # from 40 labels
CALIBRE_LINE = {"color": "0.72", "linewidth": 0.7}
CATEGORY_LINE = {"color": "black", "linewidth": 1.4}
SAME_CALIBRE_FRAME: dict[str, Any] = {"edgecolor": "#d95f02", "linewidth": 2.0, "facecolor": "none"}
KEY = "gun that was recognised\nthe darker a cell, the larger its share of the row"
FRAMED_KEY = f"{KEY}\norange frames: guns of one calibre"
MIN_SIDE_IN = 2.4  # the axes' names need it
_GAP_IN = 0.11


def draw_confusion(
    matrix: ConfusionMatrix,
    firearms: Mapping[str, Firearm],
    title: str = "",
    note: str | None = None,
) -> Figure:
    """Return a figure of `plot_confusion`, as large as its labels, title and cells need."""
    k = len(matrix.labels)
    side = k * _cell_in(k)
    n_true = matrix.counts.sum(axis=1)
    rows = [_count_label(label, n) for label, n in zip(matrix.labels, n_true, strict=True)]
    calibres = ["calibre", *name_levels(matrix.labels, firearms, "calibre")]
    categories = ["category", *name_levels(matrix.labels, firearms, "category")]
    left = max(measure_text_in(rows, FONT_SIZE) + 0.45, 0.9)
    below = measure_text_in(list(matrix.labels), FONT_SIZE) + 0.85
    right = sum(measure_text_in(names, FONT_SIZE) for names in (calibres, categories)) + 0.65
    above = 0.45 + measure_title_in(note)
    right = max(right, measure_text_in([title], TITLE_SIZE) + 0.2 - side)
    figure, ax = new_axes(side, side, left=left, right=right, below=below, above=above)
    plot_confusion(ax, matrix, firearms, title, note)
    return figure


def plot_confusion(
    ax: Any,
    matrix: ConfusionMatrix,
    firearms: Mapping[str, Firearm],
    title: str = "",
    note: str | None = None,
) -> None:
    """Draw counts in cells, coloured by their share of the row, ordered by category and calibre.

    Parameters
    ----------
    ax : matplotlib axes; about 0.37 inches a label can be read (see `draw_confusion`)
    matrix : in any order; a cell without recordings stays empty
    firearms : label → calibre and category, named at the right of their rows
    title, note : the note stands below the title in a warning colour
    """
    matrix = matrix.reorder(order_labels(matrix.labels, firearms))
    shares = np.nan_to_num(divide(matrix.counts, matrix.counts.sum(axis=1, keepdims=True)))
    ax.imshow(shares, cmap=COLOURS, vmin=0, vmax=1, aspect="equal")
    _write_counts(ax, matrix.counts, shares)
    _name_axes(ax, matrix)
    calibres = name_levels(matrix.labels, firearms, "calibre")
    categories = name_levels(matrix.labels, firearms, "category")
    pairs = list(zip(categories, calibres, strict=True))
    _draw_bounds(ax, _find_runs(pairs), CALIBRE_LINE)
    _draw_bounds(ax, _find_runs(categories), CATEGORY_LINE)
    framed = _frame_calibres(ax, _find_runs(pairs), calibres)
    width_in = measure_text_in(["calibre", *calibres], FONT_SIZE)
    _name_runs(ax, "calibre", _find_runs(pairs), calibres, _GAP_IN)
    _name_runs(ax, "category", _find_runs(categories), categories, width_in + 3 * _GAP_IN)
    ax.set_xlabel(FRAMED_KEY if framed else KEY, fontsize=FONT_SIZE + 0.5, linespacing=1.5)
    add_title(ax, title, note, above_points=20)


def _cell_in(n_labels: int) -> float:
    return max(CELL_IN if n_labels < 40 else SMALL_CELL_IN, MIN_SIDE_IN / n_labels)


def _write_counts(ax: Any, counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    n_digits = len(str(counts.max()))
    cell_points = _cell_in(len(counts)) * POINTS_PER_INCH
    font_size = min(FONT_SIZE, 0.9 * cell_points / (0.62 * n_digits))
    for row, column in zip(*np.nonzero(counts), strict=True):
        ax.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=font_size,
            color="white" if shares[row, column] > 0.68 else "black",
        )


def _name_axes(ax: Any, matrix: ConfusionMatrix) -> None:
    places = range(len(matrix.labels))
    n_true = matrix.counts.sum(axis=1)
    rows = [_count_label(label, n) for label, n in zip(matrix.labels, n_true, strict=True)]
    ax.set_yticks(places, rows, fontsize=FONT_SIZE)
    ax.set_xticks(places, matrix.labels, fontsize=FONT_SIZE, rotation=90)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        write_literally(text)
    ax.tick_params(length=0)
    ax.set_ylabel("gun that fired (number of recordings)", fontsize=FONT_SIZE + 0.5)


def _count_label(label: str, n: int) -> str:
    return f"{label}  ({n})"


def _find_runs(names: Sequence[object]) -> list[tuple[int, int]]:
    """Return first and one-past-last place of every run of equal names."""
    runs, start = [], 0
    for _, group in groupby(names):
        end = start + len(list(group))
        runs.append((start, end))
        start = end
    return runs


def _draw_bounds(ax: Any, runs: list[tuple[int, int]], style: Mapping[str, Any]) -> None:
    for start, _ in runs[1:]:
        ax.axhline(start - 0.5, **style)
        ax.axvline(start - 0.5, **style)


def _frame_calibres(ax: Any, runs: list[tuple[int, int]], calibres: Sequence[str]) -> bool:
    """Frame the block of every known calibre with several guns; say whether there is one."""
    blocks = [(a, b) for a, b in runs if b - a > 1 and calibres[a] != UNKNOWN]
    for start, end in blocks:
        corner, side = (start - 0.5, start - 0.5), end - start
        ax.add_patch(Rectangle(corner, side, side, **SAME_CALIBRE_FRAME, zorder=3))
    return bool(blocks)


def _name_runs(
    ax: Any, heading: str, runs: list[tuple[int, int]], names: Sequence[str], offset_in: float
) -> None:
    """Name runs of rows at the right of `ax`, each beside a line as high as the run."""
    scale = ax.figure.dpi_scale_trans
    line = ax.get_yaxis_transform() + ScaledTranslation(offset_in, 0, scale)
    text = line + ScaledTranslation(0.05, 0, scale)
    style = {"fontsize": FONT_SIZE, "clip_on": False}
    above = ax.transAxes + ScaledTranslation(offset_in + 0.05, 0.05, scale)
    ax.text(1, 1, heading, transform=above, color="0.35", **style)
    for start, end in runs:
        rows = [start - 0.4, end - 0.6]
        ax.plot([1, 1], rows, transform=line, color="0.35", linewidth=1.2, clip_on=False)
        middle = (start + end - 1) / 2
        name = ax.text(1, middle, names[start], transform=text, va="center", **style)
        write_literally(name)
