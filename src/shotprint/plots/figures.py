"""Figures without pyplot: no window, no backend chosen for the whole process, same bytes again."""

import io
import os
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from shotprint.files import write_beside

DOTS_PER_INCH = 150
HINTING = 1.05  # letters moved to whole pixels make a text up to so much wider than its outline
POINTS_PER_INCH = 72
NOTE_COLOUR = "#a33b00"
NOTE_WIDTH = 60  # characters a line
TITLE_SIZE = 10.5
NOTE_SIZE = 9.0
NOTE_LINE = 13.0  # points


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty white figure, bound to no window and no backend."""
    return Figure(figsize=(width_in, height_in), dpi=DOTS_PER_INCH, facecolor="white")


def add_axes(figure: Figure, left: float, below: float, width: float, height: float) -> Any:
    """Add axes at a place and of a size in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, below / up, width / across, height / up))


def new_axes(
    width: float, height: float, *, left: float, right: float, below: float, above: float
) -> tuple[Figure, Any]:
    """Return a figure and its only axes, `width` × `height` inches with margins in inches."""
    figure = new_figure(left + width + right, below + height + above)
    return figure, add_axes(figure, left, below, width, height)


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write `figure` as PNG and SVG, each beside and renamed.

    Parameters
    ----------
    path : of either picture; its extension, if it has one of the two, is replaced

    Returns
    -------
    The paths of the PNG and of the SVG. The same figure gives the same bytes: no date is
    written, and the ids inside the SVG do not depend on chance.
    """
    path = Path(path)
    stem = path.with_suffix("") if path.suffix.lower() in (".png", ".svg") else path
    png, svg = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".svg")
    write_figure(figure, png)
    write_figure(figure, svg)
    return png, svg


def write_figure(figure: Figure, path: Path) -> None:
    """Write `figure` as what its extension says (``.png``, ``.svg``, ``.pdf``), without a date."""
    picture = render_figure(figure, path.suffix.lower().removeprefix("."))
    with write_beside(path) as beside:
        beside.write_bytes(picture)


def render_figure(figure: Figure, kind: str) -> bytes:
    """Return `figure` as ``png``, ``svg`` or ``pdf``, without a date."""
    metadata: dict[str, Any] = {
        "png": {"Software": None},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    }[kind]
    settings: dict[str, Any] = {"svg.hashsalt": "shotprint", "svg.fonttype": "path"}
    content = io.BytesIO()
    with matplotlib.rc_context(settings):
        figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return content.getvalue()


def write_literally(text: Any) -> None:
    """Show a matplotlib text as it is: a dollar sign starts no formula."""
    text.set_parse_math(False)


def add_title(ax: Any, title: str, note: str | None, above_points: float = 4) -> None:
    """Put the title above `ax` at the left, and the note, in a warning colour, below it."""
    lines = _wrap_note(note)
    if lines:
        text = ax.annotate(
            "\n".join(lines),
            (0, 1),
            xytext=(0, above_points),
            xycoords="axes fraction",
            textcoords="offset points",
            color=NOTE_COLOUR,
            fontsize=NOTE_SIZE,
            fontweight="bold",
        )
        write_literally(text)
    pad = above_points + 4 + NOTE_LINE * len(lines)
    write_literally(ax.set_title(title, loc="left", fontsize=TITLE_SIZE, pad=pad))


def measure_title_in(note: str | None) -> float:
    """Return the height in inches of a title line and of the note below it."""
    return (TITLE_SIZE + 4 + NOTE_LINE * len(_wrap_note(note))) / POINTS_PER_INCH


def _wrap_note(note: str | None) -> list[str]:
    return textwrap.wrap(note or "", NOTE_WIDTH)


def measure_text_in(texts: list[str], font_size: float) -> float:
    """Return the width in inches of the widest of `texts` at a font size in points."""
    font = FontProperties(size=font_size)
    widths = [
        TextPath((0, 0), text.replace("$", "S"), prop=font).vertices[:, 0].max()
        for text in set(texts)
        if text.strip()
    ]
    return HINTING * float(max(widths, default=0.0)) / POINTS_PER_INCH
