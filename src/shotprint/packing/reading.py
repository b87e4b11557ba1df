"""A packed set, opened for training."""

import functools
import json
import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shotprint.clips import ClipRule
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.packing.settings import FORMAT, Ints, PackSettings

try:
    import h5py
    import pandas as pd
except ModuleNotFoundError:
    raise MissingExtraError("train", "reading a pack") from None

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Pack:
    """A packed set, opened for reading; samples are read from the disk where they are used.

    Attributes
    ----------
    manifest : one row a recording, text, without the paths
    labels : sorted
    waveform : int16 (n_stored,), mapped from the file: it need not fit into memory
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
    waveform: "np.memmap[Any, np.dtype[np.int16]]"
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
        offset = self._locate(segment, start, n_samples)
        self._fetch(offset, n_samples)
        scale = np.float32(self.scale[self.segment_recording[segment]])
        return self.waveform[offset : offset + n_samples].astype(np.float32) * scale

    def fetch(self, stretches: Iterable[tuple[int, int, int]]) -> None:
        """Have the disk bring stretches to memory at the same time, before they are read.

        Touched one after the other, each would wait for the disk, with its surroundings. Nothing
        happens where the system cannot be asked (Windows).

        Parameters
        ----------
        stretches : (segment, start, n_samples), as for `read_samples`
        """
        for segment, start, n_samples in stretches:
            self._fetch(self._locate(segment, start, n_samples), n_samples)

    def _fetch(self, offset: int, n_samples: int) -> None:
        mapped = self.waveform.base
        if hasattr(mmap, "MADV_WILLNEED") and isinstance(mapped, mmap.mmap):
            begin = self._first_byte + offset * self.waveform.itemsize
            skipped = begin % mmap.PAGESIZE  # what is asked for begins with a page
            length = n_samples * self.waveform.itemsize + skipped
            mapped.madvise(mmap.MADV_WILLNEED, begin - skipped, length)

    @functools.cached_property
    def _first_byte(self) -> int:
        """Where the waveform begins in what is mapped of the file."""
        return int(self.waveform.offset % mmap.ALLOCATIONGRANULARITY)

    def _locate(self, segment: int, start: int, n_samples: int) -> int:
        begin = start - int(self.segment_start[segment])
        if begin < 0 or begin + n_samples > self.segment_n_samples[segment]:
            name = self.manifest["recording"].iloc[self.segment_recording[segment]]
            raise ShotprintError(
                f"{self.path} does not hold samples {start}…{start + n_samples} of {name}; pack "
                "with longer clips or a wider margin, or with --clip full"
            )
        return int(self.segment_offset[segment]) + begin


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
    columns = [str(name) for name in file.attrs["columns"]]
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
