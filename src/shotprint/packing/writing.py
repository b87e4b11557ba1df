"""Decode the recordings of a manifest, several at a time, and put them together in one file."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotprint import __version__
from shotprint.audio import Audio, FoundRecording, read, require_length, require_sound
from shotprint.errors import MissingExtraError, RecordingError, ShotprintError
from shotprint.files import write_beside
from shotprint.manifest import hash_manifest
from shotprint.packing.journal import Entry, Journal, Packed, count_stored
from shotprint.packing.onsets import LOUDEST, OnsetFinder, choose_onsets
from shotprint.packing.selection import fill_hashes, select_recordings
from shotprint.packing.settings import FORMAT, PackSettings, choose_segments
from shotprint.progress import show_progress
from shotprint.recognition.processes import run_many
from shotprint.recognition.running import Run

try:
    import h5py
except ModuleNotFoundError:
    raise MissingExtraError("train", "packing") from None

if TYPE_CHECKING:
    from pandas import DataFrame

_FULL_SCALE = 32767
_DECODERS = ("numpy", "soundfile", "soxr", "av")


@dataclass(frozen=True)
class PackReport:
    """What became of the recordings of a manifest.

    Attributes
    ----------
    failed : recording → why it could not be used
    warnings : recording → what is to be said about it
    duplicates : recording → the packed recording with the same bytes and label
    dropped : recordings left out because their bytes have two labels
    lost_labels : labels of the manifest of which no recording could be packed
    """

    n_packed: int
    n_samples: int
    failed: Mapping[str, str]
    warnings: Mapping[str, tuple[str, ...]]
    duplicates: Mapping[str, str]
    dropped: tuple[str, ...]
    lost_labels: tuple[str, ...]


def pack(
    manifest: "DataFrame",
    path: str | os.PathLike[str],
    settings: PackSettings = PackSettings(),
    jobs: int = 0,
    finder: OnsetFinder = LOUDEST,
) -> PackReport:
    """Decode the recordings of a manifest and write them to one HDF5 file.

    Parameters
    ----------
    manifest : as `manifest.read_manifest` gives it
    jobs : recordings worked on at the same time, many short ones in processes; 0: as many as
        there are cores
    finder : where the clips are

    Returns
    -------
    What was packed and what was not. A recording that cannot be read does not stop the others.

    Raises
    ------
    ShotprintError
        The same bytes have two labels and `on_conflict` is ``stop``; no recording can be used.
    """
    path = Path(path)
    manifest, failed = fill_hashes(manifest)
    rows, duplicates, dropped = select_recordings(manifest, settings.on_conflict)
    parts = path.with_name(f"{path.name}.parts")
    with Journal(parts, _identify(rows, settings, finder)) as journal:
        _pack_missing(rows, settings, finder, journal, jobs)
        names = rows["recording"].tolist()
        entries = [journal.entries[row] for row in range(len(rows))]
        failed.update({names[e["row"]]: e["error"] for e in entries if "error" in e})
        good = [entry for entry in entries if "error" not in entry]
        packed_rows = rows.iloc[[entry["row"] for entry in good]].reset_index(drop=True)
        if good:
            tables = _build_tables(packed_rows, good, failed)
            facts = _describe(packed_rows, settings, hash_manifest(manifest))
            facts["onsets"] = finder.identity
            _write_pack(path, tables, facts, journal.copy_samples(good))
    shutil.rmtree(parts)
    if not good:
        first, reason = next(iter(failed.items()))
        raise ShotprintError(
            f"none of {len(manifest)} recordings can be packed; the first, {first}: {reason}"
        )
    return PackReport(
        n_packed=len(good),
        n_samples=sum(map(count_stored, good)),
        failed=failed,
        warnings={names[e["row"]]: tuple(e["warnings"]) for e in good if e["warnings"]},
        duplicates=duplicates,
        dropped=dropped,
        lost_labels=tuple(sorted(set(manifest["label"]) - set(packed_rows["label"]))),
    )


def _pack_missing(
    rows: "DataFrame",
    settings: PackSettings,
    finder: OnsetFinder,
    journal: Journal,
    jobs: int,
) -> None:
    """Pack what the journal does not have, and what failed at an earlier run, once more."""
    paths, stated = rows["path"].tolist(), rows["sha256"].tolist()
    todo = [row for row in range(len(rows)) if "segments" not in journal.entries.get(row, {})]
    found = [FoundRecording(paths[row], str(row)) for row in todo]

    def work(recording: FoundRecording, sha256: str, run: Run) -> Packed:
        row, path = int(recording.name), recording.path
        if sha256 != stated[row]:
            raise RecordingError(f"{path}: it changed since the manifest was made; import it again")
        audio = read(
            run.place(recording), sample_rate_hz=settings.sample_rate_hz, channel=settings.channel
        )
        require_length(audio, path)
        require_sound(audio, path)
        return _pack_recording(row, audio, sha256, settings, finder)

    def fail(recording: FoundRecording, error: str, sha256: str | None) -> Packed:
        reason = error.removeprefix(f"{recording.path}: ")
        return Packed({"row": int(recording.name), "error": reason}, np.zeros(0, np.int16))

    results = run_many(found, work, fail, jobs)
    with contextlib.closing(results):
        for packed in show_progress(results, total=len(todo), description="packing"):
            journal.add(packed)


def _pack_recording(
    row: int, audio: Audio, sha256: str, settings: PackSettings, finder: OnsetFinder
) -> Packed:
    """Crop and quantise one recording."""
    waveform = audio.waveform[0]
    onsets = choose_onsets(finder, audio, sha256, settings.clip_rule)
    segments = choose_segments(onsets, len(waveform), settings)
    kept = np.concatenate([waveform[start:end] for start, end in segments])
    scale = max(float(np.abs(kept).max()), 1e-12) / _FULL_SCALE
    entry = {
        "row": row,
        "n_samples": len(waveform),
        "scale": scale,
        "segments": [[int(start), int(end)] for start, end in segments],
        "onsets": onsets.tolist(),
        "warnings": list(audio.warnings),
    }
    return Packed(entry, np.rint(kept / np.float32(scale)).astype("<i2"))


def _identify(rows: "DataFrame", settings: PackSettings, finder: OnsetFinder) -> str:
    """Return what must be the same for an interrupted run to be continued."""
    facts = {
        "format": FORMAT,
        "shotprint": __version__,
        "decoders": [importlib.metadata.version(name) for name in _DECODERS],
        "settings": dataclasses.asdict(settings),
        "onsets": finder.identity,
        "recordings": hash_manifest(rows),
    }
    return json.dumps(facts, sort_keys=True)


def _describe(rows: "DataFrame", settings: PackSettings, manifest_sha256: str) -> dict[str, Any]:
    """Return the attributes of the file."""
    return {
        "format": FORMAT,
        "shotprint": __version__,
        "configuration": json.dumps(dataclasses.asdict(settings), sort_keys=True),
        "columns": _stored_columns(rows),
        "labels": sorted(set(rows["label"])),
        "sample_rate_hz": settings.sample_rate_hz,
        "channel": settings.channel,
        "manifest_sha256": manifest_sha256,
    }


def _write_pack(
    path: Path,
    tables: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
    samples: Iterable[NDArray[np.int16]],
) -> None:
    """Write samples, tables and attributes, and the hash of them all."""
    digest = hashlib.sha256(facts["configuration"].encode())
    for name, values in sorted(tables.items()):
        digest.update(f"\0{name}\0{values.dtype}\0".encode())
        digest.update(json.dumps(values.tolist()).encode())
    n_samples = int(tables["segments/n_samples"].sum())
    with write_beside(path) as beside, h5py.File(beside, "w") as file:
        waveform = file.create_dataset("waveform", (n_samples,), "<i2", track_times=False)
        offset = 0
        for block in samples:
            waveform[offset : offset + len(block)] = block
            digest.update(block.tobytes())
            offset += len(block)
        for name, values in tables.items():
            dtype = h5py.string_dtype("utf-8") if values.dtype == object else values.dtype
            file.create_dataset(name, data=values, dtype=dtype, track_times=False)
        file.attrs.update({**facts, "content_sha256": digest.hexdigest()})


def _stored_columns(rows: "DataFrame") -> list[str]:
    return [column for column in rows.columns if column != "path"]


def _build_tables(
    rows: "DataFrame", entries: Sequence[Entry], failed: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    segments = [(i, *segment) for i, entry in enumerate(entries) for segment in entry["segments"]]
    recording, start, end = np.array(segments, np.int64).reshape(-1, 3).T
    onsets = [(i, sample) for i, entry in enumerate(entries) for sample in entry["onsets"]]
    onset_recording, sample = np.array(onsets, np.int64).reshape(-1, 2).T
    return {
        "recordings/n_samples": np.array([entry["n_samples"] for entry in entries], np.int64),
        "recordings/scale": np.array([entry["scale"] for entry in entries], np.float64),
        "segments/recording": recording,
        "segments/start": start,
        "segments/n_samples": end - start,
        "segments/offset": np.cumsum(end - start) - (end - start),
        "onsets/recording": onset_recording,
        "onsets/sample": sample,
        "manifest": rows[_stored_columns(rows)].to_numpy(dtype=object),
        "failed": np.array(list(failed.items()), dtype=object).reshape(-1, 2),
    }
