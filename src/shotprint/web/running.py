"""Starting the service: the socket, the server, the browser."""

import contextlib
import functools
import socket
import sys
import threading
import webbrowser

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.web.settings import ServiceSettings


def run_service(settings: ServiceSettings, open_page: bool) -> None:
    """Serve until Ctrl-C; print the address once it answers.

    Raises
    ------
    ShotprintError : the extra ``web`` is missing, the port is taken, the model cannot be opened
    """
    try:
        import uvicorn

        from shotprint.web.app import create_app
        from shotprint.web.connection import PatientConnection
    except ModuleNotFoundError:
        raise MissingExtraError("web", "the service") from None
    listener = _listen(settings)
    port = listener.getsockname()[1]
    kind = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{kind}://{host}:{port}/"
    gate = create_app(settings)
    connection = functools.partial(PatientConnection, settings.request_s, gate.count_refusal)
    config = uvicorn.Config(
        gate,
        http=connection,  # type: ignore[arg-type]
        log_level="warning",
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        limit_concurrency=1000,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=settings.behind_proxy,
    )
    server = uvicorn.Server(config)
    print(
        f"shotprint serves {address} (Ctrl-C ends it); data in {settings.folder}", file=sys.stderr
    )
    if open_page:
        threading.Timer(1.5, webbrowser.open, [address]).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        raise ShotprintError("the service did not start; the lines above say why")


def _listen(settings: ServiceSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise ShotprintError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); give "
            "another --port, or --port 0 for any that is free"
        ) from None
    return listener
