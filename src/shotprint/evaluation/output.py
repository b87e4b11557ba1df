"""The figures as text: a short table, a report, and the files of an evaluation's folder."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shotprint.evaluation.matrix import write_matrix
from shotprint.evaluation.summary import SIMULATED, Evaluation
from shotprint.evaluation.tables import write_rows
from shotprint.files import write_text

Metrics = dict[str, Any]

CAVEAT = (
    "These figures hold for guns, recorders and places like those of the tested recordings. Where "
    "a gun model is represented by one physical gun, one place or one session, model, gun and "
    "session cannot be told apart."
)
LEAK = (
    "Recordings of one shot, session or video resemble each other. If such recordings also stood "
    "in the training set, every figure here is too high."
)


def describe_simulation(metrics: Metrics) -> str | None:
    """Return the line that must stand on every result of simulated shots; None for real ones."""
    n_simulated, n = metrics["n_simulated"], metrics["n_recordings"]
    if not n_simulated:
        return None
    return SIMULATED if n_simulated == n else f"{n_simulated} of {n} recordings are simulated shots"


def describe_intervals(metrics: Metrics) -> str:
    """Return a sentence on how the shown intervals were made and what they ignore."""
    percent = f"{100 * metrics['resampling']['confidence']:g} %"
    if metrics["grouping"] is None:
        return f"{percent} intervals: Wilson, as if recordings were independent."
    n_resamples, n_groups = metrics["resampling"]["n_resamples"], metrics["n_groups"]
    if metrics["grouping"] == "group":
        return f"{percent} intervals: bootstrap over {n_groups} groups, {n_resamples} resamples."
    return (
        f"{percent} intervals: Wilson (rates) and bootstrap over {n_groups} recordings (macro "
        "averages). There is no column group: they ignore that recordings of one shot or session "
        "depend on each other, and are too narrow if they do."
    )


def choose_interval(metrics: Metrics, figure: Metrics) -> list[float] | None:
    """Return the interval to show: bootstrap over groups where there are groups, else Wilson's."""
    if metrics["grouping"] == "group" or "wilson" not in figure:
        return figure["bootstrap"]  # type: ignore[no-any-return]
    return figure["wilson"]  # type: ignore[no-any-return]


def format_accuracy(metrics: Metrics) -> str:
    """Return the headline, such as ``78.2 % of 579 recordings recognised correctly``."""
    figure = metrics["accuracy"]
    ends = choose_interval(metrics, figure)
    text = f"{100 * figure['value']:.1f} % of {figure['n']} recordings recognised correctly"
    if ends is None:
        return text
    percent = f"{100 * metrics['resampling']['confidence']:g} %"
    return f"{text} ({percent} interval {100 * ends[0]:.1f}–{100 * ends[1]:.1f} %)"


def format_summary(evaluation: Evaluation) -> str:
    """Return the short table for a terminal."""
    metrics = evaluation.metrics
    rows = [
        [name, _digits(figure["value"]), _ends(metrics, figure), str(figure.get("n", ""))]
        for name, figure in _list_figures(metrics)
    ]
    lines = align([["", "value", "interval", "n"], *rows])
    worst = sorted(
        (row for row in metrics["per_class"] if row["recall"] is not None),
        key=lambda row: (row["recall"], row["label"]),
    )[:3]
    lines.append(
        "lowest recall: " + ", ".join(f"{row['label']} {row['recall']:.3f}" for row in worst)
    )
    lines.append(describe_intervals(metrics))
    simulated = describe_simulation(metrics)
    return "\n".join([simulated, *lines] if simulated else lines)


def format_report(evaluation: Evaluation) -> str:
    """Return the whole report as Markdown."""
    metrics = evaluation.metrics
    simulated = describe_simulation(metrics)
    parts = ["# Evaluation", f"**{format_accuracy(metrics)}.**"]
    if simulated:
        parts.append(f"**{simulated}.**")
    parts += [_describe_counts(metrics), describe_intervals(metrics), CAVEAT, LEAK]
    if metrics["warnings"]:
        parts += ["## Warnings", "\n".join(f"- {warning}" for warning in metrics["warnings"])]
    figures = [
        [name, _digits(figure["value"]), _ends(metrics, figure), figure.get("n", "")]
        for name, figure in _list_figures(metrics)
    ]
    parts += ["## Figures", _table(["", "value", "interval", "recordings"], figures)]
    if metrics.get("comparison"):
        parts += ["## Comparison", format_comparison(metrics["comparison"])]
    parts += ["## Gun models", "Intervals of recall: Wilson, as if recordings were independent."]
    parts.append(_table(_CLASS_HEADER, [_format_class(row) for row in metrics["per_class"]]))
    for name, rows in metrics["by_column"].items():
        body = [
            [
                row["column_value"],
                _digits(row["value"]),
                _ends(metrics, row),
                row["n"],
                row["n_failed"],
            ]
            for row in rows
        ]
        header = [name, "accuracy", "interval", "recordings", "failed"]
        parts += [f"## By {name}", _table(header, body)]
    return "\n\n".join(parts) + "\n"


def format_comparison(comparison: Metrics) -> str:
    """Return a few lines on which of two predictions is better, and how sure that is."""
    c = comparison
    ends = c["bootstrap"]
    interval = f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}" if ends else "none, one group only"
    lines = [
        f"A: {c['a']}, B: {c['b']}, on {c['n']} recordings in common "
        f"({c['n_only_in_a']} only in A, {c['n_only_in_b']} only in B; a failed one is wrong).",
        f"A {100 * c['accuracy_a']:.1f} %, B {100 * c['accuracy_b']:.1f} %: A − B = "
        f"{100 * c['difference']:+.1f} points (interval {interval}; bootstrap over "
        f"{c['n_groups']} {c['grouping']}s).",
        f"Only A right: {c['n_only_a_right']}, only B right: {c['n_only_b_right']}; McNemar exact "
        f"p = {c['mcnemar_p']:.3g}, as if recordings were independent.",
    ]
    return "\n".join(lines)


def write_evaluation(folder: str | os.PathLike[str], evaluation: Evaluation) -> list[Path]:
    """Write ``metrics.json``, ``metrics.md``, ``per_class.csv``, ``confusion.csv`` and, where
    there are columns to show figures by, ``by_column.csv``.

    Returns
    -------
    The paths written; each file stands complete or not at all.
    """
    folder, metrics = Path(folder), evaluation.metrics
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / "metrics.json", text + "\n")
    write_text(folder / "metrics.md", format_report(evaluation))
    write_matrix(folder / "confusion.csv", evaluation.matrix)
    write_rows(folder / "per_class.csv", _list_class_rows(metrics["per_class"]))
    names = ["metrics.json", "metrics.md", "confusion.csv", "per_class.csv"]
    if metrics["by_column"]:
        write_rows(folder / "by_column.csv", _list_column_rows(metrics["by_column"]))
        names.append("by_column.csv")
    else:
        (folder / "by_column.csv").unlink(missing_ok=True)  # of an earlier evaluation
    return [folder / name for name in names]


def _list_figures(metrics: Metrics) -> list[tuple[str, Metrics]]:
    figures = [("gun model", metrics["accuracy"])]
    if metrics["n_failed"]:
        figures.append(("gun model, failed = wrong", metrics["accuracy_failures_wrong"]))
    figures += [("macro recall", metrics["macro_recall"]), ("macro F1", metrics["macro_f1"])]
    for level in ("calibre", "category"):
        if metrics[level]["n"]:
            figures.append((f"{level} ({metrics[level]['method']})", metrics[level]))
    figures += [
        (f"gun model among: {name}", figure)
        for name, figure in metrics["per_category"].items()
        if len(metrics["per_category"]) > 1
    ]
    figures += [(f"gun model in top {k}", figure) for k, figure in (metrics["top_k"] or {}).items()]
    if metrics["log_loss"]:
        chance = metrics["log_loss"]["chance"]
        figures.append((f"log-loss (nats; guessing {chance:.2f})", metrics["log_loss"]))
    return figures


def _describe_counts(metrics: Metrics) -> str:
    n_classes = metrics["macro_recall"]["n_classes"]
    text = f"{metrics['n_recordings']} recordings of {n_classes} gun models"
    if metrics["n_failed"]:
        text += f", {metrics['n_failed']} of which recognition failed for"
    return text + "."


_CLASS_HEADER = [
    "gun model", "calibre", "category", "recordings", "recall", "interval", "precision", "F1",
]  # fmt: skip


def _format_class(row: Metrics) -> list[object]:
    ends = row["recall_wilson"]
    return [
        row["label"],
        row["calibre"],
        row["category"],
        row["support"],
        _digits(row["recall"]),
        f"{ends[0]:.3f}–{ends[1]:.3f}" if ends else "",
        _digits(row["precision"]),
        _digits(row["f1"]),
    ]


def _list_class_rows(rows: Sequence[Metrics]) -> Iterable[list[object]]:
    names = [name for name in rows[0] if name != "recall_wilson"]
    yield [*names, "recall_wilson_low", "recall_wilson_high"]
    for row in rows:
        yield [*(row[name] for name in names), *(row["recall_wilson"] or (None, None))]


def _list_column_rows(by_column: dict[str, list[Metrics]]) -> Iterable[list[object]]:
    counts = ["n", "n_correct", "n_failed", "n_groups"]
    ends = ["wilson_low", "wilson_high", "bootstrap_low", "bootstrap_high"]
    yield ["column", "column_value", "accuracy", *counts, *ends]
    for column, rows in by_column.items():
        for row in rows:
            yield [
                column,
                row["column_value"],
                row["value"],
                *(row[name] for name in counts),
                *(row["wilson"] or (None, None)),
                *(row["bootstrap"] or (None, None)),
            ]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _ends(metrics: Metrics, figure: Metrics) -> str:
    ends = choose_interval(metrics, figure) if "bootstrap" in figure else None
    return f"{ends[0]:.4f}–{ends[1]:.4f}" if ends else ""


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its first column flush left, the others flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [list(header), ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_escape(cell) for cell in line) + " |" for line in lines)


def _escape(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")
