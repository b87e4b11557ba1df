"""A connection that ends where a request trickles in, which uvicorn has no limit for."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MIN_RATE = 10_000  # bytes a second: an upload that comes as fast is waited for


class PatientConnection(H11Protocol):
    """Answers 408 and closes where head and body of a request are not there in time.

    Bytes that came buy time, at `MIN_RATE`; while the service itself pauses reading none passes.
    A connection on which nothing came, or where an answer has begun, is closed without a word.

    Parameters
    ----------
    limit_s : for a request, from its first byte; the first one from the connection
    count_late : called with each answer 408
    args, options : uvicorn's
    """

    def __init__(
        self, limit_s: float, count_late: Callable[[], None], *args: Any, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._limit_s, self._count_late = limit_s, count_late
        self._timer: asyncio.TimerHandle | None = None
        self._end_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let bytes buy time."""
        self._end_s += len(data) / MIN_RATE
        super().data_received(data)

    def handle_events(self) -> None:
        """Wait for a request that has begun and is not whole."""
        super().handle_events()
        if not self._is_partial:
            self._wait_no_longer()
        elif self._timer is None:
            self._wait()

    @property
    def _is_partial(self) -> bool:
        state = self.conn.their_state
        return state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def _wait(self) -> None:
        self._end_s = self.loop.time() + self._limit_s
        self._timer = self.loop.call_later(self._limit_s, self._end)

    def _wait_no_longer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _end(self) -> None:
        if self.flow.read_paused:
            self._wait()
        elif self.loop.time() < self._end_s:
            self._timer = self.loop.call_at(self._end_s, self._end)
        elif not self.transport.is_closing():
            if self._is_partial and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._count_late()
                self.transport.write(self._tell_late())
            self.transport.close()

    def _tell_late(self) -> bytes:
        line = (
            f"the request was not whole after {self._limit_s:g} s; send it faster, or raise "
            "--request-timeout"
        )
        body = json.dumps({"error": line})
        head = "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        return (head + body).encode()
