"""Work handed out to the workers of a Ray cluster, each recording answered once.

The driver, this process, alone decides and writes: a worker is given a chunk of recordings to
fetch and hash, then told which of these nobody has answered or is answering, and hears them. It
hears one chunk while the next waits and one more is fetched, so that no call is waited for. So a
worker holds `CHUNKS_HEARD` + 1 chunks at most, whatever the archive's length.

When a worker is lost, another takes its place, and every recording that it held is tried again at
the end, alone in its worker. One with which `TRIES_ALONE` workers are lost is set aside: its
result is an error. See ``docs/decisions/19-ray-actors.md``.
"""

import contextlib
import math
import os
import queue
import socket
import sys
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shotprint.cluster.journal import ArchiveJournal, dump_result
from shotprint.cluster.listing import WorkItem
from shotprint.cluster.worker import Reply, Worker
from shotprint.errors import MissingExtraError, OutputError, ShotprintError
from shotprint.opening import Setup
from shotprint.recognition.results import RecordingResult

CHUNK_RECORDINGS = 16
CHUNK_BYTES = 64 << 20
UNKNOWN_BYTES = 4 << 20
"""Taken for a recording whose size the listing does not say."""
CHUNKS_A_WORKER = 4
"""Into which what is left is cut, so that no worker is idle for long at the end."""
CHUNKS_HEARD = 2
"""Which a worker was told to hear: one is heard, the others wait."""
ACTOR = {"num_cpus": 1, "max_concurrency": 1 + CHUNKS_HEARD, "max_restarts": 0}
"""A thread fetches, the others hear. Ray starts no lost worker again: the driver does."""
TRIES_ALONE = 2
STARTS = 3
"""Workers that may fail to start one after the other before the run is given up."""
CONNECTING_S = CLOSING_S = 5.0


@dataclass(frozen=True)
class Cluster:
    """Where the work is done.

    Attributes
    ----------
    address : of a running Ray, ``auto`` for that of this machine; None: one is started for the run
    n_workers : 0: one a core
    """

    address: str | None = None
    n_workers: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """An item that is done, and what was wrong with it."""

    item: WorkItem
    error: str | None = None


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it; lists of places in the list of items.

    Attributes
    ----------
    known : fetched, and answered elsewhere
    n_hearing : chunks that it was told to hear
    is_alone : it has one recording that was lost with a worker, and is given no other
    """

    actor: Any
    fetching: list[int] = field(default_factory=list)
    fetched: list[int] = field(default_factory=list)
    hearing: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    n_hearing: int = 0
    is_ready: bool = False
    is_alone: bool = False
    is_lost: bool = False

    @property
    def held(self) -> list[int]:
        return [*self.hearing, *self.fetched, *self.fetching]


@contextlib.contextmanager
def connect(cluster: Cluster) -> Iterator[Any]:
    """Yield the module ray, connected; a connection that there was before stays.

    What Ray prints, such as that a worker was lost, goes to standard error meanwhile.

    Raises
    ------
    ShotprintError : there is no Ray at the address
    MissingExtraError : Ray is not installed
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it tells nobody of its use
    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtraError("cluster", "--engine ray") from None
    _require_answer(cluster.address)
    if ray.is_initialized():
        yield ray
        return
    own = {"num_cpus": cluster.n_workers or None, "include_dashboard": False}
    try:
        ray.init(
            cluster.address or "local",
            log_to_driver=False,
            logging_level="ERROR",
            **({} if cluster.address else own),
        )
    except (ConnectionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ShotprintError(
            f"no Ray at {cluster.address} ({reason}); start one, or name it; if it asks for a "
            "token, set RAY_AUTH_MODE=token"
        ) from None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Raise where nothing listens at HOST:PORT: Ray itself would wait, and end this process."""
    named = os.environ.get("RAY_ADDRESS") if address == "auto" else None  # Ray asks there first
    address = named or address
    host, _, port = (address or "").rpartition(":")
    if not address or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise ShotprintError(
            f"no Ray at {address} ({reason}); start one there (ray start --head), or "
            + ("unset RAY_ADDRESS, which names it" if named else "leave out --address")
        ) from None


class Driver:
    """One run over a list of items.

    Parameters
    ----------
    ray : the module, from `connect`
    described : `describe_answers` of the recogniser that every worker must have

    Attributes
    ----------
    n_lost : workers that were lost so far
    n_found : items that the journal held at the start
    """

    def __init__(
        self,
        ray: Any,
        items: Sequence[WorkItem],
        setup: Setup,
        described: Mapping[str, Any],
        journal: ArchiveJournal,
    ) -> None:
        self.n_lost = self.n_found = 0
        self._ray, self._items, self._journal = ray, items, journal
        self._setup, self._described = setup.to_absolute(), described
        self._actor = ray.remote(**ACTOR)(Worker)
        self._events: queue.SimpleQueue[tuple[_Hand, str, Any]] = queue.SimpleQueue()
        self._hands: list[_Hand] = []
        self._alone: deque[int] = deque()  # to be tried again, alone
        self._tries: Counter[int] = Counter()
        self._claims: dict[int, str] = {}  # place that a worker answers → hash
        self._waiting: dict[str, list[int]] = {}  # hash that a worker answers → same bytes
        self._n_failed_starts = 0

    def run(self, n_workers: int = 0) -> Generator[Outcome, None, None]:
        """Answer every item into the journal; yield each when it is done, in any order.

        Parameters
        ----------
        n_workers : 0: one a core of the cluster

        Raises
        ------
        ShotprintError : workers do not start, or answer with something else
        """
        done = set(self._journal.find_done(self._items))
        self.n_found = len(done)
        for place in sorted(done):
            yield Outcome(self._items[place])
        places = [place for place in range(len(self._items)) if place not in done]
        n_workers = n_workers or int(self._ray.cluster_resources().get("CPU", 1))
        n_workers = min(n_workers, len(places))
        self._todo = self._cut(places, n_workers)
        self._n_open = len(places)
        try:
            for _ in range(n_workers):
                self._start()
            while self._n_open:
                for outcome in self._take(*self._events.get()):
                    self._n_open -= 1
                    yield outcome
        finally:
            self._close()

    def _cut(self, places: Sequence[int], n_workers: int) -> Iterator[list[int]]:
        """Yield chunks of bounded number and bytes, smaller ones towards the end."""
        chunk: list[int] = []
        n_bytes = 0
        for n_before, place in enumerate(places):
            n_left = len(places) - n_before + len(chunk)
            n_most = min(CHUNK_RECORDINGS, math.ceil(n_left / (CHUNKS_A_WORKER * n_workers)))
            size = self._items[place].size_bytes
            size = UNKNOWN_BYTES if size is None else size
            if chunk and (len(chunk) >= n_most or n_bytes + size > CHUNK_BYTES):
                yield chunk
                chunk, n_bytes = [], 0
            chunk.append(place)
            n_bytes += size
        if chunk:
            yield chunk

    def _start(self) -> None:
        hand = _Hand(self._actor.remote(self._setup))
        self._hands.append(hand)
        self._ask(hand, "describe")

    def _ask(self, hand: _Hand, method: str, *arguments: Any) -> None:
        future = getattr(hand.actor, method).remote(*arguments).future()
        future.add_done_callback(lambda done: self._events.put((hand, method, done)))

    def _take(self, hand: _Hand, method: str, future: Any) -> Iterator[Outcome]:
        """Take what a worker gave, and give it something to do; yield what is done with that."""
        if hand.is_lost:
            return
        try:
            replies = future.result()
        except self._ray.exceptions.RayError as error:
            if isinstance(cause := getattr(error, "cause", None), OutputError):
                raise cause from None
            yield from self._lose(hand, error)
            return
        if method == "describe":
            self._check(replies)
            hand.is_ready, self._n_failed_starts = True, 0
        elif method == "fetch":
            yield from self._take_fetched(hand, replies)
        else:
            yield from self._take_heard(hand, replies)
        self._feed(hand)

    def _check(self, described: Mapping[str, Any]) -> None:
        for name, own in self._described.items():
            if described[name] != own:
                raise ShotprintError(
                    f"a worker has another {name} ({described[name]}) than this process ({own}); "
                    "install the same shotprint on every machine and put the same files there"
                )

    def _take_fetched(self, hand: _Hand, replies: Sequence[Reply]) -> Iterator[Outcome]:
        hand.fetching = []
        named: list[tuple[WorkItem, str | None, str | None]] = []
        outcomes = []
        for reply in replies:
            item, sha256 = self._items[reply.place], reply.sha256
            if sha256 is None:
                named.append((item, None, reply.result))
                outcomes.append(Outcome(item, reply.error))
                continue
            answered = self._journal.find(sha256)
            if answered is None and sha256 not in self._waiting:
                self._claims[reply.place] = sha256
                self._waiting[sha256] = []
                hand.fetched.append(reply.place)
                continue
            hand.known.append(reply.place)
            if answered is None:
                self._waiting[sha256].append(reply.place)
            else:
                named.append((item, sha256, None))
                outcomes.append(Outcome(item, answered.error))
        self._journal.name(named)
        yield from outcomes

    def _take_heard(self, hand: _Hand, replies: Sequence[Reply]) -> Iterator[Outcome]:
        answered = {reply.place for reply in replies}
        hand.hearing = [place for place in hand.hearing if place not in answered]
        hand.n_hearing -= 1
        yield from self._settle(replies)

    def _settle(self, replies: Sequence[Reply]) -> Iterator[Outcome]:
        """Keep answers, for every recording of the same bytes that waits for them."""
        added, named, outcomes = [], [], []
        for reply in replies:
            sha256 = self._claims.pop(reply.place)
            added.append((sha256, reply.result or "", reply.error is not None))
            for place in (reply.place, *self._waiting.pop(sha256)):
                named.append((self._items[place], sha256, None))
                outcomes.append(Outcome(self._items[place], reply.error))
        self._journal.add(added)
        self._journal.name(named)
        yield from outcomes

    def _feed(self, hand: _Hand) -> None:
        """Let a worker hear what it has fetched, and fetch what comes next."""
        if not hand.is_ready:
            return
        if hand.n_hearing < CHUNKS_HEARD and (hand.fetched or hand.known):
            self._ask(hand, "recognize", hand.fetched, hand.known)
            hand.hearing += hand.fetched
            hand.n_hearing += 1
            hand.fetched, hand.known = [], []
        if not hand.held:
            hand.is_alone = False
        if hand.fetching or hand.fetched or hand.is_alone:
            return
        hand.fetching = next(self._todo, [])
        if not hand.fetching and self._alone and not hand.held:
            hand.fetching, hand.is_alone = [self._alone.popleft()], True
        if hand.fetching:
            self._ask(hand, "fetch", [(place, self._items[place]) for place in hand.fetching])

    def _lose(self, hand: _Hand, error: Exception) -> Iterator[Outcome]:
        """Put another worker in the place of a lost one; try again, alone, what it held."""
        hand.is_lost = True
        self._hands.remove(hand)
        self._ray.kill(hand.actor)
        self.n_lost += 1
        if not hand.is_ready:
            self._n_failed_starts += 1
            if self._n_failed_starts >= STARTS:
                reason = str(error).strip().splitlines()[-1]
                raise ShotprintError(f"{STARTS} workers did not start, the last one: {reason}")
        for place in hand.held:
            self._tries[place] += hand.is_alone
            if self._tries[place] >= TRIES_ALONE:
                yield from self._set_aside(place, error)
                continue
            self._alone.append(place)
            if place in self._claims:
                self._alone += self._waiting.pop(self._claims.pop(place))
        self._start()
        for each in self._hands:
            self._feed(each)

    def _set_aside(self, place: int, error: Exception) -> Iterator[Outcome]:
        item = self._items[place]
        reason = (
            f"set aside: {TRIES_ALONE} workers were lost with it alone "
            f"({type(error).__name__}); is it damaged, or too large for a worker's memory?"
        )
        result = RecordingResult(item.name, self._claims.get(place), error=reason)
        if place in self._claims:
            yield from self._settle([Reply(place, result.sha256, dump_result(result), reason)])
        else:
            self._journal.name([(item, None, dump_result(result))])
            yield Outcome(item, reason)

    def _close(self) -> None:
        """Let workers clear away what they fetched, and end them."""
        closing = [hand.actor.close.remote() for hand in self._hands]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=CLOSING_S)
        for hand in self._hands:
            self._ray.kill(hand.actor)
