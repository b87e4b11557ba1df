"""The CSV of predictions, which ``shotprint evaluate`` reads.

One row a recording: ``recording, label, predicted, probability, p_<label>…, group`` and any
other columns. `label` is the truth, empty where it is not known; `predicted` and the
probabilities are empty where recognition failed.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shotprint.errors import ShotprintError
from shotprint.files import format_row, write_text
from shotprint.recognition.results import RecordingResult, printable

_OWN_COLUMNS = frozenset({"recording", "path", "label", "predicted", "probability", "group"})


@dataclass(frozen=True)
class Prediction:
    """A row: what was answered, and what is known of the recording.

    Attributes
    ----------
    label : the truth; empty: not known
    probabilities : label → probability; empty: recognition failed
    columns : what else is known, such as sha256, fold, recorder
    """

    recording: str
    probabilities: Mapping[str, float]
    label: str = ""
    group: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownRecording:
    """A row of a manifest: label, group, and every other column but the path."""

    label: str
    group: str
    columns: Mapping[str, str]


def write_predictions(
    path: str | os.PathLike[str], predictions: Sequence[Prediction], labels: Sequence[str]
) -> None:
    """Write predictions as CSV (UTF-8, ``\\n``), beside and renamed; see `format_predictions`."""
    write_text(path, format_predictions(predictions, labels))


def format_predictions(predictions: Sequence[Prediction], labels: Sequence[str]) -> str:
    """Return predictions as CSV; the answer is the most probable label, the first of equal ones.

    Parameters
    ----------
    labels : all that the model knows, in the order of the columns
    """
    others = list(dict.fromkeys(name for row in predictions for name in row.columns))
    return "".join(format_lines(predictions, labels, others))


def format_lines(
    predictions: Iterable[Prediction], labels: Sequence[str], others: Sequence[str]
) -> Iterator[str]:
    """Yield what `format_predictions` returns, line by line.

    Parameters
    ----------
    others : the names of all `columns`
    """
    header = ["recording", "label", "predicted", "probability", *(f"p_{label}" for label in labels)]
    yield format_row([*header, "group", *others])
    for row in predictions:
        probabilities = [row.probabilities[label] for label in labels] if row.probabilities else []
        answer = max(labels, key=row.probabilities.__getitem__) if probabilities else ""
        cells = [f"{p:.8g}" for p in probabilities] or [""] * len(labels)
        best = f"{max(probabilities):.8g}" if probabilities else ""
        known = [row.group, *(row.columns.get(name, "") for name in others)]
        yield format_row([printable(row.recording), row.label, answer, best, *cells, *known])


def to_prediction(result: RecordingResult, known: KnownRecording | None) -> Prediction:
    """Return the row of a recognised recording, with what a manifest knows of it."""
    known = known or KnownRecording("", "", {})
    return Prediction(
        recording=result.path,
        probabilities={score.label: score.probability for score in result.candidates or ()},
        label=known.label,
        group=known.group,
        columns={"sha256": result.sha256 or "", **known.columns},
    )


def read_row(values: Mapping[str, str]) -> KnownRecording:
    """Return what a row of a manifest knows; columns named as the CSV's own are left out."""
    others = {
        name: value
        for name, value in values.items()
        if name not in _OWN_COLUMNS and not name.startswith("p_")
    }
    return KnownRecording(values["label"], values.get("group", ""), others)


def read_known(manifest: str | os.PathLike[str]) -> dict[str, KnownRecording]:
    """Read a manifest without pandas: recording and absolute path → what is known.

    Raises
    ------
    ShotprintError : it cannot be read, or has no column recording, path or label
    """
    try:
        text = Path(manifest).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ShotprintError(f"{manifest} cannot be read as a manifest ({reason})") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = reader.fieldnames or []
    if missing := [name for name in ("recording", "path", "label") if name not in names]:
        raise ShotprintError(
            f"{manifest} has no column {missing[0]}; expected a manifest, as import writes it"
        )
    folder = Path(manifest).absolute().parent
    known: dict[str, KnownRecording] = {}
    for row in reader:
        values = {name: (row[name] or "").strip() for name in names}
        facts = read_row(values)
        known[values["recording"]] = facts
        known[_place(folder / values["path"])] = facts
    return known


def find_known(
    known: Mapping[str, KnownRecording], name: str, path: str | os.PathLike[str]
) -> KnownRecording | None:
    """Return what a manifest knows of a recording: by where it is, or else by its name."""
    return known.get(_place(path)) or known.get(name.replace("\\", "/"))


def _place(path: str | os.PathLike[str]) -> str:
    return os.path.normcase(os.path.normpath(Path(path).absolute()))
