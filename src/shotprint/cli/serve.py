"""`shotprint serve`: the page in the browser, and the HTTP API."""

from pathlib import Path
from typing import Annotated, Any

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
    laboratory: options.Laboratory = "",
    logo: options.Logo = None,
    language: options.Language = "en",
    texts: options.OwnTexts = None,
    template: options.Template = None,
    layout: options.LayoutPath = None,
    verbal: options.Verbal = None,
    card: options.Card = None,
    key: options.Key = None,
    key_password_file: options.KeyPasswordFile = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
) -> None:
    """Open the page in the browser, and serve the HTTP API; for this machine, without --host.

    Ends with Ctrl-C; what runs is queued again, and everything is kept in --data.
    """
    from shotprint.web import ServiceSettings
    from shotprint.web.running import run_service

    own: dict[str, Any] = {
        "laboratory": laboratory,
        "logo": logo,
        "texts": texts,
        "template": template,
        "layout": layout,
        "verbal": verbal,
        "card": card,
        "key": key,
        "key_password": options.unlock_key(key, key_password_file),
    }
    report = None
    if language != "en" or any(own.values()):
        from shotprint.report import ReportSettings

        report = ReportSettings(language=language, **own)
    settings = ServiceSettings(
        folder=folder or _find_folder(),
        host=host,
        port=port,
        model=model,
        allowed=tuple(allow or ()),
        token=None if token_file is None else options.read_secret(token_file, "token"),
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
        report=report,
    )
    run_service(settings, open_page=not no_browser)


def _find_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_dir("shotprint")) / "service"
