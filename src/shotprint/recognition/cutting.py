"""Each shot as a file of its own, and a manifest of these to label and train on."""

import csv
import dataclasses
import io
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shotprint.audio import FoundRecording, probe, write_wav
from shotprint.detection import Detector, Listening
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256, place_outputs, write_text
from shotprint.recognition.excerpts import Excerpt, read_excerpts
from shotprint.recognition.finding import search
from shotprint.recognition.results import RecordingResult, printable
from shotprint.recognition.running import Run, run_recordings, to_failure

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = (
    *("recording", "path", "sha256", "label", "group", "fold"),
    *("source", "source_sha256", "shot", "onset_s", "lead_in_s", "detection_probability"),
    *("peak_dbfs", "clipped", "duration_s", "sample_rate_hz", "channels"),
)
MIN_DIGITS = 4  # of the number of a shot in a file's name, so that names sort

# Samples of these codecs, as libsndfile and FFmpeg name them, need more than 16 bits. What FFmpeg
# calls lossless does not say how many bits it holds.
SUBTYPES = {
    r"PCM_24|ALAC_(20|24)|pcm_s24.*|alac|flac|wavpack|tta|ape": "PCM_24",
    r"PCM_32|ALAC_32|pcm_s32.*": "PCM_32",
    r"FLOAT|DOUBLE|pcm_f(32|64).*": "FLOAT",
}


@dataclass(frozen=True)
class CutRule:
    """How much of a shot's surroundings goes into its file.

    Attributes
    ----------
    lead_in_s, tail_s : before and after the onset; less where the recording begins or ends
    """

    lead_in_s: float = 0.1
    tail_s: float = 0.9

    def __post_init__(self) -> None:
        if self.lead_in_s < 0 or self.tail_s <= 0:
            raise ShotprintError(
                f"{self.lead_in_s} s before and {self.tail_s} s after the onset were asked for; "
                "the lead-in must be 0 or more, the tail above 0"
            )


@dataclass(frozen=True)
class CutRecording:
    """A recording that was searched, and a row of the manifest a shot, without label and group."""

    result: RecordingResult
    rows: tuple[dict[str, str], ...] = ()


def cut_all(
    recordings: Sequence[FoundRecording],
    folder: Path,
    finder: tuple[Detector, Listening],
    rule: CutRule,
    jobs: int = 0,
) -> Generator[CutRecording, None, None]:
    """Find the shots of many recordings and write each as a WAV file into a folder.

    A file has every channel, the rate and the depth of the recording, a lossy one 16 bits. Of a
    recording that fails nothing is left in the folder.

    Parameters
    ----------
    finder : what finds the shots, and in which channel and track
    jobs : recordings worked on at the same time; 0: as many as there are cores

    Raises
    ------
    ShotprintError : there is something in the folder already
    OutputError : a shot cannot be written; whatever recording it is of, the run ends
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ShotprintError(f"{folder} holds something already; give a new folder")
    sources = [printable(str(recording.path)) for recording in recordings]
    names = [recording.name for recording in recordings]
    stems = dict(zip(names, place_outputs(sources, folder, ""), strict=True))

    def work(recording: FoundRecording, sha256: str, run: Run) -> CutRecording:
        result = search(recording, sha256, run, *finder)
        listening = dataclasses.replace(finder[1], channel="each")
        spans_s = [
            (shot.onset_s - rule.lead_in_s, shot.onset_s + rule.tail_s) for shot in result.shots
        ]
        excerpts = read_excerpts(recording.path, spans_s, listening, run.check)
        subtype = _find_subtype(probe(recording.path, track=listening.track).codec)
        digits = max(MIN_DIGITS, len(str(len(result.shots))))
        rows: list[dict[str, str]] = []
        try:
            for number, excerpt in enumerate(excerpts, start=1):
                stem = stems[recording.name]
                path = stem.with_name(f"{stem.name}-{number:0{digits}}.wav")
                write_wav(path, excerpt.waveform, excerpt.sample_rate_hz, subtype)
                rows.append(_describe(path, folder, result, number, excerpt))
        except BaseException:
            for row in rows:
                (folder / row["path"]).unlink()
            raise
        return CutRecording(result, tuple(rows))

    def fail(recording: FoundRecording, error: str, sha256: str | None) -> CutRecording:
        return CutRecording(to_failure(recording, error, sha256))

    return run_recordings(recordings, work, fail, jobs)


def write_cut_manifest(path: Path, cuts: Sequence[CutRecording], labels: Mapping[str, str]) -> None:
    """Write the manifest of what was cut; shots of recordings of the same bytes are one group.

    Parameters
    ----------
    labels : recording → label of its shots; without one it is empty, to be filled in
    """
    groups: dict[str, str] = {}
    rows = []
    for cut in cuts:
        for row in cut.rows:
            group = groups.setdefault(row["source_sha256"], row["source"])
            label = labels.get(cut.result.path, "")
            rows.append({**row, "label": label, "group": group, "fold": ""})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["recording"]))
    write_text(path, text.getvalue())


def _describe(
    path: Path, folder: Path, result: RecordingResult, number: int, excerpt: Excerpt
) -> dict[str, str]:
    shot = result.shots[number - 1]
    name = path.relative_to(folder).as_posix()
    n_channels, n_samples = excerpt.waveform.shape
    return {
        "recording": name,
        "path": name,
        "sha256": compute_sha256(path),
        "source": printable(result.path),
        "source_sha256": result.sha256 or "",
        "shot": str(number),
        "onset_s": f"{shot.onset_s:.5f}",
        "lead_in_s": f"{shot.onset_s - excerpt.start_s:.5f}",
        "detection_probability": f"{shot.detection_probability:.4g}",
        "peak_dbfs": f"{shot.peak_dbfs:.2f}",
        "clipped": "yes" if shot.clipped else "no",
        "duration_s": f"{n_samples / excerpt.sample_rate_hz:.5g}",
        "sample_rate_hz": str(excerpt.sample_rate_hz),
        "channels": str(n_channels),
    }


def _find_subtype(codec: str) -> str:
    """Return how libsndfile is to store what was in a codec."""
    return next((kind for pattern, kind in SUBTYPES.items() if re.fullmatch(pattern, codec)),
                "PCM_16")  # fmt: skip
