"""What the routes share, without a worker: real files, real SQLite, real threads."""

import asyncio
import io
import json
import sqlite3
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile as sf

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
import httpx

from shotprint.web import ServiceSettings
from shotprint.web.app import _sweep, create_app
from shotprint.web.backup import stream_backup
from shotprint.web.intake import Refused
from shotprint.web.service import Service
from shotprint.web.sounds import Stretch, draw_spectrogram, write_playback
from shotprint.web.store import Shelf


@pytest.fixture
def service(tmp_path):
    service = Service(ServiceSettings(tmp_path / "data", keep_days=1e-9, max_queue=2))
    yield service
    service.store.close()


def take_in(service, content: bytes, case_id=None) -> dict:
    return service.take_in(io.BytesIO(content), "a.wav", case_id, "x")


def finish(service, job) -> None:
    service.store.take_job()
    service.store.finish(job["id"], None, "no")


def test_what_is_not_queued_is_not_kept(service) -> None:
    held = [take_in(service, content)["sha256"] for content in (b"1", b"2")]
    for content in (b"2", b"3"):
        with pytest.raises(Refused) as error:
            take_in(service, content)
        assert error.value.status == 429
    names = sorted(path.name for path in (service.shelf.folder / "recordings").iterdir())
    assert names == sorted(held)


def test_what_the_database_does_not_take_is_not_kept(service) -> None:
    other = sqlite3.connect(service.store.path, isolation_level=None)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'x'); END")
    other.close()
    with pytest.raises(sqlite3.IntegrityError):
        take_in(service, b"1")
    assert not list((service.shelf.folder / "recordings").iterdir())


def test_what_was_cut_off_by_a_kill_is_removed(tmp_path) -> None:
    shelf = Shelf(tmp_path)
    shelf.place("1" * 64).write_bytes(b"x")
    cut_off = [tmp_path / "recordings" / ".0123.partial", tmp_path / "made" / ".1.flac.9.partial"]
    cut_off += [shelf.working / "report.html"]
    for path in cut_off:
        path.write_bytes(b"y")
    Shelf(tmp_path)
    assert not any(path.exists() for path in cut_off)
    assert shelf.place("1" * 64).exists()


def test_the_sweep_takes_no_content_that_comes_again(service) -> None:
    is_over = threading.Event()

    def sweep_on() -> None:
        while not is_over.is_set():
            service.sweep()

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        for _ in range(30):
            job = take_in(service, b"again")
            assert service.shelf.place(job["sha256"]).exists()
            finish(service, job)
    finally:
        is_over.set()
        sweeper.join()
    service.sweep()
    assert not service.shelf.place(job["sha256"]).exists()


def run_apart(work) -> None:
    """Run what is awaitable in a thread of its own: a browser of other tests keeps a loop here."""

    async def wait() -> None:
        await work

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, wait()).result()


def test_the_sweep_goes_on_after_an_error(service, capsys) -> None:
    job = take_in(service, b"1")
    finish(service, job)
    place = service.shelf.place(job["sha256"])
    place.unlink()
    place.mkdir()  # cannot be unlinked

    async def sweep_on() -> None:
        sweeper = asyncio.create_task(_sweep(service))
        async with asyncio.timeout(30):
            while "not swept" not in capsys.readouterr().err:
                assert not sweeper.done()
                await asyncio.sleep(0.02)
        sweeper.cancel()

    run_apart(sweep_on())


def open_archive(blocks) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(blocks)))


def test_a_backup_is_read_in_blocks_while_nothing_is_swept(service) -> None:
    case = service.store.add_case("c", "x")
    contents = {"kept": b"1", "loose": b"2" * 3_000_000, "lost": b"3"}
    jobs = {}
    for name, content in contents.items():
        jobs[name] = take_in(service, content, None if name == "loose" else case["id"])
        finish(service, jobs[name])
    service.shelf.place(jobs["lost"]["sha256"]).unlink()
    blocks = stream_backup(service)
    first = next(blocks)
    with pytest.raises(Refused, match="another backup"):
        next(stream_backup(service))
    service.sweep()
    take_in(service, b"later")
    rest = list(blocks)
    assert max(map(len, rest)) <= 1 << 20
    with open_archive([first, *rest]) as archive:
        for name in ("kept", "loose"):
            member = archive.extractfile(f"recordings/{jobs[name]['sha256']}")
            assert member.read() == contents[name]
        assert len(archive.getnames()) == 4
        about = json.load(archive.extractfile("backup.json"))
    assert about["missing"] == [jobs["lost"]["sha256"]]
    service.sweep()
    assert not service.shelf.place(jobs["loose"]["sha256"]).exists()


def test_a_backup_that_is_given_up_is_over(service) -> None:
    blocks = stream_backup(service)
    next(blocks)
    del blocks
    assert not list(service.shelf.working.iterdir())
    with open_archive(stream_backup(service)) as archive:
        assert archive.getnames() == ["shotprint.sqlite", "backup.json"]


def test_a_content_that_changes_breaks_its_backup(service) -> None:
    job = take_in(service, b"1" * 3_000_000)
    blocks = stream_backup(service)
    for block in blocks:
        if block[:1] == b"1":
            service.shelf.place(job["sha256"]).write_bytes(b"")
            break
    with pytest.raises(OSError, match="changed while"):
        list(blocks)


def test_two_spectrograms_are_drawn_at_a_time(tmp_path) -> None:
    pytest.importorskip("matplotlib")

    async def ask() -> None:
        gate = create_app(ServiceSettings(tmp_path / "data"))
        service = gate.app.state.service
        case = service.store.add_case("c", "x")["id"]
        sound = io.BytesIO()
        sf.write(sound, np.zeros(8000), 8000, format="WAV")
        job = take_in(service, sound.getvalue(), case)
        content = service.shelf.place(job["sha256"])
        playback = service.shelf.place_made(job["sha256"], ".flac")
        write_playback(content, playback, lambda done: None)
        address = (
            f"/api/cases/{case}/recordings/{job['recording_id']}/spectrogram.png?width=9&height=9"
        )
        through = httpx.ASGITransport(gate)
        async with httpx.AsyncClient(transport=through, base_url="http://127.0.0.1") as client:
            await service.drawing.acquire()
            assert (await client.get(address)).status_code == 200
            await service.drawing.acquire()
            waiting = [asyncio.create_task(client.get(address)) for _ in range(45)]
            for _ in range(9):  # no thread waits, and if they were drawn some would be by now
                assert (await client.get("/api/health")).status_code == 200
                await asyncio.to_thread(draw_spectrogram, playback, Stretch(0.0, 1.0), 9, 9)
            assert not any(task.done() for task in waiting)
            service.drawing.release()
            answers = await asyncio.gather(*waiting)
        assert {answer.status_code for answer in answers} == {200}
        service.store.close()

    run_apart(asyncio.wait_for(ask(), 60))
