"""Recognition in one call, for a notebook or a program: `from shotprint import Recognizer`.

What it does is what ``shotprint recognize`` does: same model, same settings, same answers.
pandas and matplotlib (extra ``evaluate``) are imported only where a table or picture is asked for.
"""

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shotprint.audio import FoundRecording, find_recordings
from shotprint.decisions import LEVEL, describe_decision
from shotprint.detection import Listening
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import write_text
from shotprint.opening import open_detector, open_model
from shotprint.progress import show_progress
from shotprint.recognition import RecognitionSettings, RecordingResult, Results
from shotprint.recognition import Recognizer as RecordingRecognizer
from shotprint.recognition.results import ShotResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

MAX_ROWS = 20  # of the table that a notebook shows by itself
SHOWN = ("recording", "gun", "probability", "calibre", "category", "stated", "shots")


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure that a notebook shows by itself, whatever its backend."""

    figure: "Figure"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as its ending says: ``.png``, ``.svg`` or ``.pdf``."""
        from shotprint.plots import write_figure

        kind = Path(path).suffix.lower()
        if kind not in (".png", ".svg", ".pdf"):
            raise ShotprintError(f"{path} is no name for a picture; end it with .png, .svg or .pdf")
        write_figure(self.figure, Path(path))

    def _repr_png_(self) -> bytes:
        from shotprint.plots.figures import render_figure

        return render_figure(self.figure, "png")


@dataclass(frozen=True)
class Recognition(Sequence[RecordingResult]):
    """The answers of one call, a `RecordingResult` a recording.

    Attributes
    ----------
    results : the answers, the model, the detector and the settings that repeat them
    found : where the recordings are, in the same order
    listening : channel and sound track that were heard
    """

    results: Results
    found: tuple[FoundRecording, ...]
    listening: Listening

    def __len__(self) -> int:
        return len(self.results.recordings)

    def __getitem__(self, place: Any) -> Any:
        return self.results.recordings[place]

    def __iter__(self) -> Iterator[RecordingResult]:
        return iter(self.results.recordings)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the document of schema ``shotprint/1``; write it to `path` if one is given."""
        text = self.results.to_json()
        if path is not None:
            write_text(path, text)
        return text

    def to_dataframe(self) -> "DataFrame":
        """Return a table, a row a recording; empty cells where one failed (its `error` says why).

        Columns ``p_<label>`` are the probabilities of all guns that the model knows.
        """
        rows = [
            {
                "recording": result.path,
                **self._list_answer(result),
                "n_shots": len(result.shots),
                "duration_s": result.duration_s,
                "sha256": result.sha256,
                "warnings": "; ".join(result.warnings),
                "error": result.error,
            }
            for result in self
        ]
        return _make_table(rows)

    def shots_to_dataframe(self) -> "DataFrame":
        """Return a table, a row a shot: times in seconds, level, then as `to_dataframe`."""
        rows = [
            {
                "recording": result.path,
                "shot": number,
                "onset_s": shot.onset_s,
                "end_s": shot.end_s,
                "detection_probability": shot.detection_probability,
                "peak_dbfs": shot.peak_dbfs,
                "clipped": shot.clipped,
                "gap_s": shot.gap_s,
                **self._list_answer(shot),
            }
            for result in self
            for number, shot in enumerate(result.shots, start=1)
        ]
        return _make_table(rows)

    def plot(self, recording: int = 0, shot: int | None = None) -> Picture:
        """Draw waveform, spectrogram and shots of a recording, or one of its shots.

        Parameters
        ----------
        recording, shot : which one, from 0; without `shot` the whole recording

        Raises
        ------
        ShotprintError : there is no such recording or shot, or it could not be recognised
        """
        result, found = self._choose(recording, shot)
        from shotprint.plots.recordings import draw_shots, draw_sound

        if shot is None:
            return Picture(draw_sound(found, self.listening, result))
        return Picture(next(draw_shots(found, self.listening, result, [shot])))

    def _choose(self, recording: int, shot: int | None) -> tuple[RecordingResult, FoundRecording]:
        """Return what is to be drawn, or say why it cannot be."""
        if not 0 <= recording < len(self):
            raise ShotprintError(
                f"there is no recording {recording}; expected 0 to {len(self) - 1}"
            )
        result = self.results.recordings[recording]
        if result.error is not None:
            raise ShotprintError(f"{result.path} was not recognised: {result.error}")
        if shot is not None and not 0 <= shot < len(result.shots):
            raise ShotprintError(
                f"{result.path} has no shot {shot}: {len(result.shots)} were found, counted from 0"
            )
        return result, self.found[recording]

    def _list_answer(self, answer: RecordingResult | ShotResult) -> dict[str, Any]:
        calibre, category = (
            each[0] if each else None for each in (answer.calibre, answer.category)
        )
        decision = answer.decision
        found = {score.label: score.probability for score in answer.candidates or ()}
        return {
            "label": answer.label,
            "probability": answer.probability,
            "calibre": calibre and calibre.label,
            "p_calibre": calibre and calibre.probability,
            "category": category and category.label,
            "p_category": category and category.probability,
            "gunshot_probability": answer.gunshot_probability,
            "decision": decision and decision.level,
            "stated": decision and decision.label,
            "p_stated": decision and decision.probability,
            **{f"p_{label}": found.get(label) for label in self.results.model.labels},
        }

    def __repr__(self) -> str:
        """Return what a console shows: a line a recording."""
        lines = ["   ".join(_list_cells(result)) for result in self.results.recordings[:MAX_ROWS]]
        more = [f"{len(self) - MAX_ROWS} more recordings"] if len(self) > MAX_ROWS else []
        return "\n".join(lines + more)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a table, warnings, and the first recording's picture."""
        rows = [_format_row(_list_cells(result)) for result in self.results.recordings[:MAX_ROWS]]
        head = "".join(f"<th>{name}</th>" for name in SHOWN)
        warnings = dict.fromkeys(text for result in self for text in result.warnings)
        lines = [f"{len(self) - MAX_ROWS} more recordings"] if len(self) > MAX_ROWS else []
        lines += [f"warning: {text}" for text in warnings]
        notes = "".join(f"<li>{escape(line)}</li>" for line in lines)
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<ul>{notes}</ul>{self._show_picture()}"
        )

    def _show_picture(self) -> str:
        """Return the picture of the first recording that was recognised, or nothing."""
        places = [place for place, result in enumerate(self) if result.error is None]
        try:
            png = self.plot(places[0])._repr_png_() if places else b""
        except ShotprintError:  # no matplotlib here, or the recording is gone
            return ""
        content = base64.b64encode(png).decode()
        return f'<img alt="" style="max-width: 100%" src="data:image/png;base64,{content}">'


class Recognizer:
    """Finds the shots in recordings and names the gun that fired them.

    Parameters
    ----------
    model : ``.onnx`` file, weights or folder of a training run; None: the shipped model
    channel : ``mix``, ``loudest``, ``each`` or a number from 0
    level : probability from which something is stated, 0.5 to 1
    threshold : probability from which a sound counts as a shot, between 0 and 1; None: the
        detector's own
    whole : look for no shots, answer from the loudest sounds of each recording
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        channel: str = "mix",
        level: float = LEVEL,
        threshold: float | None = None,
        whole: bool = False,
    ) -> None:
        if threshold is not None and (whole or not 0 < threshold < 1):
            raise ShotprintError(
                f"the threshold is {threshold:g}; expected a number between 0 and 1, and none "
                "with whole=True, where no shots are looked for"
            )
        self._recognizer = RecordingRecognizer(
            open_model(None if model is None else Path(model)),
            RecognitionSettings(channel, level=level),
            None if whole else open_detector(None, threshold),
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The guns that the model knows; nothing else can be answered."""
        return self._recognizer.model.metadata.label_names

    def recognize(self, *paths: str | os.PathLike[str]) -> Recognition:
        """Recognise recordings, and all that lie in folders; one that fails has its `error` set.

        Raises
        ------
        ShotprintError : no path was given
        """
        if not paths:
            raise ShotprintError("no recording was given; give paths of recordings or folders")
        found = find_recordings(paths)
        answers = self._recognizer.recognize(found)
        results = list(show_progress(answers, total=len(found), description="recognising"))
        settings = self._recognizer.settings
        return Recognition(
            self._recognizer.collect(results),
            tuple(found),
            Listening(settings.channel, settings.track),
        )


def _make_table(rows: list[dict[str, Any]]) -> "DataFrame":
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise MissingExtraError("evaluate", "a DataFrame") from None
    return pd.DataFrame(rows)


def _list_cells(result: RecordingResult) -> list[str]:
    """Return the cells of `SHOWN`, or why there are none."""
    if result.decision is None or result.probability is None:
        return [result.path, result.error or ""]
    best = [(each or ())[0] for each in (result.calibre, result.category)]
    return [
        result.path,
        result.label or "",
        f"{result.probability:.2f}",
        *(f"{score.label} {score.probability:.2f}" for score in best),
        describe_decision(result.decision),
        str(len(result.shots)),
    ]


def _format_row(cells: Sequence[str]) -> str:
    """Return a row of HTML; the last cell is as wide as those that are missing."""
    *others, last = map(escape, cells)
    span = len(SHOWN) - len(others)
    return f"<tr>{''.join(f'<td>{c}</td>' for c in others)}<td colspan={span}>{last}</td></tr>"
