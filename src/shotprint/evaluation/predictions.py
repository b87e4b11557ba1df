"""Read the CSV of predictions, join the manifest, and check both before anything is counted.

One row a recording: ``recording, label, predicted``, and where they are known ``p_<label>`` (one
column a label the model knows, rows sum to one), ``group``, and any other columns. Recognition
failed where `predicted` is empty. Whatever is left out or mended is counted in a warning.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.evaluation.tables import Table, read_table
from shotprint.manifest import list_examples, read_manifest

SUM_TOLERANCE = 0.01  # rounding to four digits of 100 labels stays below
_YES = {"true", "1", "yes"}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers and truth of n recordings over k labels.

    Attributes
    ----------
    recordings : n distinct names
    labels : the k labels of truth, answers and probabilities, sorted
    truth, answer : (n,) codes into `labels`; answer −1 where recognition failed
    model_labels : the labels that have a probability; None where there are no probabilities
    probabilities : (n, k), rows sum to one, 0 for labels the model does not know; a row is NaN
        where they cannot be used; None where there are none
    groups : (n,) names; None where no recording has one
    columns : name → n values as text, for every other column
    warnings : what was left out or mended, with its count
    """

    recordings: tuple[str, ...]
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    answer: NDArray[np.int64]
    model_labels: tuple[str, ...] | None = None
    probabilities: NDArray[np.float64] | None = None
    groups: NDArray[np.str_] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which recordings are answered rightly: (n,); failed ones are not."""
        return np.equal(self.truth, self.answer)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which recordings have an answer: (n,)."""
        return np.greater_equal(self.answer, 0)

    @property
    def n_simulated(self) -> int:
        """How many recordings say that they are simulated (`simulated` or `source_kind`)."""
        n = len(self.recordings)
        flags = self.columns.get("simulated", [""] * n)
        kinds = self.columns.get("source_kind", [""] * n)
        return sum(
            flag.lower() in _YES or kind.lower() == "simulated"
            for flag, kind in zip(flags, kinds, strict=True)
        )


def read_predictions(
    path: str | os.PathLike[str], manifest: str | os.PathLike[str] | None = None
) -> Predictions:
    """Read predictions, with labels, groups and columns of a manifest where one is given.

    Parameters
    ----------
    manifest : joined by recording, or else by the path of the file; it fills `label` and
        `group` where the predictions have none and adds its other columns

    Raises
    ------
    ShotprintError
        Not such a table; no recording with a true label; one recording with two different
        answers; predictions and manifest disagree about a label; probabilities that are none.
    """
    table = read_table(path, ("recording", "predicted"))
    warnings: list[str] = []
    table = _drop_repeated(table, str(path), warnings)
    if manifest is not None:
        table = _join_manifest(table, manifest, str(path), warnings)
    n = len(table["recording"])
    truths = table.get("label", [""] * n)
    kept = [i for i in range(n) if truths[i]]
    if not kept:
        raise ShotprintError(
            f"{path}: no recording has a true label; fill the column label or give a manifest"
        )
    if n > len(kept):
        warnings.append(f"{n - len(kept)} of {n} recordings have no true label; they are left out")
        table = {name: [column[i] for i in kept] for name, column in table.items()}
    return _build_predictions(table, str(path), warnings)


def _drop_repeated(table: Table, path: str, warnings: list[str]) -> Table:
    rows: dict[str, tuple[str, ...]] = {}
    for row in zip(*table.values(), strict=True):
        name = row[list(table).index("recording")]
        if not name:
            raise ShotprintError(f"{path}: a row without recording; every row needs a name or path")
        if rows.setdefault(name, row) != row:
            raise ShotprintError(
                f"{path}: recording {name!r} stands twice with different values; keep one row"
            )
    n_repeated = len(table["recording"]) - len(rows)
    if not n_repeated:
        return table
    warnings.append(f"{n_repeated} rows repeat another row exactly; each recording counts once")
    return {
        name: list(column)
        for name, column in zip(table, zip(*rows.values(), strict=True), strict=True)
    }


def _join_manifest(
    table: Table, manifest: str | os.PathLike[str], path: str, warnings: list[str]
) -> Table:
    listed = read_manifest(manifest)
    by_name = {name: i for i, name in enumerate(listed["recording"])}
    by_path = {file: i for i, file in enumerate(listed["path"])}
    places = [
        by_name.get(
            name.replace("\\", "/"), by_path.get(os.path.normpath(Path(name).absolute()), -1)
        )
        for name in table["recording"]
    ]
    if max(places) < 0:
        raise ShotprintError(
            f"{manifest} lists none of the recordings of {path}; predictions name "
            f"{table['recording'][0]!r}, the manifest {listed['recording'].iloc[0]!r}"
        )
    n_missing = places.count(-1)
    if n_missing:
        warnings.append(f"{n_missing} of {len(places)} recordings are not in the manifest")
    n_unused = len(listed) - len(set(places) - {-1})
    if n_unused:
        warnings.append(f"{n_unused} of {len(listed)} recordings of the manifest have no answer")
    joined = dict(table)
    for name in listed.columns.drop(["recording", "path"]):
        values = listed[name].tolist()
        theirs = [values[i].strip() if i >= 0 else "" for i in places]
        ours = table.get(name, [""] * len(places))
        if name == "label":
            _refuse_different_labels(table["recording"], ours, theirs, path, str(manifest))
        joined[name] = [mine or other for mine, other in zip(ours, theirs, strict=True)]
    return joined


def _refuse_different_labels(
    recordings: list[str], ours: list[str], theirs: list[str], path: str, manifest: str
) -> None:
    for recording, mine, other in zip(recordings, ours, theirs, strict=True):
        if mine and other and mine != other:
            raise ShotprintError(
                f"{recording!r} is {mine!r} in {path} and {other!r} in {manifest}; "
                "correct one of them"
            )


def _build_predictions(table: Table, path: str, warnings: list[str]) -> Predictions:
    names = [name for name in table if name.startswith("p_") and len(name) > 2]
    model_labels = [name.removeprefix("p_") for name in names]
    labels = tuple(sorted({*table["label"], *filter(None, table["predicted"]), *model_labels}))
    code = {label: i for i, label in enumerate(labels)} | {"": -1}
    truth = np.array([code[label] for label in table["label"]], np.int64)
    answer = np.array([code[label] for label in table["predicted"]], np.int64)
    n_failed = int((answer < 0).sum())
    if n_failed == len(answer):
        raise ShotprintError(f"{path}: no recording has an answer in the column predicted")
    if n_failed:
        warnings.append(f"recognition failed for {n_failed} of {len(answer)} recordings")
    probabilities = None
    if names:
        probabilities = np.zeros((len(truth), len(labels)))
        columns = [code[label] for label in model_labels]
        values = np.array([_read_numbers(table[name], name, path) for name in names]).T
        probabilities[:, columns] = _check_probabilities(values, answer >= 0, path, warnings)
        _warn_of_answers(labels, truth, answer, probabilities, columns, warnings)
    groups = _fill_groups(table, warnings)
    _warn_of_twins(table, warnings)
    others = set(table) - {"recording", "label", "predicted", "probability", "group", *names}
    return Predictions(
        recordings=tuple(table["recording"]),
        labels=labels,
        truth=truth,
        answer=answer,
        model_labels=tuple(model_labels) if names else None,
        probabilities=probabilities,
        groups=groups,
        columns={name: tuple(table[name]) for name in table if name in others},
        warnings=tuple(warnings),
    )


def _read_numbers(cells: list[str], name: str, path: str) -> list[float]:
    numbers = []
    for cell in cells:
        try:
            numbers.append(float(cell) if cell else float("nan"))
        except ValueError:
            raise ShotprintError(
                f"{path}: column {name} holds {cell!r}; columns p_<label> hold probabilities 0…1"
            ) from None
    return numbers


def _check_probabilities(
    values: NDArray[np.float64], answered: NDArray[np.bool_], path: str, warnings: list[str]
) -> NDArray[np.float64]:
    """Make rows sum to one, or NaN where that cannot be; (n, k of the model)."""
    wrong = values[(values < -1e-6) | (values > 1 + SUM_TOLERANCE)]
    if wrong.size:
        raise ShotprintError(
            f"{path}: {wrong[0]:g} in a column p_<label>; probabilities 0…1 were expected, "
            "not scores, percentages or logarithms"
        )
    values = np.maximum(values, 0)
    sums = values.sum(axis=1)
    usable = np.isfinite(sums) & (sums > 0)
    n_unusable = int((answered & ~usable).sum())
    if n_unusable:
        warnings.append(
            f"{n_unusable} answered recordings lack usable probabilities; they are left out of "
            "top-k and log-loss and count by their answer elsewhere"
        )
    n_off = int((usable & (np.abs(sums - 1) > SUM_TOLERANCE)).sum())
    if n_off:
        warnings.append(
            f"the probabilities of {n_off} recordings do not sum to one; they are divided by "
            "their sum"
        )
    divisors = np.where(usable, sums, np.nan)
    return values / divisors[:, None]


def _warn_of_answers(
    labels: tuple[str, ...],
    truth: NDArray[np.int64],
    answer: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    columns: list[int],
    warnings: list[str],
) -> None:
    """Warn of truths the model does not know and of answers that are not the most probable."""
    for codes, what in ((truth, "have a true label"), (answer, "have an answer")):
        strange = [labels[i] for i in codes if i >= 0 and i not in columns]
        if strange:
            warnings.append(
                f"{len(strange)} recordings {what} without a column p_<label>, so unknown to the "
                f"model: {list_examples(sorted(set(strange)))}"
            )
    ranked = np.flatnonzero((answer >= 0) & np.isfinite(probabilities).all(axis=1))
    below = probabilities[ranked, answer[ranked]] < probabilities[ranked].max(axis=1) - 1e-9
    if below.any():
        warnings.append(f"the answer of {int(below.sum())} recordings is not the most probable one")


def _fill_groups(table: Table, warnings: list[str]) -> NDArray[np.str_] | None:
    """Return groups; a recording without one becomes its own, None if no recording has one."""
    groups = table.get("group", [])
    if not any(groups):
        return None
    n_empty = groups.count("")
    if n_empty:
        warnings.append(f"{n_empty} recordings have no group; each counts as a group of its own")
    named = [
        f"group {group}" if group else f"recording {recording}"
        for group, recording in zip(groups, table["recording"], strict=True)
    ]
    return np.array(named)


def _warn_of_twins(table: Table, warnings: list[str]) -> None:
    hashes = [value for value in table.get("sha256", []) if value]
    n_twins = len(hashes) - len(set(hashes))
    if n_twins:
        warnings.append(
            f"{n_twins} recordings hold the same bytes as another (sha256) and count twice"
        )
