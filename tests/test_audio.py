"""Real codecs through every container that libsndfile and PyAV can write here."""

import os
import random
import re
import socket
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from shotprint import audio
from shotprint.errors import RecordingError, ShotprintError
from sounds import encode, make_noise, make_tone, measure_tone

FASTSTART = {"movflags": "faststart"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "100000"}
# file, codec, rate in Hz, channels, video codec, options, tolerance of level in dB
FFMPEG_FILES = [
    ("phone.m4a", "aac", 48000, 2, None, FASTSTART, 0.3),
    ("index_last.m4a", "aac", 44100, 1, None, None, 0.3),
    ("lossless.m4a", "alac", 96000, 2, None, FASTSTART, 0.01),
    ("video.mp4", "aac", 48000, 2, "mpeg4", FASTSTART, 0.3),
    ("fragments.mp4", "aac", 48000, 1, None, FRAGMENTED, 0.3),
    ("iphone.MOV", "aac", 44100, 1, "mpeg4", FASTSTART, 0.3),
    ("pcm.mov", "pcm_s16le", 48000, 2, None, FASTSTART, 0.01),
    ("old.3gp", "libopencore_amrnb", 8000, 1, None, FASTSTART, 3.0),
    ("memo.amr", "libopencore_amrnb", 8000, 1, None, None, 3.0),
    ("raw.aac", "aac", 48000, 1, None, None, 0.3),
    ("video.mkv", "aac", 48000, 2, "mpeg4", None, 0.3),
    ("sound.mka", "flac", 192000, 2, None, None, 0.01),
    ("opus.webm", "libopus", 48000, 2, None, None, 0.3),
    ("windows.wma", "wmav2", 44100, 2, None, None, 0.5),
    ("camera.avi", "libmp3lame", 44100, 2, "mpeg4", None, 0.3),
    ("camera.mpg", "mp2", 44100, 2, None, None, 0.3),
    ("camera.ts", "aac", 48000, 2, None, None, 0.3),
    ("flash.flv", "aac", 44100, 2, None, None, 0.3),
    ("surround.ac3", "ac3", 48000, 6, None, None, 0.5),
    ("surround.m4a", "aac", 48000, 6, None, FASTSTART, 2.0),
    ("eight.mkv", "wavpack", 48000, 8, None, None, 0.3),
    ("pack.wv", "wavpack", 48000, 2, None, None, 0.3),
    ("in_wav.wav", "ac3", 48000, 2, None, None, 0.5),
    ("variable.mp3", "libmp3lame", 44100, 2, None, None, 0.3),
]
# file, format, subtype, rate in Hz, tolerance of level in dB
SNDFILE_FILES = [
    ("u8.wav", "WAV", "PCM_U8", 48000, 0.1),
    ("s16.wav", "WAV", "PCM_16", 48000, 0.01),
    ("s24.wav", "WAV", "PCM_24", 96000, 0.01),
    ("s32.wav", "WAV", "PCM_32", 192000, 0.01),
    ("f32.wav", "WAV", "FLOAT", 44100, 0.01),
    ("f64.wav", "WAV", "DOUBLE", 44100, 0.01),
    ("extensible.wav", "WAVEX", "PCM_24", 48000, 0.01),
    ("ulaw.wav", "WAV", "ULAW", 8000, 0.2),
    ("adpcm.wav", "WAV", "IMA_ADPCM", 48000, 0.1),
    ("long.rf64", "RF64", "PCM_16", 48000, 0.01),
    ("long.w64", "W64", "PCM_16", 48000, 0.01),
    ("s16.flac", "FLAC", "PCM_16", 48000, 0.01),
    ("s24.FLAC", "FLAC", "PCM_24", 48000, 0.01),
    ("vorbis.ogg", "OGG", "VORBIS", 48000, 0.3),
    ("voice.opus", "OGG", "OPUS", 48000, 0.3),
    ("music.mp3", "MP3", "MPEG_LAYER_III", 44100, 0.3),
    ("s16.aiff", "AIFF", "PCM_16", 48000, 0.01),
    ("s24.aif", "AIFF", "PCM_24", 48000, 0.01),
    ("sun.au", "AU", "PCM_16", 48000, 0.01),
    ("apple.caf", "CAF", "PCM_16", 48000, 0.01),
]
ALL_NAMES = [row[0] for row in FFMPEG_FILES + SNDFILE_FILES]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """Return a function that gives the path of a listed file, a tone of one second at 1 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    ffmpeg = {row[0]: row[1:] for row in FFMPEG_FILES}
    sndfile = {row[0]: row[1:] for row in SNDFILE_FILES}

    def get(name):
        path = folder / name
        if path.exists():
            return path
        if name in ffmpeg:
            codec, rate_hz, n_channels, video, options, _ = ffmpeg[name]
            tone = make_tone(rate_hz, n_channels)
            encode(path, tone, rate_hz, codec, video=video, options=options)
        else:
            form, subtype, rate_hz, _ = sndfile[name]
            tone = make_tone(rate_hz, 2)
            soundfile.write(path, tone.T, rate_hz, format=form, subtype=subtype)
        return path

    return get


def expected_of(name):
    for row in FFMPEG_FILES:
        if row[0] == name:
            return row[2], row[3], row[6]
    row = next(row for row in SNDFILE_FILES if row[0] == name)
    return row[3], 2, row[4]


# --- what is in the file comes out ------------------------------------------------------------


@pytest.mark.parametrize("name", ALL_NAMES)
def test_a_tone_survives_every_format(recordings, name):
    path = recordings(name)
    rate_hz, n_channels, tolerance_db = expected_of(name)
    own = audio.read(path, channel="each")
    assert own.waveform.dtype == np.float32
    assert own.waveform.flags.c_contiguous
    assert (own.sample_rate_hz, len(own.waveform)) == (rate_hz, n_channels)
    assert (own.source_sample_rate_hz, own.source_channels) == (rate_hz, n_channels)
    assert own.warnings == ()
    assert own.duration_s == pytest.approx(1.0, abs=0.06)
    for resampled in (own, audio.read(path, sample_rate_hz=32000, channel="each")):
        for channel in resampled.waveform[[0, 1, 2, 4, 5] if n_channels == 6 else slice(None)][:3]:
            frequency_hz, amplitude = measure_tone(channel, resampled.sample_rate_hz)
            assert frequency_hz == pytest.approx(1000, abs=2.1)
            assert 20 * np.log10(amplitude / 0.25) == pytest.approx(0, abs=tolerance_db)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_probe_agrees_with_read(recordings, name):
    path = recordings(name)
    probed, whole = audio.probe(path), audio.read(path)
    assert probed.path == path
    assert probed.container
    assert probed.codec
    assert probed.sample_rate_hz == whole.source_sample_rate_hz
    assert probed.n_channels == whole.source_channels
    if Path(name).suffix in (".aac", ".amr", ".ac3"):
        assert probed.duration_s is None
    else:
        assert probed.duration_s == pytest.approx(whole.duration_s, abs=0.06)


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-15),
        ("PCM_24", 2**-23),
        ("PCM_32", 2**-24),
        ("FLOAT", 0),
        ("DOUBLE", 0),
    ],
)
def test_write_and_read_agree_to_the_step_of_the_format(tmp_path, subtype, step):
    waveform = make_noise(2, 1000)
    audio.write_wav(tmp_path / "a.wav", waveform, 48000, subtype)
    again = audio.read(tmp_path / "a.wav", channel="each").waveform
    assert np.abs(again - waveform).max() <= step
    audio.write_wav(tmp_path / "b.wav", again, 48000, subtype)
    assert np.array_equal(audio.read(tmp_path / "b.wav", channel="each").waveform, again)


def test_write_wav_clips_and_refuses_what_is_no_number(tmp_path):
    path = tmp_path / "below" / "a.wav"
    audio.write_wav(path, np.array([2.0, -2.0, 0.5], np.float32), 8000)
    assert soundfile.read(path, dtype="int16")[0].tolist() == [32767, -32768, 16384]
    with pytest.raises(ValueError, match="NaN"):
        audio.write_wav(path, np.array([np.nan], np.float32), 8000)
    assert [file.name for file in path.parent.iterdir()] == ["a.wav"]


def test_a_float_file_carries_no_date(tmp_path):
    audio.write_wav(tmp_path / "a.wav", make_noise(1, 100), 8000, "FLOAT")
    content = (tmp_path / "a.wav").read_bytes()
    start = content.index(b"PEAK")
    assert content[start + 12 : start + 16] == bytes(4)


def test_amr_wideband_frames_decode(tmp_path):
    rng = random.Random(0)  # speech frames of mode 0: a header and 17 bytes for 20 ms
    frames = b"".join(b"\x04" + rng.randbytes(17) for _ in range(50))
    (tmp_path / "wide.awb").write_bytes(b"#!AMR-WB\n" + frames)
    wide = audio.read(tmp_path / "wide.awb")
    assert (wide.sample_rate_hz, wide.duration_s) == (16000, pytest.approx(1.0, abs=0.03))
    assert wide.swing > 0.001


# --- rates ------------------------------------------------------------------------------------

RATES_HZ = [8000, 11025, 12000, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_keeps_frequency_level_and_length_at_any_rate(tmp_path, rate_hz):
    path = tmp_path / "tone.wav"
    audio.write_wav(path, make_tone(rate_hz), rate_hz, "FLOAT")
    for target_hz in (8000, 32000, 44100):
        resampled = audio.read(path, sample_rate_hz=target_hz)
        assert resampled.sample_rate_hz == target_hz
        assert resampled.waveform.shape == (1, target_hz)
        frequency_hz, amplitude = measure_tone(resampled.waveform[0], target_hz)
        assert frequency_hz == pytest.approx(1000, abs=2.1)
        assert amplitude == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000, 192000])
def test_a_tone_above_the_new_band_vanishes(rate_hz):
    kept = audio.resample(make_tone(rate_hz, frequency_hz=14_000), rate_hz, 32_000)
    gone = audio.resample(make_tone(rate_hz, frequency_hz=16_500), rate_hz, 32_000)
    assert measure_tone(kept[0], 32_000)[1] == pytest.approx(0.25, rel=1e-3)
    assert measure_tone(gone[0], 32_000)[1] < 0.25 * 10 ** (-80 / 20)


def test_a_click_stays_where_it_is():
    waveform = np.zeros(48_000, np.float32)
    waveform[24_000] = 1
    for to_hz in (8_000, 32_000, 96_000):
        assert np.argmax(audio.resample(waveform, 48_000, to_hz)) == to_hz // 2


@pytest.mark.parametrize("shape", [(480,), (1, 480), (3, 480), (2, 3, 480)])
def test_resample_keeps_the_leading_shape_and_its_argument(shape):
    waveform = make_noise(1, int(np.prod(shape))).reshape(shape)
    before = waveform.copy()
    for to_hz in (32_000, 48_000):
        resampled = audio.resample(waveform, 48_000, to_hz)
        assert resampled.shape == (*shape[:-1], 480 * to_hz // 48_000)
        assert resampled.dtype == np.float32
        assert not np.shares_memory(resampled, waveform)
    assert np.array_equal(waveform, before)


def test_a_rate_that_cannot_be_is_an_error(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.ones(100), 10)
    with pytest.raises(RecordingError, match=r"slow.wav: .* 10 Hz; 1000 to 2000000 Hz"):
        audio.read(tmp_path / "slow.wav")


# --- channels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4, 5, 6, 8, 12])
def test_channels_keep_their_order_and_mix_to_their_mean(tmp_path, n_channels):
    waveform = make_noise(n_channels, 4800) * (1 + np.arange(n_channels, dtype=np.float32))[:, None]
    path = tmp_path / "a.wav"
    audio.write_wav(path, waveform, 48000, "FLOAT")
    each = audio.read(path, channel="each")
    assert np.array_equal(each.waveform, waveform)
    assert each.source_channels == n_channels
    mix = audio.read(path)
    assert mix.warnings == ()
    assert np.abs(mix.waveform - waveform.mean(axis=0)).max() < 1e-6
    for i in range(n_channels):
        assert np.array_equal(audio.read(path, channel=str(i)).waveform, waveform[i : i + 1])
    assert np.array_equal(audio.read(path, channel="loudest").waveform, waveform[-1:])


@pytest.mark.parametrize("codec", ["wavpack", "aac", "flac"])
@pytest.mark.parametrize("n_channels", [2, 6, 8])
def test_channels_of_ffmpeg_keep_their_order(tmp_path, codec, n_channels):
    levels = 0.05 * (1 + np.arange(n_channels, dtype=np.float32))
    waveform = make_tone(48000, n_channels, frequency_hz=90.0, amplitude=1.0) * levels[:, None]
    encode(tmp_path / "a.mkv", waveform, 48000, codec)
    each = audio.read(tmp_path / "a.mkv", channel="each").waveform
    measured = [measure_tone(channel, 48000)[1] for channel in each]
    assert measured == pytest.approx(levels, rel=0.1)


def test_loudest_is_not_deceived_by_a_constant():
    waveform = make_noise(2, 4800)
    waveform[0] = 0.1 * waveform[0] + 0.5
    chosen, warnings = audio.select_channels(waveform, "loudest")
    assert np.array_equal(chosen, waveform[1:])
    assert warnings == ()


NOISE = make_noise(3, 48_000)


@pytest.mark.parametrize(
    ("waveform", "pair"),
    [
        (np.stack([NOISE[0], -NOISE[0]]), "0 and 1"),
        (np.stack([NOISE[0], -0.6 * NOISE[0]]), "0 and 1"),
        (np.stack([NOISE[0], -0.9 * NOISE[0] + 0.3 * NOISE[1]]), "0 and 1"),
        (np.stack([NOISE[1], NOISE[0], NOISE[2], -NOISE[0]]), "1 and 3"),
        (np.stack([NOISE[0] + 0.09, -NOISE[0] + 0.09]), "0 and 1"),
        (NOISE, None),
        (np.stack([NOISE[0], NOISE[0]]), None),
        (np.stack([NOISE[0], -0.1 * NOISE[0]]), None),  # too faint to take anything away
        (np.stack([NOISE[0], 0.01 * NOISE[1], -0.01 * NOISE[1]]), None),
        (np.stack([NOISE[0], -0.3 * NOISE[0] + NOISE[1]]), None),
        (np.zeros((2, 100), np.float32), None),
        (NOISE[:1], None),
    ],
)
def test_a_mix_warns_of_opposite_phase(tmp_path, waveform, pair):
    audio.write_wav(tmp_path / "a.wav", waveform, 48000, "FLOAT")
    mix = audio.read(tmp_path / "a.wav", sample_rate_hz=32000)
    _, warnings = audio.select_channels(waveform, "mix")
    for given in (mix.warnings, warnings):
        if pair is None:
            assert given == ()
        else:
            assert len(given) == 1
            assert f"channels {pair} are in opposite phase (correlation -" in given[0]
            assert "--channel loudest" in given[0]
    for channel in ("each", "loudest", "0"):
        assert audio.read(tmp_path / "a.wav", channel=channel).warnings == ()


def test_a_missing_channel_is_named(tmp_path):
    audio.write_wav(tmp_path / "a.wav", NOISE[:2], 48000)
    with pytest.raises(RecordingError, match=r"a.wav: channel 2 .* 2 channels, numbered from 0"):
        audio.read(tmp_path / "a.wav", channel="2")
    with pytest.raises(RecordingError, match="channel 1 was asked for, but there is 1 channel"):
        audio.select_channels(NOISE[:1], "1")
    for channel in ("left", "-1", "1.5", ""):
        with pytest.raises(ShotprintError, match="give mix, loudest, each or a number"):
            audio.read(tmp_path / "a.wav", channel=channel)


# --- blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["mix", "loudest", "each", "1"])
@pytest.mark.parametrize("sample_rate_hz", [None, 32000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mka", "a.ogg", "a.mp3", "a.opus"])
def test_blocks_join_to_the_whole(tmp_path, monkeypatch, name, channel, sample_rate_hz):
    waveform = make_noise(2, 100_003)
    if name == "a.mka":
        encode(tmp_path / name, waveform, 44100, "flac")
    else:
        rate_hz = 48000 if name == "a.opus" else 44100
        form = "OGG" if name == "a.opus" else None
        subtype = "OPUS" if name == "a.opus" else None
        soundfile.write(tmp_path / name, waveform.T, rate_hz, format=form, subtype=subtype)
    asked = {"channel": channel, "sample_rate_hz": sample_rate_hz}
    whole = audio.read(tmp_path / name, **asked)
    monkeypatch.setattr("shotprint.audio.sources.BLOCK_VALUES", 20_000)
    in_pieces = audio.read(tmp_path / name, **asked)
    assert np.abs(in_pieces.waveform - whole.waveform).max() < 1e-6
    for block_s in (0.01, 0.7, 100.0):
        blocks = list(audio.stream(tmp_path / name, block_s=block_s, **asked))
        n_block = round(block_s * whole.sample_rate_hz)
        assert all(block.waveform.shape[1] == n_block for block in blocks[:-1])
        assert 0 < blocks[-1].waveform.shape[1] <= n_block
        joined = np.concatenate([block.waveform for block in blocks], axis=1)
        assert joined.shape == whole.waveform.shape
        assert np.abs(joined - whole.waveform).max() < 1e-6
        assert blocks[-1].swing == pytest.approx(whole.swing)


def test_the_last_block_carries_the_warnings(tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.stack([NOISE[0], -NOISE[0]]), 48000)
    blocks = list(audio.stream(tmp_path / "a.wav", block_s=0.3))
    assert [len(block.warnings) for block in blocks] == [0, 0, 0, 1]


@pytest.mark.parametrize("name", ["a.wav", "a.mka"])
def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch, name):
    monkeypatch.setattr("shotprint.audio.sources.BLOCK_VALUES", 1 << 18)

    def peak_of(duration_s):
        waveform = np.tile(NOISE[:2], (1, duration_s))
        if name == "a.wav":
            soundfile.write(tmp_path / name, waveform.T, 48000)
        else:
            encode(tmp_path / name, waveform, 48000, "pcm_s16le")
        tracemalloc.start()
        n_samples = sum(block.waveform.size for block in audio.stream(tmp_path / name, block_s=1.0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_samples == duration_s * 48000
        return peak

    assert peak_of(40) < 1.05 * peak_of(15)


def test_read_refuses_what_is_too_long(tmp_path):
    audio.write_wav(tmp_path / "a.wav", NOISE, 48000)
    with pytest.raises(RecordingError, match=r"longer than the 1 s that are read at once"):
        audio.read(tmp_path / "a.wav", max_duration_s=0.99)
    assert audio.read(tmp_path / "a.wav", max_duration_s=1.0).duration_s == 1.0


@pytest.mark.parametrize("name", ["s16.wav", "s16.flac", "vorbis.ogg", "music.mp3", "phone.m4a"])
@pytest.mark.parametrize("block_values", [1 << 21, 5000])
def test_a_part_equals_the_same_part_of_the_whole(recordings, monkeypatch, name, block_values):
    whole = audio.read(recordings(name))
    monkeypatch.setattr("shotprint.audio.sources.BLOCK_VALUES", block_values)
    rate_hz = whole.sample_rate_hz
    for start_s, duration_s in [(0.0, 0.25), (0.3, 0.25), (0.5, None), (0.9, 5.0)]:
        part = audio.read(recordings(name), start_s=start_s, duration_s=duration_s)
        start = round(start_s * rate_hz)
        stop = None if duration_s is None else start + round(duration_s * rate_hz)
        assert np.abs(part.waveform - whole.waveform[:, start:stop]).max() < 1e-6
        assert part.warnings == ()
    with pytest.raises(RecordingError, match=r"ends at 1\.\d\d s, before the start .* \(3\.00 s\)"):
        audio.read(recordings(name), start_s=3.0)
    for wrong in ({"start_s": -1.0}, {"duration_s": 0.0}):
        with pytest.raises(ShotprintError, match="the start must be 0 or later"):
            audio.read(recordings(name), **wrong)


def test_threads_read_the_same(recordings):
    paths = [recordings(name) for name in ("s16.wav", "phone.m4a", "music.mp3", "s16.flac")] * 8
    alone = [audio.read(path, sample_rate_hz=32000).waveform for path in paths]
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda path: audio.read(path, sample_rate_hz=32000).waveform, paths)
        assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_a_wav_file_needs_no_pyav(tmp_path):
    audio.write_wav(tmp_path / "a.wav", NOISE, 48000)
    program = (
        "import sys; from shotprint import audio; audio.read(sys.argv[1], sample_rate_hz=32000); "
        "print(sorted({'av', 'torch', 'pandas', 'scipy', 'h5py'} & set(sys.modules)))"
    )
    run = [sys.executable, "-c", program, str(tmp_path / "a.wav")]
    assert subprocess.run(run, capture_output=True, check=True).stdout.strip() == b"[]"


# --- damage -----------------------------------------------------------------------------------


# Nothing is readable of these: the index stands at the end, or all sound in one Ogg page.
@pytest.mark.parametrize("share", [1, 0.5])
@pytest.mark.parametrize("name", [*ALL_NAMES, "named.raw"])
def test_bytes_in_memory_give_what_the_file_gives(recordings, tmp_path, name, share):
    content = recordings("s16.wav" if name == "named.raw" else name).read_bytes()
    content = content[: int(share * len(content))]
    path = tmp_path / name
    path.write_bytes(content)

    def hear(place):
        try:
            found = audio.read(place, channel="each")
        except RecordingError as error:
            return str(error)
        return vars(found) | {"waveform": found.waveform.tobytes()}, audio.probe(place)

    assert hear(audio.HeldFile(path, memoryview(content))) == hear(path)


def test_bytes_in_memory_need_no_file(recordings, tmp_path):
    held = audio.HeldFile(tmp_path / "gone.flac", memoryview(recordings("s16.flac").read_bytes()))
    expected = audio.read(recordings("s16.flac")).waveform
    np.testing.assert_array_equal(audio.read(held).waveform, expected)


LOST_WHOLLY = {"index_last.m4a", "vorbis.ogg"}
# Nothing in these tells how long they should be.
SILENTLY_SHORT = {"camera.mpg", "camera.ts", "surround.ac3"}


@pytest.mark.parametrize("name", ALL_NAMES)
def test_half_a_file_gives_what_is_there_and_says_so(recordings, tmp_path, name):
    content = recordings(name).read_bytes()
    path = tmp_path / name
    share = 0.8 if name == "old.3gp" else 0.5  # of which the index takes the first half
    path.write_bytes(content[: int(share * len(content))])
    if name in LOST_WHOLLY:
        with pytest.raises(RecordingError, match=f"{name}: cut short or damaged: "):
            audio.read(path)
        return
    half = audio.read(path)
    assert 0.2 < half.duration_s < 0.75
    frequency_hz, _ = measure_tone(half.waveform[0], half.sample_rate_hz)
    assert frequency_hz == pytest.approx(1000, abs=7)
    if name in SILENTLY_SHORT:
        return
    assert any("cut short" in text or "damaged" in text for text in half.warnings), half.warnings
    joined = np.concatenate([block.waveform for block in audio.stream(path, block_s=0.1)], axis=1)
    assert np.array_equal(joined, half.waveform)


@pytest.mark.parametrize("name", ["s16.wav", "s24.aif", "long.rf64", "long.w64", "apple.caf"])
def test_the_warning_says_how_much_is_there(recordings, tmp_path, name):
    content = recordings(name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 4])
    (warning,) = audio.read(tmp_path / name).warnings
    read_s, promised_s = (float(word) for word in warning.split() if word[0].isdigit())
    assert warning.startswith("cut short: ")
    assert (read_s, promised_s) == (pytest.approx(0.25, abs=0.02), pytest.approx(1.0, abs=0.07))


def test_several_pages_of_a_cut_ogg_are_read(tmp_path):
    encode(tmp_path / "a.opus", make_tone(48000, duration_s=4.0), 48000, "libopus")
    content = (tmp_path / "a.opus").read_bytes()
    assert audio.read(tmp_path / "a.opus").warnings == ()
    (tmp_path / "a.opus").write_bytes(content[: len(content) * 3 // 4])
    cut = audio.read(tmp_path / "a.opus")
    assert 1.5 < cut.duration_s < 3.5
    assert cut.warnings == (
        f"cut short: it breaks off after {cut.duration_s:.3f} s, its end was never written",
    )


def wav_header(riff_size, data_size):
    form = struct.pack("<IHHIIHH", 16, 1, 1, 48000, 96000, 2, 16)
    sizes = [struct.pack("<I", size) for size in (riff_size, data_size)]
    return b"RIFF" + sizes[0] + b"WAVEfmt " + form + b"data" + sizes[1]


@pytest.mark.parametrize(
    ("riff_size", "data_size", "warning"),
    [
        (36 + 96000, 96000, None),
        (44 + 96000, 44 + 96000, None),  # both too large by the header: a common slip
        (0xFFFFFFFF, 0xFFFFFFFF, None),  # written into a pipe
        (36 + 192000, 192000, "cut short: 1.000 s of 2.000 s can be read"),
        (36 + 96000, 192000, "cut short: 1.000 s of 2.000 s can be read"),
        (0, 0, "cut short: it breaks off after 1.000 s, its end was never written"),
    ],
)
def test_the_sizes_in_a_wav_header_are_checked(tmp_path, riff_size, data_size, warning):
    samples = (10_000 * make_noise(1, 48_000)).astype("<i2")
    (tmp_path / "a.wav").write_bytes(wav_header(riff_size, data_size) + samples.tobytes())
    found = audio.read(tmp_path / "a.wav")
    assert np.abs(found.waveform - samples / 32768).max() < 1e-6
    assert found.warnings == (() if warning is None else (warning,))


def test_a_flac_with_a_damaged_middle_goes_on_after_it(tmp_path):
    soundfile.write(tmp_path / "a.flac", make_noise(1, 96_000)[0], 48000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (tmp_path / "a.flac").write_bytes(content)
    damaged = audio.read(tmp_path / "a.flac")
    assert damaged.duration_s == pytest.approx(2.0, abs=0.001)
    assert re.match(r"a gap of 0\.\d\d s at [01]\.\d\d s filled with silence", damaged.warnings[0])


FUZZED = ["s16.wav", "s16.flac", "s16.aiff", "vorbis.ogg", "music.mp3", "phone.m4a", "video.mkv"]
FUZZED += ["memo.amr", "windows.wma", "camera.ts", "apple.caf", "opus.webm", "raw.aac"]


@pytest.mark.parametrize("name", FUZZED)
def test_damaged_bytes_give_sound_or_one_line(recordings, tmp_path, name):
    rng = random.Random(name)
    content = recordings(name).read_bytes()
    path = tmp_path / name
    errors = []
    for _ in range(12):
        damaged = bytearray(content)
        end = rng.choice([200, 2000, len(content)])
        for _ in range(rng.choice([1, 10, 100])):
            damaged[rng.randrange(min(end, len(content)))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.choice([len(content), rng.randrange(1, len(content))])])
        try:
            found = audio.read(path, sample_rate_hz=32000, channel=rng.choice(["mix", "each"]))
        except RecordingError as error:
            errors.append(str(error))
        else:
            assert found.waveform.size
            assert np.isfinite(found.waveform).all()
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in errors)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_few_samples_that_are_no_numbers_become_zero(tmp_path, bad):
    waveform = make_tone(48000, 2)
    waveform[0, [5, 100]] = bad
    soundfile.write(tmp_path / "a.wav", waveform.T, 48000, subtype="FLOAT")
    found = audio.read(tmp_path / "a.wav", channel="each")
    waveform[0, [5, 100]] = 0
    assert np.array_equal(found.waveform, waveform)
    assert found.warnings == ("2 samples that are no finite numbers are set to 0",)


def test_many_samples_that_are_no_numbers_are_an_error(tmp_path):
    waveform = make_tone(48000, 2)
    waveform[:, :480] = np.nan
    soundfile.write(tmp_path / "a.wav", waveform.T, 48000, subtype="FLOAT")
    text = "a.wav: 960 of its 96000 samples are no finite numbers"
    with pytest.raises(RecordingError, match=text):
        audio.read(tmp_path / "a.wav")
    with pytest.raises(RecordingError, match=text):
        list(audio.stream(tmp_path / "a.wav"))


def test_another_scale_is_noticed(tmp_path):
    soundfile.write(tmp_path / "a.wav", 32768 * make_tone(48000)[0], 48000, subtype="FLOAT")
    assert audio.read(tmp_path / "a.wav").warnings == (
        "its samples reach 8192 where ±1 is full scale",
    )


# --- no sound ---------------------------------------------------------------------------------


def write_picture(path):
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        frame = av.VideoFrame(64, 64, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


NOT_SOUND = [
    ("empty.wav", b"", "the file is empty"),
    ("empty.m4a", b"", "the file is empty"),
    ("header.wav", wav_header(36, 0), "there are no samples in it"),
    ("promise.wav", wav_header(36_000, 36_000), "no samples|cut short"),
    ("text.txt", b"hello world\n" * 100, "no sound file"),
    ("text.wav", b"hello world\n" * 100, "no sound file"),
    ("noise.bin", random.Random(0).randbytes(10_000), "no sound file"),
    ("noise.wav", random.Random(1).randbytes(10_000), "no sound file"),
    ("noise.au", random.Random(2).randbytes(10_000), "no sound file"),
    ("zeros.mp3", bytes(10_000), "no sound file"),
    ("headerless.raw", random.Random(3).randbytes(10_000), "no sound file"),
    ("table.csv", b"a,b\n1,2\n", "no sound file"),
    ("words.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhi\n\n", "no sound file"),
]


@pytest.mark.parametrize(("name", "content", "text"), NOT_SOUND)
def test_what_is_no_sound_is_one_line(tmp_path, name, content, text):
    path = tmp_path / name
    path.write_bytes(content)
    for use in (audio.read, lambda each: list(audio.stream(each))):
        with pytest.raises(RecordingError, match=f"{name}: .*({text})") as caught:
            use(path)
        assert "\n" not in str(caught.value)


def test_a_playlist_reaches_no_network(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"
        (tmp_path / "list.m3u8").write_text(text, encoding="utf-8")
        with pytest.raises(RecordingError, match=r"list.m3u8: no sound"):
            audio.read(tmp_path / "list.m3u8")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


def test_pictures_and_silent_films_are_told_apart(tmp_path):
    write_picture(tmp_path / "a.jpg")
    (tmp_path / "jpg.wav").write_bytes((tmp_path / "a.jpg").read_bytes())
    for name in ("a.jpg", "jpg.wav"):
        with pytest.raises(RecordingError, match=f"{name}: no sound file: it looks like jpeg"):
            audio.read(tmp_path / name)
    for name in ("a.mp4", "a.mov", "a.mkv"):
        encode(tmp_path / name, None, 0, None, video="mpeg4")
        with pytest.raises(RecordingError, match=f"{name}: the video has no sound track"):
            audio.read(tmp_path / name)


def test_paths_that_cannot_be_opened(tmp_path):
    table = [(tmp_path, "a folder"), (tmp_path / "none.wav", "no such file"), ("a\0b", "cannot be")]
    for path, text in table:
        for use in (audio.read, audio.probe):
            with pytest.raises(RecordingError, match=text):
                use(path)


def test_a_file_without_permission_is_an_error(tmp_path):
    path = tmp_path / "a.wav"
    audio.write_wav(path, NOISE, 48000)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(RecordingError, match=r"a.wav: the file cannot be opened \(Permission"):
        audio.read(path)


@pytest.mark.parametrize(("level", "name"), [(0.0, "a.wav"), (0.3, "a.wav"), (0.0, "a.m4a")])
def test_silence_is_an_error_of_its_own(tmp_path, level, name):
    silence = np.full((2, 48000), level, np.float32)
    if name == "a.m4a":
        encode(tmp_path / name, silence, 48000, "aac")
    else:
        audio.write_wav(tmp_path / name, silence, 48000)
    found = audio.read(tmp_path / name, sample_rate_hz=32000)
    with pytest.raises(RecordingError, match=r"shown.wav: silent"):
        audio.require_sound(found, "shown.wav")
    made = audio.Audio(silence, 48000, 48000, 2)
    with pytest.raises(RecordingError, match="silent"):
        audio.require_sound(made, "made")


@pytest.mark.parametrize(("n_samples", "is_long_enough"), [(470, False), (480, True)])
def test_what_is_shorter_than_a_blast_is_an_error_of_its_own(tmp_path, n_samples, is_long_enough):
    audio.write_wav(tmp_path / "a.wav", NOISE[:, :n_samples], 48000)
    found = audio.read(tmp_path / "a.wav", sample_rate_hz=8000)
    if is_long_enough:
        audio.require_length(found, "shown.wav")
        return
    with pytest.raises(RecordingError, match=r"shown\.wav: only 9\.75 ms long; .* 10 ms or more"):
        audio.require_length(found, "shown.wav")


def test_faint_sound_is_sound(tmp_path):
    audio.write_wav(tmp_path / "a.wav", 1e-4 * NOISE / 0.1, 48000, "PCM_24")
    for found in (audio.read(tmp_path / "a.wav"), audio.Audio(NOISE, 48000, 48000, 3)):
        assert audio.require_sound(found, "a.wav") is None


def test_channels_that_cancel_wholly_are_not_called_silent(tmp_path):
    audio.write_wav(tmp_path / "a.wav", np.stack([NOISE[0], -NOISE[0]]), 48000, "FLOAT")
    with pytest.raises(RecordingError, match="cancel each other; try --channel loudest"):
        audio.require_sound(audio.read(tmp_path / "a.wav"), "a.wav")


# --- names and finding ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s16.wav", "s16.flac", "music.mp3", "phone.m4a", "video.mkv"])
def test_names_in_any_script(recordings, tmp_path, name):
    folder = tmp_path / "Schüsse 枪声 выстрел"
    folder.mkdir()
    path = folder / f"été 'ö' 銃 %d #1{Path(name).suffix}"
    path.write_bytes(recordings(name).read_bytes())
    assert np.array_equal(audio.read(path).waveform, audio.read(recordings(name)).waveform)
    (found,) = audio.find_recordings([tmp_path])
    assert found.path == path
    audio.write_wav(folder / "新.wav", NOISE, 48000)
    assert audio.read(folder / "新.wav").source_channels == 3


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folders_are_searched_and_sorted_naturally(tmp_path, monkeypatch):
    touch(tmp_path / "set", "shot10.WAV", "shot2.wav", "Shot1.Mp3", "b/deep/er/x.M4A", "a/1.flac")
    touch(tmp_path / "set", "notes.txt", ".hidden.wav", "._shot1.wav", ".git/a.wav", "a.wav.csv")
    touch(tmp_path / "set", "__MACOSX/shot.wav", "b/._x.wav", "readme")
    monkeypatch.chdir(tmp_path)
    expected = ["a/1.flac", "b/deep/er/x.M4A", "Shot1.Mp3", "shot2.wav", "shot10.WAV"]
    for given in ("set", "./set", str(tmp_path / "set")):
        found = audio.find_recordings([given])
        assert [each.name for each in found] == [given + os.sep + str(Path(e)) for e in expected]
        assert all(each.error is None and each.path.is_file() for each in found)


def test_a_given_file_is_taken_whatever_its_extension(tmp_path, monkeypatch):
    touch(tmp_path, "shot.xyz", "shot", ".hidden.wav")
    monkeypatch.chdir(tmp_path)
    given = ["shot.xyz", "./shot", ".hidden.wav", "shot.xyz"]
    found = audio.find_recordings(given)
    assert [(each.name, each.error) for each in found] == [(name, None) for name in given[:3]]


def test_what_is_not_there_is_said_and_the_rest_found(tmp_path, monkeypatch):
    touch(tmp_path, "full/a.wav", "bare/notes.txt")
    monkeypatch.chdir(tmp_path)
    found = audio.find_recordings(["none.wav", "bare", "full"])
    assert [(each.name, each.error) for each in found] == [
        ("none.wav", "none.wav: no such file or folder; check the path"),
        ("bare", "bare: the folder holds no recordings"),
        (str(Path("full/a.wav")), None),
    ]


def test_a_folder_that_cannot_be_listed_is_said(tmp_path):
    touch(tmp_path, "a.wav", "closed/b.wav")
    (tmp_path / "closed").chmod(0)
    try:
        if os.access(tmp_path / "closed", os.R_OK):
            pytest.skip("this user may read everything")
        found = audio.find_recordings([tmp_path])
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [each.error is None for each in found] == [True, False]
    assert "the folder cannot be read" in found[1].error


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_would_be_read_without_end_is_no_recording(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    names = [str(tmp_path / name) for name in ("pipe.wav", "zero.wav")]
    for given in ([tmp_path], names):
        errors = [each.error for each in audio.find_recordings(given)]
        assert errors == [f"{name}: it is a pipe or a device, expected a file" for name in names]


def test_links_that_go_round_in_circles_end(tmp_path):
    touch(tmp_path, "set/a.wav", "other/b.wav")
    try:
        (tmp_path / "set" / "round").symlink_to(tmp_path / "set", target_is_directory=True)
        (tmp_path / "set" / "link").symlink_to(tmp_path / "other", target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    found = audio.find_recordings([tmp_path / "set"])
    assert [each.path.name for each in found] == ["a.wav", "b.wav"]


# --- real recordings --------------------------------------------------------------------------


def test_published_gunshots_are_read_whole(shared):
    found = audio.find_recordings([shared / "data" / "guns9-original-wav"])
    assert len(found) == 9
    for each in found:
        wav = audio.read(each.path)
        assert (wav.source_channels, wav.warnings) == (2, ())
        assert 0.5 < wav.duration_s < 5.0
        audio.require_sound(wav, each.name)
        left = soundfile.read(each.path, dtype="float32")[0][:, 0]
        assert np.array_equal(audio.read(each.path, channel="0").waveform[0], left)


def test_a_spread_of_real_recordings_is_read(shared):
    folders = [shared / "data" / name for name in ("guns9", "shotspotter", "other-sounds")]
    found = audio.find_recordings(folders)
    assert len(found) > 1500
    for each in found[::40]:
        clip = audio.read(each.path, sample_rate_hz=32000)
        assert clip.warnings == ()
        assert clip.duration_s == pytest.approx(soundfile.info(each.path).duration, abs=1e-4)
        audio.require_sound(clip, each.name)
