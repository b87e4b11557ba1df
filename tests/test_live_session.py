"""Sources that stall, change, lose sound, break off: said, and no shot is lost."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.live import FileSource, HeardShot, Message, PcmFormat, PipeSource, Session, session
from shotprint.live.feed import EndOfSound, Feed
from shotprint.live.sources import Block, open_source
from shotprint.recognition import OnnxModel
from shotprint.weights import shipped_model
from toy_live import make_sound, open_toy, write_detector

RATE_HZ = 16000
SOUND = make_sound((1.0, 2.5), 4.0, RATE_HZ)
HALF = SOUND[:, : round(2.7 * RATE_HZ)]
"""It ends 0.2 s after its second shot, which is not certain then."""


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    """A detector and a model."""
    pytest.importorskip("onnx")
    path = write_detector(tmp_path_factory.mktemp("rise") / "rise.onnx")
    return open_toy(path), OnnxModel(shipped_model())


class Listed:
    """A source that gives what it was made of, and raises the errors among it."""

    name, is_live, can_wait = "a list", False, True

    def __init__(self, *items):
        self.items = items

    def blocks(self):
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item


def block(waveform, rate_hz=RATE_HZ, **facts):
    return Block(np.float32(waveform), rate_hz, f"{rate_hz} Hz", time.monotonic(), **facts)


def listen(source, ears, channel="mix"):
    """Return shots, messages as (state, text), and the session."""
    heard = Session(source, *ears, channel)
    events = list(heard.run())
    shots = [event for event in events if isinstance(event, HeardShot)]
    messages = [(each.state, each.text) for each in events if isinstance(each, Message)]
    return shots, messages, heard


def onsets(shots):
    return [shot.shot.onset_s for shot in shots]


def encode(waveform):
    return (waveform.T * 32767).astype("<i2").tobytes()


def test_a_change_of_rate_or_channels_goes_on_at_the_right_time(ears):
    faster = np.repeat(make_sound((0.5,), 2.0, 32000), 2, axis=0)
    shots, messages, heard = listen(Listed(block(SOUND), block(faster, 32000)), ears)
    assert onsets(shots) == pytest.approx([1.0, 2.5, 4.5], abs=0.01)
    assert messages == [
        ("begin", "listening to 16000 Hz"),
        ("change", "it goes on with 32000 Hz"),
    ]
    assert heard.heard_s == 6.0
    assert not heard.is_damaged


def test_lost_sound_is_said_and_counts(ears):
    source = Listed(block(SOUND), block(SOUND, lost_s=10.0))
    shots, messages, heard = listen(source, ears)
    assert onsets(shots) == pytest.approx([1.0, 2.5, 15.0, 16.5], abs=0.01)
    assert messages[1] == ("lost", "10.00 s of sound are lost: this machine is too slow for it")
    assert heard.heard_s == 18.0


def test_a_source_that_cannot_wait_loses_what_finds_no_room():
    source = Listed(*(block(np.full((1, RATE_HZ // 10), i)) for i in range(9)))
    source.can_wait = False
    feed = Feed(source, n_blocks=3)
    time.sleep(0.3)
    found = [feed.get(1.0) for _ in range(3)]
    assert [int(each.waveform[0, 0]) for each in found] == [0, 1, 2]
    with pytest.raises(EndOfSound):
        feed.get(1.0)

    class Slow(Listed):
        def blocks(self):
            for i, each in enumerate(super().blocks()):
                if i == 7:
                    time.sleep(0.3)
                yield each

    source = Slow(*source.items)
    source.can_wait = False
    feed = Feed(source, n_blocks=3)
    time.sleep(0.1)
    found = [feed.get(1.0) for _ in range(5)]
    assert [int(each.waveform[0, 0]) for each in found] == [0, 1, 2, 7, 8]
    assert [each.lost_s for each in found] == pytest.approx([0, 0, 0, 0.4, 0])


def test_a_source_that_waits_loses_nothing():
    feed = Feed(Listed(*(block(np.full((1, 10), i)) for i in range(99))), n_blocks=2)
    found = [int(feed.get(1.0).waveform[0, 0]) for _ in range(99)]
    assert found == list(range(99))
    feed.close()


def test_an_error_after_sound_reports_the_shots_before_it(ears):
    shots, messages, heard = listen(Listed(block(HALF), ShotprintError("unplugged")), ears)
    assert len(shots) == 2
    assert messages[-1] == ("end", "unplugged")
    assert heard.is_damaged


def test_an_error_before_sound_is_raised(ears):
    with pytest.raises(ShotprintError, match="unplugged"):
        listen(Listed(ShotprintError("unplugged")), ears)


def test_samples_that_are_no_numbers_cost_no_shot(ears):
    spoilt = SOUND.copy()
    spoilt[:, [100, 30000]] = np.nan, np.inf
    spoilt[:, 50000:50400] = np.nan
    blocks = [block(spoilt[:, i : i + 400]) for i in range(0, spoilt.shape[1], 400)]
    shots, messages, _ = listen(Listed(*blocks), ears)
    assert len(shots) >= 2
    assert [state for state, _ in messages] == ["begin", "damaged"]


def test_bursts_and_gaps(ears):
    sound = make_sound((0.5, 1.5, 1.6, 1.7, 1.8, 3.0), 4.5, RATE_HZ)
    shots, _, _ = listen(Listed(block(sound)), ears)
    assert [shot.shot.burst for shot in shots] == [None, None, None, 0, 0, None]
    assert [shot.rate_of_fire_rpm for shot in shots[:3]] == [None] * 3
    assert shots[4].rate_of_fire_rpm == pytest.approx(600, rel=0.02)
    assert shots[0].shot.gap_s is None
    assert shots[2].shot.gap_s == pytest.approx(0.1, abs=0.004)


@pytest.mark.parametrize(("channel", "message"), [("loudest", "is known at the end"), ("1", "1 c")])
def test_channels_that_cannot_be_had(ears, channel, message):
    with pytest.raises(ShotprintError, match=message):
        listen(Listed(block(SOUND)), ears, channel)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this system")
def test_a_stall_reports_what_was_heard_and_says_when_it_is_over(ears, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "STALL_S", 0.6)
    os.mkfifo(tmp_path / "pipe")
    data = encode(HALF)
    source = open_source(str(tmp_path / "pipe"), PcmFormat(RATE_HZ), realtime=False)
    heard = Session(source, *ears, "mix")
    gate = threading.Event()

    def write():
        with Path(tmp_path / "pipe").open("wb", buffering=0) as pipe:
            pipe.write(data)
            gate.wait(60)
            pipe.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    events = []
    for event in heard.run():
        events.append(event)
        if isinstance(event, Message) and "waiting" in event.text:
            assert sum(isinstance(each, HeardShot) for each in events) == 2
            gate.set()
    writer.join()
    shots = [each for each in events if isinstance(each, HeardShot)]
    assert onsets(shots) == pytest.approx([1.0, 2.5, 3.7, 5.2], abs=0.01)
    texts = [each.text for each in events if isinstance(each, Message)]
    assert texts[1] == "no sound for 1 s; waiting for it"
    assert texts[2].startswith("sound again, after ")
    now_s = time.time()
    assert all(now_s - 60 < shot.time_s < now_s for shot in shots)


def test_a_played_recording_takes_its_time_and_has_times_of_day(ears, tmp_path):
    from shotprint.audio import write_wav

    write_wav(tmp_path / "a.wav", SOUND, RATE_HZ)
    begin_s = time.time()
    shots, _, _ = listen(FileSource(tmp_path / "a.wav", realtime=True), ears)
    assert time.time() - begin_s >= 4.0
    for shot in shots:
        assert begin_s + shot.shot.onset_s - 0.1 < shot.time_s < time.time()
    shots, _, _ = listen(FileSource(tmp_path / "a.wav"), ears)
    assert [shot.time_s for shot in shots] == [None, None]


def test_a_thread_rests_only_while_nothing_happens_with_a_sound_that_takes_its_time():
    feed = Feed(Listed(*(block(SOUND[:, :160]) for _ in range(200))), n_blocks=64)
    feed.rest_until_s = time.monotonic() + 1e9
    begin_s = time.monotonic()
    for _ in range(200):  # 10 ms each, at once: a file
        feed.get(5.0)
    assert time.monotonic() - begin_s < 5


def test_stop_ends_it_with_the_shots_heard_so_far(ears):
    def endless():
        yield block(HALF)
        while True:
            time.sleep(0.05)

    source = Listed()
    source.blocks = endless
    heard = Session(source, *ears, "mix")
    shots = []
    for event in heard.run():
        heard.stop.set()
        shots += [event] if isinstance(event, HeardShot) else []
    assert onsets(shots) == pytest.approx([1.0, 2.5], abs=0.01)


def test_a_machine_that_is_too_slow_says_so_once(monkeypatch):
    monkeypatch.setattr(session, "SPEED_WINDOW_S", 0.05)
    speed = session._Speed()
    said = []
    for heard_s, waited_s in ((0.01, 0.0), (0.01, 0.0), (1.0, 0.0), (0.01, 0.05)):
        time.sleep(0.06)
        said.append(speed.add(heard_s, waited_s))
    assert "is too slow: 0.0 s of sound took 0.1 s" in said[0]
    assert said[1:] == [None, "this machine keeps up again", None]


def test_an_empty_pipe_is_an_error(ears, tmp_path):
    (tmp_path / "a.raw").write_bytes(b"")
    with pytest.raises(ShotprintError, match="no sound came from"):
        listen(PipeSource(tmp_path / "a.raw", PcmFormat()), ears)
    with pytest.raises(ShotprintError, match="cannot be opened"):
        listen(PipeSource(tmp_path / "b.raw", PcmFormat()), ears)
