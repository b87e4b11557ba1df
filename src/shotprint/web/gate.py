"""Who may ask, and what a page may do: host names, origins, token, size of a body, headers."""

import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shotprint.web.settings import ServiceSettings

LOCAL = ("127.0.0.1", "localhost", "[::1]")
OPEN = ("/api/health",)
# The hash is of the one style that wavesurfer.js writes itself.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self' 'sha256-gXnHDepVZ6KF6fKGOD+GVc9BynM50JQqht95p3HpemI='; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
COOKIE = "shotprint-token"
MAX_TEXT = 1 << 20  # bytes of a body that is no upload


class TooLarge(Exception):
    """The body of a request is larger than allowed."""


class Gate:
    """Wraps an ASGI application.

    A request is refused whose host name is not the service's own (a page elsewhere could reach it
    by a name of its own: DNS rebinding), that comes from a page of another origin, that shows no
    token where one is set, or whose body is too large; `n_refused` counts them, and those of
    which a connection says that they trickle in.
    """

    def __init__(self, app: Any, settings: ServiceSettings) -> None:
        self.app = app
        self._settings = settings
        host = settings.host.lower()
        self._names = {*LOCAL, host, f"[{host}]", *(name.lower() for name in settings.names)}
        self._max_bytes = settings.max_upload_mb * (1 << 20) + (1 << 16)
        self.n_refused = 0

    def count_refusal(self) -> None:
        """Count a request that was refused."""
        self.n_refused += 1

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            self.count_refusal()
            await _answer(send, *refusal)
            return
        n_bytes, begun, most = 0, False, self._allow_bytes(scope, headers)

        async def receive_some() -> Any:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > most:
                raise TooLarge
            return message

        async def send_safe(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        try:
            await self.app(scope, receive_some, send_safe)
        except TooLarge:
            self.count_refusal()
            if not begun:
                await _answer(send, *self._tell_too_large())

    def _refuse(
        self, scope: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, str] | None:
        """Return status and reason, or None: it may pass."""
        host = headers.get("host", "")
        if _strip_port(host) not in self._names:
            return 421, f"{host!r} is no name of this service; start it with --name for that name"
        origin = headers.get("origin")
        is_foreign = origin is not None and not _is_of(origin, host)
        if scope["method"] not in ("GET", "HEAD") and is_foreign:
            return 403, f"a page of {origin} asked; expected the service's own page"
        try:
            if int(headers.get("content-length", 0)) > self._allow_bytes(scope, headers):
                return self._tell_too_large()
        except ValueError:
            return 400, "the length of the request is no number; send it again"
        token = self._settings.token
        if token is None or scope["path"] in OPEN:
            return None
        shown = [headers.get("authorization", "").removeprefix("Bearer "), _find_cookie(headers)]
        if scope["path"] == "/":  # the page is opened with /?token=TOKEN, which leaves a cookie
            shown += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if not any(hmac.compare_digest(each.encode(), token.encode()) for each in shown):
            line = "no valid token found; send 'Authorization: Bearer TOKEN', or open /?token=TOKEN"
            return 401, line
        return None

    def _allow_bytes(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        """Return how large a body may be: small, but for an upload, which goes to disk."""
        is_form = headers.get("content-type", "").startswith("multipart/form-data")
        is_upload = is_form and scope["path"].endswith(("/jobs", "/recordings"))
        return self._max_bytes if is_upload else MAX_TEXT

    def _tell_too_large(self) -> tuple[int, str]:
        return 413, (
            f"the recording is larger than {self._settings.max_upload_mb} MB; send less, or raise "
            "--max-upload-mb"
        )


def _is_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _strip_port(host: str) -> str:
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _find_cookie(headers: Mapping[str, str]) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


async def _answer(send: Any, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    kind = {"content-type": "application/json", "content-length": str(len(body))}
    headers = {**kind, "connection": "close", **HEADERS}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
