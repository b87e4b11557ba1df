"""The command cut: each shot sample by sample, in files and a manifest that can be trained on."""

import csv
import sys

import numpy as np
import pytest
import soundfile

from shotprint.audio import write_wav
from shotprint.detection import Listening
from shotprint.errors import OutputError, ShotprintError
from shotprint.files import compute_sha256
from shotprint.recognition.excerpts import read_excerpts
from test_cli_recognize import run
from toy import make_shots, write_bursts

ONSETS_S = [0.05, 1.2, 1.28, 2.9]


def cut(toy_detector, *arguments, **expected):
    return run("cut", "--detector", toy_detector, *arguments, **expected)


def read_rows(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a") / "range"
    for gun in ("AK-47", "MP5"):
        (folder / gun).mkdir(parents=True)
        write_bursts(folder / gun / "a.wav", ONSETS_S)
    (folder / "MP5" / "a.wav").write_bytes((folder / "AK-47" / "a.wav").read_bytes() + b"LIST")
    write_bursts(folder / "b.wav", [0.5], 1.0, 22050)
    return folder


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_a_file_holds_the_samples_of_the_recording(tmp_path, toy_detector, subtype):
    source = write_bursts(tmp_path / "a.wav", ONSETS_S, subtype=subtype)
    cut(toy_detector, source, "-o", tmp_path / "cut", "--lead-in", 0.2, "--tail", 0.3)
    whole, rate_hz = soundfile.read(source, dtype="float64")
    rows = read_rows(tmp_path / "cut")
    assert len(rows) == 4
    for row, onset_s in zip(rows, ONSETS_S, strict=True):
        path = tmp_path / "cut" / row["path"]
        facts = soundfile.info(path)
        assert (facts.samplerate, facts.channels, facts.subtype) == (48000, 2, subtype)
        part, _ = soundfile.read(path, dtype="float64")
        found_s = float(row["onset_s"])
        assert found_s == pytest.approx(onset_s, abs=0.006)
        first = max(0, round((found_s - 0.2) * rate_hz))
        np.testing.assert_array_equal(part, whole[first : round((found_s + 0.3) * rate_hz)])
        assert float(row["lead_in_s"]) == pytest.approx(found_s - first / rate_hz, abs=2e-5)
        assert float(row["duration_s"]) == pytest.approx(len(part) / rate_hz, abs=1e-4)
        assert row["sha256"] == compute_sha256(path)
        assert row["source_sha256"] == compute_sha256(source)


def test_names_sort_nested_folders_stay_and_the_same_bytes_are_one_group(shots, toy_detector):
    folder = shots.parent / "cut"
    result = cut(toy_detector, shots, "-o", folder, "--label-by-folder")
    rows = read_rows(folder)
    names = [row["recording"] for row in rows]
    assert names == sorted(names)
    assert names == [
        *(f"{gun}/a-000{i}.wav" for gun in ("AK-47", "MP5") for i in (1, 2, 3, 4)),
        "b-0001.wav",
    ]
    assert all((folder / name).is_file() for name in names)
    assert [row["label"] for row in rows] == [*["AK-47"] * 4, *["MP5"] * 4, "range"]
    assert {row["group"] for row in rows[:4]} == {rows[0]["source"]}
    assert rows[0]["group"] != rows[4]["group"] != rows[8]["group"]
    assert "9 shots in 3 of 3 recordings" in result.stderr
    with pytest.raises(ShotprintError, match="new folder"):
        cut(toy_detector, shots, "-o", folder)


def test_pack_reads_the_manifest(shots, toy_detector, tmp_path):
    pytest.importorskip("h5py")
    cut(toy_detector, shots / "AK-47", "-o", tmp_path / "cut", "--label", "AK-47")
    run("pack", tmp_path / "cut" / "manifest.csv", "-o", tmp_path / "set.h5")
    from shotprint.packing import open_pack

    assert len(open_pack(tmp_path / "set.h5").manifest) == 4


def test_recordings_of_the_same_bytes_share_a_group(tmp_path, toy_detector):
    source = write_bursts(tmp_path / "a.wav", [0.5], 1.0)
    (tmp_path / "b.wav").write_bytes(source.read_bytes())
    cut(toy_detector, tmp_path / "a.wav", tmp_path / "b.wav", "-o", tmp_path / "cut")
    rows = read_rows(tmp_path / "cut")
    assert [row["group"] for row in rows] == [str(source)] * 2
    assert [row["label"] for row in rows] == ["", ""]


def test_a_compressed_recording_becomes_16_bits(tmp_path, toy_detector):
    soundfile.write(tmp_path / "a.ogg", make_shots([0.5], 1.0), 48000)
    cut(toy_detector, tmp_path / "a.ogg", "-o", tmp_path / "cut")
    assert soundfile.info(tmp_path / "cut" / "a-0001.wav").subtype == "PCM_16"


def test_failures_and_recordings_without_shots(tmp_path, toy_detector):
    write_wav(tmp_path / "noise.wav", make_shots([], 1.0, 8000), 8000)
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    result = cut(toy_detector, tmp_path, "-o", tmp_path / "cut", expect=1)
    assert read_rows(tmp_path / "cut") == []
    assert "text.wav" in result.stderr
    cut(toy_detector, tmp_path / "text.wav", "-o", tmp_path / "new", expect=2)
    assert not (tmp_path / "new").exists()
    both = (tmp_path, "-o", tmp_path / "new", "--label", "x", "--label-by-folder")
    assert "leave one" in cut(toy_detector, *both, expect=2).stderr
    cut(toy_detector, tmp_path, "-o", tmp_path / "new", "--tail", 0, expect=2)


@pytest.mark.parametrize("block_s", [0.05, 0.7, 10.0])
def test_excerpts_do_not_depend_on_the_blocks(tmp_path, monkeypatch, block_s):
    monkeypatch.setattr("shotprint.recognition.excerpts.BLOCK_S", block_s)
    waveform = np.arange(16000, dtype=np.float32)[None] / 16384
    write_wav(tmp_path / "a.wav", waveform, 8000, "FLOAT")
    spans = [(-1.0, 0.5), (0.25, 0.26), (0.25, 1.5), (0.3, 0.4), (1.9, 2.5)]
    excerpts = list(read_excerpts(tmp_path / "a.wav", spans, Listening()))
    for excerpt, (begin, end) in zip(excerpts, spans, strict=True):
        first, last = max(0, round(8000 * begin)), round(8000 * end)
        np.testing.assert_array_equal(excerpt.waveform, waveform[:, first:last])
        assert excerpt.start_s == pytest.approx(max(0, begin))


@pytest.mark.skipif(sys.platform == "win32", reason="limits as Linux has them")
def test_a_full_disk_is_no_fault_of_the_recording(tmp_path, toy_detector):
    """It ends the run, and half a file is not left."""
    import resource

    write_bursts(tmp_path / "a.wav", ONSETS_S)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"a-0001\.wav cannot be written .*; make room"):
            cut(toy_detector, tmp_path / "a.wav", "-o", tmp_path / "cut")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "cut").iterdir()) == []
