"""What the routes share: store, shelf, runner of jobs, model; and how these are shown."""

import asyncio
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from shotprint.recognition import OnnxModel, Recognizer
from shotprint.verbal import read_scale
from shotprint.web.exports import Entry
from shotprint.web.intake import Refused, receive
from shotprint.web.jobs import JobRunner, place_database
from shotprint.web.settings import ServiceSettings
from shotprint.web.store import Shelf, Store
from shotprint.weights import shipped_model

if TYPE_CHECKING:
    from shotprint.report import ReportSettings

JOB = ("id", "state", "progress", "error", "sha256", "name")


class Service:
    """What the routes share."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(place_database(settings.folder))
        self.shelf = Shelf(settings.folder)
        self.runner = JobRunner(self.store, self.shelf, settings)
        self.model_path = settings.model or shipped_model()
        self.model = OnnxModel(self.model_path)
        self.scale = read_scale()
        self.shelving = threading.Lock()  # no content is deleted between its arrival and its job
        if settings.report is not None:
            _check_report(settings.report, self.model)
        self.reporting = threading.Semaphore(1)
        self.backing_up = threading.Semaphore(1)
        self.drawing = asyncio.Semaphore(2)
        self.correcting = threading.Lock()  # what is corrected must still be so when it is written
        self.started = time.monotonic()
        self.n_requests: dict[tuple[str, int], int] = {}

    def case(self, case_id: str) -> dict[str, Any]:
        """Return a case, or refuse."""
        found = self.store.find_case(case_id)
        if found is None:
            raise Refused(404, "there is no such case; GET /api/cases lists them")
        return found

    def recording(self, case_id: str, recording_id: str) -> dict[str, Any]:
        """Return a recording, or refuse."""
        found = self.store.find_recording(case_id, recording_id)
        if found is None:
            raise Refused(404, "there is no such recording in this case; GET the case lists them")
        return found

    def entry(self, recording: Mapping[str, Any]) -> Entry:
        """Return a recording with its answer and history."""
        job = self.store.find_job_of(recording["id"])
        found = (
            self.store.find_answer(recording["sha256"], job["setup"])
            if job and job["setup"]
            else None
        )
        lines = self.store.list_history(recording["case_id"], recording["id"])
        answer, head = found or (None, {})
        return Entry(recording, answer, head, lines, job["error"] if job else None)

    def show_recording(self, recording: Mapping[str, Any]) -> dict[str, Any]:
        """Return a recording as the API states it."""
        entry = self.entry(recording)
        facts = dict.fromkeys(("duration_s", "sample_rate_hz", "channels"))
        n_shots = None
        if entry.answer is not None:
            facts = {name: entry.answer["recording"][name] for name in facts}
            n_shots = sum(not shot["deleted"] for shot in entry.shots)
        own = {name: recording[name] for name in ("id", "name", "sha256")}
        return {
            **own,
            **facts,
            "job": show_job(self.store.find_job_of(recording["id"])),
            "n_shots": n_shots,
        }

    def playback(self, case_id: str, recording_id: str) -> Path:
        """Return the playback copy of a recording, or refuse."""
        recording = self.recording(case_id, recording_id)
        path = self.shelf.place_made(recording["sha256"], ".flac")
        if not path.exists():
            raise Refused(409, "the recording is not prepared yet; wait until its job is done")
        return path

    def take_in(
        self, source: BinaryIO | Any, name: str, case_id: str | None = None, who: str = ""
    ) -> dict[str, Any]:
        """Keep a content and queue its job, or refuse."""
        with receive(source, self.shelf, self.settings) as (copy, sha256), self.shelving:
            copy.replace(self.shelf.place(sha256))
            job = None
            try:
                job = self.store.add_job(sha256, name, self.settings.max_queue, case_id, who)
            finally:
                if job is None and not self.store.holds(sha256):
                    self.shelf.remove(sha256)
        if job is None:
            raise Refused(429, f"{self.settings.max_queue} recordings are waiting; try again later")
        self.runner.wake()
        return job

    def sweep(self) -> None:
        """Delete uploads that no case holds and that are older than the settings allow."""
        if not self.settings.keep_days:
            return
        begin = datetime.now(UTC) - timedelta(days=self.settings.keep_days)
        before = begin.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if not self.backing_up.acquire(blocking=False):
            return  # it needs them all
        try:
            with self.shelving:
                for sha256 in self.store.list_forgettable(before):
                    self.shelf.remove(sha256)
        finally:
            self.backing_up.release()


def _check_report(settings: "ReportSettings", model: OnnxModel) -> None:
    """Raise ShotprintError where reports cannot be made so, before anyone asks for one."""
    from shotprint.report.case import prepare

    prepare(settings, Recognizer(model))


def show_job(job: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a job as the API states it."""
    if job is None:
        return None
    shown = {name: job[name] for name in JOB}
    return {**shown, "case": job["case_id"], "recording": job["recording_id"]}


def format_metrics(service: Service, n_refused: int) -> str:
    """Return the figures of a service as Prometheus reads them."""
    counts = service.store.count_jobs()
    lines = ["# TYPE shotprint_jobs gauge"]
    lines += [
        f'shotprint_jobs{{state="{state}"}} {counts.get(state, 0)}'
        for state in ("queued", "running", "done", "failed", "cancelled")
    ]
    lines.append("# TYPE shotprint_requests_total counter")
    lines += [
        f'shotprint_requests_total{{method="{method}",status="{status}"}} {n}'
        for (method, status), n in sorted(service.n_requests.items())
    ]
    facts = {
        "refused_requests_total counter": n_refused,
        "workers_replaced_total counter": service.runner.n_killed,
        "stored_bytes gauge": service.shelf.measure(),
        "uptime_seconds gauge": round(time.monotonic() - service.started, 1),
    }
    for fact, value in facts.items():
        name = fact.split()[0]
        lines += [f"# TYPE shotprint_{fact}", f"shotprint_{name} {value}"]
    return "\n".join(lines) + "\n"
