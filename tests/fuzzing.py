"""Damages recordings of every format; judges what reading, finding and recognising make of them.

By hand, thousands, in processes of their own, so that a crash or a hang is seen::

    python tests/fuzzing.py --first 0 --cases 5000
    python tests/fuzzing.py --first 0 --cases 5000 --shots
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import soundfile

from shotprint import audio
from shotprint.detection import Detector, Listening, OnnxDetector, find_shots
from shotprint.errors import RecordingError
from shotprint.recognition import OnnxModel, RecognitionSettings, Recognizer
from shotprint.weights import shipped_detector, shipped_model
from sounds import encode
from toy import make_shots

# file, format, subtype, rate in Hz
SNDFILE_SEEDS = [
    ("u8.wav", "WAV", "PCM_U8", 16000),
    ("s16.wav", "WAV", "PCM_16", 48000),
    ("s24.wav", "WAVEX", "PCM_24", 48000),
    ("s32.wav", "WAV", "PCM_32", 48000),
    ("f32.wav", "WAV", "FLOAT", 44100),
    ("f64.wav", "WAV", "DOUBLE", 44100),
    ("ulaw.wav", "WAV", "ULAW", 8000),
    ("alaw.wav", "WAV", "ALAW", 8000),
    ("ima.wav", "WAV", "IMA_ADPCM", 16000),
    ("ms.wav", "WAV", "MS_ADPCM", 16000),
    ("gsm.wav", "WAV", "GSM610", 8000),
    ("a.rf64", "RF64", "PCM_16", 48000),
    ("a.w64", "W64", "PCM_16", 48000),
    ("a.aiff", "AIFF", "PCM_16", 48000),
    ("a.au", "AU", "PCM_16", 48000),
    ("a.caf", "CAF", "PCM_16", 48000),
    ("alac.caf", "CAF", "ALAC_16", 48000),
    ("a.flac", "FLAC", "PCM_16", 48000),
    ("a.ogg", "OGG", "VORBIS", 44100),
    ("a.mp3", "MP3", "MPEG_LAYER_III", 44100),
]
# file, codec, rate in Hz, channels, video codec, options
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "100000"}
FFMPEG_SEEDS = [
    ("a.opus", "libopus", 48000, 1, None, None),
    ("a.m4a", "aac", 48000, 2, None, {"movflags": "faststart"}),
    ("alac.m4a", "alac", 48000, 2, None, None),
    ("a.mp4", "aac", 48000, 2, "mpeg4", None),
    ("fragments.mp4", "aac", 48000, 1, None, FRAGMENTED),
    ("a.mov", "pcm_s16le", 48000, 2, "mpeg4", None),
    ("a.3gp", "libopencore_amrnb", 8000, 1, None, None),
    ("a.amr", "libopencore_amrnb", 8000, 1, None, None),
    ("a.aac", "aac", 48000, 1, None, None),
    ("a.mkv", "aac", 48000, 2, "mpeg4", None),
    ("flac.mka", "flac", 48000, 2, None, None),
    ("pcm.mka", "pcm_s24le", 48000, 2, None, None),
    ("a.webm", "libopus", 48000, 2, None, None),
    ("a.wma", "wmav2", 44100, 2, None, None),
    ("a.ts", "aac", 48000, 2, None, None),
    ("a.mpg", "mp2", 44100, 2, None, None),
    ("a.avi", "libmp3lame", 44100, 2, "mpeg4", None),
    ("a.flv", "aac", 44100, 2, None, None),
    ("a.ac3", "ac3", 48000, 2, None, None),
    ("a.wv", "wavpack", 48000, 8, None, None),
]
NAMES = [row[0] for row in (*SNDFILE_SEEDS, *FFMPEG_SEEDS)]
SHOTS_S = (0.1, 0.18, 0.4)
THRESHOLD = 0.05  # so that damage is often taken for a shot
MAX_SECONDS, MAX_BYTES = 30, 3 << 30
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
EDGES += [0xFFFFFFFE, 192_000, 8_000, 1 << 63, (1 << 64) - 1]


def make_seeds(folder):
    """Return the bytes of a sound file of every format: half a second with three shots each."""
    contents = {}
    for name, form, subtype, rate_hz in SNDFILE_SEEDS:
        n_channels = 1 if subtype == "GSM610" else 2
        sound = np.tile(make_shots(SHOTS_S, 0.5, rate_hz), (n_channels, 1))
        soundfile.write(folder / name, sound.T, rate_hz, format=form, subtype=subtype)
    for name, codec, rate_hz, n_channels, video, options in FFMPEG_SEEDS:
        sound = np.tile(make_shots(SHOTS_S, 0.5, rate_hz), (n_channels, 1))
        encode(folder / name, sound, rate_hz, codec, video=video, options=options)
    for name in NAMES:
        contents[name] = (folder / name).read_bytes()
        (folder / name).unlink()
    return contents


def damage(rng, content, others):
    """Return the bytes damaged in one to three ways."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice(WAYS)(rng, content, others)
    return bytes(content)


def _span(rng, content):
    start = rng.randrange(len(content) + 1)
    return start, start + rng.choice([1, 4, 50, 188, 1000, 10_000])


def _place(rng, content, n_bytes):
    """Return a place, mostly among the first or last, where the headers stand."""
    n = max(1, len(content) - n_bytes)
    near = min(n, rng.choice([64, 400, 2000]))
    return rng.choice([rng.randrange(near), rng.randrange(n), n - 1 - rng.randrange(near)])


def _flip(rng, content, others):
    for _ in range(rng.choice([1, 3, 10, 100])):
        i = min(_place(rng, content, 1), len(content) - 1)
        if i >= 0:
            content[i] ^= 1 << rng.randrange(8)


def _set_field(rng, content, others):
    for _ in range(rng.choice([1, 1, 3])):
        n_bytes = rng.choice([1, 2, 2, 3, 4, 4, 4, 8])
        value = rng.choice([rng.choice(EDGES), rng.getrandbits(8 * n_bytes)]) % (1 << 8 * n_bytes)
        start = _place(rng, content, n_bytes)
        order = rng.choice(["little", "big"])
        content[start : start + n_bytes] = value.to_bytes(n_bytes, order)


def _cut(rng, content, others):
    del content[rng.randrange(len(content) + 1) :]


def _behead(rng, content, others):
    del content[: rng.choice([1, 16, 188, rng.randrange(len(content) + 1)])]


def _zero(rng, content, others):
    start, stop = _span(rng, content)
    content[start:stop] = bytes(len(content[start:stop]))


def _randomise(rng, content, others):
    start, stop = _span(rng, content)
    content[start:stop] = rng.randbytes(len(content[start:stop]))


def _insert(rng, content, others):
    start, stop = _span(rng, content)
    content[start:start] = rng.randbytes(stop - start)


def _delete(rng, content, others):
    start, stop = _span(rng, content)
    del content[start:stop]


def _double(rng, content, others):
    start, stop = _span(rng, content)
    content[stop:stop] = content[start:stop] * rng.choice([1, 1, 30])


def _append(rng, content, others):
    content += rng.choice([bytes(content), rng.choice(others)])


WAYS = [_flip, _flip, _set_field, _set_field, _set_field, _cut, _behead, _zero, _randomise]
WAYS += [_insert, _delete, _double, _append]


def make_case(contents, case):
    """Return the name and the bytes of a numbered damaged file."""
    rng = random.Random(case)
    name = rng.choice(NAMES)
    return name, damage(rng, contents[name], list(contents.values()))


def judge_reading(path, case):
    """Read a file in one of several ways; AssertionError unless it ends as it should."""
    rng = random.Random(case)
    channel = rng.choice(["mix", "each", "loudest", "0"])
    try:
        audio.probe(path)
        blocks = rng.choice(
            [
                lambda: [audio.read(path, sample_rate_hz=32000, channel=channel)],
                lambda: [audio.read(path, channel=channel, start_s=0.1, duration_s=0.2)],
                lambda: audio.stream(path, block_s=5.0, channel=channel),
            ]
        )()
        for block in blocks:
            assert block.waveform.dtype == np.float32
            assert block.waveform.size
            assert np.isfinite(block.waveform).all()
            assert np.isfinite(block.start_s)
            assert block.start_s >= 0
            assert all("\n" not in text for text in block.warnings)
        return "; ".join(block.warnings)
    except RecordingError as error:
        text = str(error)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text


def judge_shots(path, case):
    """Find or recognise the shots of a file; AssertionError unless that ends as it should."""
    rng = random.Random(case)
    channel = rng.choice(["mix", "each", "loudest", "0"])
    detector, model = open_shipped()
    if rng.random() < 0.5:
        section_s = rng.choice([0.256, 30.0])
        error, shots = None, []
        try:
            shots, _ = find_shots(path, detector, Listening(channel, section_s=section_s))
        except RecordingError as raised:
            error = str(raised)
        json.dumps([vars(shot) for shot in shots], allow_nan=False)
    else:
        recognizer = Recognizer(model, RecognitionSettings(channel), detector)
        result = recognizer.recognize_file(path)
        json.dumps(dataclasses.asdict(result), allow_nan=False)
        error, shots = result.error, result.shots
        assert error or sum(score.probability for score in result.candidates) > 0.999
    assert error is None or len(error.splitlines()) == 1
    assert "unexpected" not in (error or "")
    reached_s = 0.0
    for shot in shots:
        assert reached_s <= shot.onset_s < shot.end_s <= shot.onset_s + 1.001
        reached_s = shot.onset_s
    return shots


@functools.cache
def open_shipped():
    """Open the detector and the model that are shipped, once a process."""
    return Detector(OnnxDetector(shipped_detector()), THRESHOLD), OnnxModel(shipped_model())


def _run_child(first, n_cases, folder, judge):
    """Judge cases one after another; say each number before and each failure after."""
    contents = {name: (folder / name).read_bytes() for name in NAMES}
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    warnings.simplefilter("error")
    for case in range(first, first + n_cases):
        name, content = make_case(contents, case)
        path = folder / f"case{case}-{name}"
        path.write_bytes(content)
        print("begin", case, name, flush=True)
        signal.alarm(MAX_SECONDS)
        try:
            judge(path, case)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            print("FAILED", case, name, type(error).__name__, error, flush=True)
        else:
            path.unlink()
        signal.alarm(0)
        print("end", case, os.fstat(2).st_size, flush=True)


def _run(first, n_cases, folder, options):
    """Run cases in children; return the failures."""
    failures, stop = [], first + n_cases
    while first < stop:
        with (folder / "stderr").open("wb") as stderr:
            numbers = "--first", str(first), "--cases", str(min(stop - first, 250))
            child = subprocess.run(
                [sys.executable, __file__, "--child", folder, *numbers, *options],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                check=False,
            )
        lines = child.stdout.splitlines()
        failures += [line for line in lines if line.startswith("FAILED")]
        ends = [line.split() for line in lines if line.startswith("end")]
        loud = next((case for _, case, size in ends if int(size)), None)
        if loud:
            text = (folder / "stderr").read_text(errors="replace")[:200]
            failures.append(f"STDERR {loud} {text!r}")
        begun = [line.split() for line in lines if line.startswith("begin")]
        if child.returncode and not begun:
            raise SystemExit((folder / "stderr").read_text(errors="replace"))
        if child.returncode:
            failures.append(f"CRASHED {begun[-1][1:]} {child.returncode}")
        first = int(begun[-1][1]) + 1
    return failures


def main():
    """Make the seeds, run the cases asked for, and list the failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--shots", action="store_true", help="find and recognise shots")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        judge = judge_shots if given.shots else judge_reading
        _run_child(given.first, given.cases, given.child, judge)
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, content in make_seeds(folder).items():
            (folder / name).write_bytes(content)
        failures = _run(given.first, given.cases, folder, ["--shots"] * given.shots)
    print("\n".join(failures))
    print(f"{given.cases} cases, {len(failures)} failures")


if __name__ == "__main__":
    main()
