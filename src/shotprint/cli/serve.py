"""`shotprint serve`: the page in the browser, and the HTTP API."""

import os
from pathlib import Path
from typing import Annotated

import typer

from shotprint.cli import options
from shotprint.decisions import LEVEL


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8765,
    folder: Annotated[
        Path | None, typer.Option("--data", help="Folder of cases and recordings; kept.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Model file (.onnx); the shipped one.")] = None,
    allow: Annotated[
        list[Path] | None, typer.Option(help="Folder below which recordings may be named by path.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that requests must show.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of it encrypts.")
    ] = False,
    name: Annotated[
        list[str] | None, typer.Option(help="Host name by which it may be called.")
    ] = None,
    queue: Annotated[int, typer.Option(min=1, help="Recordings that may wait.")] = 100,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest recording.")] = 2048,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds a recording may take.")] = 1800.0,
    memory_mb: Annotated[int, typer.Option(min=500, help="Memory a recording may take.")] = 4096,
    request_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds for a request to come in; an upload's bytes add.")
    ] = 60.0,
    keep_days: Annotated[
        float, typer.Option(min=0, help="Delete uploads outside cases after so long; 0: never.")
    ] = 0.0,
    level: options.Level = LEVEL,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
) -> None:
    """Open the page in the browser, and serve the HTTP API, on this machine only.

    Ends with Ctrl-C; what runs is queued again, and everything is kept in --data.
    """
    from shotprint.web import ServiceSettings
    from shotprint.web.running import run_service

    settings = ServiceSettings(
        folder=folder or _find_folder(),
        host=host,
        port=port,
        model=model,
        allowed=tuple(allow or ()),
        token=None if token_file is None else _read_token(token_file),
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
        names=tuple(name or ()),
        max_queue=queue,
        max_upload_mb=max_upload_mb,
        timeout_s=timeout,
        memory_mb=memory_mb,
        request_s=request_timeout,
        keep_days=keep_days,
        level=level,
    )
    run_service(settings, open_page=not no_browser)


def _find_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("shotprint")) / "service"


def _read_token(path: Path) -> str:
    from shotprint.errors import ShotprintError

    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no UTF-8"
        raise ShotprintError(f"the token {path} cannot be read ({reason})") from None
