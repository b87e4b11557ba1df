"""Label tracks: the shots of one recording for Audacity, Raven Pro and Praat.

A label is what fired and with what probability; where shots were found but not recognised, the
number of the shot and the probability that it is one. The formats are those that the manuals of
the programs describe (Audacity: "Importing and Exporting Labels"; Raven Pro: "Selection tables";
Praat: "TextGrid file formats").
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from shotprint.recognition.results import RecordingResult, ShotResult, printable

RAVEN_COLUMNS = (
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"),
    *("Low Freq (Hz)", "High Freq (Hz)", "Begin File"),
)
RAVEN_ANNOTATIONS = ("Label", "Detection Probability")
MIN_LENGTH_S = 1e-4  # Praat refuses an interval of no length


@dataclass(frozen=True)
class LabelTrack:
    """A format: how its files end, and the function that makes the text of one recording."""

    ending: str
    format: Callable[[RecordingResult], str]


def format_audacity(result: RecordingResult) -> str:
    """Return a region label a line: begin, end, text, separated by tabs."""
    rows = [
        (f"{begin:.6f}", f"{end:.6f}", text)
        for (begin, end), text in zip(_list_spans(result), _list_texts(result), strict=True)
    ]
    return "".join("\t".join(row) + "\n" for row in rows)


def format_raven(result: RecordingResult) -> str:
    """Return a selection table: one row a shot, over all frequencies of the recording."""
    top_hz = (result.sample_rate_hz or 0) / 2
    name = " ".join(printable(Path(result.path).name).split())
    lines = [(*RAVEN_COLUMNS, *RAVEN_ANNOTATIONS)]
    texts, spans = _list_texts(result), _list_spans(result)
    for number, ((begin, end), text) in enumerate(zip(spans, texts, strict=True), start=1):
        place = (str(number), "Spectrogram 1", "1", f"{begin:.6f}", f"{end:.6f}")
        probability = f"{result.shots[number - 1].detection_probability:.4f}"
        lines.append((*place, "0.0", f"{top_hz:.1f}", name, text, probability))
    return "".join("\t".join(line) + "\n" for line in lines)


def format_textgrid(result: RecordingResult) -> str:
    """Return a TextGrid in the long text format: intervals ``shots`` and points ``onsets``."""
    spans, texts = _list_spans(result), _list_texts(result)
    end_s = (result.start_s or 0.0) + (result.duration_s or 0.0)
    last_s = max([end_s, MIN_LENGTH_S, *(end for _, end in spans)])
    intervals, reached = [], 0.0
    for (begin, end), text in zip(spans, texts, strict=True):
        if begin > reached:
            intervals.append((reached, begin, ""))
        intervals.append((begin, end, text))
        reached = end
    if reached < last_s:
        intervals.append((reached, last_s, ""))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *("xmin = 0", f"xmax = {last_s:.6f}", "tiers? <exists>", "size = 2", "item []:"),
        *_open_tier(1, "IntervalTier", "shots", last_s),
        f"        intervals: size = {len(intervals)}",
    ]
    for number, (begin, end, text) in enumerate(intervals, start=1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {begin:.6f}",
            f"            xmax = {end:.6f}",
            f"            text = {_quote(text)}",
        ]
    lines += [*_open_tier(2, "TextTier", "onsets", last_s), f"        points: size = {len(spans)}"]
    for number, ((begin, _), text) in enumerate(zip(spans, texts, strict=True), start=1):
        lines += [
            f"        points [{number}]:",
            f"            number = {begin:.6f}",
            f"            mark = {_quote(text)}",
        ]
    return "\n".join([*lines, ""])


def describe_shot(shot: ShotResult, number: int) -> str:
    """Return the label of a shot: what fired it, or its number, and how probable that is."""
    if shot.label is None or shot.probability is None:
        return f"shot {number} {shot.detection_probability:.2f}"
    return f"{' '.join(shot.label.split())} {shot.probability:.2f}"


def _list_texts(result: RecordingResult) -> list[str]:
    return [describe_shot(shot, number) for number, shot in enumerate(result.shots, start=1)]


def _list_spans(result: RecordingResult) -> list[tuple[float, float]]:
    """Return begin and end of each shot; none reaches into the next, none is empty."""
    begins = [round(max(0.0, shot.onset_s), 6) for shot in result.shots]
    return [
        (begin, min(following, max(round(shot.end_s, 6), begin + MIN_LENGTH_S)))
        for (begin, following), shot in zip(
            pairwise([*begins, math.inf]), result.shots, strict=True
        )
    ]


def _open_tier(number: int, kind: str, name: str, last_s: float) -> list[str]:
    return [
        f"    item [{number}]:",
        f'        class = "{kind}"',
        f'        name = "{name}"',
        "        xmin = 0",
        f"        xmax = {last_s:.6f}",
    ]


def _quote(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


LABEL_TRACKS = {
    "audacity": LabelTrack(".txt", format_audacity),
    "raven": LabelTrack(".selections.txt", format_raven),
    "textgrid": LabelTrack(".TextGrid", format_textgrid),
}
