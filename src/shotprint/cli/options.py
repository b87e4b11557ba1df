"""What several commands are given in the same words, and how they open it."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from shotprint.opening import open_detector, open_model

__all__ = ["open_detector", "open_model"]  # for the commands, beside the options below

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Recordings, and folders of them.")
]
Channel = Annotated[str, typer.Option(help="mix, loudest, each, or a number from 0.")]
Track = Annotated[
    int | None, typer.Option(min=0, help="Sound track of a video, from 0; default: the best.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Recordings at a time; 0: one a core.")]
Device = Annotated[
    str, typer.Option(help="What the recogniser computes on: cpu, cuda, cuda:N, or auto.")
]
DetectorPath = Annotated[
    Path | None, typer.Option(help="Detector of your own: .onnx of train-detector.")
]
Level = Annotated[
    float,
    typer.Option(
        "--level",
        min=0.5,
        max=1,
        help="Probability from which a gun, calibre or category is stated.",
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(min=0.001, max=0.999, help="Probability from which on it is a shot."),
]
ModelPath = Annotated[
    Path | None, typer.Option(help="Model: .onnx, weights, or the folder of a training run.")
]
Backbone = Annotated[str | None, typer.Option(help="Network of the weights, such as panns_cnn14.")]
WeightsDir = Annotated[
    Path | None,
    typer.Option(help="Folder where the model is looked for too (or set SHOTPRINT_WEIGHTS)."),
]


class Hypothesis(StrEnum):
    """What the hypotheses of a likelihood ratio are about."""

    model = "model"
    calibre = "calibre"
    category = "category"


HypothesisOption = Annotated[
    Hypothesis, typer.Option(help="H1: this one fired; H2: another of the listed ones did.")
]
Laboratory = Annotated[str, typer.Option(help="Name of the laboratory.")]
Logo = Annotated[Path | None, typer.Option(help="Logo of the laboratory, PNG or JPEG.")]
Language = Annotated[str, typer.Option(help="Of reports: en or de.")]
OwnTexts = Annotated[
    Path | None, typer.Option(help="Your own sentences in place of some of a report's, TOML.")
]
Template = Annotated[Path | None, typer.Option(help="Your own page for reports, Jinja.")]
LayoutPath = Annotated[
    Path | None, typer.Option(help="Your own order of a report's sections, and form of its PDF.")
]
Card = Annotated[Path | None, typer.Option(help="Card of your own model, Markdown.")]
Key = Annotated[
    Path | None, typer.Option(help="Private key that signs a report's hashes; see make-key.")
]
KeyPasswordFile = Annotated[
    Path | None,
    typer.Option(
        help="File with its password (or set SHOTPRINT_KEY_PASSWORD; else you are asked)."
    ),
]
Verbal = Annotated[Path | None, typer.Option(help="Your own words for likelihood ratios, TOML.")]
Enrolled = Annotated[
    Path | None, typer.Option(help="Guns to compare with: a file of shotprint enrol.")
]
Firearms = Annotated[
    Path | None, typer.Option(help="Your own table of calibres and categories, TOML or CSV.")
]


def read_secret(path: Path, what: str) -> str:
    """Return the text of a file without spaces around it.

    Raises
    ------
    ShotprintError : it cannot be read, or is empty
    """
    from shotprint.errors import ShotprintError

    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no UTF-8"
        raise ShotprintError(f"the {what} {path} cannot be read ({reason})") from None
    if not secret:
        raise ShotprintError(f"the {what} {path} is empty; write it into the file, as one line")
    return secret


def unlock_key(key: Path | None, password_file: Path | None) -> str | None:
    """Return the password of a key that has one: from the file, the environment, the terminal."""
    if key is None:
        return None
    from shotprint.report.sealing import is_protected

    return find_password(password_file, f"Password of {key}: ") if is_protected(key) else None


def find_password(file: Path | None, prompt: str, again: str = "") -> str | None:
    """Return a password from a file, else the environment, else as typed; None: there is none.

    Parameters
    ----------
    again : prompt to type a new password once more; empty: it is not new

    Raises
    ------
    ShotprintError : the file cannot be read, or what was typed differs
    """
    import getpass
    import sys

    from shotprint.errors import ShotprintError
    from shotprint.report.settings import PASSWORD_VARIABLE

    if file is not None:
        return read_secret(file, "password")
    if given := os.environ.get(PASSWORD_VARIABLE):
        return given
    typed = getpass.getpass(prompt) if sys.stdin.isatty() else ""
    if typed and again and getpass.getpass(again) != typed:
        raise ShotprintError("the two passwords differ; give the command again")
    return typed or None
