"""Protocols side by side: what the same guns score under each, and what leakage adds.

The cost of leakage is the accuracy under random folds minus that under another protocol, on the
same recordings, with an interval from a bootstrap over the groups of the manifest. It holds for
one set and one recipe, and counts in what else differs: fewer recordings to train on, labels that a
fold never trains on.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shotprint.evaluation.comparison import compare_predictions
from shotprint.evaluation.intervals import Resampling
from shotprint.evaluation.output import CAVEAT, align_columns, describe_simulation
from shotprint.evaluation.predictions import Predictions
from shotprint.evaluation.summary import evaluate_predictions
from shotprint.evaluation.tables import write_rows
from shotprint.files import write_text
from shotprint.firearms import Firearm
from shotprint.splits import Protocol, measure_excluded

SCHEMA = "shotprint-protocols/1"
REFERENCE = "random"
_WORDS = {"random": "recordings", "shot": "shots"}
_RATES = ("accuracy", "macro_recall", "calibre", "category")

Metrics = dict[str, Any]
Comparison = Metrics
"""What `compare_protocols` returns: plain values, ready for JSON."""


@dataclass(frozen=True, eq=False)
class ProtocolAnswers:
    """A protocol, its out-of-fold answers, and what must be said beside them."""

    protocol: Protocol
    predictions: Predictions
    remarks: tuple[str, ...]


def compare_protocols(
    answers: Sequence[ProtocolAnswers],
    refused: Mapping[str, str],
    firearms: Mapping[str, Firearm],
    resampling: Resampling = Resampling(),
) -> Comparison:
    """Return the figures of every protocol and the cost of leakage.

    Parameters
    ----------
    answers : each with the same recordings
    refused : protocol → why the set does not allow it
    """
    reference = next((a.predictions for a in answers if a.protocol.name == REFERENCE), None)
    rows: list[Metrics] = []
    warnings: dict[str, None] = {}
    for each in answers:
        metrics = evaluate_predictions(each.predictions, firearms, (), resampling).metrics
        warnings |= dict.fromkeys(metrics["warnings"])
        cost = None
        if reference is not None and each.protocol.name != REFERENCE:
            found = compare_predictions(reference, each.predictions, resampling)
            cost = {"value": found["difference"], "bootstrap": found["bootstrap"]}
        rows.append(_describe(each, metrics, cost))
    shared = ("n_recordings", "n_simulated", "grouping", "n_groups", "resampling")
    return {
        "schema": SCHEMA,
        **{name: metrics[name] for name in shared},
        "n_labels": len(set(answers[0].protocol.labels)),
        "protocols": rows,
        "refused": dict(refused),
        "warnings": list(warnings),
    }


def _describe(answers: ProtocolAnswers, metrics: Metrics, cost: Metrics | None) -> Metrics:
    protocol = answers.protocol
    return {
        "protocol": protocol.name,
        "protocol_sha256": protocol.sha256,
        "leaks": protocol.leaks,
        "n_folds": protocol.n_folds,
        "n_kept_whole": len(set(protocol.groups)),
        "kept_whole": _WORDS.get(protocol.name, "groups"),
        "excluded_share": measure_excluded(protocol),
        **{name: metrics[name] for name in _RATES},
        "cost_of_leakage": cost,
        "remarks": list(answers.remarks),
    }


def write_comparison(folder: str | os.PathLike[str], comparison: Comparison) -> None:
    """Write ``protocols.json``, ``protocols.csv`` and ``protocols.txt``."""
    folder = Path(folder)
    text = json.dumps(comparison, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "protocols.json", text + "\n")
    write_rows(folder / "protocols.csv", _list_rows(comparison))
    write_text(folder / "protocols.txt", format_protocols(comparison) + "\n")


def format_protocols(comparison: Comparison) -> str:
    """Return the table, what was not possible, and all remarks, each once."""
    rows = comparison["protocols"]
    lines = align_columns([_HEADER, *(_format_row(row) for row in rows)])
    if any(row["cost_of_leakage"] for row in rows):
        lines.append(
            "cost of leakage: accuracy under random folds minus accuracy under this protocol"
        )
    lines += [f"not possible: {name}: {why}" for name, why in comparison["refused"].items()]
    remarks = dict.fromkeys(remark for row in rows for remark in row["remarks"])
    lines += [f"note: {remark}" for remark in remarks]
    lines.append(f"note: {CAVEAT}")
    simulated = describe_simulation(comparison)
    return "\n".join([simulated, *lines] if simulated else lines)


_HEADER = [
    "protocol", "folds", "kept whole", "leaks", "left out", "accuracy", "Wilson", "over groups",
    "macro recall", "calibre", "category", "cost of leakage",
]  # fmt: skip


def _format_row(row: Metrics) -> list[str]:
    accuracy = row["accuracy"]
    cost = row["cost_of_leakage"]
    return [
        row["protocol"],
        str(row["n_folds"]),
        f"{row['n_kept_whole']} {row['kept_whole']}",
        "LEAKS" if row["leaks"] else "no",
        f"{100 * row['excluded_share']:.0f} %",
        _digits(accuracy["value"]),
        _ends(accuracy["wilson"]),
        _ends(accuracy["bootstrap"]),
        *(_digits(row[name]["value"]) for name in _RATES[1:]),
        f"{cost['value']:+.3f} ({_ends(cost['bootstrap'], '+.3f')})" if cost else "",
    ]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _ends(ends: Sequence[float] | None, style: str = ".3f") -> str:
    return f"{ends[0]:{style}} to {ends[1]:{style}}" if ends else "–"


def _list_rows(comparison: Comparison) -> list[list[object]]:
    plain = ("protocol", "n_folds", "n_kept_whole", "kept_whole", "leaks", "excluded_share")
    header: list[object] = [*plain, "n", "n_correct", "wilson_low", "wilson_high"]
    for name in (*_RATES, "cost_of_leakage"):
        header += [name, f"{name}_low", f"{name}_high"]
    rows = [header]
    for row in comparison["protocols"]:
        accuracy = row["accuracy"]
        cells = [*(row[name] for name in plain), accuracy["n"], accuracy["n_correct"]]
        cells += accuracy["wilson"] or (None, None)
        for name in (*_RATES, "cost_of_leakage"):
            figure = row[name] or {"value": None, "bootstrap": None}
            cells += [figure["value"], *(figure["bootstrap"] or (None, None))]
        rows.append(cells)
    return rows
