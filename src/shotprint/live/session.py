"""A source listened to: what happens, as events."""

import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from shotprint.audio.channels import missing_channel, parse_channel, pick_channels
from shotprint.detection import Detector, find_bursts
from shotprint.detection.shots import BURST_GAP_S
from shotprint.errors import ShotprintError
from shotprint.live.clock import Clock
from shotprint.live.engine import LiveEngine
from shotprint.live.feed import WAIT_S, EndOfSound, Feed
from shotprint.live.sources import Block, Source
from shotprint.live.watch import Watch
from shotprint.recognition.model import Model
from shotprint.recognition.results import ShotResult
from shotprint.recognition.shots import AnsweredShot, answer

STALL_S = 5.0
SPEED_WINDOW_S = 10.0
QUEUED, QUEUED_LIVE = 64, 500
"""Blocks that wait at most; the latter are 10 s of a microphone."""
IDLE_SHARE = 0.02
"""Whoever waits for sound less than this share of the time cannot keep up, or works on a file."""
MAX_RUN = 64
"""Shots of a burst from which its rate of fire is computed."""


@dataclass(frozen=True)
class HeardShot:
    """A shot of a stream.

    Attributes
    ----------
    shot : `burst` is None for the first two shots of a burst, which cannot know of it yet
    time_s : when it was heard, seconds since 1970 (UTC); None: the source is not heard now
    rate_of_fire_rpm : of the burst so far; None: it belongs to none
    """

    shot: ShotResult
    time_s: float | None
    rate_of_fire_rpm: float | None


@dataclass(frozen=True)
class Message:
    """Something about the source.

    Attributes
    ----------
    state : ``begin``, ``change``, ``stall``, ``end``, ``remark``, ``lost``, ``slow``, ``damaged``,
        ``silent``, ``clipped``, ``offset``
    at_s : seconds since the first sample
    """

    state: str
    text: str
    at_s: float
    time_s: float | None


Event = HeardShot | Message


class Session:
    """Listens to a source until that ends or `stop` is set.

    Attributes
    ----------
    heard_s : seconds since the first sample, lost ones included
    peak : largest sample of the newest block, 0…
    is_damaged : the stream did not end as it should
    """

    def __init__(self, source: Source, detector: Detector, model: Model, channel: str) -> None:
        self.peak, self.is_damaged = 0.0, False
        self.stop = threading.Event()
        self.source, self._detector, self._model = source, detector, model
        self._channel = parse_channel(channel)
        if self._channel == "loudest":
            raise ShotprintError(
                "which channel is the loudest is known at the end of a recording only; "
                "give --channel mix, each or a number from 0"
            )
        self._clock = Clock()
        self._speed = _Speed()
        self._engine: LiveEngine | None = None
        self._watch: Watch | None = None
        self._format: tuple[int, int] | None = None  # rate, channels
        self._begin_s = 0.0  # of what the engine hears
        self._run: list[float] = []  # onsets of the shots in quick succession so far
        self._n_bursts = 0

    @property
    def heard_s(self) -> float:
        """Seconds since the first sample."""
        if self._engine is None or self._format is None:
            return self._begin_s
        return self._begin_s + self._engine.n_samples / self._format[0]

    def run(self) -> Iterator[Event]:
        """Yield what happens, at once.

        Raises
        ------
        ShotprintError : the source cannot be had; shots heard before come first
        """
        feed = Feed(self.source, QUEUED if self.source.can_wait else QUEUED_LIVE)
        try:
            yield from self._follow(feed)
        except EndOfSound:
            pass
        except ShotprintError as error:
            yield from self._flush()
            if self._format is None:
                raise
            self.is_damaged = True
            yield self._tell("end", str(error))
            return
        finally:
            feed.close()
        yield from self._flush()

    def _follow(self, feed: Feed) -> Iterator[Event]:
        newest_s = time.monotonic()
        is_stalled = False
        while True:
            if self.stop.is_set():
                feed.close()
            asked_s = time.monotonic()
            block = feed.get(WAIT_S)
            now_s = time.monotonic()
            if block is None:
                if not is_stalled and now_s - newest_s > STALL_S:
                    is_stalled = True
                    yield from self._flush()
                    yield self._tell("stall", f"no sound for {STALL_S:.0f} s; waiting for it")
                if self.stop.is_set():
                    raise EndOfSound
                continue
            if is_stalled:
                is_stalled = False
                yield self._tell("stall", f"sound again, after {now_s - newest_s:.1f} s")
            newest_s = now_s
            yield from self._take(block)
            idle_s = 0.0 if self._engine is None else self._engine.idle_s
            feed.rest_until_s = block.arrival_s + idle_s
            duration_s = block.waveform.shape[1] / block.sample_rate_hz
            slowness = self._speed.add(duration_s, now_s - asked_s)
            if slowness is not None:
                yield self._tell("slow", slowness)

    def _take(self, block: Block) -> Iterator[Event]:
        if block.lost_s:
            yield from self._flush()
            text = f"{block.lost_s:.2f} s of sound are lost: this machine is too slow for it"
            yield self._tell("lost", text)
            self._begin_s += block.lost_s
        if block.waveform.shape[1]:
            yield from self._hear(block)
        if block.remark:
            self.is_damaged = self.is_damaged or block.is_broken
            yield self._tell("remark", block.remark)

    def _hear(self, block: Block) -> Iterator[Event]:
        rate_hz, n_channels = block.sample_rate_hz, len(block.waveform)
        if self._format != (rate_hz, n_channels):
            if problem := missing_channel(self._channel, n_channels):
                raise ShotprintError(f"{self.source.name}: {problem}")
            yield from self._flush()
            is_first = self._format is None
            self._begin_s += block.start_s if is_first else 0.0
            self._format, self._watch = (rate_hz, n_channels), Watch(rate_hz)
            text = "listening to" if is_first else "it goes on with"
            yield self._tell("begin" if is_first else "change", f"{text} {block.description}")
        if self._engine is None:
            self._engine = LiveEngine(self._detector, self._model, rate_hz, self._begin_s)
        assert self._watch is not None
        waveform, found = self._watch.look(block.waveform)
        self.peak = self._watch.peak
        for state, text in found:
            yield self._tell(state, text)
        end_s = self.heard_s + block.waveform.shape[1] / rate_hz
        self._clock.add(end_s, block.arrival_s)
        for shot in self._engine.push(pick_channels(waveform, self._channel)):
            yield self._report(shot)

    def _flush(self) -> Iterator[Event]:
        """Report what is left of the sound so far; what comes next is another sound."""
        if self._engine is None:
            return
        shots, end_s = self._engine.finish(), self.heard_s
        self._engine, self._begin_s = None, end_s
        for shot in shots:
            yield self._report(shot)

    def _report(self, found: AnsweredShot) -> HeardShot:
        onset_s = found.onset_s
        gap_s = round(onset_s - self._run[-1], 5) if self._run else None
        if gap_s is None or gap_s > BURST_GAP_S:
            self._run = []
        self._run = [*self._run[-MAX_RUN:], onset_s]
        bursts = find_bursts(self._run)
        self._n_bursts += len(self._run) == 3
        answered = answer(found.log_probabilities[None], found.traits[None], self._model.metadata)
        facts = asdict(found.detected)
        facts["detection_probability"] = facts.pop("probability")
        shot = ShotResult(
            **facts,
            gap_s=gap_s,
            burst=self._n_bursts - 1 if bursts else None,
            **answered.fields,
        )
        rate_rpm = bursts[-1].rate_rpm if bursts else None
        return HeardShot(shot, self._find_time(onset_s), rate_rpm)

    def _tell(self, state: str, text: str) -> Message:
        return Message(state, text, round(self.heard_s, 3), self._find_time(self.heard_s))

    def _find_time(self, moment_s: float) -> float | None:
        if not self.source.is_live:
            return None
        told_s = self._clock.tell(moment_s)
        return time.time() + (0.0 if told_s is None else told_s - time.monotonic())


class _Speed:
    """Tells whether sound is worked on as fast as it comes."""

    def __init__(self) -> None:
        self._begin_s = time.monotonic()
        self._heard_s = self._waited_s = 0.0
        self._is_slow = False

    def add(self, heard_s: float, waited_s: float) -> str | None:
        """Count sound, and how long it was waited for; return what is to be said."""
        self._heard_s += heard_s
        self._waited_s += waited_s
        passed_s = time.monotonic() - self._begin_s
        if passed_s < SPEED_WINDOW_S:
            return None
        is_slow = self._waited_s < IDLE_SHARE * passed_s and self._heard_s < passed_s
        text = None
        if is_slow and not self._is_slow:
            text = (
                f"this machine is too slow: {self._heard_s:.1f} s of sound took {passed_s:.1f} s; "
                "the rest waits"
            )
        if self._is_slow and not is_slow:
            text = "this machine keeps up again"
        self._is_slow = is_slow
        self._begin_s, self._heard_s, self._waited_s = time.monotonic(), 0.0, 0.0
        return text
