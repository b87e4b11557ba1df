"""``shotprint recognize``: which gun is it?"""

import contextlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import (
    TRACKS,
    check_track,
    choose_format,
    count_done,
    deliver,
    deliver_tracks,
    draw_table,
    find_common_folder,
    finish,
    gather,
    join_cells,
    share_heap,
)
from shotprint.decisions import LEVEL, describe_decision

if TYPE_CHECKING:
    from shotprint.audio import FoundRecording
    from shotprint.opening import Setup
    from shotprint.recognition import Recognizer, RecordingResult
    from shotprint.recognition.enrolment import EnrolledGuns
    from shotprint.recognition.predictions import KnownRecording
    from shotprint.recognition.results import CombinedResult


class Format(StrEnum):
    """How answers are written."""

    table = "table"
    json = "json"
    csv = "csv"
    shots = "shots"
    audacity = "audacity"
    raven = "raven"
    textgrid = "textgrid"
    parquet = "parquet"


class Engine(StrEnum):
    """Where recordings are worked on."""

    local = "local"
    ray = "ray"


def recognize(
    paths: options.Paths,
    model: options.ModelPath = None,
    backbone: options.Backbone = None,
    weights_dir: options.WeightsDir = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="Default: by the name of the output, else a table. csv: a row a recording; "
            "shots: CSV, a row a shot; parquet: a folder of parts; the others: label tracks."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many guns the table shows.")] = 3,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File for the answers; folder for label tracks or Parquet."
        ),
    ] = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="One answer a recording; look for no shots.")
    ] = False,
    threshold: options.Threshold = None,
    level: options.Level = LEVEL,
    detector: options.DetectorPath = None,
    same_source: Annotated[
        bool,
        typer.Option("--same-source", help="All recordings are of one gun: answer for it, too."),
    ] = False,
    enrolled: options.Enrolled = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest whose labels and columns the CSV repeats.")
    ] = None,
    firearms: options.Firearms = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a run with this output was stopped.")
    ] = False,
    jobs: options.Jobs = 0,
    device: options.Device = "cpu",
    engine: Annotated[
        Engine, typer.Option(help="ray: an archive, at URLs too, on many processes or machines.")
    ] = Engine.local,
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray, or auto; default: one for this run.")
    ] = None,
) -> None:
    """Find the shots in each recording and name the gun that fired them.

    Exit code 1: some recordings failed (each has its line on standard error); 2: all of them,
    or wrong usage. After Ctrl-C what is done is written, and the rest is marked as failed.
    """
    from shotprint.audio import find_recordings
    from shotprint.files import remove_leftovers
    from shotprint.opening import Setup, open_recognizer
    from shotprint.recognition import RecognitionSettings
    from shotprint.recognition.journal import KeptResults
    from shotprint.recognition.predictions import read_known

    if whole and (threshold is not None or detector is not None):
        raise typer.BadParameter("with --whole no shots are looked for; leave one of them out")
    if whole and format in (Format.shots, *TRACKS):
        raise typer.BadParameter(f"with --whole there are no shots that {format} could show")
    if resume and output is None:
        raise typer.BadParameter("--resume needs --output: the journal stands beside that file")
    if address is not None and engine != Engine.ray:
        raise typer.BadParameter("--address is of a Ray; it needs --engine ray")
    settings = RecognitionSettings(channel, jobs, track, level)
    setup = Setup(
        settings,
        model,
        backbone,
        weights_dir,
        firearms,
        detector,
        threshold,
        whole,
        enrolled,
        device,
    )
    if engine == Engine.ray:
        if format not in (None, Format.parquet) or output is None:
            raise typer.BadParameter("--engine ray writes Parquet into a folder; give -o FOLDER")
        if same_source or manifest is not None:
            raise typer.BadParameter("--engine ray knows no --same-source and no --manifest")
        _recognize_archive(paths, setup, output, address, resume)
        return
    kind = choose_format(format, output)
    if kind == Format.parquet:
        output = _require_folder(output, resume)
    known = read_known(manifest) if manifest is not None else {}
    share_heap()
    recognizer = open_recognizer(setup)
    found = find_recordings(paths)
    if kind in TRACKS:
        check_track(found, kind, output)
    results: list[RecordingResult] | KeptResults = []
    if output is not None:
        journal = recognizer.open_journal(output.with_name(f"{output.name}.journal"), resume)
        remove_leftovers(output)
        results = KeptResults(journal)
    answers = recognizer.recognize(found)
    is_interrupted = gather(results, answers, found, ("recognising", "recognised"))
    combined = recognizer.combine(results) if same_source else None
    answered = _Answered(recognizer, found, results, combined)
    _deliver(answered, kind, output, known, top)
    if output is not None:
        journal.close() if is_interrupted else journal.remove()
    if kind != Format.json:
        _show_combined(combined)
        _show_enrolled(results, recognizer.enrolled)
    summary = None if output is None else f"{output}: {count_done(results)} recognised"
    finish(results, summary, is_interrupted)


@dataclass(frozen=True)
class _Answered:
    """Recordings and their answers; `combined`: for all of them, as of one gun."""

    recognizer: "Recognizer"
    found: "Sequence[FoundRecording]"
    results: "Sequence[RecordingResult]"
    combined: "CombinedResult | None"


def _deliver(
    answered: _Answered,
    kind: str,
    output: Path | None,
    known: "dict[str, KnownRecording]",
    top: int,
) -> None:
    """Write answers to the output, or print them."""
    from shotprint.recognition.shot_table import format_shots

    recognizer, results = answered.recognizer, answered.results
    if kind in TRACKS:
        deliver_tracks(results, answered.found, kind, output)
    elif kind == Format.json:
        deliver(recognizer.collect(results, answered.combined).to_lines(), output)
    elif kind == Format.csv:
        deliver(_to_csv(recognizer, answered.found, results, known), output)
    elif kind == Format.parquet:
        from shotprint.cluster.output import write_parts

        assert output is not None
        write_parts(output, recognizer.collect((), answered.combined), results)
    elif kind == Format.shots:
        deliver(format_shots(results, recognizer.model.metadata.label_names), output)
    else:
        deliver(_to_table(recognizer, results, top, is_file=output is not None), output)


def _recognize_archive(
    paths: list[str], setup: "Setup", output: Path, address: str | None, resume: bool
) -> None:
    """Answer for an archive on Ray; after Ctrl-C it can be gone on with."""
    try:
        _run_archive(paths, setup, output, address, resume)
    except KeyboardInterrupt:
        typer.echo("shotprint: interrupted; go on with --resume", err=True)
        raise typer.Exit(130) from None


def _run_archive(
    paths: list[str], setup: "Setup", output: Path, address: str | None, resume: bool
) -> None:
    """Write the answers for an archive; they may be more than fit into memory."""
    import time

    from shotprint import cluster
    from shotprint.opening import open_recognizer
    from shotprint.progress import show_progress

    cluster.check_folder(output, resume)
    recognizer = open_recognizer(setup)
    described = cluster.describe_answers(recognizer)
    jobs = setup.settings.jobs
    journal_path = output.with_name(f"{output.name}.journal")
    items = cluster.list_work(paths)
    n_failed = n_warned = 0
    with (
        cluster.connect(cluster.Cluster(address, jobs)) as ray,
        contextlib.closing(cluster.ArchiveJournal(journal_path, described, resume)) as journal,
    ):
        begin_s = time.monotonic()
        driver = cluster.Driver(ray, items, setup, described, journal)
        outcomes = driver.run(jobs)
        shown = show_progress(
            outcomes, total=len(items), description="recognising", unit="recordings"
        )
        with contextlib.closing(outcomes):
            for outcome in shown:
                if outcome.error is not None:
                    n_failed += 1
                    typer.echo(f"shotprint: {outcome.item.name}: {outcome.error}", err=True)
        rate = (len(items) - driver.n_found) / (time.monotonic() - begin_s)

        def read() -> "Iterator[RecordingResult]":
            nonlocal n_warned
            for result in journal.read(items):
                n_warned += bool(result.warnings)
                yield result

        n_parts = cluster.write_parts(output, recognizer.collect(()), read())
        journal.remove()
    typer.echo(
        f"{output}: {len(items) - n_failed} of {len(items)} recordings recognised, "
        f"{n_warned} with warnings, {n_parts} part{'s' * (n_parts != 1)}, "
        f"{rate:.1f} recordings/s, {driver.n_lost} workers lost",
        err=True,
    )
    if n_failed:
        raise typer.Exit(1 if n_failed < len(items) else 2)


def _require_folder(output: Path | None, resume: bool) -> Path:
    from shotprint.cluster.output import check_folder

    if output is None:
        raise typer.BadParameter("--format parquet needs a folder; give -o FOLDER")
    check_folder(output, resume)
    return output


def _show_combined(combined: "CombinedResult | None") -> None:
    """Say what all recordings together give: not one row more, which a program would count."""
    if combined is None:
        return
    if combined.decision is None or combined.candidates is None:
        typer.echo("shotprint: no recording is left that could speak for the gun", err=True)
        return
    best = ", ".join(f"{s.label} {s.probability:.2f}" for s in combined.candidates[:3])
    stated = describe_decision(combined.decision)
    n_used, n_left_out = combined.n_recordings, len(combined.left_out)
    typer.echo(
        f"{n_used} of {n_used + n_left_out} recordings as one gun: {stated}; {best}", err=True
    )


def _show_enrolled(results: "Sequence[RecordingResult]", guns: "EnrolledGuns | None") -> None:
    """Say which enrolled gun is supported most: not one column more, which no reader expects."""
    if guns is None:
        return
    calibration = guns.yardstick.calibration
    typer.echo(f"H1: {calibration.h1}. H2: {calibration.h2}. log10 LR, highest:", err=True)
    for result in results:
        for best in (result.enrolled or ())[:1]:
            interval = f"{best.llr:+.2f} ({best.low:+.2f} to {best.high:+.2f})"
            typer.echo(f"{result.path}: {best.gun} {interval}, {best.words}", err=True)


def _to_csv(
    recognizer: "Recognizer",
    found: "Sequence[FoundRecording]",
    results: "Sequence[RecordingResult]",
    known: "dict[str, KnownRecording]",
) -> "Iterator[str]":
    from shotprint.recognition.predictions import find_known, format_lines, to_prediction

    facts = [find_known(known, each.name, each.path) for each in found]
    if known and None in facts:
        n_missing = facts.count(None)
        message = f"shotprint: warning: {n_missing} of {len(facts)} are not in the manifest"
        typer.echo(message, err=True)
    rows = (to_prediction(*each) for each in zip(results, facts, strict=True))
    columns = ["sha256", *(name for fact in facts if fact for name in fact.columns)]
    others = list(dict.fromkeys(columns))
    return format_lines(rows, recognizer.model.metadata.label_names, others)


def _to_table(
    recognizer: "Recognizer", results: "Sequence[RecordingResult]", top: int, *, is_file: bool
) -> "str | Iterator[str]":
    """Return the answers as a drawn table for a terminal, else separated by tabs."""
    n_shown = min(top, len(recognizer.model.metadata.labels))
    answered = (result for result in results if result.error is None)
    if is_file or not sys.stdout.isatty():
        rows = (_tab_row(each, n_shown) for each in answered)
        return join_cells(itertools.chain([_tab_header(n_shown)], rows))
    drawn = list(answered)
    return _draw_table(recognizer, drawn, n_shown) if drawn else ""


def _tab_header(n_shown: int) -> list[str]:
    ranks = ["", *(f"_{rank}" for rank in range(2, n_shown + 1))]
    scores = [f"{name}{rank}" for rank in ranks for name in ("label", "probability")]
    levels = ["calibre", "p_calibre", "category", "p_category"]
    return ["recording", *scores, *levels, "decision", "stated", "p_stated"]


def _tab_row(result: "RecordingResult", n_shown: int) -> list[str]:
    from shotprint.recognition.results import printable

    best = [(each or ())[0] for each in (result.calibre, result.category)]
    scores = [*(result.candidates or ())[:n_shown], *best]
    cells = [cell for s in scores for cell in (s.label, f"{s.probability:.4f}")]
    decision = result.decision
    assert decision is not None
    p = "" if decision.probability is None else f"{decision.probability:.4f}"
    return [printable(result.path), *cells, decision.level, decision.label or "", p]


def _draw_table(
    recognizer: "Recognizer", answered: "Sequence[RecordingResult]", n_shown: int
) -> str:
    below = find_common_folder([result.path for result in answered])
    metadata = recognizer.model.metadata
    ranks = [f"{rank}." for rank in range(2, n_shown + 1)]
    rows = [["recording", "gun", *ranks, "calibre", "category", "stated"]]
    for result in answered:
        name, *cells = _tab_row(result, n_shown)[:-3]
        shown = name[len(below) :].lstrip("/\\") if below else name
        pairs = zip(cells[::2], cells[1::2], strict=True)
        scores = [f"{label} {float(p):.2f}" for label, p in pairs]
        stated = "" if result.decision is None else describe_decision(result.decision)
        rows.append([shown, *scores, stated])
    return draw_table(rows, below, f"model {metadata.name} {metadata.version}: {metadata.limits}")
