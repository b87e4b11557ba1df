"""From bytes that arrive in pieces of any size to samples: raw PCM, or WAV as pipes carry it."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError

Floats = NDArray[np.float32]

SAMPLE_BYTES = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
"""Bytes of a sample in each format; the names are FFmpeg's."""
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 2_000_000
MAX_CHANNELS = 1024

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
WAV_FORMATS = {
    (PCM, 8): "u8",
    (PCM, 16): "s16le",
    (PCM, 24): "s24le",
    (PCM, 32): "s32le",
    (FLOAT, 32): "f32le",
}
UNKNOWN_SIZE = 0x7FFFF000
"""A chunk that states a size from here on, or 0, was written into a pipe: to its end."""
MAX_HEADER_BYTES = 1 << 20
SNIFFED_BYTES = 256
"""So many bytes are looked at before they are taken for raw PCM."""

HEADER = re.compile(rb"(?:RIFF|RF64)....WAVE(?:fmt |JUNK|bext|LIST|ds64)", re.DOTALL)
N_HEADER = 16
OTHERS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"\x1aE\xdf\xa3": "Matroska or WebM",
    b"FORM": "AIFF",
    b"caff": "Core Audio",
    b"#!AMR": "AMR",
    b"FLV": "Flash video",
}


@dataclass(frozen=True)
class PcmFormat:
    """What the bytes of raw PCM mean.

    Attributes
    ----------
    sample_format : one of `SAMPLE_BYTES`; channels are interleaved
    """

    sample_rate_hz: int = 48000
    n_channels: int = 1
    sample_format: str = "s16le"

    def __post_init__(self) -> None:
        if self.sample_format not in SAMPLE_BYTES:
            raise ShotprintError(
                f"the sample format {self.sample_format!r} was found; "
                f"expected one of {', '.join(SAMPLE_BYTES)}"
            )
        if not MIN_RATE_HZ <= self.sample_rate_hz <= MAX_RATE_HZ:
            raise ShotprintError(
                f"a sample rate of {self.sample_rate_hz} Hz was found; "
                f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be heard"
            )
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            raise ShotprintError(
                f"{self.n_channels} channels were found; expected 1 to {MAX_CHANNELS}"
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return SAMPLE_BYTES[self.sample_format] * self.n_channels

    def __str__(self) -> str:
        plural = "s" * (self.n_channels > 1)
        return f"{self.sample_rate_hz} Hz, {self.n_channels} channel{plural}, {self.sample_format}"


class Piece(NamedTuple):
    """Samples (n_channels, n_samples) and what they were made from."""

    format: PcmFormat
    waveform: Floats


class PcmReader:
    """Takes bytes, returns samples.

    A WAV header at the beginning, or again later, tells the format; without one the bytes are
    what the user said they are.

    Attributes
    ----------
    format : of what comes now
    """

    def __init__(self, format: PcmFormat) -> None:
        self.format = format
        self._bytes = b""
        self._state = self._read_beginning
        self._n_left: int | None = None  # bytes of sound that the header promised; None: unknown
        self._n_promised = 0
        self._is_begun = self._is_ended = False

    def push(self, data: bytes) -> Iterator[Piece]:
        """Take the next bytes; yield what they complete.

        Raises
        ------
        ShotprintError : it is text, compressed, or a WAV of a kind that cannot be read
        """
        self._bytes += data
        goes_on = True
        while goes_on:
            pieces: list[Piece] = []
            goes_on = self._state(pieces)
            yield from pieces

    def finish(self) -> tuple[list[Piece], str | None]:
        """Take what is left; return it, and what was wrong with the end.

        Raises
        ------
        ShotprintError : as `push`; the first header is not complete
        """
        self._is_ended = True
        pieces = list(self.push(b""))
        if self._state == self._read_header:
            if not self._is_begun:
                raise ShotprintError("the stream broke off in its WAV header; start it again")
            return pieces, "it broke off in a WAV header"
        if self._state == self._read_samples and self._bytes:
            n, frame = len(self._bytes), self.format.frame_bytes
            return pieces, f"it broke off in mid-sample: {n} of {frame} bytes are left out"
        if self._n_left:
            rate = self.format.sample_rate_hz * self.format.frame_bytes
            promised_s, missing_s = self._n_promised / rate, self._n_left / rate
            came_s = promised_s - missing_s
            return pieces, f"it broke off: {came_s:.2f} s of {promised_s:.2f} s came"
        return pieces, None

    # Each state takes what it can from the bytes and tells whether another goes on with the rest.

    def _read_beginning(self, pieces: list[Piece]) -> bool:
        if len(self._bytes) < SNIFFED_BYTES and not self._is_ended:
            return False
        if HEADER.match(self._bytes):
            self._state = self._read_header
        else:
            refuse_others(self._bytes[:SNIFFED_BYTES])
            self._state = self._read_samples
        return True

    def _read_header(self, pieces: list[Piece]) -> bool:
        found = parse_wav_header(self._bytes)
        if found is None:
            if len(self._bytes) > MAX_HEADER_BYTES:
                raise ShotprintError("a WAV header of more than 1 MB was found; expected sound")
            return False
        self.format, n_header, self._n_left = found
        self._n_promised = self._n_left or 0
        self._bytes = self._bytes[n_header:]
        self._state = self._read_samples
        return True

    def _read_samples(self, pieces: list[Piece]) -> bool:
        self._is_begun = True
        new = HEADER.search(self._bytes)
        end = self._find_end() if new is None else new.start()
        is_last = self._n_left is not None and end >= self._n_left
        n_sound = self._n_left if self._n_left is not None and is_last else end
        n = n_sound // self.format.frame_bytes * self.format.frame_bytes
        if n:
            pieces.append(Piece(self.format, decode(self._bytes[:n], self.format)))
        if is_last:
            n, self._n_left, self._state = n_sound, 0, self._read_rest
        elif new is not None:
            n, self._state = end, self._read_header
        elif self._n_left is not None:
            self._n_left -= n
        self._bytes = self._bytes[n:]
        return is_last or new is not None

    def _find_end(self) -> int:
        """Return up to where no header begins that the next bytes may complete."""
        n = len(self._bytes)
        if self._is_ended:
            return n
        tail = self._bytes[-N_HEADER + 1 :]
        for found in re.finditer(b"R", tail):
            part = tail[found.start() :][:4]
            if part in (b"RIFF"[: len(part)], b"RF64"[: len(part)]):
                return n - len(tail) + found.start()
        return n

    def _read_rest(self, pieces: list[Piece]) -> bool:
        """Pass over what stands behind the samples of a WAV, until another WAV follows."""
        new = HEADER.search(self._bytes)
        self._bytes = self._bytes[-N_HEADER + 1 :] if new is None else self._bytes[new.start() :]
        if new is not None:
            self._state = self._read_header
        return new is not None


def refuse_others(head: bytes) -> None:
    """Raise ShotprintError where the first bytes of a stream are not those of raw PCM or WAV."""
    mend = "expected raw PCM or WAV: put ffmpeg -i … -f wav - | before it"
    for magic, name in OTHERS.items():
        if head.startswith(magic):
            raise ShotprintError(f"the stream is {name}; {mend}")
    if head[4:8] == b"ftyp":
        raise ShotprintError(f"the stream is MP4; {mend}")
    if head and _is_text(head):
        begin = head.decode("utf-8", "replace").split("\n")[0][:40]
        raise ShotprintError(f"the stream is text ({begin!r}…); {mend}")


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a letter that is cut in two
            return False
        text = head[: error.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\t\r\n" for letter in text)


def parse_wav_header(data: bytes) -> tuple[PcmFormat, int, int | None] | None:
    """Read a WAV header.

    Returns
    -------
    format, bytes of the header, bytes of sound (None: not stated); None where the header is not
    complete yet

    Raises
    ------
    ShotprintError : its samples are of a kind that cannot be read, or it states none
    """
    place, format = 12, None
    long_size: int | None = None
    while len(data) >= place + 8:
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"data":
            if format is None:
                raise ShotprintError("the WAV header does not state its format before its samples")
            if size == 0xFFFFFFFF and long_size:
                size = long_size
            elif size == 0 or size >= UNKNOWN_SIZE:
                size = None
            return format, place + 8, size
        if len(data) < place + 8 + size:
            return None
        if name == b"fmt ":
            format = _parse_format(data[place + 8 : place + 8 + size])
        if name == b"ds64" and size >= 16:
            (long_size,) = struct.unpack_from("<Q", data, place + 16)
        place += 8 + size + size % 2
    return None


def _parse_format(chunk: bytes) -> PcmFormat:
    if len(chunk) < 16:
        raise ShotprintError(f"the WAV header has a format of {len(chunk)} bytes; expected 16")
    kind, n_channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == EXTENSIBLE and len(chunk) >= 26:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    if (kind, bits) not in WAV_FORMATS:
        raise ShotprintError(
            f"the WAV holds samples of kind {kind} with {bits} bits; expected whole numbers of "
            "8, 16, 24 or 32 bits or floats of 32: put ffmpeg -i … -f wav - | before it"
        )
    return PcmFormat(rate_hz, n_channels, WAV_FORMATS[kind, bits])


def decode(data: bytes, format: PcmFormat) -> Floats:
    """Return whole frames of interleaved samples as (n_channels, n_samples), full scale ±1."""
    name = format.sample_format
    if name == "s24le":
        parts = np.zeros((len(data) // 3, 4), np.uint8)
        parts[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = parts.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    elif name == "u8":
        samples = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif name == "f32le":
        samples = np.frombuffer(data, "<f4").astype(np.float32)
    else:
        bits = 8 * SAMPLE_BYTES[name]
        whole = np.frombuffer(data, f"<i{bits // 8}")
        samples = whole.astype(np.float32) / np.float32(2 ** (bits - 1))
    return np.ascontiguousarray(samples.reshape(-1, format.n_channels).T)
