"""A manifest becomes one HDF5 file: decoded, mixed, resampled, cropped, ready to train on.

Layout (``shotprint-pack/1``), described for users in ``docs/training.md``:

- ``waveform``: int16, all stored samples one after the other, contiguous
- ``recordings/``: of each recording its length ``n_samples`` and the ``scale`` that turns int16
  into full scale
- ``segments/``: stretches of ``waveform``: ``offset`` there, ``n_samples``, the ``recording``
  (row) and ``start`` in it. A whole recording is one segment from 0; a cropped one has the
  surroundings of its onsets, overlapping ones joined, so that no sample is stored twice.
- ``onsets/``: ``recording`` and ``sample`` in it, strongest first
- ``manifest``: text (n_recordings, n_columns) with the names of the columns as attribute,
  without the paths; ``failed``: recordings that could not be used, with the reason

The same recordings and settings give the same bytes, on any number of threads. Until the file
is complete, everything lies in ``<name>.parts/``: a run that was killed goes on from there.
"""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from shotprint import __version__
from shotprint.audio import read, require_sound
from shotprint.audio.channels import parse_channel
from shotprint.clips import ClipRule, find_onsets, place_clips
from shotprint.errors import MissingExtraError, RecordingError, ShotprintError
from shotprint.files import compute_sha256, write_beside
from shotprint.manifest import hash_manifest
from shotprint.progress import show_progress

try:
    import h5py
    import pandas as pd
except ModuleNotFoundError:
    raise MissingExtraError("train", "packing") from None

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = "shotprint-pack/1"
_FULL_SCALE = 32767
_COPY_SAMPLES = 1 << 22
_MAX_LISTED = 20
_JOURNAL, _SAMPLES = "journal.jsonl", "waveform.int16"
_DECODERS = ("numpy", "soundfile", "soxr", "av")

Item = TypeVar("Item")
Result = TypeVar("Result")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PackSettings:
    """How recordings are packed.

    Parameters
    ----------
    sample_rate_hz : of the backbone that is to be trained
    channel : ``mix``, ``loudest`` or a number from ``0``
    crop : keep the surroundings of the onsets; False keeps recordings whole
    clip_rule : which onsets are found, and how much around them is kept
    margin_s : kept on both sides of a clip, for shifting it in time
    on_conflict : the same bytes under two labels: ``stop``, ``drop`` them all, or keep the
        ``first`` in the manifest
    """

    sample_rate_hz: int = 32000
    channel: str = "mix"
    crop: bool = True
    clip_rule: ClipRule = field(default_factory=ClipRule)
    margin_s: float = 0.25
    on_conflict: Literal["stop", "drop", "first"] = "stop"

    def __post_init__(self) -> None:
        if parse_channel(self.channel) == "each":
            raise ShotprintError(
                "a recording is packed as one waveform; give mix, loudest or a number, not each"
            )
        if self.sample_rate_hz <= 0 or self.margin_s < 0:
            raise ShotprintError(
                f"found {self.sample_rate_hz} Hz and a margin of {self.margin_s} s; expected a "
                "rate above 0 Hz and a margin of 0 s or more"
            )
        if self.on_conflict not in ("stop", "drop", "first"):
            raise ShotprintError(
                f"found on_conflict {self.on_conflict!r}; expected stop, drop or first"
            )


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


@dataclass(frozen=True)
class _Packed:
    """One recording after decoding: what goes into the journal, and its samples."""

    entry: dict[str, Any]
    samples: NDArray[np.int16]


def pack(
    manifest: "DataFrame",
    path: str | os.PathLike[str],
    settings: PackSettings = PackSettings(),
    jobs: int | None = None,
) -> PackReport:
    """Decode the recordings of a manifest and write them to one HDF5 file.

    Parameters
    ----------
    manifest : as `manifest.read_manifest` gives it
    jobs : threads, by default one a core; decoders leave the interpreter to the others

    Returns
    -------
    What was packed and what was not. A recording that cannot be read does not stop the others.

    Raises
    ------
    ShotprintError
        The same bytes have two labels and `on_conflict` is ``stop``; no recording can be used.
    """
    path = Path(path)
    manifest, failed = _fill_hashes(manifest)
    rows, duplicates, dropped = select_recordings(manifest, settings.on_conflict)
    parts = path.with_name(f"{path.name}.parts")
    with _open_parts(parts, _identify(rows, settings)) as (journal, samples, entries):
        todo = [row for row in range(len(rows)) if "error" in entries.get(row, {"error": ""})]
        work = [(row, rows.iloc[row].to_dict()) for row in todo]
        results = _map_bounded(
            lambda item: _pack_recording(*item, settings), work, jobs or os.cpu_count() or 1
        )
        for packed in show_progress(results, total=len(todo), description="packing"):
            entries[packed.entry["row"]] = _record(packed, journal, samples)
        names = rows["recording"].tolist()
        for row in sorted(entries):
            if "error" in entries[row]:
                failed[names[row]] = entries[row]["error"]
        good = [entries[row] for row in sorted(entries) if "error" not in entries[row]]
        if not good:
            raise ShotprintError(
                f"none of {len(manifest)} recordings can be packed; the first: "
                f"{'; '.join(f'{name}: {error}' for name, error in list(failed.items())[:1])}"
            )
        samples.flush()
        packed_rows = rows.iloc[[entry["row"] for entry in good]].reset_index(drop=True)
        _write_pack(path, packed_rows, good, parts / _SAMPLES, settings, manifest, failed)
    shutil.rmtree(parts)
    return PackReport(
        n_packed=len(good),
        n_samples=sum(_count_stored(entry) for entry in good),
        failed=failed,
        warnings={names[e["row"]]: tuple(e["warnings"]) for e in good if e["warnings"]},
        duplicates=duplicates,
        dropped=dropped,
        lost_labels=tuple(sorted(set(manifest["label"]) - set(packed_rows["label"]))),
    )


def select_recordings(
    manifest: "DataFrame", on_conflict: str = "stop"
) -> tuple["DataFrame", dict[str, str], tuple[str, ...]]:
    """Choose which recordings are packed: each content once, and none under two labels.

    Parameters
    ----------
    manifest : every row with its sha256
    on_conflict : see `PackSettings`

    Returns
    -------
    The rows to pack; recording → the kept one with the same bytes; recordings dropped.

    Raises
    ------
    ShotprintError : the same bytes have two labels and `on_conflict` is ``stop``
    """
    n_labels = manifest.groupby("sha256")["label"].transform("nunique")
    torn = manifest[n_labels > 1]
    if len(torn) and on_conflict == "stop":
        raise ShotprintError(_describe_conflicts(torn))
    if on_conflict == "drop":
        dropped = tuple(torn["recording"])
    else:
        first = torn.groupby("sha256")["label"].transform("first")
        dropped = tuple(torn["recording"][torn["label"] != first])
    kept = manifest[~manifest["recording"].isin(set(dropped))]
    first_with = kept.groupby("sha256")["recording"].transform("first")
    again = first_with != kept["recording"]
    duplicates = dict(zip(kept["recording"][again], first_with[again], strict=True))
    return kept[~again].reset_index(drop=True), duplicates, dropped


def _describe_conflicts(torn: "DataFrame") -> str:
    cases = [
        " = ".join(f"{r} ({label})" for r, label in zip(g["recording"], g["label"], strict=True))
        for _, g in torn.groupby("sha256", sort=False)
    ]
    shown = cases[:_MAX_LISTED]
    if len(cases) > len(shown):
        shown.append(f"and {len(cases) - len(shown)} more")
    return (
        f"{len(cases)} files stand under two labels with the same bytes; correct the manifest, or "
        "leave both out with --on-conflict drop, or keep the first with --on-conflict first:\n  "
        + "\n  ".join(shown)
    )


def _fill_hashes(manifest: "DataFrame") -> tuple["DataFrame", dict[str, str]]:
    """Hash the files whose hash the manifest does not say; leave out those not to be read."""
    unknown = manifest.index[manifest["sha256"] == ""]
    if not len(unknown):
        return manifest.reset_index(drop=True), {}
    manifest, failed = manifest.copy(), {}
    for row in show_progress(unknown, total=len(unknown), description="hashing"):
        try:
            manifest.loc[row, "sha256"] = compute_sha256(manifest.loc[row, "path"])
        except OSError as error:
            failed[manifest.loc[row, "recording"]] = error.strerror or str(error)
    readable = ~manifest["recording"].isin(set(failed))
    return manifest[readable].reset_index(drop=True), failed


def _map_bounded(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int
) -> Iterator[Result]:
    """Apply a function in threads, in order, with only a few results waiting in memory."""
    with ThreadPoolExecutor(n_threads) as pool:
        pending: deque[Any] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * n_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _pack_recording(row: int, recording: Mapping[str, str], settings: PackSettings) -> _Packed:
    """Read, check, crop and quantise one recording; an error becomes its entry."""
    path = recording["path"]
    try:
        if compute_sha256(path) != recording["sha256"]:
            raise RecordingError(f"{path}: it changed since the manifest was made; import it again")
        audio = read(path, sample_rate_hz=settings.sample_rate_hz, channel=settings.channel)
        require_sound(audio, path)
    except RecordingError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return _Packed({"row": row, "error": reason}, np.zeros(0, np.int16))
    except OSError as error:
        reason = error.strerror or str(error)
        return _Packed({"row": row, "error": reason}, np.zeros(0, np.int16))
    waveform = audio.waveform[0]
    onsets = find_onsets(waveform, settings.sample_rate_hz, settings.clip_rule)
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
    return _Packed(entry, np.rint(kept / np.float32(scale)).astype("<i2"))


def choose_segments(
    onset_samples: Ints, n_samples: int, settings: PackSettings
) -> list[tuple[int, int]]:
    """Return (start, end) of the stretches of a recording to keep, in order, none overlapping."""
    rule = settings.clip_rule
    if not settings.crop or rule.length_s == 0:
        return [(0, n_samples)]
    rate = settings.sample_rate_hz
    margin, length = round(settings.margin_s * rate), round(rule.length_s * rate)
    segments: list[tuple[int, int]] = []
    for place in np.sort(place_clips(onset_samples, n_samples, rate, rule)).tolist():
        start, end = max(0, place - margin), min(n_samples, place + length + margin)
        if segments and start <= segments[-1][1]:
            segments[-1] = (segments[-1][0], max(end, segments[-1][1]))
        else:
            segments.append((start, end))
    return segments


def _identify(rows: "DataFrame", settings: PackSettings) -> str:
    """Return what must be the same for an interrupted run to be continued."""
    facts = {
        "format": FORMAT,
        "shotprint": __version__,
        "decoders": [importlib.metadata.version(name) for name in _DECODERS],
        "settings": dataclasses.asdict(settings),
        "recordings": hash_manifest(rows),
    }
    return json.dumps(facts, sort_keys=True)


@contextlib.contextmanager
def _open_parts(
    parts: Path, identity: str
) -> Iterator[tuple[BinaryIO, BinaryIO, dict[int, dict[str, Any]]]]:
    """Open journal and samples of an interrupted run of the same identity, or new ones."""
    parts.mkdir(parents=True, exist_ok=True)
    journal_path, samples_path = parts / _JOURNAL, parts / _SAMPLES
    entries: dict[int, dict[str, Any]] = {}
    n_journal = n_samples = 0
    if journal_path.is_file() and samples_path.is_file():
        entries, n_journal, n_samples = _read_journal(journal_path, samples_path, identity)
    with journal_path.open("ab") as journal, samples_path.open("ab") as samples:
        journal.truncate(n_journal)
        samples.truncate(2 * n_samples)
        if not n_journal:
            journal.write(identity.encode() + b"\n")
        yield journal, samples, entries


def _read_journal(
    journal_path: Path, samples_path: Path, identity: str
) -> tuple[dict[int, dict[str, Any]], int, int]:
    """Return the entries whose samples are there, and how much of both files they fill."""
    entries: dict[int, dict[str, Any]] = {}
    available = samples_path.stat().st_size // 2
    with journal_path.open("rb") as journal:
        if journal.readline() != identity.encode() + b"\n":
            return {}, 0, 0
        n_journal, n_samples = journal.tell(), 0
        for line in journal:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            end = entry.get("offset", 0) + _count_stored(entry)
            if end > available:
                break
            entries[entry["row"]] = entry
            n_journal, n_samples = n_journal + len(line), max(n_samples, end)
    return entries, n_journal, n_samples


def _record(packed: _Packed, journal: BinaryIO, samples: BinaryIO) -> dict[str, Any]:
    """Append the samples, then the entry: an entry in the journal has its samples."""
    entry = packed.entry
    if "error" not in entry:
        entry = {**entry, "offset": samples.seek(0, os.SEEK_END) // 2}
        samples.write(packed.samples.tobytes())
        samples.flush()
    journal.write(json.dumps(entry).encode() + b"\n")
    journal.flush()
    return entry


def _count_stored(entry: Mapping[str, Any]) -> int:
    return sum(end - start for start, end in entry.get("segments", ()))


def _write_pack(
    path: Path,
    rows: "DataFrame",
    entries: Sequence[Mapping[str, Any]],
    samples_path: Path,
    settings: PackSettings,
    manifest: "DataFrame",
    failed: Mapping[str, str],
) -> None:
    tables = _build_tables(rows, entries, failed)
    configuration = json.dumps(dataclasses.asdict(settings), sort_keys=True)
    digest = hashlib.sha256(configuration.encode())
    for name, values in sorted(tables.items()):
        digest.update(f"\0{name}\0{values.dtype}\0".encode())
        digest.update(json.dumps(values.tolist()).encode())
    text = h5py.string_dtype("utf-8")
    with write_beside(path) as beside, h5py.File(beside, "w") as file:
        total = sum(map(_count_stored, entries))
        waveform = file.create_dataset("waveform", (total,), "<i2", track_times=False)
        offset = 0
        for block in _copy_samples(samples_path, entries):
            waveform[offset : offset + len(block)] = block
            digest.update(block.tobytes())
            offset += len(block)
        for name, values in tables.items():
            dtype = text if values.dtype == object else values.dtype
            file.create_dataset(name, data=values, dtype=dtype, track_times=False)
        file["manifest"].attrs["columns"] = list(_stored_columns(rows))
        file.attrs["format"] = FORMAT
        file.attrs["configuration"] = configuration
        file.attrs["labels"] = sorted(set(rows["label"]))
        file.attrs["sample_rate_hz"] = settings.sample_rate_hz
        file.attrs["channel"] = settings.channel
        file.attrs["manifest_sha256"] = hash_manifest(manifest)
        file.attrs["content_sha256"] = digest.hexdigest()
        file.attrs["shotprint"] = __version__


def _stored_columns(rows: "DataFrame") -> list[str]:
    return [column for column in rows.columns if column != "path"]


def _build_tables(
    rows: "DataFrame", entries: Sequence[Mapping[str, Any]], failed: Mapping[str, str]
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


def _copy_samples(
    samples_path: Path, entries: Sequence[Mapping[str, Any]]
) -> Iterator[NDArray[np.int16]]:
    """Yield the samples of the entries, in their order, in blocks of bounded size."""
    with samples_path.open("rb") as file:
        for entry in entries:
            file.seek(2 * entry["offset"])
            n_left = _count_stored(entry)
            while n_left:
                block = np.frombuffer(file.read(2 * min(n_left, _COPY_SAMPLES)), "<i2")
                n_left -= len(block)
                yield block


@dataclass(frozen=True, eq=False)
class Pack:
    """A packed set, opened for reading; samples are read from the disk where they are used.

    Attributes
    ----------
    manifest : one row a recording, text, without the paths
    labels : sorted
    waveform : int16 (n_stored,), mapped from the file
    n_samples, scale : (n_recordings,) length of each recording, and full scale of one step
    segment_recording, segment_start, segment_n_samples, segment_offset : (n_segments,)
    onset_recording, onset_sample : (n_onsets,)
    onset_segment : (n_onsets,) the segment in which each onset lies
    content_sha256 : of samples, tables and settings: the same for the same packed content
    """

    path: Path
    manifest: "DataFrame"
    labels: tuple[str, ...]
    settings: PackSettings
    waveform: NDArray[np.int16]
    n_samples: Ints
    scale: NDArray[np.float64]
    segment_recording: Ints
    segment_start: Ints
    segment_n_samples: Ints
    segment_offset: Ints
    onset_recording: Ints
    onset_sample: Ints
    onset_segment: Ints
    failed: Mapping[str, str]
    manifest_sha256: str
    content_sha256: str

    def __reduce__(self) -> tuple[Any, ...]:
        return open_pack, (self.path,)  # another process maps the file itself

    def read_samples(self, segment: int, start: int, n_samples: int) -> NDArray[np.float32]:
        """Return a stretch of a segment, full scale −1…1; `start` counts in the recording."""
        begin = start - int(self.segment_start[segment])
        if begin < 0 or begin + n_samples > self.segment_n_samples[segment]:
            name = self.manifest["recording"].iloc[self.segment_recording[segment]]
            raise ShotprintError(
                f"{self.path} does not hold samples {start}…{start + n_samples} of {name}; pack "
                "with longer clips or a wider margin, or with --clip full"
            )
        offset = int(self.segment_offset[segment]) + begin
        scale = np.float32(self.scale[self.segment_recording[segment]])
        return self.waveform[offset : offset + n_samples].astype(np.float32) * scale


def open_pack(path: str | os.PathLike[str]) -> Pack:
    """Open what `pack` wrote.

    Raises
    ------
    ShotprintError : no such file, not HDF5, or not a pack of this version
    """
    path = Path(path)
    if not path.is_file():
        raise ShotprintError(f"there is no file {path}; make one with: shotprint pack")
    try:
        with h5py.File(path, "r") as file:
            found = file.attrs.get("format", "no format")
            if found != FORMAT:
                raise ShotprintError(
                    f"{path} is of {found}, expected {FORMAT}; pack the manifest again"
                )
            return _read_pack(path, file)
    except (OSError, KeyError) as error:
        raise ShotprintError(
            f"{path} cannot be read as a pack ({error}); pack the manifest again"
        ) from error


def _read_pack(path: Path, file: Any) -> Pack:
    configuration = json.loads(file.attrs["configuration"])
    clip_rule = ClipRule(**configuration.pop("clip_rule"))
    columns = [str(name) for name in file["manifest"].attrs["columns"]]
    waveform = file["waveform"]
    tables = {
        name: file[group][table][:]
        for group, table, name in (
            ("recordings", "n_samples", "n_samples"),
            ("recordings", "scale", "scale"),
            ("segments", "recording", "segment_recording"),
            ("segments", "start", "segment_start"),
            ("segments", "n_samples", "segment_n_samples"),
            ("segments", "offset", "segment_offset"),
            ("onsets", "recording", "onset_recording"),
            ("onsets", "sample", "onset_sample"),
        )
    }
    return Pack(
        path=path,
        manifest=pd.DataFrame(file["manifest"].asstr()[:], columns=columns, dtype="str"),
        labels=tuple(map(str, file.attrs["labels"])),
        settings=PackSettings(clip_rule=clip_rule, **configuration),
        waveform=np.memmap(path, "<i2", "r", waveform.id.get_offset(), waveform.shape),
        onset_segment=_find_segments(**tables),
        failed=dict(file["failed"].asstr()[:].tolist()),
        manifest_sha256=str(file.attrs["manifest_sha256"]),
        content_sha256=str(file.attrs["content_sha256"]),
        **tables,
    )


def _find_segments(
    segment_recording: Ints,
    segment_start: Ints,
    onset_recording: Ints,
    onset_sample: Ints,
    **_: NDArray[Any],
) -> Ints:
    """Return the last segment of the same recording that begins at or before each onset."""
    span = int(max(segment_start.max(), onset_sample.max())) + 1
    segments = segment_recording * span + segment_start
    onsets = onset_recording * span + onset_sample
    return np.searchsorted(segments, onsets, side="right") - 1
