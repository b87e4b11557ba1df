"""Packing: what goes in comes out, once, in the same bytes, whatever happens on the way."""

import ctypes
import dataclasses
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from shotprint.audio import read, write_wav
from shotprint.clips import ClipRule, cut_clips, find_onsets
from shotprint.errors import ShotprintError
from shotprint.manifest import build_manifest, hash_manifest, write_manifest
from shotprint.packing import PackSettings, choose_segments, open_pack, pack, writing
from training_sets import RATE_HZ, RULE, SETTINGS, make_set, make_shot

WHOLE = dataclasses.replace(SETTINGS, crop=False)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return make_set(tmp_path_factory.mktemp("set"), n_each=4)


def list_recordings(path: Path) -> list[str]:
    return open_pack(path).manifest["recording"].tolist()


def test_whole_recordings_come_back_within_half_a_step(
    manifest: pd.DataFrame, tmp_path: Path
) -> None:
    pack(manifest, tmp_path / "set.h5", WHOLE)
    packed = open_pack(tmp_path / "set.h5")
    assert len(packed.manifest) == len(manifest) == 12
    for row, path in enumerate(manifest["path"]):
        waveform = read(path, sample_rate_hz=RATE_HZ).waveform[0]
        samples = packed.read_samples(row, 0, int(packed.n_samples[row]))
        assert samples.shape == waveform.shape
        assert np.abs(samples - waveform).max() <= 0.51 * packed.scale[row]
        assert packed.scale[row] * 32767 == pytest.approx(np.abs(waveform).max())


def test_cropping_stores_the_surroundings_of_onsets_only(
    manifest: pd.DataFrame, tmp_path: Path
) -> None:
    pack(manifest, tmp_path / "crop.h5", SETTINGS)
    pack(manifest, tmp_path / "whole.h5", WHOLE)
    crop, whole = open_pack(tmp_path / "crop.h5"), open_pack(tmp_path / "whole.h5")
    assert len(crop.waveform) < 0.8 * len(whole.waveform)
    np.testing.assert_array_equal(crop.onset_sample, whole.onset_sample)
    for onset, segment in enumerate(crop.onset_segment):
        assert crop.segment_recording[segment] == crop.onset_recording[onset]
        since = crop.onset_sample[onset] - crop.segment_start[segment]
        assert 0 <= since < crop.segment_n_samples[segment]


def test_every_clip_of_recognition_is_stored(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "set.h5", SETTINGS)
    packed = open_pack(tmp_path / "set.h5")
    for row, path in enumerate(manifest["path"]):
        clips = cut_clips(read(path, sample_rate_hz=RATE_HZ).waveform[0], RATE_HZ, RULE)
        onsets = np.flatnonzero(packed.onset_recording == row)
        for onset, start, clip in zip(onsets, clips.start_samples, clips.waveforms, strict=False):
            segment = int(packed.onset_segment[onset])
            found = packed.read_samples(segment, int(start), len(clip))
            assert np.abs(found - clip).max() <= 0.51 * packed.scale[row]


def count_pages_in_memory(samples: np.ndarray) -> int:
    """Ask Linux how many pages of a mapped array it holds, without touching them."""
    begin = samples.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
    n_bytes = samples.ctypes.data + samples.nbytes - begin
    pages = (ctypes.c_ubyte * (n_bytes // mmap.PAGESIZE + 1))()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(begin), ctypes.c_size_t(n_bytes), pages) == 0
    return sum(page & 1 for page in pages)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
def test_what_is_fetched_is_in_memory_before_it_is_read(
    manifest: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "set.h5"
    pack(manifest, path, WHOLE)
    opened = open_pack(path)
    begin = int(opened.segment_offset[1])
    stretch = opened.waveform[begin + 4000 : begin + 16_000]
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if count_pages_in_memory(stretch):
        pytest.skip("this file system keeps what it is told to forget")
    opened.fetch([(1, 4000, 12_000)])
    deadline_s = time.monotonic() + 30
    while count_pages_in_memory(stretch) < 6 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert count_pages_in_memory(stretch) >= 6


@pytest.mark.parametrize(
    ("onsets_s", "n_s", "expected_s"),
    [
        ([1.0], 3.0, [(0.65, 2.15)]),  # clip 0.9…1.9 and a quarter on both sides
        ([0.0], 3.0, [(0.0, 1.25)]),  # moved inside at the start
        ([2.9], 3.0, [(1.75, 3.0)]),  # moved inside at the end
        ([1.0, 2.0], 5.0, [(0.65, 3.15)]),  # overlapping ones are one
        ([5.0, 1.0], 9.0, [(0.65, 2.15), (4.65, 6.15)]),  # in order of time
        ([0.2], 0.5, [(0.0, 0.5)]),  # shorter than a clip
    ],
)
def test_segments(onsets_s: list[float], n_s: float, expected_s: list[tuple[float, float]]) -> None:
    onsets = np.array([round(s * RATE_HZ) for s in onsets_s], np.int64)
    segments = choose_segments(onsets, round(n_s * RATE_HZ), PackSettings())
    found = [(start / RATE_HZ, end / RATE_HZ) for start, end in segments]
    assert found == [pytest.approx(pair, abs=1e-3) for pair in expected_s]


def test_bytes_are_the_same_whatever_jobs_time_and_place(
    manifest: pd.DataFrame, tmp_path: Path
) -> None:
    pack(manifest, tmp_path / "a.h5", SETTINGS, jobs=1)
    time.sleep(1.1)  # HDF5 keeps times in seconds
    (tmp_path / "elsewhere").mkdir()
    pack(manifest, tmp_path / "elsewhere" / "b.h5", SETTINGS, jobs=3)
    a, b = (tmp_path / "a.h5").read_bytes(), (tmp_path / "elsewhere" / "b.h5").read_bytes()
    assert a == b
    assert str(tmp_path).encode() not in a
    assert os.fspath(Path(manifest["path"][0]).parent).encode() not in a
    assert not (tmp_path / "a.h5.parts").exists()


def test_content_hash_follows_content(manifest: pd.DataFrame, tmp_path: Path) -> None:
    variants = {
        "same": (manifest, SETTINGS),
        "fewer": (manifest.iloc[:-1], SETTINGS),
        "label": (manifest.assign(label=["x", *manifest["label"][1:]]), SETTINGS),
        "whole": (manifest, WHOLE),
    }
    hashes = {}
    for name, (rows, settings) in variants.items():
        pack(rows, tmp_path / f"{name}.h5", settings)
        hashes[name] = open_pack(tmp_path / f"{name}.h5").content_sha256
    assert len(set(hashes.values())) == len(variants)
    pack(manifest, tmp_path / "again.h5", SETTINGS)
    assert open_pack(tmp_path / "again.h5").content_sha256 == hashes["same"]


def test_columns_labels_and_hashes_are_kept(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "set.h5", SETTINGS)
    packed = open_pack(tmp_path / "set.h5")
    expected = manifest.drop(columns="path").reset_index(drop=True)
    pd.testing.assert_frame_equal(packed.manifest, expected)
    assert packed.labels == ("high", "low", "middle")
    assert packed.settings == SETTINGS
    assert packed.manifest_sha256 == hash_manifest(manifest)
    with h5py.File(tmp_path / "set.h5") as file:
        assert file["waveform"].chunks is None
        assert file["waveform"].dtype == np.int16


def test_a_bad_recording_does_not_stop_the_others(manifest: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    write_wav(folder / "silent.wav", np.zeros((1, 9000), np.float32), RATE_HZ)
    write_wav(folder / "brief.wav", np.array([[0.5, -0.5, 0.1]], np.float32), RATE_HZ)
    write_wav(folder / "changed.wav", make_shot(500, np.random.default_rng(1))[None], RATE_HZ)
    write_wav(folder / "gone.wav", make_shot(500, np.random.default_rng(2))[None], RATE_HZ)
    (folder / "text.wav").write_text("no sound", encoding="utf-8")
    names = ["silent", "brief", "changed", "gone", "text"]
    rows = [
        {"recording": f"bad/{n}.wav", "path": str(folder / f"{n}.wav"), "label": "bad"}
        for n in names
    ]
    bad = build_manifest(rows)[0]
    (folder / "gone.wav").unlink()
    with (folder / "changed.wav").open("ab") as file:
        file.write(b"\0\0")
    both = pd.concat([bad, manifest], ignore_index=True).fillna("")
    report = pack(both, tmp_path / "set.h5", SETTINGS)
    assert report.n_packed == len(manifest)
    assert report.lost_labels == ("bad",)
    reasons = {
        "silent": "silent",
        "brief": "ms long",
        "changed": "changed since the manifest was made",
        "gone": "no such file",
        "text": "",
    }
    assert set(report.failed) == {f"bad/{name}.wav" for name in names}
    for name, words in reasons.items():
        reason = report.failed[f"bad/{name}.wav"]
        assert words in reason.lower()
        assert str(tmp_path) not in reason
    packed = open_pack(tmp_path / "set.h5")
    assert packed.failed == dict(report.failed)
    assert packed.labels == ("high", "low", "middle")


def test_nothing_is_written_when_all_fail(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound", encoding="utf-8")
    row = {"recording": "a.wav", "path": str(tmp_path / "a.wav"), "label": "a"}
    with pytest.raises(ShotprintError, match=r"none of 1 recordings can be packed.*a\.wav"):
        pack(build_manifest([row])[0], tmp_path / "set.h5", SETTINGS)
    assert not (tmp_path / "set.h5").exists()


def copy_row(manifest: pd.DataFrame, row: int, **changes: str) -> pd.DataFrame:
    return manifest.iloc[[row]].assign(**changes)


def test_duplicates_are_packed_once(manifest: pd.DataFrame, tmp_path: Path) -> None:
    twice = pd.concat([manifest, copy_row(manifest, 0, recording="z/copy.wav")])
    report = pack(twice.reset_index(drop=True), tmp_path / "set.h5", SETTINGS)
    assert report.duplicates == {"z/copy.wav": manifest["recording"][0]}
    assert list_recordings(tmp_path / "set.h5") == manifest["recording"].tolist()


@pytest.mark.parametrize(("on_conflict", "left_out"), [("drop", [0, 12]), ("first", [12])])
def test_conflicts(
    manifest: pd.DataFrame, tmp_path: Path, on_conflict: str, left_out: list[int]
) -> None:
    torn = pd.concat([manifest, copy_row(manifest, 0, recording="z/copy.wav", label="other")])
    torn = torn.reset_index(drop=True)
    with pytest.raises(ShotprintError) as raised:
        pack(torn, tmp_path / "set.h5", SETTINGS)
    assert f"{manifest['recording'][0]} (high)" in str(raised.value)
    assert "z/copy.wav (other)" in str(raised.value)
    assert not (tmp_path / "set.h5").exists()
    settings = dataclasses.replace(SETTINGS, on_conflict=on_conflict)
    report = pack(torn, tmp_path / "set.h5", settings)
    assert list(report.dropped) == torn["recording"][left_out].tolist()
    assert list_recordings(tmp_path / "set.h5") == torn["recording"].drop(left_out).tolist()


def test_missing_hashes_are_computed(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest.assign(sha256=""), tmp_path / "set.h5", SETTINGS)
    assert open_pack(tmp_path / "set.h5").manifest["sha256"].tolist() == list(manifest["sha256"])


@pytest.mark.parametrize("n_done", [1, 5])
@pytest.mark.parametrize(("cut_journal", "cut_samples"), [(0, 0), (7, 0), (0, 9)])
def test_an_interrupted_run_goes_on(
    manifest: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_done: int,
    cut_journal: int,
    cut_samples: int,
) -> None:
    """Whatever was being written when it stopped: the file is the same in the end."""
    pack(manifest, tmp_path / "expected.h5", SETTINGS)
    interrupt_after(n_done, manifest, tmp_path / "set.h5", monkeypatch)
    for name, n_cut in (("journal.jsonl", cut_journal), ("waveform.int16", cut_samples)):
        part = tmp_path / "set.h5.parts" / name
        os.truncate(part, part.stat().st_size - n_cut)
    n_kept = n_done - (1 if cut_journal or cut_samples else 0)
    moved = [Path(path) for path in manifest["path"][:n_kept]]
    for path in moved:  # what is packed is not read again
        path.rename(path.with_suffix(".moved"))
    report = pack(manifest, tmp_path / "set.h5", SETTINGS)
    for path in moved:
        path.with_suffix(".moved").rename(path)
    assert not report.failed
    assert (tmp_path / "set.h5").read_bytes() == (tmp_path / "expected.h5").read_bytes()


def interrupt_after(
    n_done: int, manifest: pd.DataFrame, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pack until Ctrl-C after `n_done` recordings."""

    def stop_later(items: object, **_: object) -> object:
        for n, item in enumerate(items):  # type: ignore[call-overload]
            if n == n_done:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(writing, "show_progress", stop_later)
    with pytest.raises(KeyboardInterrupt):
        pack(manifest, path, SETTINGS, jobs=1)
    monkeypatch.undo()
    assert not path.exists()


def test_other_settings_start_anew(
    manifest: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(5, manifest, tmp_path / "set.h5", monkeypatch)
    pack(manifest, tmp_path / "set.h5", WHOLE)
    pack(manifest, tmp_path / "expected.h5", WHOLE)
    assert (tmp_path / "set.h5").read_bytes() == (tmp_path / "expected.h5").read_bytes()


def test_a_failed_recording_is_tried_again(
    manifest: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(manifest["path"][0])
    kept = path.read_bytes()
    pack(manifest, tmp_path / "expected.h5", SETTINGS)
    path.unlink()
    interrupt_after(5, manifest, tmp_path / "set.h5", monkeypatch)
    path.write_bytes(kept)
    report = pack(manifest, tmp_path / "set.h5", SETTINGS)
    assert not report.failed
    assert (tmp_path / "set.h5").read_bytes() == (tmp_path / "expected.h5").read_bytes()


def test_a_kill_leaves_nothing_half_written(manifest: pd.DataFrame, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "set.csv")
    code = "from shotprint.cli import main; main()"
    output = tmp_path / "set.h5"
    command = [sys.executable, "-c", code, "pack", str(tmp_path / "set.csv"), "-o", str(output)]
    command += ["--clip-length", "0.25", "--onset-at", "0.05", "--max-clips", "2"]
    command += ["--margin", "0.05", "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        journal = tmp_path / "set.h5.parts" / "journal.jsonl"
        while process.poll() is None and not (journal.is_file() and journal.stat().st_size):
            time.sleep(0.001)
        process.kill()
    pack(manifest, output, SETTINGS)
    pack(manifest, tmp_path / "expected.h5", SETTINGS)
    assert output.read_bytes() == (tmp_path / "expected.h5").read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel": "each"}, "one waveform"),
        ({"channel": "left"}, "channel"),
        ({"margin_s": -1.0}, "margin of -1.0 s"),
        ({"sample_rate_hz": 0}, "0 Hz"),
        ({"on_conflict": "ask"}, "stop, drop or first"),
    ],
)
def test_wrong_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        PackSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no file"), (b"no HDF5", "cannot be read as a pack")]
)
def test_wrong_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "set.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ShotprintError, match=message):
        open_pack(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "else/9"
    with pytest.raises(ShotprintError, match="is of else/9, expected shotprint-pack/1"):
        open_pack(tmp_path / "other.h5")


def test_what_was_not_stored_is_not_made_up(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest, tmp_path / "set.h5", SETTINGS)
    packed = open_pack(tmp_path / "set.h5")
    with pytest.raises(ShotprintError, match="does not hold samples"):
        packed.read_samples(0, int(packed.segment_start[0]) - 1, 10)


def test_onsets_are_those_of_the_recording(manifest: pd.DataFrame, tmp_path: Path) -> None:
    """A rule with more clips keeps the order: the strongest first."""
    settings = dataclasses.replace(SETTINGS, clip_rule=ClipRule(0.25, 0.05, 4, 0.05))
    pack(manifest, tmp_path / "set.h5", settings)
    packed = open_pack(tmp_path / "set.h5")
    waveform = read(manifest["path"][0], sample_rate_hz=RATE_HZ).waveform[0]
    onsets = find_onsets(waveform, RATE_HZ, settings.clip_rule)
    assert packed.onset_sample[packed.onset_recording == 0].tolist() == onsets.tolist()
