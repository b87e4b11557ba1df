"""What trickles in: real sockets against uvicorn with the service's connections."""

import asyncio
import contextlib
import functools
import json
import socket
import threading
import time
import urllib.request

import pytest

pytest.importorskip("fastapi")
import uvicorn

from serving import ServedProcess
from shotprint.web import connection
from shotprint.web.connection import PatientConnection

LIMIT_S = 0.5
LATE: list[int] = []  # one for each answer 408
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


async def echo(scope, receive, send) -> None:
    """Answer with the length of the body; `/early` before the body is read."""
    n_bytes, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        n_bytes += len(message["body"])
        more = message["more_body"]
    body = str(n_bytes).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port():
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        echo,
        http=functools.partial(PatientConnection, LIMIT_S, lambda: LATE.append(1)),
        log_level="error",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listener]),))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    loop.close()


@contextlib.contextmanager
def connect(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as opened:
        yield opened


def trickle(opened: socket.socket, content: bytes) -> bytes:
    """Send a byte now and then, until the other side closes; return what it said."""
    heard = b""
    opened.settimeout(0.1)
    for place in range(len(content)):
        with contextlib.suppress(TimeoutError):
            try:
                opened.sendall(content[place : place + 1])
                heard_now = opened.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                return heard
            if not heard_now:
                return heard
            heard += heard_now
    pytest.fail("it listened to the end")


def ask(opened: socket.socket, request: bytes) -> bytes:
    opened.sendall(request)
    heard = b""
    while b"\r\n\r\n" not in heard or not heard.rpartition(b"\r\n\r\n")[2]:
        heard_now = opened.recv(4096)
        assert heard_now, "it hung up"
        heard += heard_now
    return heard


@pytest.mark.parametrize(
    ("at_once", "slowly"),
    [(b"", HEAD), (HEAD[:30], HEAD[30:]), (HEAD, bytes(999))],
    ids=["head", "rest of the head", "body"],
)
def test_what_trickles_is_answered_408(port, at_once, slowly) -> None:
    n_before = len(LATE)
    with connect(port) as opened:
        opened.sendall(at_once)
        heard = trickle(opened, slowly)
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert len(LATE) == n_before + 1
    assert "--request-timeout" in json.loads(body)["error"]


def test_the_second_request_of_a_connection_may_not_trickle_either(port) -> None:
    with connect(port) as opened:
        assert ask(opened, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n0")
        assert trickle(opened, HEAD).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_trickles_after_its_answer_is_cut_off(port) -> None:
    with connect(port) as opened:
        assert ask(opened, HEAD.replace(b"/ ", b"/early ")).endswith(b"\r\n\r\n0")
        assert trickle(opened, bytes(999)) == b""


def test_a_connection_without_a_word_is_closed(port) -> None:
    with connect(port) as opened:
        assert opened.recv(1) == b""


def test_connections_that_trickle_stop_no_other(port) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(port)) for _ in range(60)]
        for opened in slow:
            opened.sendall(HEAD)
        with connect(port) as opened:
            assert ask(opened, HEAD + bytes(1000)).endswith(b"\r\n\r\n1000")
        assert {opened.recv(12) for opened in slow} == {b"HTTP/1.1 408"}


def test_a_kept_connection_may_rest_between_requests(port) -> None:
    with connect(port) as opened:
        for _ in range(2):
            assert ask(opened, HEAD + bytes(1000)).endswith(b"\r\n\r\n1000")
            time.sleep(2 * LIMIT_S)


def test_a_long_body_may_come_at_a_fair_rate(port) -> None:
    n_bytes = round(6 * LIMIT_S * connection.MIN_RATE)  # in three times the limit
    with connect(port) as opened:
        opened.sendall(HEAD.replace(b"1000", str(n_bytes).encode()))
        for _ in range(20):
            time.sleep(3 * LIMIT_S / 20)
            opened.sendall(bytes(n_bytes // 20))
        assert opened.recv(12) == b"HTTP/1.1 200"


def test_the_service_counts_what_trickles_among_the_refused(tmp_path) -> None:
    served = ServedProcess(tmp_path, "--request-timeout", "1")
    try:
        with connect(served.port) as opened:
            opened.sendall(HEAD[:30])
            assert opened.recv(12) == b"HTTP/1.1 408"
        with urllib.request.urlopen(f"{served.url}metrics", timeout=10) as answer:
            assert b"\nshotprint_refused_requests_total 1\n" in answer.read()
    finally:
        served.kill()
