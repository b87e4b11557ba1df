"""From predictions or a confusion matrix to every figure of `docs/evaluation.md`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation.calibration import describe_calibration
from shotprint.evaluation.classification import (
    average_classes,
    compute_f1,
    compute_log_loss,
    count_confusions,
    divide,
    rank_truth,
)
from shotprint.evaluation.columns import (
    NO_VALUE,
    choose_columns,
    mark_values,
    require_columns,
    sort_values,
)
from shotprint.evaluation.decisions import Judged, evaluate_decisions
from shotprint.evaluation.intervals import (
    Resampling,
    bootstrap_over_groups,
    sum_by_group,
    wilson_interval,
)
from shotprint.evaluation.levels import Level, code_levels, name_levels, order_labels
from shotprint.evaluation.matrix import ConfusionMatrix
from shotprint.evaluation.predictions import Predictions
from shotprint.firearms import Firearm
from shotprint.manifest import list_examples

SCHEMA = "shotprint-evaluation/1"
SIMULATED = "Simulated shots – not real recordings"
FEW_GROUPS = 10
TRUST_RESAMPLES = 500  # each computes an expected calibration error anew
LEVELS: tuple[Level, ...] = ("calibre", "category")

Floats = NDArray[np.float64]
Metrics = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every figure as plain values ready for JSON, and the matrix, ordered by category, calibre."""

    metrics: Metrics
    matrix: ConfusionMatrix

    def extend(self, **more: Metrics) -> "Evaluation":
        """Return a copy with further entries in its metrics, such as a comparison."""
        return replace(self, metrics=self.metrics | more)


def evaluate_matrix(
    matrix: ConfusionMatrix,
    firearms: Mapping[str, Firearm],
    resampling: Resampling = Resampling(),
) -> Evaluation:
    """Compute what a confusion matrix alone allows: no bootstrap, no probabilities.

    Parameters
    ----------
    firearms : label → calibre and category; a label it lacks has unknown ones (a warning)
    resampling : only its confidence counts
    """
    matrix = matrix.reorder(order_labels(matrix.labels, firearms))
    counts = matrix.counts
    warnings = _warn_of_labels(matrix, firearms)
    truth, answer = np.nonzero(counts)
    times = counts[truth, answer].astype(float)
    level_answers = dict.fromkeys(LEVELS, answer)
    names, hits, counted = _list_rates(matrix.labels, firearms, truth, answer, level_answers)
    hits, counted = hits * times[:, None], counted * times[:, None]
    described = _describe_rates(hits, counted, None, resampling)
    rates = dict(zip(names, described, strict=True))
    n = int(counts.sum())
    metrics = {
        "schema": SCHEMA,
        "n_recordings": n,
        "n_answered": n,
        "n_failed": 0,
        "n_simulated": None,
        "grouping": None,
        "n_groups": None,
        "resampling": _describe_resampling(resampling, 0),
        "accuracy_failures_wrong": None,
        **_arrange_rates(rates, "mapped answers"),
        **_describe_macros(matrix, None, resampling),
        "top_k": None,
        "log_loss": None,
        "calibration": None,
        "decisions": None,
        "per_class": _describe_classes(matrix, firearms, None, resampling),
        "by_column": {},
        "warnings": warnings,
    }
    return Evaluation(metrics, matrix)


def evaluate_predictions(
    predictions: Predictions,
    firearms: Mapping[str, Firearm],
    by: Sequence[str] | None = None,
    resampling: Resampling = Resampling(),
) -> Evaluation:
    """Compute every figure that the predictions allow.

    Parameters
    ----------
    firearms : label → calibre and category; a label it lacks has unknown ones (a warning)
    by : columns to show figures by; None for those that `choose_columns` finds
    resampling : how the bootstrap draws; it draws groups, or recordings where there are none

    Raises
    ------
    ShotprintError : a column of `by` does not exist
    """
    columns = choose_columns(predictions) if by is None else require_columns(predictions, by)
    order = order_labels(predictions.labels, firearms)
    counts = count_confusions(predictions.truth, predictions.answer, len(predictions.labels))
    matrix = ConfusionMatrix(predictions.labels, counts).reorder(order)
    groups = _name_groups(predictions)
    grouping = "recording" if predictions.groups is None else "group"
    n_groups = len(set(groups.tolist()))
    warnings = [*predictions.warnings, *_warn_of_labels(matrix, firearms)]
    if predictions.groups is not None and n_groups == len(groups) > 1:
        warnings.append("every group holds one recording: intervals take them as independent")
    if n_groups < FEW_GROUPS:
        warnings.append(f"only {n_groups} {grouping}s: do not trust an interval from so few")
    metrics = {
        "schema": SCHEMA,
        "n_recordings": len(predictions.recordings),
        "n_answered": int(predictions.answered.sum()),
        "n_failed": int((~predictions.answered).sum()),
        "n_simulated": predictions.n_simulated,
        "grouping": grouping,
        "n_groups": n_groups,
        "resampling": _describe_resampling(resampling, resampling.n_resamples),
        **_evaluate_rates(predictions, firearms, groups, resampling),
        **_describe_macros(matrix, _tally_groups(predictions, order, groups), resampling),
        **_evaluate_probabilities(predictions, groups, resampling),
        **_evaluate_trust(predictions, firearms, groups, resampling),
        "per_class": _describe_classes(matrix, firearms, predictions, resampling),
        "by_column": {
            name: _evaluate_column(predictions, name, groups, resampling) for name in columns
        },
        "warnings": warnings,
    }
    return Evaluation(metrics, matrix)


def _name_groups(predictions: Predictions) -> NDArray[np.str_]:
    if predictions.groups is None:
        return np.array(predictions.recordings)
    return predictions.groups


def _warn_of_labels(matrix: ConfusionMatrix, firearms: Mapping[str, Firearm]) -> list[str]:
    warnings = []
    unmapped = [label for label in matrix.labels if label not in firearms]
    if unmapped:
        warnings.append(
            f"{len(unmapped)} labels are not in the table of firearms, so their calibre and "
            f"category are unknown: {list_examples(unmapped)}"
        )
    support = matrix.counts.sum(axis=1)
    absent = [label for label, n in zip(matrix.labels, support, strict=True) if n == 0]
    if absent:
        warnings.append(
            f"{len(absent)} labels have no answered recording here and stay out of macro averages: "
            f"{list_examples(absent)}"
        )
    return warnings


def _evaluate_rates(
    predictions: Predictions,
    firearms: Mapping[str, Firearm],
    groups: NDArray[np.str_],
    resampling: Resampling,
) -> Metrics:
    answered = predictions.answered
    truth, answer = predictions.truth[answered], predictions.answer[answered]
    level_answers = {level: _answer_level(predictions, firearms, level) for level in LEVELS}
    names, hits, counted = _list_rates(predictions.labels, firearms, truth, answer, level_answers)
    described = _describe_rates(hits, counted, groups[answered], resampling)
    all_hits = predictions.correct[:, None].astype(float)
    (strict,) = _describe_rates(all_hits, np.ones_like(all_hits), groups, resampling)
    method = "mapped answers" if predictions.probabilities is None else "sums of probabilities"
    rates = dict(zip(names, described, strict=True))
    return {"accuracy_failures_wrong": strict, **_arrange_rates(rates, method)}


def _answer_level(
    predictions: Predictions, firearms: Mapping[str, Firearm], level: Level
) -> NDArray[np.int64]:
    """One label of the calibre (category) that each answered recording is given: codes.

    The level with the largest sum of probabilities; the level of the answer where there are none.
    """
    answer = predictions.answer[predictions.answered].copy()
    if predictions.probabilities is None:
        return answer
    codes, _ = code_levels(name_levels(predictions.labels, firearms, level))
    probabilities = predictions.probabilities[predictions.answered]
    member = codes[:, None] == np.arange(codes.max() + 1)
    usable = np.isfinite(probabilities).all(axis=1)
    winner = (probabilities[usable] @ member).argmax(axis=1)
    first_label = member.argmax(axis=0)
    answer[usable] = first_label[winner]
    return answer


def _list_rates(
    labels: Sequence[str],
    firearms: Mapping[str, Firearm],
    truth: NDArray[np.int64],
    answer: NDArray[np.int64],
    level_answers: Mapping[Level, NDArray[np.int64]],
) -> tuple[list[str], Floats, Floats]:
    """Name the rates of models, calibres, categories, and of models within each category.

    Returns
    -------
    names, and for each of n recordings whether it is a hit and whether it counts: (n, rates)
    """
    names, hits, counted = ["accuracy"], [truth == answer], [np.ones(len(truth), bool)]
    for level in LEVELS:
        codes, known = code_levels(name_levels(labels, firearms, level))
        names.append(level)
        counted.append(known[truth])
        hits.append(known[truth] & (codes[truth] == codes[level_answers[level]]))
    categories = np.array(name_levels(labels, firearms, "category"))
    ordered = name_levels(order_labels(labels, firearms), firearms, "category")
    for category in dict.fromkeys(ordered):
        inside = categories[truth] == category
        if inside.any():
            names.append(f"model in {category}")
            counted.append(inside)
            hits.append(inside & (truth == answer))
    return names, np.stack(hits, 1).astype(float), np.stack(counted, 1).astype(float)


def _arrange_rates(rates: Mapping[str, Metrics], level_method: str) -> Metrics:
    prefix = "model in "
    return {
        "accuracy": rates["accuracy"],
        **{level: rates[level] | {"method": level_method} for level in LEVELS},
        "per_category": {
            name.removeprefix(prefix): rate
            for name, rate in rates.items()
            if name.startswith(prefix)
        },
    }


def _describe_rates(
    hits: Floats, counted: Floats, groups: NDArray[np.str_] | None, resampling: Resampling
) -> list[Metrics]:
    """Value, counts, Wilson and bootstrap interval of each rate; hits and counted (n, rates)."""
    n_correct, n = hits.sum(axis=0), counted.sum(axis=0)
    wilson = np.stack(wilson_interval(n_correct, n, resampling.confidence), 1)
    bootstrap: list[Any] = [None] * len(n)
    n_groups: list[Any] = [None] * len(n)
    if groups is not None and len(groups):
        half = len(n)
        sums = sum_by_group(np.hstack([hits, counted]), groups)
        with_any = (sums[:, half:] > 0).sum(axis=0)
        low, high = bootstrap_over_groups(
            sums, lambda drawn: divide(drawn[:, :half], drawn[:, half:]), resampling
        )
        bootstrap = [
            _pair(*ends) if many else None
            for *ends, many in zip(low, high, with_any >= 2, strict=True)
        ]
        n_groups = [int(count) for count in with_any]
    return [
        {
            "value": _number(n_correct[i] / n[i] if n[i] else np.nan),
            "n": int(n[i]),
            "n_correct": int(n_correct[i]),
            "wilson": _pair(*wilson[i]),
            "bootstrap": bootstrap[i],
            "n_groups": n_groups[i],
        }
        for i in range(len(n))
    ]


def _tally_groups(
    predictions: Predictions, order: tuple[str, ...], groups: NDArray[np.str_]
) -> Floats:
    """Return what each group adds to n_correct, support and n_answers of the k classes: (g, 3k)."""
    k = len(order)
    place = np.array([order.index(label) for label in predictions.labels])
    answered = predictions.answered
    truth, answer = place[predictions.truth[answered]], place[predictions.answer[answered]]
    _, codes = np.unique(groups[answered], return_inverse=True)
    tallies = np.zeros((codes.max() + 1, 3 * k))
    right = truth == answer
    np.add.at(tallies, (codes[right], truth[right]), 1)
    np.add.at(tallies, (codes, k + truth), 1)
    np.add.at(tallies, (codes, 2 * k + answer), 1)
    return tallies


def _compute_macros(tallies: Floats) -> Floats:
    """Macro recall and macro F1 of tallies (m, 3k): (m, 2)."""
    n_correct, support, n_answers = np.split(tallies, 3, axis=1)
    recall, f1 = divide(n_correct, support), compute_f1(n_correct, support, n_answers)
    return np.stack([average_classes(recall, support), average_classes(f1, support)], 1)


def _describe_macros(
    matrix: ConfusionMatrix, group_tallies: Floats | None, resampling: Resampling
) -> Metrics:
    counts = matrix.counts
    tallies = np.concatenate([np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)])
    values = _compute_macros(tallies[None].astype(float))[0]
    ends: list[list[float] | None] = [None, None]
    if group_tallies is not None:
        low, high = bootstrap_over_groups(group_tallies, _compute_macros, resampling)
        ends = [_pair(*both) for both in zip(low, high, strict=True)]
    n_classes = int((counts.sum(axis=1) > 0).sum())
    return {
        name: {"value": _number(value), "n_classes": n_classes, "bootstrap": interval}
        for name, value, interval in zip(("macro_recall", "macro_f1"), values, ends, strict=True)
    }


def _evaluate_probabilities(
    predictions: Predictions, groups: NDArray[np.str_], resampling: Resampling
) -> Metrics:
    if predictions.probabilities is None or predictions.model_labels is None:
        return {"top_k": None, "log_loss": None}
    usable = predictions.answered & np.isfinite(predictions.probabilities).all(axis=1)
    probabilities, truth = predictions.probabilities[usable], predictions.truth[usable]
    listed = np.isin(predictions.labels, predictions.model_labels)
    known = listed[truth]
    ranks = np.where(known, rank_truth(probabilities, truth), len(predictions.labels) + 1)
    sizes = [k for k in (2, 3, 5) if k < len(predictions.model_labels)]
    hits = np.stack([ranks <= k for k in sizes], 1) if sizes else np.zeros((len(truth), 0))
    rates = _describe_rates(hits.astype(float), np.ones(hits.shape), groups[usable], resampling)
    of_truth = probabilities[np.arange(len(truth)), truth][known]
    return {
        "top_k": {str(k): rate for k, rate in zip(sizes, rates, strict=True)},
        "log_loss": {
            "value": _number(compute_log_loss(probabilities[known], truth[known])),
            "n": int(known.sum()),
            "n_zero_probability": int((of_truth <= 0).sum()),
            "chance": float(np.log(len(predictions.model_labels))),
        },
    }


def _evaluate_trust(
    predictions: Predictions,
    firearms: Mapping[str, Firearm],
    groups: NDArray[np.str_],
    resampling: Resampling,
) -> Metrics:
    """Return how true the probabilities are, and what could be stated by them."""
    nothing: Metrics = {"calibration": None, "decisions": None}
    if predictions.probabilities is None or predictions.model_labels is None:
        return nothing
    listed = np.isin(predictions.labels, predictions.model_labels)[predictions.truth]
    usable = predictions.answered & np.isfinite(predictions.probabilities).all(axis=1) & listed
    if not usable.any():
        return nothing
    probabilities, truth = predictions.probabilities[usable], predictions.truth[usable]
    resampling = replace(resampling, n_resamples=min(resampling.n_resamples, TRUST_RESAMPLES))
    decided = evaluate_decisions(
        Judged(probabilities, truth, groups[usable]), predictions.labels, firearms, resampling
    )
    calibration = describe_calibration(probabilities, truth, groups[usable], resampling)
    return {"calibration": calibration, "decisions": decided}


def _describe_classes(
    matrix: ConfusionMatrix,
    firearms: Mapping[str, Firearm],
    predictions: Predictions | None,
    resampling: Resampling,
) -> list[Metrics]:
    counts = matrix.counts
    support, correct = counts.sum(axis=1), np.diagonal(counts)
    low, high = wilson_interval(correct, support, resampling.confidence)
    n_answers = counts.sum(axis=0)
    recall, precision = divide(correct, support), divide(correct, n_answers)
    f1 = compute_f1(correct, support, n_answers)
    calibres = name_levels(matrix.labels, firearms, "calibre")
    categories = name_levels(matrix.labels, firearms, "category")
    rows = []
    for i in range(len(matrix.labels)):
        row = {
            "label": matrix.labels[i],
            "calibre": calibres[i],
            "category": categories[i],
            "support": int(support[i]),
            "n_groups": None,
            "n_failed": 0,
            "n_answers": int(n_answers[i]),
            "n_correct": int(correct[i]),
            "recall": _number(recall[i]),
            "recall_wilson": _pair(low[i], high[i]),
            "precision": _number(precision[i]),
            "f1": _number(f1[i]),
        }
        if predictions is not None:
            row |= _count_class(predictions, matrix.labels[i])
        rows.append(row)
    return rows


def _count_class(predictions: Predictions, label: str) -> Metrics:
    mine = predictions.truth == predictions.labels.index(label)
    n_groups = None
    if predictions.groups is not None:
        n_groups = len(set(predictions.groups[mine & predictions.answered].tolist()))
    return {"n_groups": n_groups, "n_failed": int((mine & ~predictions.answered).sum())}


def _evaluate_column(
    predictions: Predictions, name: str, groups: NDArray[np.str_], resampling: Resampling
) -> list[Metrics]:
    values = predictions.columns[name]
    distinct = sort_values(values)
    member = mark_values(values, distinct)
    counted = member & predictions.answered[:, None]
    hits = counted & predictions.correct[:, None]
    rates = _describe_rates(hits.astype(float), counted.astype(float), groups, resampling)
    n_failed = (member & ~predictions.answered[:, None]).sum(axis=0)
    return [
        {"column_value": value or NO_VALUE, **rate, "n_failed": int(failed)}
        for value, rate, failed in zip(distinct, rates, n_failed, strict=True)
    ]


def _describe_resampling(resampling: Resampling, n_resamples: int) -> Metrics:
    return {
        "n_resamples": n_resamples,
        "seed": resampling.seed,
        "confidence": resampling.confidence,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _pair(low: float, high: float) -> list[float] | None:
    return [float(low), float(high)] if np.isfinite(low) and np.isfinite(high) else None
