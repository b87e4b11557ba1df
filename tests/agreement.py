"""Do a recording in AMR at 8 kHz, in MP3 at 44.1 kHz and in WAV at 96 kHz give the same shots?

Over many real recordings, to the terminal::

    python tests/agreement.py --recordings 150
"""

import argparse
import csv
import random
import tempfile
from pathlib import Path

import numpy as np

from shotprint import audio
from shotprint.detection import Detector, OnnxDetector, find_shots
from shotprint.evaluation.detection import match_onsets
from shotprint.weights import shipped_detector
from sounds import encode

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {"far": DATA / "shotspotter-cut" / "shots.csv", "near": DATA / "guns9" / "groups.csv"}
TOLERANCE_S = 0.02
# file, rate in Hz, codec of FFmpeg; None: written by ourselves
FORMS = {
    "AMR, 8 kHz": ("a.amr", 8000, "libopencore_amrnb"),
    "WAV, 8 kHz": ("8.wav", 8000, None),
    "MP3, 44.1 kHz": ("a.mp3", 44100, "libmp3lame"),
    "WAV, 96 kHz": ("a.wav", 96000, None),
}
REFERENCE = "WAV, 96 kHz"


def find_onsets(path, form, folder, detector):
    """Return the onsets (s) that are found when a recording has another form."""
    name, rate_hz, codec = FORMS[form]
    whole = audio.read(path)
    waveform = audio.resample(whole.waveform, whole.sample_rate_hz, rate_hz).clip(-1, 1)
    if codec is None:
        audio.write_wav(folder / name, waveform, rate_hz)
    else:
        encode(folder / name, waveform, rate_hz, codec)
    return np.array([shot.onset_s for shot in find_shots(folder / name, detector)[0]])


def list_recordings(name, n):
    """Return `n` recordings of a set, drawn at random but always the same."""
    table = SETS[name]
    with table.open(encoding="utf-8", newline="") as file:
        recordings = [row["recording"] for row in csv.DictReader(file)]
    chosen = random.Random(0).sample(recordings, min(n, len(recordings)))
    return [table.parent / recording for recording in chosen]


def compare(found, reference):
    """Return how many onsets (s) are in both, how many more in the first, and the differences."""
    pairs = match_onsets(found, reference, TOLERANCE_S)
    late_s = [found[i] - reference[j] for i, j in pairs]
    return len(pairs), len(found) - len(pairs), late_s


def main():
    """Print how many shots of the 96 kHz WAV the other forms give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=150, help="of each set")
    given = parser.parse_args()
    detector = Detector(OnnxDetector(shipped_detector()))
    for name in SETS:
        rows = {form: [] for form in FORMS if form != REFERENCE}
        n_shots = 0
        for path in list_recordings(name, given.recordings):
            with tempfile.TemporaryDirectory() as folder:
                reference = find_onsets(path, REFERENCE, Path(folder), detector)
                n_shots += len(reference)
                for form, compared in rows.items():
                    found = find_onsets(path, form, Path(folder), detector)
                    compared.append(compare(found, reference))
        for form, compared in rows.items():
            n_same, n_more = (sum(each[i] for each in compared) for i in range(2))
            late_ms = 1e3 * np.median([late_s for each in compared for late_s in each[2]])
            print(
                f"{name}, {form}: {n_same} of {n_shots} shots ({n_same / n_shots:.1%}), "
                f"{n_more} others, later by {late_ms:.1f} ms (median)"
            )


if __name__ == "__main__":
    main()
