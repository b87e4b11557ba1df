"""Work lists of folders and URLs, and what is fetched from there: real servers on this machine."""

import http.server
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from shotprint.audio import find_recordings
from shotprint.cluster import WorkItem, list_work
from shotprint.cluster.listing import is_url
from shotprint.cluster.spool import PREFIX, Spool
from shotprint.errors import OutputError, ShotprintError
from shotprint.files import compute_sha256
from shotprint.recognition.results import RecordingResult
from toy import write_shots

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

NAMES = ["a/shot2.wav", "a/shot10.WAV", "b.flac", ".hidden/c.wav", "notes.txt", "a/._x.wav"]


def fill(folder: Path) -> Path:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


class Handler(http.server.SimpleHTTPRequestHandler):
    """The files of a folder; the first answers for ``late.wav`` are errors."""

    n_late = 0

    def do_GET(self) -> None:
        if self.path.endswith("late.wav"):
            Handler.n_late += 1
            if Handler.n_late < 3:
                self.send_error(503)
                return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve():
    """Return what serves a folder by HTTP and says at which URL."""
    servers = []

    def start(folder: Path) -> str:
        handler = partial(Handler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [("s3://b/x", True), ("https://h/x", True), ("C://x", False), ("a/b.wav", False)],
)
def test_what_is_a_url(path: str, expected: bool) -> None:
    assert is_url(path) is expected


def test_a_folder_is_listed_as_without_a_cluster(tmp_path: Path) -> None:
    fill(tmp_path)
    paths = [str(tmp_path), str(tmp_path / "a" / "shot2.wav"), "absent.wav"]
    items, found = list_work(paths), find_recordings(paths)
    assert [(i.place, i.name, i.error) for i in items] == [
        (str(f.path.absolute()), f.name, f.error) for f in found
    ]
    first = tmp_path / "a" / "shot2.wav"
    assert (items[0].size_bytes, items[0].version) == (11, str(first.stat().st_mtime_ns))


@pytest.mark.parametrize("scheme", ["http", "file", "memory"])
def test_urls_are_listed_in_the_same_order(tmp_path: Path, scheme: str, serve) -> None:
    import fsspec

    fill(tmp_path)
    url = {"http": serve(tmp_path), "file": tmp_path.as_uri(), "memory": "memory://root"}[scheme]
    if scheme == "memory":
        fsspec.filesystem("memory").put(f"{tmp_path}/", "/root/", recursive=True)
    items = list_work([f"{url}/", f"{url}/a/shot10.WAV"])
    expected = [f"{url}/{name}" for name in ("a/shot2.wav", "a/shot10.WAV", "b.flac")]
    assert [item.name for item in items] == expected
    assert [item.place for item in items] == expected
    assert all(item.error is None for item in items)
    if scheme != "http":
        assert [item.size_bytes for item in items] == [11, 12, 6]


def test_what_cannot_be_listed_says_why(tmp_path: Path, serve) -> None:
    url = serve(tmp_path)
    (tmp_path / "empty").mkdir()
    gone, empty = list_work([f"{url}/gone/", f"{url}/empty/"])
    assert gone.error is not None
    assert gone.error.startswith(f"{url}/gone/: ")
    assert empty.error == f"{url}/empty/: the folder holds no recordings"
    with pytest.raises(ShotprintError, match="nonsense"):
        list_work(["nonsense://host/a"])


def test_a_fetched_recording_is_hashed_and_cleared_away(tmp_path: Path, serve) -> None:
    (path,) = write_shots(tmp_path, 1)
    spool = Spool()
    fetched = spool.fetch(WorkItem(f"{serve(tmp_path)}/shot1.wav", "one"))
    assert isinstance(fetched, tuple)
    place, sha256 = fetched
    assert sha256 == compute_sha256(path) == compute_sha256(place)
    assert place.suffix == ".wav"
    spool.release(place)
    assert list(spool.folder.iterdir()) == []
    local = spool.fetch(WorkItem(str(path), "two"))
    assert local == (path, sha256)
    spool.release(path)
    assert path.exists()
    spool.close()
    assert not spool.folder.exists()


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, serve, monkeypatch) -> None:
    monkeypatch.setattr("shotprint.cluster.spool.PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(Handler, "n_late", 0)
    (tmp_path / "late.wav").write_bytes(b"here")
    spool = Spool()
    fetched = spool.fetch(WorkItem(f"{serve(tmp_path)}/late.wav", "late"))
    assert isinstance(fetched, tuple)
    assert fetched[0].read_bytes() == b"here"
    assert Handler.n_late == 3
    spool.close()


def test_what_cannot_be_fetched_is_a_failure(tmp_path: Path, serve, monkeypatch) -> None:
    monkeypatch.setattr("shotprint.cluster.spool.PAUSES_S", ())
    monkeypatch.setattr(Handler, "n_late", 0)
    url = serve(tmp_path)
    spool = Spool()
    for name, reason in (("gone.wav", "gone.wav"), ("late.wav", "503")):
        failed = spool.fetch(WorkItem(f"{url}/{name}", "x"))
        assert isinstance(failed, RecordingResult)
        assert failed.path == "x"
        assert str(failed.error).startswith("it cannot be fetched (")
        assert reason in str(failed.error)
    assert list(spool.folder.iterdir()) == []
    absent = spool.fetch(WorkItem(str(tmp_path / "no.wav"), "y"))
    assert isinstance(absent, RecordingResult)
    assert absent.error == "it cannot be read (No such file or directory)"
    spool.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
def test_a_full_disk_is_no_failure_of_a_recording(tmp_path: Path, serve) -> None:
    (path,) = write_shots(tmp_path, 1)
    spool = Spool()
    (spool.folder / "1.wav").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"is full; make room.*--resume"):
        spool.fetch(WorkItem(f"{serve(tmp_path)}/{path.name}", "x"))
    spool.close()


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for by signal 0")
def test_what_a_killed_process_left_is_cleared(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (f"{PREFIX}{ended.pid}-a", f"{PREFIX}{os.getpid()}-b", f"{PREFIX}x-c"):
        (tmp_path / name).mkdir()
    spool = Spool()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{PREFIX}{os.getpid()}-b", f"{PREFIX}x-c", spool.folder.name}
