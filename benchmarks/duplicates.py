"""How many planted copies an audit finds, and which pairs of the originals it calls the same.

    python -m benchmarks.duplicates DIR… [--half odd] [--copies 100] [--seed 1] [-o pairs.csv]

Of the recordings below each DIR, sorted, those at odd or even places give the copies. The
thresholds of `shotprint.audit` were chosen on copies of the even half, so figures come from the
odd one. Every pair of originals is listed: whether it is real, only a look at it can tell.
"""

import argparse
import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shotprint.audio import Audio, find_recordings, read, require_sound, resample, write_wav
from shotprint.audit.pairs import Pair, find_pairs
from shotprint.audit.records import Clip, ClipRow, Shelf, hear_clip
from shotprint.errors import RecordingError
from shotprint.files import write_text
from shotprint.progress import show_progress

Floats = NDArray[np.float32]

SHIFT_S, GAIN_DB, BIT_RATE = 0.3, -12.0, 64_000
RATES_HZ = (16_000, 22_050, 32_000, 44_100, 48_000)
MIN_LEFT_S = 0.5
"""A recording must be so long after the shift: less is no clip any more."""


def write_mp3(path: Path, waveform: Floats, rate_hz: int) -> None:
    """Write a waveform (1, n_samples) as MP3."""
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate_hz, 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        stream.bit_rate = BIT_RATE
        fitted = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate_hz, frame_size=stream.frame_size or 1152
        )
        for each in [*fitted.resample(frame), *fitted.resample(None), None]:
            container.mux(stream.encode(each))


def change_rate(audio: Audio, number: int) -> tuple[Floats, int]:
    """Return the waveform at another rate, which one depends on a number."""
    others = [rate_hz for rate_hz in RATES_HZ if rate_hz != audio.sample_rate_hz]
    rate_hz = others[number % len(others)]
    return resample(audio.waveform, audio.sample_rate_hz, rate_hz), rate_hz


def plant_copies(folder: Path, audio: Audio, number: int) -> dict[str, Path]:
    """Write a copy of each kind; return kind → path."""
    shift = round(SHIFT_S * audio.sample_rate_hz)
    gain = np.float32(10 ** (GAIN_DB / 20))
    rate_hz, waveform = audio.sample_rate_hz, audio.waveform
    resampled, other_rate_hz = change_rate(audio, number)
    at_32k = resample(waveform, rate_hz, 32_000)
    writers: Mapping[str, Callable[[Path], None]] = {
        "resampled.wav": lambda path: write_wav(path, resampled, other_rate_hz),
        "shifted.wav": lambda path: write_wav(path, waveform[:, shift:], rate_hz),
        "quieter.wav": lambda path: write_wav(path, waveform * gain, rate_hz),
        "mp3.mp3": lambda path: write_mp3(path, at_32k, 32_000),
        "all of them.mp3": lambda path: write_mp3(
            path, gain * at_32k[:, round(SHIFT_S * 32_000) :], 32_000
        ),
    }
    paths = {}
    for name, write in writers.items():
        path = folder / f"{number}-{name}"
        write(path)
        paths[path.stem.partition("-")[2]] = path
    return paths


def choose_originals(paths: Sequence[Path], half: str, n: int, seed: int) -> list[int]:
    """Return the places of recordings to copy: of one half, with sound, long enough."""
    places = np.arange(0 if half == "even" else 1, len(paths), 2)
    chosen: list[int] = []
    for place in np.random.default_rng(seed).permutation(places).tolist():
        if len(chosen) == n:
            break
        audio = read(paths[place], duration_s=30)
        try:
            require_sound(audio, paths[place])
        except RecordingError:
            continue
        if audio.duration_s >= SHIFT_S + MIN_LEFT_S:
            chosen.append(place)
    return sorted(chosen)


def measure(
    paths: Sequence[Path], chosen: Sequence[int], folder: Path
) -> tuple[Counter[tuple[str, str]], list[Pair]]:
    """Return how often copies of a kind were called what, and the pairs of originals."""
    everything, source = list(paths), {}
    for place in show_progress(chosen, total=len(chosen), description="planting"):
        audio = read(paths[place], duration_s=30)
        for kind, copy in plant_copies(folder, audio, place).items():
            source[len(everything)] = place, kind
            everything.append(copy)
    with Shelf() as shelf:
        clips = [
            Clip(ClipRow(str(path), path, "", "", "", ""), str(path), hear_clip(path, shelf, None))
            for path in show_progress(everything, total=len(everything), description="reading")
        ]
        pairs = find_pairs(clips, shelf, 1)
    found: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        if pair.second in source and source[pair.second][0] == pair.first:
            found[source[pair.second][1], pair.kind] += 1
    return found, [pair for pair in pairs if pair.second < len(paths)]


def main() -> None:
    """Print the recall of each kind of copy, and how many pairs of originals there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--half", choices=("odd", "even"), default="odd")
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, help="CSV for the pairs of originals")
    options = parser.parse_args()
    paths = [each.path for each in find_recordings(options.folders)]
    chosen = choose_originals(paths, options.half, options.copies, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        found, pairs = measure(paths, chosen, Path(folder))
    kinds = sorted({kind for kind, _ in found})
    print(f"{len(paths)} recordings; {len(chosen)} of the {options.half} half copied")
    for kind in kinds:
        of_kind = {what: n for (each, what), n in sorted(found.items()) if each == kind}
        n_found = sum(of_kind.values())
        print(f"{kind}: {n_found} of {len(chosen)} found ({n_found / len(chosen):.3f}), {of_kind}")
    kinds_of_pairs = dict(Counter(pair.kind for pair in pairs))
    print(f"pairs of originals: {len(pairs)} {kinds_of_pairs}")
    if options.output is not None:
        text = io.StringIO(newline="")
        rows = [(paths[p.first], paths[p.second], p.kind, p.shared) for p in pairs]
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_text(options.output, text.getvalue())


if __name__ == "__main__":
    main()
