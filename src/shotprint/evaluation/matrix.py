"""A confusion matrix as a record and as a CSV file with the header ``true\\predicted``."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.evaluation.tables import read_table, write_rows

CORNER = "true\\predicted"


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of recordings: (k, k), rows the true label, columns the answer, in one order."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        k = len(self.labels)
        if self.counts.shape != (k, k) or len(set(self.labels)) != k:
            raise ValueError(
                f"{k} labels and counts {self.counts.shape}: (k, k) and k labels expected"
            )

    def reorder(self, labels: tuple[str, ...]) -> "ConfusionMatrix":
        """Return the same counts with rows and columns in the order of `labels`."""
        places = [self.labels.index(label) for label in labels]
        return ConfusionMatrix(tuple(labels), self.counts[np.ix_(places, places)])


def read_matrix(path: str | os.PathLike[str]) -> ConfusionMatrix:
    """Read a matrix whose first column names the truth and whose header names the answers.

    A label that stands only among the rows or only among the columns gets zeros on the other
    side. Labels are in the order of the rows.

    Raises
    ------
    ShotprintError : not such a table, a label twice, a cell that is no count, or no count at all
    """
    table = read_table(path)
    corner, *columns = table
    rows = table[corner]
    twice = sorted({name for name in rows if rows.count(name) > 1})
    if twice or not columns or "" in rows or "" in columns:
        found = f"the label {twice[0]!r} twice" if twice else "a row or column without a label"
        raise ShotprintError(
            f"{path}: {found}; a confusion matrix names each true label once in its first column "
            "and each answer once in its header"
        )
    labels = tuple(dict.fromkeys([*rows, *columns]))
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for column in columns:
        for row, cell in zip(rows, table[column], strict=True):
            if not (cell.isascii() and cell.isdigit() and len(cell) < 16):
                raise ShotprintError(
                    f"{path}: {cell!r} in row {row!r}, column {column!r}; "
                    "a confusion matrix holds counts: 0, 1, 2, …"
                )
            counts[labels.index(row), labels.index(column)] = int(cell)
    if not counts.any():
        raise ShotprintError(f"{path}: every count is 0; a matrix of at least one recording needed")
    return ConfusionMatrix(labels, counts)


def write_matrix(path: str | os.PathLike[str], matrix: ConfusionMatrix) -> None:
    """Write `matrix` as CSV, beside and renamed; `read_matrix` gives it back."""
    body = ([label, *row] for label, row in zip(matrix.labels, matrix.counts, strict=True))
    write_rows(path, [[CORNER, *matrix.labels], *body])
