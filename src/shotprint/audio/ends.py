"""Whether the end of a recording is there: the sizes that containers state against the file's."""

import os
import struct
from typing import Any

from shotprint.audio.sources import Place, Source, open_bytes

# A chunk that states a size from here on was written into a pipe, its length unknown.
UNKNOWN_SIZE = 0x7FFFF000
# Some writers err by the length of the header.
SLOPPY_BYTES = 64
# How a Windows Media file, and the object in it that states its size, begin.
ASF_MAGIC = b"\x30\x26\xb2\x75"
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# How a Matroska file, and the element in it that holds all the rest, begin.
MATROSKA_MAGIC, MATROSKA_SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def look_for_end(place: Place, source: Source) -> None:
    """Set what is known of the end: `present_share` and `lacks_end`."""
    with open_bytes(place) as file:
        head = file.read(4096)
        n_bytes = file.seek(0, os.SEEK_END)
        if head.startswith((b"OggS", b"FLV")):
            file.seek(max(0, n_bytes - 65_536))
            has_end = _has_last_page if head.startswith(b"OggS") else _has_last_tag
            source.lacks_end = not has_end(file.read())
        stated = _caf_size(file, n_bytes) if head.startswith(b"caff") else _stated_size(head)
    if stated is not None and stated - n_bytes > SLOPPY_BYTES:
        source.present_share = n_bytes / stated


def _stated_size(head: bytes) -> int | None:
    """Return the size of the whole file that its first bytes state."""
    places = {b"RIFF": ("<I", 4, 8), b"FORM": (">I", 4, 8), b"RF64": ("<Q", 20, 8)}
    places[b"riff"] = ("<Q", 16, 0)  # Sony Wave64
    places[ASF_MAGIC] = ("<Q", head.find(ASF_PROPERTIES) + 40, 0)
    if head.startswith(MATROSKA_MAGIC):
        return _matroska_size(head)
    if len(head) < 64 or head[:4] not in places:
        return None
    layout, offset, n_header = places[head[:4]]
    (size,) = struct.unpack_from(layout, head.ljust(offset + 8), offset)
    unknown = layout.endswith("I") and size >= UNKNOWN_SIZE
    return None if unknown else int(size) + n_header


def _matroska_size(head: bytes) -> int | None:
    """Return where the segment ends; its size is a number of 7 bits for each byte."""
    start = head.find(MATROSKA_SEGMENT) + 4
    if start < 4 or start >= len(head) or head[start] == 0:
        return None
    n_bytes = 9 - head[start].bit_length()
    largest = (1 << 7 * n_bytes) - 1  # means: unknown
    size = int.from_bytes(head[start : start + n_bytes], "big") & largest
    return None if size == largest else start + n_bytes + size


def _caf_size(file: Any, n_bytes: int) -> int | None:
    """Return where the last chunk of a Core Audio file that has begun should end."""
    end = 8
    while end + 12 <= n_bytes:
        file.seek(end + 4)
        size = struct.unpack(">q", file.read(8))[0]
        if size < 0:  # to the end of the file
            return None
        end += 12 + size
    return end


def _has_last_page(tail: bytes) -> bool:
    """Tell whether the last page of an Ogg is marked as the last, and is whole."""
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27 or not page[5] & 4:
        return False
    n_segments = page[26]
    return len(page) >= 27 + n_segments + sum(page[27 : 27 + n_segments])


def _has_last_tag(tail: bytes) -> bool:
    """Tell whether a Flash file ends with a whole tag, behind which its size stands."""
    start = len(tail) - 4 - int.from_bytes(tail[-4:], "big")
    return start < 0 or tail[start] in (8, 9, 18)  # a tag of sound, pictures or text
