"""Times are those that a player shows, whatever the container does to them."""

import re
import struct

import av
import numpy as np
import pytest
import soundfile

from shotprint import audio
from shotprint.errors import RecordingError, ShotprintError
from sounds import LAYOUTS, encode, make_noise

CLICKS_S = (0.5, 1.25)


def make_clicks(rate_hz, n_channels=1, duration_s=2.0, clicks_s=CLICKS_S):
    """Return faint noise with loud clicks of a millisecond, (n_channels, n_samples)."""
    waveform = make_noise(1, round(rate_hz * duration_s), amplitude=1e-3)
    for click_s in clicks_s:
        start = round(click_s * rate_hz)
        n_click = max(2, rate_hz // 1000)
        waveform[0, start : start + n_click] += 0.8 * np.hanning(n_click)
    return np.tile(waveform, (n_channels, 1))


def find_clicks(heard):
    """Return when clicks are heard: the middles of what is loud."""
    if isinstance(heard, audio.Audio):
        heard = [heard]
    heard = list(heard)
    limit = 0.4 * max(np.abs(block.waveform[0]).max() for block in heard)
    loud_s = [
        block.start_s + np.flatnonzero(np.abs(block.waveform[0]) > limit) / block.sample_rate_hz
        for block in heard
    ]
    times_s = np.concatenate(loud_s)
    return [
        float(each.mean()) for each in np.split(times_s, np.flatnonzero(np.diff(times_s) > 0.1) + 1)
    ]


def expect(times_s):
    return pytest.approx([time_s + 0.0005 for time_s in times_s], abs=0.004)


# --- known times ------------------------------------------------------------------------------

# AAC without an edit list or a codec delay carries 1024 samples of priming that a player plays.
PRIMED_S = 1024 / 48000
# file, codec, rate in Hz, video codec, options, what a player lets precede
PLAIN = [
    ("a.mp4", "aac", 48000, "mpeg4", None, 0.0),
    ("alone.mp4", "aac", 48000, None, None, 0.0),
    ("a.mov", "aac", 44100, "mpeg4", None, 0.0),
    ("pcm.mov", "pcm_s16le", 48000, "mpeg4", None, 0.0),
    ("a.m4a", "aac", 48000, None, {"movflags": "faststart"}, 0.0),
    ("alac.m4a", "alac", 48000, None, None, 0.0),
    ("a.3gp", "libopencore_amrnb", 8000, None, None, 0.0),
    ("a.amr", "libopencore_amrnb", 8000, None, None, 0.005),  # the codec delays
    ("a.mka", "flac", 48000, None, None, 0.0),
    ("a.webm", "libopus", 48000, None, None, 0.0),
    ("a.opus", "libopus", 48000, None, None, 0.0),
    ("a.ogg", "libvorbis", 48000, None, None, 0.0),
    ("a.mp3", "libmp3lame", 44100, None, None, 0.0),
    ("a.ts", "aac", 48000, None, None, PRIMED_S),
]


@pytest.mark.parametrize(("name", "codec", "rate_hz", "video", "options", "before_s"), PLAIN)
def test_clicks_are_where_a_player_shows_them(
    tmp_path, name, codec, rate_hz, video, options, before_s
):
    path = tmp_path / name
    encode(path, make_clicks(rate_hz), rate_hz, codec, video=video, options=options)
    expected = expect([before_s + click_s for click_s in CLICKS_S])
    whole = audio.read(path)
    assert whole.start_s == pytest.approx(0, abs=0.003)
    assert find_clicks(whole) == expected
    assert find_clicks(audio.read(path, sample_rate_hz=12000)) == expected
    for block_s in (0.3, 10.0):
        assert find_clicks(audio.stream(path, block_s=block_s)) == expected
    (click_s,) = find_clicks(audio.read(path, start_s=1.0, duration_s=0.5))
    assert (
        click_s == expect([before_s + CLICKS_S[1]]).expected[0]
        or abs(click_s - before_s - CLICKS_S[1]) < 0.004
    )


@pytest.mark.parametrize(
    ("name", "form", "subtype"),
    [
        ("a.mp3", "MP3", "MPEG_LAYER_III"),
        ("a.ogg", "OGG", "VORBIS"),
        ("a.opus", "OGG", "OPUS"),
        ("a.wav", "WAV", "PCM_16"),
        ("a.flac", "FLAC", "PCM_16"),
    ],
)
def test_what_libsndfile_writes_is_at_its_time(tmp_path, name, form, subtype):
    soundfile.write(tmp_path / name, make_clicks(48000)[0], 48000, format=form, subtype=subtype)
    assert find_clicks(audio.read(tmp_path / name)) == expect(CLICKS_S)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.ts", "alone.mp4"])
def test_sound_that_begins_later_keeps_its_time(tmp_path, name):
    path = tmp_path / name
    codec = "libopus" if name == "a.webm" else "aac"
    video = {"a.webm": "libvpx", "alone.mp4": None}.get(name, "mpeg4")

    def later(time_s):
        return time_s + 0.7

    encode(path, make_clicks(48000), 48000, codec, video=video, placed=later)
    whole = audio.read(path)
    assert whole.start_s == pytest.approx(0.7, abs=0.025)  # of which AAC primes 21 ms
    assert find_clicks(whole) == expect([0.7 + click_s for click_s in CLICKS_S])
    assert whole.warnings == ()
    blocks = list(audio.stream(path, block_s=0.5, sample_rate_hz=12000))
    starts_s = [block.start_s for block in blocks]
    assert starts_s == pytest.approx([whole.start_s + 0.5 * i for i in range(len(blocks))])
    assert find_clicks(blocks) == expect([0.7 + click_s for click_s in CLICKS_S])

    part = audio.read(path, start_s=1.0, duration_s=0.5)
    assert (part.start_s, part.duration_s) == pytest.approx((1.0, 0.5), abs=1e-4)
    assert find_clicks(part) == expect([0.7 + CLICKS_S[0]])
    early = audio.read(path, start_s=0.2, duration_s=1.3)
    assert early.start_s == whole.start_s
    assert early.start_s + early.duration_s == pytest.approx(1.5, abs=1e-4)
    with pytest.raises(RecordingError, match=r"its sound begins at 0\.[67]\d s, after the part"):
        audio.read(path, duration_s=0.5)
    with pytest.raises(RecordingError, match=r"it ends at 2\.7\d s, before the start"):
        audio.read(path, start_s=3.0)


@pytest.mark.parametrize("name", ["a.opus", "a.webm"])
def test_a_lone_track_begins_at_nought(tmp_path, name):
    path = tmp_path / name
    encode(path, make_clicks(48000), 48000, "libopus", placed=lambda time_s: time_s + 0.7)
    found = audio.read(path)
    assert (found.start_s, found.warnings) == (0, ())
    assert find_clicks(found) == expect(CLICKS_S)


def test_a_part_of_a_longer_recording_begins_at_nought(tmp_path):
    for name, options in (("a.mp4", {"movflags": "empty_moov+frag_every_frame"}), ("a.ts", None)):
        path = tmp_path / name
        encode(path, make_clicks(48000), 48000, "aac", options=options)
        content = bytearray(path.read_bytes())
        for found in re.finditer(b"tfdt", content):  # the time of a fragment
            (ticks,) = struct.unpack_from(">Q", content, found.end() + 4)
            struct.pack_into(">Q", content, found.end() + 4, ticks + 100 * 48000)
        path.write_bytes(content)
        part = audio.read(path)
        assert part.start_s == 0
        assert find_clicks(part) == expect([PRIMED_S + click_s for click_s in CLICKS_S])


def replace_edits(content, edits):
    """Put (duration, media time) in the place of the edit list of an MP4 of one track."""
    start = content.index(b"elst") - 4
    (size,) = struct.unpack_from(">I", content, start)
    assert size == 16 + 12 * len(edits), "as many edits as before"
    entries = b"".join(struct.pack(">IiI", *edit, 0x10000) for edit in edits)
    return content[: start + 16] + entries + content[start + size :]


def test_an_edit_list_that_skips_into_the_sound(tmp_path):
    path = tmp_path / "a.m4a"
    encode(path, make_clicks(48000), 48000, "aac")
    skipped = 1024 + 19200  # the priming and 0.4 s
    path.write_bytes(replace_edits(path.read_bytes(), [(1600, skipped)]))
    assert find_clicks(audio.read(path)) == expect([click_s - 0.4 for click_s in CLICKS_S])


# --- gaps -------------------------------------------------------------------------------------

# file, codec, video codec
WITH_TIMES = [
    ("a.mkv", "pcm_s16le", "mpeg4"),
    ("opus.mka", "libopus", None),
    ("a.mp4", "aac", "mpeg4"),
    ("fragments.mp4", "aac", None),
    ("a.ts", "aac", "mpeg4"),
    ("a.flv", "aac", None),
]


@pytest.mark.parametrize(("name", "codec", "video"), WITH_TIMES)
def test_a_gap_is_filled_so_that_later_shots_keep_their_time(tmp_path, name, codec, video):
    path, whole = tmp_path / name, tmp_path / f"whole-{name}"
    options = {"movflags": "empty_moov+default_base_moof", "frag_duration": "100000"}
    options = options if name == "fragments.mp4" else None
    for each, placed in ((whole, None), (path, lambda t: None if 0.7 < t < 1.1 else t)):
        sound = make_clicks(48000, 2)
        rate_hz = 48000
        encode(each, sound, rate_hz, codec, video=video, options=options, placed=placed)
    found = audio.read(path)
    assert find_clicks(found) == pytest.approx(find_clicks(audio.read(whole)), abs=0.002)
    assert found.duration_s == pytest.approx(audio.read(whole).duration_s, abs=0.002)
    (warning,) = found.warnings
    words = warning.split()
    assert warning == f"a gap of {words[3]} s at {words[6]} s filled with silence"
    assert float(words[3]) == pytest.approx(0.4, abs=0.09)  # whole packets
    assert float(words[6]) == pytest.approx(0.7, abs=0.08)
    blocks = list(audio.stream(path, block_s=0.2))
    assert np.array_equal(np.concatenate([b.waveform for b in blocks], axis=1), found.waveform)


def test_several_gaps_are_said_together(tmp_path):
    path = tmp_path / "a.mka"
    lost = [(0.2, 0.3), (0.6, 0.8), (1.0, 1.1)]

    def placed(time_s):
        return None if any(a <= time_s < b for a, b in lost) else time_s

    encode(path, make_clicks(48000), 48000, "libopus", placed=placed)
    (warning,) = audio.read(path).warnings
    assert warning.startswith("3 gaps of 0.4")
    assert "filled with silence, the first of 0.1" in warning


def test_a_clock_that_jumps_by_hours_is_said_and_not_followed(tmp_path):
    path = tmp_path / "a.mka"
    encode(
        path,
        make_clicks(48000),
        48000,
        "libopus",
        placed=lambda time_s: time_s + 20_000 * (time_s > 0.75),
    )
    found = audio.read(path)
    assert found.duration_s == pytest.approx(2.0, abs=0.02)
    assert find_clicks(found) == expect(CLICKS_S)
    text = r"its clock jumps by \+20000\.00 s at 0\.7\d s: the sound is taken as unbroken there"
    assert re.fullmatch(text, found.warnings[0])


def test_one_wrong_timestamp_is_not_believed(tmp_path):
    path = tmp_path / "a.mka"
    encode(
        path,
        make_clicks(48000),
        48000,
        "pcm_s16le",
        placed=lambda time_s: time_s + 0.06 * (0.75 < time_s < 0.83),
    )
    found = audio.read(path)
    assert find_clicks(found) == expect(CLICKS_S)
    assert found.duration_s == 2.0


def test_trembling_timestamps_make_no_gaps(tmp_path):
    path = tmp_path / "a.mka"
    rng = np.random.default_rng(0)
    encode(
        path,
        make_clicks(48000),
        48000,
        "libopus",
        placed=lambda time_s: time_s + 0.012 * rng.random() * (time_s > 0.1),
    )
    found = audio.read(path)
    assert found.warnings == ()
    assert find_clicks(found) == expect(CLICKS_S)


def test_a_video_that_ends_after_its_sound_is_not_cut_short(tmp_path):
    for name in ("a.mkv", "a.mp4", "a.flv", "a.ts"):
        codec = "flv" if name == "a.flv" else "mpeg4"
        encode(tmp_path / name, make_clicks(44100, 1, 0.6, [0.5]), 44100, "aac", video=codec)
        assert audio.read(tmp_path / name).warnings == ()


def test_a_cut_matroska_video_without_lengths_is_told_by_its_bytes(tmp_path):
    path = tmp_path / "a.mkv"
    encode(path, make_clicks(48000), 48000, "pcm_s16le", video="mpeg4")
    content = path.read_bytes().replace(b"DURATION", b"XXXXXXXX")
    path.write_bytes(content)
    assert audio.read(path).warnings == ()
    path.write_bytes(content[: len(content) // 2])
    assert audio.read(path).warnings[-1].startswith("cut short: ")


# --- tracks -----------------------------------------------------------------------------------


def encode_tracks(path, waveforms, rate_hz):
    """Write several tracks of sound."""
    with av.open(str(path), "w") as container:
        tracks = [
            container.add_stream("pcm_s16le", rate=rate_hz, layout=LAYOUTS[len(waveform)])
            for waveform in waveforms
        ]
        for track, waveform in zip(tracks, waveforms, strict=True):
            samples = np.ascontiguousarray((waveform * 32767).astype("<i2").T).reshape(1, -1)
            layout = LAYOUTS[len(waveform)]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate_hz, 0
            container.mux(track.encode(frame))
            container.mux(track.encode(None))


@pytest.mark.parametrize(("name", "best_track"), [("a.mkv", 1), ("a.mov", 0)])
def test_a_track_is_chosen(tmp_path, name, best_track):
    path = tmp_path / name
    sounds = [make_clicks(48000, n, 1.0, [0.2 + 0.1 * n]) for n in (1, 2, 1)]
    sounds[2][:] *= -1
    encode_tracks(path, sounds, 48000)
    for track, sound in enumerate(sounds):
        found = audio.read(path, track=track, channel="each")
        assert np.abs(found.waveform - sound).max() < 2**-14
        assert found.warnings == ()
        probed = audio.probe(path, track=track)
        assert (probed.n_tracks, probed.n_channels) == (3, len(sound))
        (block,) = audio.stream(path, track=track, channel="each")
        assert np.array_equal(block.waveform, found.waveform)
    best = audio.read(path, channel="each")
    assert best.warnings == (f"track {best_track} of 3 (0 to 2) is used; choose with --track",)
    chosen = audio.read(path, track=best_track, channel="each")
    assert np.array_equal(best.waveform, chosen.waveform)
    for use in (audio.read, audio.probe, lambda p, track: list(audio.stream(p, track=track))):
        with pytest.raises(RecordingError, match=r"track 3 was .* 3 tracks of sound, numbered"):
            use(path, track=3)


def test_a_wav_file_is_one_track(tmp_path):
    audio.write_wav(tmp_path / "a.wav", make_clicks(8000), 8000)
    assert audio.probe(tmp_path / "a.wav").n_tracks == 1
    assert audio.read(tmp_path / "a.wav", track=0).warnings == ()
    with pytest.raises(RecordingError, match="track 1 was asked for, but there is 1 track of"):
        audio.read(tmp_path / "a.wav", track=1)
    with pytest.raises(ShotprintError, match="track -1 was asked for; give a number from 0"):
        audio.read(tmp_path / "a.wav", track=-1)


# --- changes in mid-stream --------------------------------------------------------------------

CHAINED = [
    ("a.oga", "flac", (44100, 48000)),
    ("a.flac", "flac", (44100, 48000)),
    ("a.aac", "aac", (44100, 48000)),
    ("a.ts", "aac", (48000, 44100)),
]
CHAINED += [("a.mp3", "libmp3lame", (44100, 32000)), ("a.opus", "libopus", (48000, 48000))]


@pytest.mark.parametrize(("name", "codec", "rates_hz"), CHAINED)
def test_recordings_joined_end_to_end_are_read_to_the_end(tmp_path, name, codec, rates_hz):
    content = b""
    for i, rate_hz in enumerate(rates_hz):
        part = tmp_path / f"{i}-{name}"
        encode(part, make_clicks(rate_hz, 1 + i * (codec == "aac")), rate_hz, codec)
        content += part.read_bytes()
    (tmp_path / name).write_bytes(content)
    found = audio.read(tmp_path / name)
    first_s = audio.read(tmp_path / f"0-{name}").duration_s
    before_s = PRIMED_S if codec == "aac" else 0.0
    expected = [before_s + click_s + later_s for later_s in (0, first_s) for click_s in CLICKS_S]
    assert find_clicks(found) == pytest.approx(expected, abs=0.06)  # priming again
    if name == "a.ts":
        assert found.warnings[0].startswith("its clock jumps by -2.0")
    if codec != "libopus":
        change = f"the sound changes to {rates_hz[1]} Hz with {1 + (codec == 'aac')} channel"
        assert any(change in text for text in found.warnings), found.warnings
        amplitudes = [np.abs(found.waveform[:, : round(2 * rates_hz[0])]).max()]
        amplitudes.append(np.abs(found.waveform[:, round(2.1 * rates_hz[0]) :]).max())
        assert amplitudes == pytest.approx([0.8, 0.8], abs=0.15)


def test_what_cannot_be_read_on_is_said(tmp_path):
    content = b""
    for rate_hz in (44100, 48000):
        soundfile.write(tmp_path / "part.ogg", make_clicks(rate_hz)[0], rate_hz)
        content += (tmp_path / "part.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(content)
    found = audio.read(tmp_path / "a.ogg")
    assert find_clicks(found) == expect(CLICKS_S)
    assert found.warnings[0].startswith("what follows 2.00 s cannot be read (")


def test_sound_clipped_all_the_time_and_off_its_middle_is_said(tmp_path):
    loud = np.clip(make_noise(2, 48000, amplitude=3.0), -1, 1)
    audio.write_wav(tmp_path / "loud.wav", loud, 48000)
    (warning,) = audio.read(tmp_path / "loud.wav").warnings
    assert warning == "clipped: 74% of its samples are at full scale"
    offset = make_noise(2, 48000) * 0.1 + np.float32([[0.0], [-0.4]])
    audio.write_wav(tmp_path / "offset.wav", offset, 48000)
    text = "its samples lie around -0.40 of full scale instead of 0"
    assert audio.read(tmp_path / "offset.wav").warnings == (text,)
    assert audio.read(tmp_path / "offset.wav", channel="1").warnings == (text,)
    assert audio.read(tmp_path / "offset.wav", channel="0").warnings == ()


# --- resampling in pieces ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_hz", "to_hz"),
    [(48000, 12000), (44100, 32000), (8000, 48000), (47999, 31001), (48000, 48000)],
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_pieces_resample_to_the_same_bits_wherever_they_are_cut(from_hz, to_hz, n_channels):
    waveform = make_noise(n_channels, 100_000)
    rng = np.random.default_rng(0)
    joined = []
    for cuts in ([], range(0, 100_000, 317), np.sort(rng.integers(0, 100_000, 40))):
        resampler = audio.Resampler(from_hz, to_hz, n_channels)
        pieces = [resampler.push(piece) for piece in np.split(waveform, cuts, axis=1)]
        joined.append(np.concatenate([*pieces, resampler.finish()], axis=1))
    whole = audio.resample(waveform, from_hz, to_hz)
    for each in joined:
        assert each.dtype == np.float32
        assert np.array_equal(each, joined[0])
    assert joined[0].shape == whole.shape
    assert np.abs(joined[0] - whole).max() < 1e-6


def test_a_resampler_of_nothing_gives_nothing():
    for to_hz in (12000, 48000):
        assert audio.Resampler(48000, to_hz, 2).finish().shape == (2, 0)


# --- large files ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["RF64", "W64"])
def test_files_beyond_four_gigabytes_are_read_to_the_end(tmp_path, form):
    path = tmp_path / f"a.{form.lower()}"
    n_samples, rate_hz = 1_100_000_000, 192_000  # 4.4 GB, of which nearly all is a hole
    with soundfile.SoundFile(path, "w", rate_hz, 2, "PCM_16", format=form) as file:
        file.write(np.zeros((10, 2), np.int16))
        file.seek(n_samples)
        file.write(np.full((10, 2), 16384, np.int16))
    if path.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("this file system keeps no holes")
    assert audio.probe(path).duration_s == (n_samples + 10) / rate_hz
    end = audio.read(path, start_s=n_samples / rate_hz)
    assert end.waveform.tolist() == [[0.5] * 10]
    assert end.start_s == pytest.approx(n_samples / rate_hz)
