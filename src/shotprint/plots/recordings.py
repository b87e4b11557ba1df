"""Pictures of recordings and of their shots, from files to files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from shotprint.audio import FoundRecording, probe
from shotprint.detection import Listening, open_blocks
from shotprint.plots.figures import write_figure
from shotprint.plots.overview import measure_overview
from shotprint.plots.shots import AFTER_S, BEFORE_S, draw_recording, draw_shot
from shotprint.recognition.excerpts import BLOCK_S, read_excerpts
from shotprint.recognition.results import RecordingResult

MARGIN_S = 0.03
SHOT_WINDOW_S = 0.005
MIN_DIGITS = 4  # of the number of a shot in a picture's name, so that names sort


def draw_pictures(
    recording: FoundRecording,
    listening: Listening,
    result: RecordingResult,
    path: Path,
    max_shots: int | None = None,
) -> list[Path]:
    """Write a picture of a recording, and one of each shot beside it; return their paths.

    The recording is read in blocks, so that memory does not grow with its length.

    Parameters
    ----------
    result : its `shots` are drawn; empty: the sound alone is
    path : of the first picture, ``.png``, ``.svg`` or ``.pdf``; a shot's has its number behind
        the name: ``range.png``, ``range-0001.png``
    max_shots : of more shots, the first get a picture of their own; None: all do

    Raises
    ------
    RecordingError : as `shotprint.audio.stream`
    """
    write_figure(draw_sound(recording, listening, result), path)
    written = [path]
    n_drawn = len(result.shots[:max_shots])
    digits = max(MIN_DIGITS, len(str(len(result.shots))))
    for place, figure in enumerate(draw_shots(recording, listening, result, range(n_drawn))):
        written.append(path.with_stem(f"{path.stem}-{place + 1:0{digits}}"))
        write_figure(figure, written[-1])
    return written


def draw_sound(recording: FoundRecording, listening: Listening, result: RecordingResult) -> Figure:
    """Return the figure of a recording; see `draw_pictures`."""
    duration_s = result.duration_s or probe(recording.path, track=listening.track).duration_s
    blocks = open_blocks(recording.path, listening, block_s=BLOCK_S)
    return draw_recording(measure_overview(blocks, duration_s or 0.0), result)


def draw_shots(
    recording: FoundRecording,
    listening: Listening,
    result: RecordingResult,
    places: Sequence[int],
) -> Iterator[Figure]:
    """Yield the figures of shots of `result`, the recording read once; see `draw_pictures`.

    Parameters
    ----------
    places : which of its shots, from 0, in order of time
    """
    spans_s = [
        (shot.onset_s - BEFORE_S - MARGIN_S, shot.onset_s + AFTER_S + MARGIN_S)
        for shot in (result.shots[place] for place in places)
    ]
    excerpts = read_excerpts(recording.path, spans_s, listening) if spans_s else ()
    for place, excerpt in zip(places, excerpts, strict=True):
        length_s = excerpt.waveform.shape[1] / excerpt.sample_rate_hz
        around = measure_overview([excerpt], length_s, SHOT_WINDOW_S)
        yield draw_shot(around, result, place)
