"""A report as files in a folder: page, PDF, JSON, and the list of their hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shotprint.audio import FoundRecording
from shotprint.detection import Detector, Listening, OnnxDetector
from shotprint.errors import RecordingError
from shotprint.files import write_beside, write_text
from shotprint.progress import show_progress
from shotprint.recognition import OnnxModel, Recognizer, RecordingResult
from shotprint.report.case import Case, gather, prepare
from shotprint.report.document import Document
from shotprint.report.page import render_page
from shotprint.report.paper import render_pdf
from shotprint.report.pictures import Drawn, draw_exhibit, draw_timelines
from shotprint.report.sealing import write_seal
from shotprint.report.settings import Correction, ReportSettings
from shotprint.report.twin import format_twin
from shotprint.weights import shipped_detector, shipped_model

PAGE, PAPER, TWIN = "report.html", "report.pdf", "report.json"


@dataclass(frozen=True)
class Answers:
    """What was recognised, and by what.

    Attributes
    ----------
    results : of the recordings of the report, in the same order
    """

    recognizer: Recognizer
    results: Sequence[RecordingResult]


def write_report(
    found: Sequence[FoundRecording],
    settings: ReportSettings,
    folder: Path,
    corrections: Mapping[str, Sequence[Correction]] | None = None,
    answers: Answers | None = None,
) -> Case:
    """Write the report on recordings into a folder, and return what it shows.

    What cannot be read has its line in the report and stops no other recording.

    Parameters
    ----------
    corrections : SHA-256 of a recording → what an examiner says of it, shown beside the answers
    answers : None: the recordings are recognised by the shipped model

    Raises
    ------
    ShotprintError : a file of the settings that is missing or wrong
    """
    if answers is None:
        recognizer = Recognizer(
            OnnxModel(shipped_model()), detector=Detector(OnnxDetector(shipped_detector()))
        )
        answers = Answers(recognizer, list(recognizer.recognize(found)))
    means = prepare(settings, answers.recognizer)
    case = gather(found, answers.results, answers.recognizer, means, corrections or {})
    drawn = _draw(case)
    document = Document(case, draw_timelines(case.exhibits, means.texts), drawn)
    sections, facts = document.list_sections(), document.list_facts()
    twin = format_twin(case)
    write_text(folder / PAGE, render_page(case, sections, facts))
    with write_beside(folder / PAPER) as beside:
        beside.write_bytes(render_pdf(case, sections, facts))
    write_text(folder / TWIN, twin)
    paths = [each.result.path for each in case.exhibits]
    write_seal(folder, (PAGE, PAPER, TWIN), paths, settings)
    return case


def _draw(case: Case) -> dict[int, Drawn]:
    """Return the pictures of the exhibits that can be read, of so many shots as are asked for."""
    chosen = case.recognizer.settings
    listening = Listening(chosen.channel, chosen.track)
    left = case.means.settings.max_pictures
    drawn: dict[int, Drawn] = {}
    for each in show_progress(case.exhibits, total=len(case.exhibits), description="drawing"):
        if each.result.error is not None:
            continue
        n_shots = min(left, len(each.result.shots))
        try:
            drawn[each.number] = draw_exhibit(each, listening, n_shots, case.means.texts)
        except (RecordingError, OSError):
            continue  # it was there when it was recognised: the hash list will say that it is gone
        left -= n_shots
    return drawn
