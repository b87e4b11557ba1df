"""A case as files: answers, tables, label tracks, a manifest to train on, the report."""

import csv
import dataclasses
import hashlib
import io
import multiprocessing
import shlex
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shotprint.audio import FoundRecording
from shotprint.recognition.journal import to_recording
from shotprint.recognition.labels import LABEL_TRACKS
from shotprint.recognition.results import (
    DetectorIdentity,
    ModelIdentity,
    RecordingResult,
    Results,
    ShotResult,
    show_shot,
)
from shotprint.recognition.shot_table import format_shots
from shotprint.web.corrections import apply_corrections, describe_line, list_effective
from shotprint.web.intake import Refused
from shotprint.web.settings import ServiceSettings
from shotprint.web.sounds import Stretch, format_excerpt

REPORT_S = 600.0
REPORTS = ("report.html", "report.pdf", "report.zip")
_TABLE = ("results.json", "shots.csv", "manifest.csv")
_TRACKS = tuple(f"labels.{name}.zip" for name in LABEL_TRACKS)
TRAINING = "training.zip"
EXPORTS = (*_TABLE, TRAINING, *_TRACKS, *REPORTS)
OWN = ("laboratory", "logo", "language", "texts", "template", "layout", "verbal", "card", "key")
"""Options of a report that the service has as well; files are called by their names."""
CLIP_S = (0.25, 1.5)  # before and after an onset
MANIFEST = (
    "recording",
    "sha256",
    "onset_s",
    "end_s",
    "label",
    "origin",
    "machine_label",
    "deleted",
)
TRAINING_COLUMNS = (
    *("recording", "path", "sha256", "label", "group", "fold"),
    *("source", "source_sha256", "onset_s", "lead_in_s", "origin", "machine_label"),
)
_PLAIN = {"csv": "text/csv; charset=utf-8", "json": "application/json", "zip": "application/zip"}
MEDIA_TYPES = {**_PLAIN, "html": "text/html; charset=utf-8", "pdf": "application/pdf"}


class Entry(NamedTuple):
    """A recording of a case: its answer (None: not yet, or none), what answered, its history."""

    recording: Mapping[str, Any]
    answer: Mapping[str, Any] | None
    head: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    error: str | None = None

    @property
    def machine(self) -> RecordingResult:
        """The machine's answer, under the name that the case gives the recording."""
        name = self.recording["name"]
        if self.answer is None:
            error = self.error or "it is not recognised yet"
            return RecordingResult(name, self.recording["sha256"], error=error)
        return dataclasses.replace(to_recording(self.answer["recording"]), path=name)

    @property
    def shots(self) -> list[dict[str, Any]]:
        """The shots after corrections, the machine's own beside."""
        llrs = (self.answer or {}).get("llrs", [])
        shown = [
            {**show_shot(shot), "llr": llr}
            for shot, llr in zip(self.machine.shots, llrs, strict=True)
        ]
        return apply_corrections(shown, self.lines)

    @property
    def corrected(self) -> RecordingResult:
        """The answer with the shots as corrected; a gun that a person named has probability 1."""
        shots = []
        for shot in self.shots:
            if shot["deleted"]:
                continue
            own = shot["machine"]
            if own is not None and shot["label"] == own["label"]:
                heard = self.machine.shots[int(shot["id"][1:])]
                times = {"onset_s": shot["onset_s"], "end_s": shot["end_s"]}
                shots.append(dataclasses.replace(heard, **times))
                continue
            label = shot["label"] or "unknown"
            shots.append(
                ShotResult(
                    shot["onset_s"],
                    shot["end_s"],
                    detection_probability=1.0,
                    peak_dbfs=0.0,
                    clipped=False,
                    label=label,
                    probability=1.0,
                )
            )
        return dataclasses.replace(self.machine, shots=tuple(shots))


def format_results(entries: Sequence[Entry]) -> str:
    """Return the machine's answers as ``shotprint/1``.

    Raises
    ------
    Refused : they were made with different models or settings, or there are none
    """
    heads = [each.head for each in entries if each.answer is not None]
    if not heads:
        raise Refused(409, "no recording is recognised yet; wait for the jobs to end")
    if any(head != heads[0] for head in heads):
        raise Refused(409, "the recordings were recognised by different models; submit them again")
    detector = heads[0]["detector"]
    model = {**heads[0]["model"], "labels": tuple(heads[0]["model"]["labels"])}
    return Results(
        ModelIdentity(**model),
        None if detector is None else DetectorIdentity(**detector),
        heads[0]["settings"],
        tuple(each.machine for each in entries),
    ).to_json()


def format_manifest(entries: Sequence[Entry]) -> str:
    """Return a row a shot as corrected, the machine's label beside."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(MANIFEST)
    for each in entries:
        facts = [_defuse(each.recording["name"]), each.recording["sha256"]]
        for shot in each.shots:
            own = _defuse((shot["machine"] or {}).get("label") or "")
            label = _defuse(shot["label"] or "")
            row = [f"{shot['onset_s']:.6f}", f"{shot['end_s']:.6f}", label, shot["origin"], own]
            table.writerow([*facts, *row, int(shot["deleted"])])
    return file.getvalue()


def _defuse(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def export_case(name: str, entries: Sequence[Entry]) -> bytes:
    """Return a file of `EXPORTS`, the reports aside."""
    if name == "results.json":
        return format_results(entries).encode()
    if name == "shots.csv":
        labels = next((each.head["model"]["labels"] for each in entries if each.head), ())
        return "".join(format_shots([each.machine for each in entries], labels)).encode()
    if name == "manifest.csv":
        return format_manifest(entries).encode()
    track = LABEL_TRACKS[name.split(".")[1]]
    texts = [
        (
            f"{place:03d}-{_flatten(each.recording['name'])}{track.ending}",
            track.format(each.corrected),
        )
        for place, each in enumerate(entries, start=1)
        if each.answer is not None
    ]
    return zip_texts(texts)


def export_training(entries: Sequence[Entry], playbacks: Sequence[Path]) -> bytes:
    """Return an archive to train on: a WAV a shot as corrected, and the manifest of them.

    A clip holds what the playback copy does. Shots of one content are one group; `unpack` and
    give its ``manifest.csv`` to ``shotprint pack``.
    """
    groups: dict[str, str] = {}
    rows, files = [], []
    for place, (entry, playback) in enumerate(zip(entries, playbacks, strict=True), start=1):
        source, sha256 = entry.recording["name"], entry.recording["sha256"]
        group = groups.setdefault(sha256, source)
        for shot in entry.shots:
            if shot["deleted"]:
                continue
            begin_s = max(0.0, shot["onset_s"] - CLIP_S[0])
            clip = format_excerpt(playback, Stretch(begin_s, shot["onset_s"] + CLIP_S[1]))
            name = f"clips/{place:03d}-{_flatten(Path(source).stem)}-{shot['id']}.wav"
            own = (shot["machine"] or {}).get("label") or ""
            about = (source, sha256, f"{shot['onset_s']:.5f}", f"{shot['onset_s'] - begin_s:.5f}")
            digest = hashlib.sha256(clip).hexdigest()
            row = (name, name, digest, shot["label"] or "", group, "", *about, shot["origin"], own)
            rows.append(row)
            files.append((name, clip))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([TRAINING_COLUMNS, *rows])
    return zip_texts([("manifest.csv", table.getvalue()), *files])


def zip_texts(files: Sequence[tuple[str, str | bytes]]) -> bytes:
    """Return an archive; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _flatten(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in name)[-100:]


class ReportTask(NamedTuple):
    """What the process that writes a report needs."""

    settings: ServiceSettings
    case: str
    found: list[FoundRecording]
    results: list[RecordingResult]
    corrections: dict[str, list[dict[str, str]]]
    folder: Path


def write_case_report(
    settings: ServiceSettings, case: str, items: Sequence[tuple[Path, Entry]], folder: Path
) -> None:
    """Write the report of a case into a folder, in a process of its own: it reads the recordings.

    Raises
    ------
    Refused : the report is not installed, or its process failed or took too long
    """
    task = ReportTask(
        settings,
        case,
        [FoundRecording(str(path), entry.recording["name"]) for path, entry in items],
        [entry.machine for _, entry in items],
        gather_corrections([entry for _, entry in items]),
        folder,
    )
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_write_report, args=(task,), daemon=True)
    process.start()
    process.join(REPORT_S)
    if process.is_alive():
        process.kill()
        process.join()
        raise Refused(504, f"the report took more than {REPORT_S:g} s; report fewer recordings")
    failure = folder / "failure.txt"
    if failure.exists():
        raise Refused(501, failure.read_text(encoding="utf-8"))
    if process.exitcode != 0:
        raise Refused(500, "the report failed; shotprint report on the same files says why")


def gather_corrections(entries: Sequence[Entry]) -> dict[str, list[dict[str, str]]]:
    """Return corrections by content; where recordings share one, each says which it is of."""
    names = [entry.recording["sha256"] for entry in entries]
    found: dict[str, list[dict[str, str]]] = {}
    for entry in entries:
        sha256 = entry.recording["sha256"]
        rows = _list_corrections(entry.lines)
        if names.count(sha256) > 1:
            rows = [{**row, "text": f"{entry.recording['name']}: {row['text']}"} for row in rows]
        found.setdefault(sha256, []).extend(rows)
    return found


def _list_corrections(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "who": line["who"],
            "when": line["when"],
            "action": line["action"],
            "text": describe_line(line),
        }
        for line in list_effective(lines)[0]
    ]


def _write_report(task: ReportTask) -> None:
    from shotprint.errors import ShotprintError
    from shotprint.opening import open_detector, open_model
    from shotprint.recognition import RecognitionSettings, Recognizer
    from shotprint.web.worker import limit_memory

    limit_memory(task.settings.memory_mb)
    try:
        from shotprint.report import Answers, Correction, ReportSettings, write_report

        recognizer = Recognizer(
            open_model(task.settings.model),
            RecognitionSettings(level=task.settings.level),
            open_detector(None, None),
        )
        corrections = {
            sha256: [Correction(**each) for each in rows]
            for sha256, rows in task.corrections.items()
        }
        own = task.settings.report or ReportSettings()
        settings = dataclasses.replace(own, case=task.case, command=_tell_command(task))
        answers = Answers(recognizer, task.results)
        write_report(task.found, settings, task.folder, corrections, answers)
    except (ImportError, ShotprintError) as error:
        line = (
            str(error)
            if isinstance(error, ShotprintError)
            else (
                "reports need the extra 'report'; install it with: pip install 'shotprint[report]'"
            )
        )
        (task.folder / "failure.txt").write_text(line, encoding="utf-8")


def _tell_command(task: ReportTask) -> str:
    """Return what makes the report again from the recordings, but for corrections."""
    options = ["-o", "report", "--level", f"{task.settings.level:g}"]
    if task.settings.model is not None:
        options += ["--model", task.settings.model.name]
    for name in OWN if task.settings.report else ():
        value = getattr(task.settings.report, name)
        if value and (name, value) != ("language", "en"):
            options += [f"--{name}", value.name if isinstance(value, Path) else value]
    return shlex.join(["shotprint", "report", *(each.name for each in task.found), *options])


def zip_folder(folder: Path) -> bytes:
    """Return the files of a folder as an archive."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return zip_texts([(path.name, path.read_bytes()) for path in paths])
