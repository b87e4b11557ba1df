"""The pictures of an evaluation: confusion matrix, recall of every gun, accuracy by condition."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shotprint.evaluation.output import (
    choose_interval,
    describe_intervals,
    describe_simulation,
    format_accuracy,
)
from shotprint.evaluation.summary import Evaluation
from shotprint.firearms import Firearm
from shotprint.plots.bars import Rate, draw_rates
from shotprint.plots.calibration import draw_decisions, draw_reliability
from shotprint.plots.confusion import draw_confusion
from shotprint.plots.figures import save_figure

BRACKETS = "The number of recordings stands in brackets."


def draw_evaluation(
    folder: str | os.PathLike[str],
    evaluation: Evaluation,
    firearms: Mapping[str, Firearm],
    note: str | None = None,
) -> list[Path]:
    """Write the pictures of an evaluation as PNG and SVG.

    ``confusion``, ``recall``; with probabilities ``reliability`` and ``decisions``; where there
    are columns ``by_column``.

    Parameters
    ----------
    note : a line for every picture, such as whose recordings these are; that shots are simulated
        is said without it

    Returns
    -------
    The paths written, PNG and SVG in turn.
    """
    folder, metrics = Path(folder), evaluation.metrics
    notes = dict.fromkeys(filter(None, [describe_simulation(metrics), note]))
    note = " · ".join(notes) or None
    written = [*_draw_confusion(folder, evaluation, firearms, note)]
    written += _draw_recall(folder, metrics, note)
    if metrics["calibration"]:
        drawn = draw_reliability(metrics["calibration"], note)
        written += save_figure(drawn, folder / "reliability")
        written += save_figure(draw_decisions(metrics["decisions"], note), folder / "decisions")
    if metrics["by_column"]:
        return [*written, *_draw_columns(folder, metrics, note)]
    for old in ("by_column.png", "by_column.svg"):  # of an earlier evaluation
        (folder / old).unlink(missing_ok=True)
    return written


def _draw_confusion(
    folder: Path, evaluation: Evaluation, firearms: Mapping[str, Firearm], note: str | None
) -> tuple[Path, Path]:
    title = format_accuracy(evaluation.metrics)
    if evaluation.metrics["n_failed"]:
        title += f"; {evaluation.metrics['n_failed']} failed ones not shown"
    figure = draw_confusion(evaluation.matrix, firearms, title, note)
    return save_figure(figure, folder / "confusion")


def _draw_recall(folder: Path, metrics: dict[str, Any], note: str | None) -> tuple[Path, Path]:
    rows = metrics["per_class"]
    rates = [
        Rate(row["label"], row["recall"], row["recall_wilson"], row["support"]) for row in rows
    ]
    breaks = [i for i in range(1, len(rows)) if rows[i]["category"] != rows[i - 1]["category"]]
    percent = f"{100 * metrics['resampling']['confidence']:g} %"
    caption = (
        f"{percent} intervals: Wilson, as if recordings were independent. {BRACKETS} "
        "Lines separate categories."
    )
    title = "How often each gun is recognised (recall)"
    return save_figure(draw_rates({title: rates}, caption, note, breaks), folder / "recall")


def _draw_columns(folder: Path, metrics: dict[str, Any], note: str | None) -> tuple[Path, Path]:
    panels = {
        f"How often the gun is recognised, by {column}": [
            Rate(row["column_value"], row["value"], choose_interval(metrics, row), row["n"])
            for row in rows
        ]
        for column, rows in metrics["by_column"].items()
    }
    caption = f"{describe_intervals(metrics)} {BRACKETS}"
    return save_figure(draw_rates(panels, caption, note), folder / "by_column")
