"""One process that hears recordings, one after the other, and fetches the next ones meanwhile."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shotprint
from shotprint.cluster.journal import dump_result
from shotprint.cluster.listing import WorkItem
from shotprint.cluster.spool import Spool
from shotprint.opening import Setup, open_recognizer
from shotprint.recognition import Recognizer
from shotprint.recognition.results import RecordingResult


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker says of the item at a place of the list.

    Attributes
    ----------
    sha256 : of its bytes; None: they cannot be read
    result : as `dump_result` writes it; None: it is fetched and not heard yet
    error : of the result
    """

    place: int
    sha256: str | None
    result: str | None = None
    error: str | None = None


class Worker:
    """It is asked to `fetch` some recordings, then to `recognize` some of these."""

    def __init__(self, setup: Setup) -> None:
        self._recognizer = open_recognizer(setup)
        self._spool = Spool()
        self._hearing = threading.Lock()  # one chunk after the other: a worker is a core
        self._held: dict[int, tuple[WorkItem, Path, str]] = {}

    def describe(self) -> dict[str, Any]:
        """Return what its answers depend on: see `describe_answers`."""
        return describe_answers(self._recognizer)

    def fetch(self, items: Sequence[tuple[int, WorkItem]]) -> list[Reply]:
        """Bring recordings here and hash them."""
        replies = []
        for place, item in items:
            fetched = self._spool.fetch(item)
            if isinstance(fetched, RecordingResult):
                replies.append(_reply(place, fetched))
            else:
                self._held[place] = (item, *fetched)
                replies.append(Reply(place, fetched[1]))
        return replies

    def recognize(self, places: Sequence[int], known: Sequence[int]) -> list[Reply]:
        """Answer for recordings that were fetched.

        Parameters
        ----------
        known : fetched too, but answered elsewhere
        """
        for place in known:
            self._spool.release(self._held.pop(place)[1])
        replies = []
        with self._hearing:
            for place in places:
                item, path, sha256 = self._held.pop(place)
                result = self._recognizer.recognize_file(path, item.name, sha256)
                replies.append(_reply(place, result))
                self._spool.release(path)
        return replies

    def close(self) -> None:
        """Leave nothing behind."""
        self._spool.close()


def describe_answers(recognizer: Recognizer) -> dict[str, Any]:
    """Return what answers depend on: the program's version, model, detector, settings."""
    return {"shotprint": shotprint.__version__, **recognizer.identity}


def _reply(place: int, result: RecordingResult) -> Reply:
    return Reply(place, result.sha256, dump_result(result), result.error)
