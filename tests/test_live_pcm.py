"""Bytes of a pipe to samples: formats, WAV headers, what is neither."""

import io
import struct

import numpy as np
import pytest
import soundfile

from shotprint.errors import ShotprintError
from shotprint.live.pcm import PcmFormat, PcmReader

TONE = (0.5 * np.sin(np.arange(2000) / 7)).astype(np.float32)
SUBTYPES = {"u8": "PCM_U8", "s16le": "PCM_16", "s24le": "PCM_24", "s32le": "PCM_32"}
SUBTYPES["f32le"] = "FLOAT"


def encode(waveform, subtype, *, format="RAW", rate_hz=48000):
    """Return the bytes that libsndfile writes for (n_samples,) or (n_samples, n_channels)."""
    file = io.BytesIO()
    soundfile.write(file, waveform, rate_hz, subtype, "FILE", format)
    return file.getvalue()


def read(data, format=None, piece_bytes=None):
    """Read bytes in pieces; return the pieces and the remark on the end."""
    reader = PcmReader(format or PcmFormat())
    step = piece_bytes or len(data) or 1
    pieces = [each for i in range(0, len(data), step) for each in reader.push(data[i : i + step])]
    rest, remark = reader.finish()
    return pieces + rest, remark


def join(pieces):
    return np.concatenate([each.waveform for each in pieces], axis=1)


@pytest.mark.parametrize("name", SUBTYPES)
@pytest.mark.parametrize("format", ["RAW", "WAV", "RF64"])
@pytest.mark.parametrize("piece_bytes", [None, 7])
def test_samples_are_those_that_libsndfile_wrote(name, format, piece_bytes):
    stereo = np.stack([TONE, -0.3 * TONE], axis=1)
    data = encode(stereo, SUBTYPES[name], format=format, rate_hz=44100)
    pieces, remark = read(data, PcmFormat(44100, 2, name), piece_bytes)
    assert {each.format for each in pieces} == {PcmFormat(44100, 2, name)}
    step = {"u8": 2**-7, "s16le": 2**-15}.get(name, 2**-23)
    assert np.abs(join(pieces).T - stereo).max() <= step
    assert remark is None


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_header_of_unknown_length_lasts_to_the_end(size):
    data = bytearray(encode(TONE, "PCM_16", format="WAV", rate_hz=16000))
    struct.pack_into("<I", data, data.index(b"data") + 4, size)
    pieces, remark = read(bytes(data), piece_bytes=100)
    assert join(pieces)[0] == pytest.approx(TONE, abs=2**-15)
    assert pieces[0].format == PcmFormat(16000, 1, "s16le")
    assert remark is None


@pytest.mark.parametrize("is_stated", [True, False])
@pytest.mark.parametrize("piece_bytes", [None, 1, 13, 4096])
def test_a_second_header_changes_the_format(is_stated, piece_bytes):
    first = bytearray(encode(TONE, "PCM_16", format="WAV"))
    if not is_stated:
        struct.pack_into("<I", first, first.index(b"data") + 4, 0xFFFFFFFF)
    second = encode(np.stack([TONE, TONE], axis=1), "FLOAT", format="WAV", rate_hz=8000)
    pieces, remark = read(bytes(first) + second, piece_bytes=piece_bytes)
    formats = list(dict.fromkeys(each.format for each in pieces))
    assert formats == [PcmFormat(48000, 1, "s16le"), PcmFormat(8000, 2, "f32le")]
    halves = [join([each for each in pieces if each.format == format]) for format in formats]
    assert halves[0][0] == pytest.approx(TONE, abs=2**-15)
    assert np.array_equal(halves[1][1], TONE)
    assert remark is None


def test_what_stands_behind_the_samples_is_passed_over():
    data = encode(TONE, "PCM_16", format="WAV") + b"LIST" + struct.pack("<I", 1 << 31) + b"x" * 99
    pieces, remark = read(data, piece_bytes=50)
    assert join(pieces).shape == (1, len(TONE))
    assert remark is None


def test_a_stream_that_breaks_off_says_where():
    raw = encode(TONE, "PCM_16")
    assert read(raw[:-1])[1] == "it broke off in mid-sample: 1 of 2 bytes are left out"
    wav = encode(np.zeros(48000), "PCM_16", format="WAV")
    assert read(wav[: 44 + 24000])[1] == "it broke off: 0.25 s of 1.00 s came"
    assert read(wav + wav[:20])[1] == "it broke off in a WAV header"
    with pytest.raises(ShotprintError, match="broke off in its WAV header"):
        read(wav[:30])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello\n", r"is text \('hello'"),
        (("x" * 255 + "ü" * 9).encode(), "is text"),
        (encode(TONE, "PCM_16", format="FLAC"), "is FLAC"),
        (encode(TONE, "VORBIS", format="OGG"), "is Ogg"),
        (b"\0\0\0\x18ftypisom" + bytes(400), "is MP4"),
        (encode(TONE, "ALAW", format="WAV"), "kind 6 with 8 bits"),
        (encode(TONE, "PCM_16", format="WAV", rate_hz=48), "48 Hz was found"),
    ],
)
def test_what_is_no_sound_is_refused_in_one_line(data, message):
    with pytest.raises(ShotprintError, match=message) as error:
        read(data)
    assert "\n" not in str(error.value)


def test_noise_of_any_format_is_no_text():
    for seed in range(20):
        data = np.random.default_rng(seed).integers(0, 256, 4000, np.uint8).tobytes()
        assert join(read(data)[0]).shape == (1, 2000)


@pytest.mark.parametrize("settings", [(48, 1, "s16le"), (48000, 0, "s16le"), (48000, 1, "s16be")])
def test_a_format_that_cannot_be_is_refused(settings):
    with pytest.raises(ShotprintError, match="found"):
        PcmFormat(*settings)
