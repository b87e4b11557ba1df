"""``shotprint report``: the answers for a case as one document; ``make-key``: to sign it with."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options
from shotprint.cli.running import count_done, count_shots, finish, run_all
from shotprint.decisions import LEVEL


def report(
    paths: options.Paths,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report.")],
    question: Annotated[str, typer.Option(help="That the report answers, in words.")] = "",
    hypothesis: options.HypothesisOption = options.Hypothesis.model,
    value: Annotated[
        list[str] | None, typer.Option(help="Of H1, such as a model; may be given several times.")
    ] = None,
    case: Annotated[str, typer.Option(help="Number or name of the case.")] = "",
    examiner: Annotated[str, typer.Option(help="Who makes the report.")] = "",
    laboratory: options.Laboratory = "",
    logo: options.Logo = None,
    language: options.Language = "en",
    texts: options.OwnTexts = None,
    template: options.Template = None,
    layout: options.LayoutPath = None,
    verbal: options.Verbal = None,
    card: options.Card = None,
    key: options.Key = None,
    key_password_file: options.KeyPasswordFile = None,
    date: Annotated[
        str, typer.Option(help="Of the report, ISO 8601; default: SOURCE_DATE_EPOCH, else now.")
    ] = "",
    max_shots: Annotated[
        int, typer.Option(min=0, help="Shots that are shown one by one; the rest are listed.")
    ] = 150,
    model: options.ModelPath = None,
    weights_dir: options.WeightsDir = None,
    firearms: options.Firearms = None,
    threshold: options.Threshold = None,
    level: options.Level = LEVEL,
    detector: options.DetectorPath = None,
    channel: options.Channel = "mix",
    track: options.Track = None,
    jobs: options.Jobs = 0,
) -> None:
    """Write the report of a case: HTML page, PDF, JSON and the hashes of all that it rests on.

    Exit code 1: some recordings failed, which the report says too; 2: all of them, or wrong usage.
    """
    from shotprint.audio import find_recordings
    from shotprint.errors import ShotprintError
    from shotprint.recognition import RecognitionSettings, Recognizer
    from shotprint.recognition.results import printable
    from shotprint.report import Answers, ReportSettings, write_report
    from shotprint.report.case import prepare

    settings = ReportSettings(
        question=question,
        hypothesis=hypothesis.value,
        values=tuple(value or ()),
        case=case,
        examiner=examiner,
        laboratory=laboratory,
        logo=logo,
        language=language,
        texts=texts,
        template=template,
        layout=layout,
        verbal=verbal,
        card=card,
        key=key,
        key_password=options.unlock_key(key, key_password_file),
        date=date,
        command=printable(shlex.join(["shotprint", *sys.argv[1:]])),
        paths=tuple(paths),
        max_pictures=max_shots,
    )
    if output.exists() and not output.is_dir():
        raise ShotprintError(f"{output} is a file, and a report is a folder; give another --output")
    recognizer = Recognizer(
        options.open_model(model, None, weights_dir, firearms),
        RecognitionSettings(channel, jobs, track, level),
        options.open_detector(detector, threshold),
    )
    prepare(settings, recognizer)
    found = find_recordings(paths)
    answers = recognizer.recognize(found)
    results, is_interrupted = run_all(answers, found, "recognising", "recognised")
    if is_interrupted:
        finish(results, f"{output}: interrupted, no report was written", is_interrupted)
    write_report(found, settings, output, answers=Answers(recognizer, results))
    summary = f"{output}: {count_done(results)} reported, {count_shots(results)}"
    finish(results, summary, is_interrupted)


def make_key(
    path: Annotated[Path, typer.Argument(help="File for the private key, such as lab.key.")],
    password_file: Annotated[
        Path | None,
        typer.Option(help="File with a password for it (or set SHOTPRINT_KEY_PASSWORD)."),
    ] = None,
) -> None:
    """Make a key that signs reports, and beside it (.pub) the public one that checks them.

    On a terminal it asks for a password; with none, whoever reads the file can sign.
    """
    from shotprint.report import make_key

    asked = "Password for the key (empty: none): ", "The same again: "
    password = options.find_password(password_file, *asked)
    public = make_key(path, password)
    kept = "protected by its password" if password else "without a password: keep it secret"
    typer.echo(f"{path}: {kept}; {public}: hand it to whoever checks reports", err=True)
