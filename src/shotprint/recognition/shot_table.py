"""One row a shot, as text: for the table of ``shotprint detect`` and for CSV."""

from collections.abc import Iterable, Iterator, Sequence

from shotprint.files import format_row
from shotprint.recognition.results import RecordingResult, ShotResult, printable

SHOT_COLUMNS = (
    *("recording", "shot", "onset_s", "end_s", "detection_probability"),
    *("peak_dbfs", "clipped", "gap_s", "rate_of_fire_rpm"),
)
ANSWER_COLUMNS = (*("predicted", "probability", "calibre", "p_calibre", "category", "p_category"),)


def list_shots(result: RecordingResult, digits: int = 4) -> list[list[str]]:
    """Return the cells of `SHOT_COLUMNS` for each shot; empty where there is no value.

    Parameters
    ----------
    digits : of probabilities, significant ones
    """
    rows = []
    for number, shot in enumerate(result.shots, start=1):
        burst = None if shot.burst is None else result.bursts[shot.burst]
        rows.append(
            [
                printable(result.path),
                str(number),
                f"{shot.onset_s:.5f}",
                f"{shot.end_s:.5f}",
                f"{shot.detection_probability:.{digits}g}",
                f"{shot.peak_dbfs:.2f}",
                "yes" if shot.clipped else "no",
                "" if shot.gap_s is None else f"{shot.gap_s:.5f}",
                "" if burst is None else f"{burst.rate_of_fire_rpm:.1f}",
            ]
        )
    return rows


def format_shots(results: Iterable[RecordingResult], labels: Sequence[str] = ()) -> Iterator[str]:
    """Yield shots as lines of CSV, with the hash of their recording at the end.

    Parameters
    ----------
    labels : all that the model knows, in the order of the columns ``p_<label>``; empty: shots
        were not recognised
    """
    answers = (*ANSWER_COLUMNS, *(f"p_{label}" for label in labels)) if labels else ()
    yield format_row([*SHOT_COLUMNS, *answers, "sha256"])
    for result in results:
        for cells, shot in zip(list_shots(result, digits=8), result.shots, strict=True):
            found = _list_answer(shot, labels) if labels else []
            yield format_row([*cells, *found, result.sha256 or ""])


def _list_answer(shot: ShotResult, labels: Sequence[str]) -> list[str]:
    best = [(each or ())[0] for each in (shot.candidates, shot.calibre, shot.category)]
    probabilities = {score.label: score.probability for score in shot.candidates or ()}
    cells = [cell for score in best for cell in (score.label, f"{score.probability:.8g}")]
    return [*cells, *(f"{probabilities[label]:.8g}" for label in labels)]
