"""Figures by the values of a column of the manifest: recorder, position, distance, …"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.evaluation.predictions import Predictions

MAX_VALUES = 20  # columns with more distinct values are shown only when asked for
NO_VALUE = "(none)"
_NOT_CONDITIONS = {"path", "sha256", "error", "simulated"}


def choose_columns(predictions: Predictions) -> tuple[str, ...]:
    """Return the columns worth a table: 2 to 20 values, some value shared by two recordings.

    Left out are columns that only rename the label (each gun has one value, as with its make)
    and those that no user would ask for (paths, hashes, error messages).
    """
    return tuple(
        name
        for name, values in predictions.columns.items()
        if name not in _NOT_CONDITIONS
        and 2 <= len(set(values)) <= min(MAX_VALUES, len(values) - 1)
        and not _follows_label(predictions.truth, values)
    )


def require_columns(predictions: Predictions, names: Sequence[str]) -> tuple[str, ...]:
    """Return `names` if each is a column of `predictions`.

    Raises
    ------
    ShotprintError : one is not; the message lists those there are
    """
    for name in names:
        if name not in predictions.columns:
            there = ", ".join(predictions.columns) or "none (give a manifest)"
            raise ShotprintError(f"no column {name!r} to show figures by; there are: {there}")
    return tuple(dict.fromkeys(names))


def sort_values(values: Sequence[str]) -> tuple[str, ...]:
    """Return the distinct values, as numbers if all are numbers, the missing one last."""
    distinct = {value for value in values if value}
    try:
        ordered = sorted(distinct, key=lambda value: (float(value), value))
    except ValueError:
        ordered = sorted(distinct, key=lambda value: (value.casefold(), value))
    return (*ordered, *([""] if "" in values else []))


def mark_values(values: Sequence[str], distinct: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of n `values` equals each of the s `distinct` ones: (n, s)."""
    return np.asarray(np.array(values, str)[:, None] == np.array(distinct, str))


def _follows_label(truth: NDArray[np.int64], values: Sequence[str]) -> bool:
    pairs = set(zip(truth.tolist(), values, strict=True))
    return len(pairs) == len(set(truth.tolist()))
