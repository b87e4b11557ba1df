"""``shotprint listen``: shots as they happen."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from shotprint.cli import options

if TYPE_CHECKING:
    from shotprint.live.session import Event, Session
    from shotprint.recognition import Recognizer


class Format(StrEnum):
    """How shots are written."""

    line = "line"
    json = "json"
    screen = "screen"


class SampleFormat(StrEnum):
    """What the bytes of raw PCM mean; FFmpeg's names."""

    u8 = "u8"
    s16le = "s16le"
    s24le = "s24le"
    s32le = "s32le"
    f32le = "f32le"


def listen(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[SOURCE]", help="-: standard input; a recording; a FIFO."),
    ] = None,
    from_: Annotated[str | None, typer.Option("--from", help="The same as SOURCE.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Microphone: its number, or a part of its name.")
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="Show the microphones.")
    ] = False,
    rate: Annotated[
        int | None,
        typer.Option(help="Hz; raw PCM without a WAV header: 48000; microphone: its own."),
    ] = None,
    channels: Annotated[int, typer.Option(min=1, help="Of raw PCM or the microphone.")] = 1,
    sample_format: Annotated[
        SampleFormat, typer.Option(help="Of raw PCM without a WAV header.")
    ] = SampleFormat.s16le,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a recording in its time, as if live.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How shots are written.")] = Format.line,
    top: Annotated[int, typer.Option(min=1, help="How many guns a line shows.")] = 1,
    threshold: options.Threshold = None,
    min_probability: Annotated[
        float, typer.Option(min=0, max=1, help="Of the gun; shots below it are not shown.")
    ] = 0.0,
    channel: Annotated[str, typer.Option(help="mix, each, or a number from 0.")] = "mix",
    model: options.ModelPath = None,
    detector: options.DetectorPath = None,
    firearms: options.Firearms = None,
) -> None:
    """Listen to a microphone, a pipe or a recording, and name the gun of each shot at once.

    Messages go to standard error. Exit code 0: the sound ended; 1: it broke off; 2: wrong usage
    or no sound at all; 130, 143: ended by Ctrl-C or SIGTERM, after the shots heard by then.
    """
    from shotprint.errors import ShotprintError
    from shotprint.live.pcm import PcmFormat
    from shotprint.live.session import Session
    from shotprint.live.sources import Source, open_source
    from shotprint.recognition import RecognitionSettings, Recognizer

    if list_devices:
        from shotprint.live.microphone import list_microphones

        typer.echo(list_microphones())
        return
    named = [each for each in (source, from_, device) if each is not None]
    if len(named) > 1:
        raise typer.BadParameter(f"found {', '.join(named)}; name one source only")
    pcm = PcmFormat(rate or 48000, channels, sample_format.value)
    heard: Source
    if device is None and named:
        heard = open_source(named[0], pcm, realtime)
    else:
        from shotprint.live.microphone import Microphone

        number = int(device) if device is not None and device.isdigit() else device
        heard = Microphone(number, rate, channels)
    recognizer = Recognizer(
        options.open_model(model, None, None, firearms),
        RecognitionSettings(channel),
        options.open_detector(detector, threshold),
    )
    if recognizer.detector is None:
        raise ShotprintError(f"{model} hears recordings whole; expected a model of shots")
    session = Session(heard, recognizer.detector, recognizer.model, channel)
    with _ending_by_signals(session) as find_signal, _closing_quietly():
        n_shots = _run(session, recognizer, _Output(format, top, min_probability))
    typer.echo(f"shotprint: {n_shots} shots in {session.heard_s:.1f} s", err=True)
    if (signal_number := find_signal()) is not None:
        raise typer.Exit(128 + signal_number)
    if session.is_damaged:
        raise typer.Exit(1)


def _run(session: "Session", recognizer: "Recognizer", how: "_Output") -> int:
    """Show what happens until the source ends; return how many shots were shown."""
    from shotprint.live.session import HeardShot

    n_shots = 0
    with how.open(session, recognizer) as show:
        for event in session.run():
            if isinstance(event, HeardShot):
                if (event.shot.probability or 0.0) < how.min_probability:
                    continue
                n_shots += 1
            show(event)
    return n_shots


@dataclass(frozen=True)
class _Output:
    """How events are shown."""

    format: Format
    top: int
    min_probability: float

    @contextmanager
    def open(
        self, session: "Session", recognizer: "Recognizer"
    ) -> "Iterator[Callable[[Event], None]]":
        """Give what shows an event."""
        from shotprint.live import HeardShot, Message, output

        if self.format is Format.screen:
            from shotprint.live.screen import Screen

            with Screen(session, self.top) as screen:
                yield screen.add
            return
        if self.format is Format.json:
            _write(output.format_json_head(session.source.name, recognizer.collect([])))

        def show(event: "Event") -> None:
            if self.format is Format.json:
                _write(output.format_json_event(event))
            elif isinstance(event, HeardShot):
                _write(output.format_shot(event, self.top))
            if isinstance(event, Message):
                typer.echo(f"shotprint: {output.format_message(event)}", err=True)

        yield show


def _write(line: str) -> None:
    """Write a line to standard output, in UTF-8, at once."""
    typer.echo(line.encode())


@contextmanager
def _ending_by_signals(session: "Session") -> "Iterator[Callable[[], int | None]]":
    """End the session at Ctrl-C or SIGTERM, at once at the second; give which one it was."""
    caught: list[int] = []

    def end(number: int, frame: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        session.stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: caught[0] if caught else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _closing_quietly() -> Iterator[None]:
    """End with exit code 0 where nobody reads standard output any more (``| head -1``)."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for Python's last flush
        raise typer.Exit(0) from None
