"""The HTTP API and the page; `docs/service.md` says what each address does."""

import asyncio
import itertools
import json
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import FastAPI, Header, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import shotprint
from shotprint.evidence import PAIR
from shotprint.recognition.journal import to_recording
from shotprint.recognition.likelihoods import compare_recordings, find_calibration
from shotprint.web.backup import stream_backup
from shotprint.web.corrections import check_correction, list_effective
from shotprint.web.exports import (
    EXPORTS,
    MEDIA_TYPES,
    REPORTS,
    TRAINING,
    Entry,
    export_case,
    export_training,
    format_results,
    write_case_report,
    zip_folder,
)
from shotprint.web.gate import COOKIE, Gate
from shotprint.web.intake import Refused, clean_name, find_allowed
from shotprint.web.service import Service, format_metrics, show_job
from shotprint.web.settings import ServiceSettings
from shotprint.web.sounds import (
    MAX_EXCERPT_S,
    Stretch,
    compare_sounds,
    draw_spectrogram,
    format_excerpt,
    measure_peaks,
)
from shotprint.web.store import tell_time

PAGE = Path(__file__).parent / "page"
RETRY_S = 2
EVENT_S = 0.2
MAX_S = 1e6
SWEEP_S = 600.0
PICTURES = ("confusion", "reliability", "validation")
Seconds = Annotated[float, Query(ge=0, le=MAX_S)]
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"description": text}
    for code, text in {
        400: "not understood", 401: "no token", 403: "not allowed", 404: "not there",
        409: "not at this time", 413: "too large", 422: "not valid", 429: "the queue is full",
    }.items()
}  # fmt: skip


def tidy(text: str) -> str:
    """Return a text in one line, without what cannot be printed."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(shown.split())


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewCase(_Strict):
    """A case to open."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class NewCorrection(_Strict):
    """A correction of a shot; what it needs depends on the action."""

    action: Literal["add", "move", "label", "delete", "restore"]
    shot: Annotated[str, Field(max_length=40)] | None = None
    onset_s: Annotated[float, Field(ge=0, le=MAX_S)] | None = None
    end_s: Annotated[float, Field(ge=0, le=MAX_S)] | None = None
    label: Annotated[str, Field(max_length=200), AfterValidator(tidy)] | None = None
    who: Annotated[str, Field(max_length=100)] | None = None


def create_app(settings: ServiceSettings) -> Any:
    """Return the ASGI application of a service; it starts its worker when it is served."""
    service = Service(settings)

    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.runner.start)
        sweeper = asyncio.create_task(_sweep(service))
        yield
        sweeper.cancel()
        await run_in_threadpool(service.runner.stop)
        service.store.close()

    app = FastAPI(
        title="shotprint",
        version=shotprint.__version__,
        lifespan=live,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
    )
    _add_errors(app)
    _add_facts(app, service)
    _add_jobs(app, service)
    _add_cases(app, service)
    _add_sounds(app, service)
    _add_exports(app, service)
    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True))
    gate = Gate(app, settings)
    app.state.gate, app.state.service = gate, service
    return gate


async def _sweep(service: Service) -> None:
    while True:
        try:
            await run_in_threadpool(service.sweep)
        except (sqlite3.Error, OSError) as error:
            print(f"shotprint: uploads are not swept: {error}", file=sys.stderr)
        await asyncio.sleep(SWEEP_S)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refuse(_: Request, error: Refused) -> JSONResponse:
        headers = {"Retry-After": str(RETRY_S)} if error.status == 429 else None
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(ClientDisconnect)
    async def give_up(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody is there to read it

    @app.exception_handler(sqlite3.OperationalError)
    async def wait(_: Request, error: sqlite3.OperationalError) -> JSONResponse:
        line = f"the database cannot be used now ({error}); make room, or try again"
        return JSONResponse({"error": line}, 503, {"Retry-After": str(RETRY_S)})

    @app.exception_handler(HTTPException)
    async def explain(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def explain_values(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": f"{where}: {first['msg']}"}, 422)


def _add_facts(app: FastAPI, service: Service) -> None:
    @app.middleware("http")
    async def count(request: Request, proceed: Any) -> Response:
        response: Response = await proceed(request)
        key = (request.method, response.status_code)
        service.n_requests[key] = service.n_requests.get(key, 0) + 1
        token = service.settings.token
        if token and request.query_params.get("token") == token and request.url.path == "/":
            secure = service.settings.tls_cert is not None
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
        return response

    @app.get("/api/health")
    def tell_health() -> dict[str, Any]:
        counts = service.store.count_jobs()
        return {
            "status": "ok" if service.runner.is_alive else "no jobs are taken; restart it",
            "shotprint": shotprint.__version__,
            "queued": counts.get("queued", 0),
            "running": counts.get("running", 0),
        }

    @app.get("/metrics")
    def tell_metrics(request: Request) -> Response:
        return Response(
            format_metrics(service, request.app.state.gate.n_refused),
            media_type="text/plain; version=0.0.4",
        )

    @app.get("/api/models")
    def list_models() -> list[dict[str, Any]]:
        metadata = service.model.metadata
        card = _find_beside(service.model_path, ".md")
        evidence = {
            kind: {
                name: each[name]
                for name in ("h1", "h2", "n_recordings", "n_groups", "cllr")
                if name in each
            }
            for kind, each in metadata.evidence.items()
        }
        return [
            {
                "name": metadata.name,
                "version": metadata.version,
                "sha256": service.model.sha256,
                "labels": list(metadata.label_names),
                "card": card.read_text(encoding="utf-8") if card else None,
                "validation": {
                    "limits": metadata.limits,
                    "calibration": dict(metadata.calibration),
                    "likelihood ratios": evidence,
                },
            }
        ]

    @app.get("/api/models/{sha256}/pictures/{name}.svg")
    def show_picture(sha256: str, name: str) -> Response:
        path = None
        if sha256 == service.model.sha256 and name in PICTURES:
            path = _find_beside(service.model_path, f"-{name}.svg")
        if path is None:
            raise Refused(
                404, "the model has no such picture; expected confusion, reliability or validation"
            )
        return FileResponse(path, media_type="image/svg+xml")


def _find_beside(model: Path, ending: str) -> Path | None:
    path = model.with_name(f"{model.stem}{ending}")
    return path if path.is_file() else None


def _name(who: str | None, header: str | None) -> str:
    text = clean_name(who or unquote(header or "")) if (who or header) else "examiner"
    return text[:100]


async def _take(
    service: Service, request: Request, case_id: str | None = None, who: str = ""
) -> dict[str, Any]:
    """Return the job of what a request brings: an upload, or a path in JSON."""
    file = await _find_upload(service, request)
    if file is not None:
        name = clean_name(file.filename)
        return await run_in_threadpool(service.take_in, file.file, name, case_id, who)
    try:
        content = json.loads(await request.body())
        path = content["path"]
        if not isinstance(path, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise Refused(400, 'expected a form with "file", or JSON such as {"path": "…"}') from None
    found = await run_in_threadpool(find_allowed, path, service.settings)

    def copy() -> dict[str, Any]:
        with found.open("rb") as opened:
            return service.take_in(opened, clean_name(found.name), case_id, who)

    return await run_in_threadpool(copy)


_BODY = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["path"],
                    "properties": {"path": {"type": "string"}},
                }
            },
        }
    }
}
Who = Annotated[str | None, Header(alias="X-Shotprint-User", max_length=300)]


async def _find_upload(service: Service, request: Request) -> UploadFile | None:
    """Return the file of a form, None where it is none; refused before it is read if jobs wait."""
    counts = await run_in_threadpool(service.store.count_jobs)
    if counts.get("queued", 0) >= service.settings.max_queue:
        raise Refused(429, f"{service.settings.max_queue} recordings are waiting; try again later")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return None
    form = await request.form(max_files=1, max_fields=10)
    file = form.get("file")
    if file is None or isinstance(file, str):
        raise Refused(400, 'the form has no file; expected one in the field "file"')
    return file  # type: ignore[return-value]


def _add_jobs(app: FastAPI, service: Service) -> None:
    @app.post("/api/jobs", status_code=202, openapi_extra=_BODY)
    async def submit(request: Request) -> dict[str, Any]:
        return {"job": show_job(await _take(service, request))}

    @app.get("/api/jobs")
    def list_jobs() -> list[Any]:
        return [show_job(job) for job in service.store.list_jobs()]

    @app.get("/api/jobs/{job_id}")
    def show(job_id: str) -> Any:
        return show_job(_find_job(service, job_id))

    @app.delete("/api/jobs/{job_id}")
    def cancel(job_id: str) -> Any:
        _find_job(service, job_id)
        if not service.store.cancel(job_id):
            raise Refused(409, "the job is over; there is nothing to cancel")
        return show_job(_find_job(service, job_id))

    @app.get("/api/jobs/{job_id}/result")
    def show_result(job_id: str) -> Response:
        job = _find_job(service, job_id)
        found = service.store.find_answer(job["sha256"], job["setup"]) if job["setup"] else None
        if found is None:
            reason = job["error"] or f"it is {job['state']}"
            raise Refused(409, f"the job has no result: {reason}")
        text = format_results([Entry({"name": job["name"], "sha256": job["sha256"]}, *found, [])])
        return Response(text, media_type="application/json")

    @app.get("/api/jobs/{job_id}/events")
    async def follow(job_id: str) -> Response:
        await run_in_threadpool(_find_job, service, job_id)
        return StreamingResponse(
            _tell(service, job_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )


def _find_job(service: Service, job_id: str) -> dict[str, Any]:
    job = service.store.find_job(job_id)
    if job is None:
        raise Refused(404, "there is no such job; GET /api/jobs lists them")
    return job


async def _tell(service: Service, job_id: str) -> AsyncIterator[str]:
    last = None
    while True:
        job = show_job(await run_in_threadpool(service.store.find_job, job_id))
        if job is None:
            return
        if job != last:
            yield f"data: {json.dumps(job)}\n\n"
            last = job
        if job["state"] not in ("queued", "running"):
            return
        await asyncio.sleep(EVENT_S)


def _add_cases(app: FastAPI, service: Service) -> None:
    @app.get("/api/cases")
    def list_cases() -> list[Any]:
        return service.store.list_cases()

    @app.post("/api/cases", status_code=201)
    def open_case(case: NewCase, header: Who = None) -> dict[str, Any]:
        name = " ".join(clean_name(case.name.replace("/", "∕")).split())
        return service.store.add_case(name, _name(None, header))

    @app.get("/api/cases/{case_id}")
    def show_case(case_id: str) -> dict[str, Any]:
        case = service.case(case_id)
        recordings = [
            service.show_recording(each) for each in service.store.list_recordings(case_id)
        ]
        return {**case, "recordings": recordings}

    @app.post("/api/cases/{case_id}/recordings", status_code=202, openapi_extra=_BODY)
    async def add_recording(case_id: str, request: Request, header: Who = None) -> dict[str, Any]:
        await run_in_threadpool(service.case, case_id)
        job = await _take(service, request, case_id, _name(None, header))
        recording = await run_in_threadpool(service.recording, case_id, job["recording_id"])
        shown = await run_in_threadpool(service.show_recording, recording)
        return {"recording": shown, "job": show_job(job)}

    @app.get("/api/cases/{case_id}/recordings/{recording_id}")
    def show_recording(case_id: str, recording_id: str) -> dict[str, Any]:
        recording = service.recording(case_id, recording_id)
        entry = service.entry(recording)
        machine = json.loads(format_results([entry]))["recordings"][0] if entry.answer else None
        return {
            "recording": service.show_recording(recording),
            "machine": machine,
            **_show_shots(entry),
        }

    @app.post("/api/cases/{case_id}/recordings/{recording_id}/corrections")
    def correct(
        case_id: str, recording_id: str, correction: NewCorrection, header: Who = None
    ) -> dict[str, Any]:
        values = correction.model_dump()
        action, who = values.pop("action"), _name(values.pop("who"), header)
        return _append_correction(service, (case_id, recording_id), who, action, values)

    @app.post("/api/cases/{case_id}/recordings/{recording_id}/undo")
    def undo(case_id: str, recording_id: str, header: Who = None) -> dict[str, Any]:
        return _append_turn(service, (case_id, recording_id), _name(None, header), "undo")

    @app.post("/api/cases/{case_id}/recordings/{recording_id}/redo")
    def redo(case_id: str, recording_id: str, header: Who = None) -> dict[str, Any]:
        return _append_turn(service, (case_id, recording_id), _name(None, header), "redo")

    @app.get("/api/cases/{case_id}/history")
    def list_history(case_id: str) -> list[Any]:
        service.case(case_id)
        return service.store.list_history(case_id)

    @app.get("/api/cases/{case_id}/compare")
    def compare(
        case_id: str,
        a: Annotated[str, Query(max_length=90)],
        b: Annotated[str, Query(max_length=90)],
    ) -> dict[str, Any]:
        return _compare(service, case_id, (a, b))


def _show_shots(entry: Entry) -> dict[str, Any]:
    done, undone = list_effective(entry.lines)
    return {"shots": entry.shots, "can_undo": bool(done), "can_redo": bool(undone)}


def _append_correction(
    service: Service, place: tuple[str, str], who: str, action: str, values: dict[str, Any]
) -> dict[str, Any]:
    with service.correcting:
        recording = service.recording(*place)
        entry = service.entry(recording)
        if entry.answer is None:
            raise Refused(
                409, "the recording is not recognised yet; correct it when its job is done"
            )
        shots = entry.shots
        try:
            after = check_correction(shots, action, values)
        except ValueError as error:
            raise Refused(400, str(error)) from None
        known = {shot["id"]: shot for shot in shots}
        n_added = sum(line["action"] == "add" for line in entry.lines)
        shot = f"a{n_added + 1}" if action == "add" else values["shot"]
        before = {name: known[shot][name] for name in after} if shot in known else None
        line = {"who": who, "case_id": place[0], "recording": place[1], "action": action}
        service.store.append_history({**line, "shot": shot, "before": before, "after": after})
        return _show_shots(service.entry(recording))


def _append_turn(service: Service, place: tuple[str, str], who: str, action: str) -> dict[str, Any]:
    with service.correcting:
        recording = service.recording(*place)
        done, undone = list_effective(service.entry(recording).lines)
        turned = done if action == "undo" else undone
        if not turned:
            raise Refused(409, f"there is nothing to {action}")
        line = {"who": who, "case_id": place[0], "recording": place[1], "action": action}
        service.store.append_history({**line, "shot": turned[-1]["shot"]})
        return _show_shots(service.entry(recording))


def _compare(service: Service, case_id: str, marks: tuple[str, str]) -> dict[str, Any]:
    sides, results = [], []
    for mark in marks:
        recording_id, _, shot_id = mark.partition(":")
        entry = service.entry(service.recording(case_id, recording_id))
        shot = next((each for each in entry.shots if each["id"] == shot_id), None)
        if shot is None:
            raise Refused(
                404, f"there is no shot {shot_id!r} in that recording; give RECORDING:SHOT"
            )
        sides.append((service.playback(case_id, recording_id), float(shot["onset_s"])))
        results.append(_find_result(entry, shot))
    answer = compare_sounds(*sides)
    same_gun, why_not = _rate_pair(service, results)
    return {**answer, "same_gun": same_gun, "why_not": why_not}


def _find_result(entry: Entry, shot: Mapping[str, Any]) -> Any:
    """Return the machine's answer for a shot as one for a recording; None: there is none."""
    if shot["machine"] is None or entry.answer is None:
        return None
    content = dict(entry.answer["recording"])
    content["candidates"] = content["shots"][int(shot["id"][1:])]["candidates"]
    return to_recording({**content, "shots": []})


def _rate_pair(service: Service, results: list[Any]) -> tuple[dict[str, Any] | None, str | None]:
    if None in results:
        return None, "a person added one of the shots; the machine did not recognise it"
    if PAIR not in service.model.metadata.evidence:
        return None, "the model holds no likelihood ratio for two shots; calibrate it"
    (ratio,) = compare_recordings(results, find_calibration(service.model.metadata, PAIR))
    names = ("llr", "low", "high", "is_bounded")
    shown = {name: getattr(ratio, name) for name in names}
    return {**shown, "words": service.scale.describe(ratio.llr)}, None


def _add_sounds(app: FastAPI, service: Service) -> None:
    base = "/api/cases/{case_id}/recordings/{recording_id}"

    @app.get(base + "/peaks")
    def show_peaks(
        case_id: str, recording_id: str, start_s: Seconds = 0.0, end_s: Seconds = MAX_S,
        bins: Annotated[int, Query(ge=1, le=4000)] = 1000,
    ) -> dict[str, Any]:  # fmt: skip
        return measure_peaks(service.playback(case_id, recording_id), Stretch(start_s, end_s), bins)

    @app.get(base + "/spectrogram.png")
    async def show_spectrogram(
        case_id: str, recording_id: str, start_s: Seconds = 0.0, end_s: Seconds = MAX_S,
        width: Annotated[int, Query(ge=1, le=4000)] = 1000,
        height: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:  # fmt: skip
        stretch = _check_stretch(start_s, end_s, MAX_S)
        playback = await run_in_threadpool(service.playback, case_id, recording_id)
        async with service.drawing:
            picture = await run_in_threadpool(draw_spectrogram, playback, stretch, width, height)
        return Response(picture, media_type="image/png")

    @app.get(base + "/audio")
    def play(case_id: str, recording_id: str) -> Response:
        return FileResponse(service.playback(case_id, recording_id), media_type="audio/flac")

    @app.get(base + "/excerpt.wav")
    def cut(case_id: str, recording_id: str, start_s: Seconds, end_s: Seconds) -> Response:
        stretch = _check_stretch(start_s, end_s, MAX_EXCERPT_S)
        return Response(
            format_excerpt(service.playback(case_id, recording_id), stretch), media_type="audio/wav"
        )


def _check_stretch(start_s: float, end_s: float, longest_s: float) -> Stretch:
    if not start_s < end_s <= start_s + longest_s:
        raise Refused(
            400,
            f"found {start_s:g} to {end_s:g} s, expected the end later, by {longest_s:g} s at most",
        )
    return Stretch(start_s, end_s)


def _add_exports(app: FastAPI, service: Service) -> None:
    @app.get("/api/cases/{case_id}/export/{name}")
    def export(case_id: str, name: str) -> Response:
        case = service.case(case_id)
        if name not in EXPORTS:
            raise Refused(404, f"there is no export {name!r}; expected one of {', '.join(EXPORTS)}")
        entries = [service.entry(each) for each in service.store.list_recordings(case_id)]
        media_type = MEDIA_TYPES[name.rpartition(".")[2]]
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if name == TRAINING:
            done = [each for each in entries if each.answer]
            copies = [service.playback(case_id, each.recording["id"]) for each in done]
            content = export_training(done, copies)
            return Response(content, media_type=media_type, headers=headers)
        if name not in REPORTS:
            return Response(export_case(name, entries), media_type=media_type, headers=headers)
        return Response(
            _report(service, case, entries, name), media_type=media_type, headers=headers
        )

    @app.get("/api/backup")
    def back_up() -> Response:
        blocks = stream_backup(service)
        first = next(blocks)  # what is refused is, before the answer begins
        name = f"shotprint-{tell_time()[:19].replace(':', '')}.tar"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        content = itertools.chain([first], blocks)
        return StreamingResponse(content, media_type="application/x-tar", headers=headers)


def _report(service: Service, case: Mapping[str, Any], entries: list[Entry], name: str) -> bytes:
    if not any(each.answer for each in entries):
        raise Refused(409, "no recording is recognised yet; wait for the jobs to end")
    if any(each.answer and each.head != json.loads(service.runner.head) for each in entries):
        raise Refused(
            409, "a recording was recognised by another model or level than now; submit it again"
        )
    if not service.reporting.acquire(blocking=False):
        raise Refused(429, "another report is being written; try again later")
    try:
        return _write_report(service, case, entries, name)
    finally:
        service.reporting.release()


def _write_report(
    service: Service, case: Mapping[str, Any], entries: list[Entry], name: str
) -> bytes:
    items = [(service.shelf.place(each.recording["sha256"]), each) for each in entries]
    with tempfile.TemporaryDirectory(dir=service.shelf.working) as place:
        folder = Path(place)
        write_case_report(service.settings, case["name"], items, folder)
        return zip_folder(folder) if name == "report.zip" else (folder / name).read_bytes()
