"""Archives on a real Ray: nothing lost, nothing twice, the same bytes as without it."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusters import serve_s3, start_ray
from shotprint.audio import write_wav
from shotprint.cluster import (
    ArchiveJournal,
    Cluster,
    Driver,
    connect,
    describe_answers,
    list_work,
    write_parts,
)
from shotprint.cluster.engine import TRIES_ALONE
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import compute_sha256
from shotprint.opening import Setup, open_recognizer
from shotprint.recognition import RecognitionSettings
from test_cli_recognize import run
from test_cluster_listing import serve  # noqa: F401  # a fixture
from toy import write_shots

ray = pytest.importorskip("ray")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a real S3 server on this machine."""
    with serve_s3() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(s3: str) -> Iterator[str]:
    """A Ray of two cores, and its address."""
    with start_ray(s3) as address:
        yield address


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four recordings, one of them there twice, and two that are none."""
    folder = tmp_path_factory.mktemp("archive") / "Schüsse"
    (folder / "below").mkdir(parents=True)
    paths = write_shots(folder, 24, 16000)
    shutil.copy(paths[4], folder / "below" / "copy.wav")
    (folder / "text.wav").write_text("no sound", encoding="utf-8")
    (folder / "empty.wav").touch()
    return folder


@pytest.fixture
def setup(toy_model: Path, toy_detector: Path) -> Setup:
    return Setup(RecognitionSettings(jobs=2), toy_model, detector=toy_detector)


@pytest.fixture
def options(toy_model: Path, toy_detector: Path) -> tuple[object, ...]:
    return ("--model", toy_model, "--detector", toy_detector, "--jobs", 2)


class Watched(Driver):
    """A driver that notes what is heard."""

    heard: Counter[int]

    def _ask(self, hand: Any, method: str, *arguments: Any) -> None:
        if method == "recognize":
            self.heard.update(arguments[0])
        super()._ask(hand, method, *arguments)


def open_run(paths: Sequence[object], setup: Setup, folder: Path) -> tuple[Watched, Any]:
    """Return a driver that has not begun, and what writes its answers into the folder."""
    items = list_work([str(path) for path in paths])
    recognizer = open_recognizer(setup)
    described = describe_answers(recognizer)
    journal = ArchiveJournal(folder.with_suffix(".journal"), described, resume=False)
    driver = Watched(ray, items, setup, described, journal)
    driver.heard = Counter()

    def write() -> list[dict[str, Any]]:
        write_parts(folder, recognizer.collect(()), journal.read(items))
        journal.remove()
        return read(folder)

    return driver, write


def read(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for part in sorted(folder.glob("*.parquet")):
        rows += parquet.read_table(part).to_pylist()
    return rows


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def get_pid(hand: Any) -> int:
    return ray.get(hand.actor.__ray_call__.remote(lambda _: os.getpid()))


def test_the_same_bytes_as_without_ray(
    cluster, archive, toy_model, options, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(archive.parent)  # workers are elsewhere
    monkeypatch.setattr("shotprint.cluster.output.ROWS_A_GROUP", 6)
    monkeypatch.setattr("shotprint.cluster.output.GROUPS_A_PART", 3)
    paths = (archive.name, archive / "shot1.wav", "absent.wav")
    common = ("recognize", *paths, *options, "--model", os.path.relpath(toy_model))
    without = run(*common, "--format", "parquet", "-o", tmp_path / "l", expect=1)
    result = run(*common, "--engine", "ray", "-o", tmp_path / "r", expect=1)
    assert list(read_bytes(tmp_path / "l")) == ["part-00000.parquet", "part-00001.parquet"]
    assert read_bytes(tmp_path / "r") == read_bytes(tmp_path / "l")
    failures = [line for line in without.stderr.splitlines() if ": warning: " not in line][:-1]
    assert len(failures) == 3
    assert sorted(result.stderr.splitlines()[:-1]) == sorted(failures)
    assert "26 of 29 recordings recognised" in result.stderr
    assert not (tmp_path / "r.journal").exists()


def test_rows_and_metadata_make_the_document(archive, options, tmp_path) -> None:
    common = ("recognize", archive, *options)
    run(*common, "--format", "parquet", "-o", tmp_path / "l", expect=1)
    text = run(*common, "--format", "json", expect=1).stdout
    table = parquet.read_table(tmp_path / "l" / "part-00000.parquet")
    head = json.loads(table.schema.metadata[b"shotprint"])
    lines = [f'"{name}": {json.dumps(value, ensure_ascii=False)},' for name, value in head.items()]
    rows = ",\n".join(table["recording"].to_pylist())
    assert "\n".join(["{", *lines, '"recordings": [', rows, "]}", ""]) == text
    for row, recording in zip(table.to_pylist(), json.loads(text)["recordings"], strict=True):
        assert row["path"] == recording["path"]
        assert row["error"] == recording["error"]
        assert row["n_shots"] == len(recording["shots"])
        for score in recording["candidates"] or ():
            assert row[f"p_{score['label']}"] == score["probability"]
        if recording["error"] is None:
            assert row["calibre"] == recording["calibre"][0]["label"]
            assert row["decision_level"] == recording["decision"]["level"]


def test_without_ray_too_a_run_stopped_while_it_wrote_goes_on(archive, options, tmp_path) -> None:
    command = ("recognize", archive / "shot1.wav", *options, "--format", "parquet", "-o", tmp_path)
    journal = tmp_path.with_name(f"{tmp_path.name}.journal")
    (tmp_path / ".part-00000.parquet.1.partial").touch()
    (tmp_path / "part-00007.parquet").touch()
    (tmp_path / "other.txt").touch()
    with pytest.raises(ShotprintError, match=r"is not empty \(other\.txt is in it\)"):
        run(*command, "--resume")
    (tmp_path / "other.txt").unlink()
    run(*command, "--resume")
    assert list(read_bytes(tmp_path)) == ["part-00000.parquet"]
    assert not journal.exists()


def test_a_worker_killed_in_the_middle_costs_nothing(
    cluster, archive, setup, options, tmp_path
) -> None:
    driver, write = open_run([archive], setup, tmp_path / "r")
    names = []
    for outcome in driver.run(2):
        names.append(outcome.item.name)
        if len(names) == 4:
            victim = next(hand for hand in driver._hands if hand.held)
            os.kill(get_pid(victim), signal.SIGKILL)
    assert driver.n_lost == 1
    assert len(names) == len(set(names)) == 27
    assert sum(driver.heard.values()) > len(driver.heard)  # what it held was heard again
    write()
    run("recognize", archive, *options, "--format", "parquet", "-o", tmp_path / "l", expect=1)
    assert read_bytes(tmp_path / "r") == read_bytes(tmp_path / "l")


def test_the_same_bytes_are_heard_once(cluster, setup, tmp_path) -> None:
    (path,) = write_shots(tmp_path, 1, 16000)
    folder = tmp_path / "copies"
    folder.mkdir()
    for number in range(12):
        shutil.copy(path, folder / f"{number}.wav")
    driver, write = open_run([folder], setup, tmp_path / "r")
    assert len(list(driver.run(2))) == 12
    assert sum(driver.heard.values()) == 1
    rows = write()
    assert [row["path"] for row in rows] == [str(folder / f"{n}.wav") for n in range(12)]
    assert {row["sha256"] for row in rows} == {compute_sha256(path)}
    assert len({row["probability"] for row in rows}) == 1


def make_long(path: Path, duration_s: float) -> None:
    noise = 1e-2 * np.random.default_rng(0).standard_normal(round(duration_s * 8000))
    write_wav(path, noise.astype(np.float32), 8000)


class Sniper(threading.Thread):
    """Kills every process that opens a file, as the kernel kills one that takes all memory."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.path = str(path)
        self.killed: set[int] = set()
        self.is_over = False

    def run(self) -> None:
        while not self.is_over:
            for process in Path("/proc").glob("[0-9]*"):
                pid = int(process.name)
                if pid != os.getpid() and pid not in self.killed and self.sees(process):
                    os.kill(pid, signal.SIGKILL)
                    self.killed.add(pid)

    def sees(self, process: Path) -> bool:
        try:
            if not (process / "cmdline").read_bytes().startswith(b"ray::"):
                return False
            return any(str(each.readlink()) == self.path for each in (process / "fd").iterdir())
        except OSError:  # it has ended
            return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="open files are listed in /proc")
def test_a_recording_that_kills_its_workers_is_set_aside(
    cluster, archive, setup, options, tmp_path
) -> None:
    poison = tmp_path / "poison.wav"
    make_long(poison, 600)
    sniper = Sniper(poison)
    sniper.start()
    driver, write = open_run([archive, poison], setup, tmp_path / "r")
    outcomes = list(driver.run(2))
    sniper.is_over = True
    sniper.join()
    assert driver.n_lost == len(sniper.killed) == 1 + TRIES_ALONE
    assert len({outcome.item.name for outcome in outcomes}) == len(outcomes) == 28
    *rows, last = write()
    assert last["path"] == str(poison)
    assert last["error"].startswith("set aside: 2 workers were lost with it alone")
    run("recognize", archive, *options, "--format", "parquet", "-o", tmp_path / "l", expect=1)
    assert rows == read(tmp_path / "l")


def stop_driver(cluster: str, common: list[object], sent: signal.Signals) -> tuple[int, str]:
    """Begin a run, send its driver a signal when some answers are kept; return code and stderr."""
    command = [sys.executable, "-m", "shotprint", *map(str, common), "--address", "auto"]
    driver = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAY_ADDRESS": cluster},  # others may have a Ray on this machine
    )
    kept = Path(f"{common[-1]}.journal-wal")
    while not kept.exists() or kept.stat().st_size < 60_000:
        assert driver.poll() is None, driver.communicate()[1]
        time.sleep(0.002)
    driver.send_signal(sent)
    stdout, stderr = driver.communicate()
    assert stdout == ""
    return driver.returncode, stderr


def test_after_ctrl_c_a_run_goes_on_to_the_same_bytes(cluster, archive, options, tmp_path) -> None:
    common = ["recognize", archive, *options, "--engine", "ray", "-o", tmp_path / "r"]
    code, stderr = stop_driver(cluster, common, signal.SIGINT)
    assert code == 130
    assert stderr.splitlines()[-1] == "shotprint: interrupted; go on with --resume"
    assert not (tmp_path / "r").exists()
    run(*common, "--resume", expect=1)
    run("recognize", archive, *options, "--format", "parquet", "-o", tmp_path / "l", expect=1)
    assert read_bytes(tmp_path / "r") == read_bytes(tmp_path / "l")


def test_a_killed_driver_goes_on_to_the_same_bytes(cluster, archive, options, tmp_path) -> None:
    common = ["recognize", archive, *options, "--engine", "ray", "-o", tmp_path / "r"]
    journal = tmp_path / "r.journal"
    stop_driver(cluster, common, signal.SIGKILL)
    assert not (tmp_path / "r").exists()
    with pytest.raises(ShotprintError, match="--resume"):
        run(*common)
    # What the journal says is taken as it is: an answer is changed to see that.
    with closing(sqlite3.connect(journal)) as db, db:
        sha256, text = db.execute("SELECT * FROM answers WHERE NOT is_failure").fetchone()[:2]
        marked = json.dumps({**json.loads(text), "warnings": ["taken from the journal"]})
        db.execute("UPDATE answers SET result = ? WHERE sha256 = ?", (marked, sha256))
    (tmp_path / "r").mkdir()
    for name in ("part-00007.parquet", ".part-00000.parquet.1.partial"):
        (tmp_path / "r" / name).touch()  # of a run that was killed while it wrote
    run(*common, "--resume", expect=1)
    assert list(read_bytes(tmp_path / "r")) == ["part-00000.parquet"]
    run(
        *("recognize", archive, *options, "--format", "parquet", "-o", tmp_path / "l"),
        expect=1,
    )
    rows, expected = read(tmp_path / "r"), read(tmp_path / "l")
    taken = [row for row in rows if row["sha256"] == sha256]
    assert taken
    assert all("taken from the journal" in row["recording"] for row in taken)
    others = [row for row in rows if row["sha256"] != sha256]
    assert others == [row for row in expected if row["sha256"] != sha256]
    assert len(rows) == len(expected)


def without_names(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows, what names or reads the place of a file left out."""
    return [{**row, "path": "", "recording": ""} for row in rows]


def test_an_archive_on_a_web_server(cluster, archive, options, tmp_path, serve) -> None:  # noqa: F811
    url = serve(archive)
    common = ("recognize", *options, "-o")
    run(*common, tmp_path / "r", f"{url}/", "--engine", "ray", "--jobs", 1, expect=1)
    run(*common, tmp_path / "l", archive, "--format", "parquet", expect=1)
    rows, expected = read(tmp_path / "r"), read(tmp_path / "l")
    assert [row["path"].removeprefix(url) for row in rows] == [
        row["path"].removeprefix(str(archive)) for row in expected
    ]
    assert without_names(rows) == without_names(expected)


def test_an_archive_in_s3(cluster, s3, archive, options, tmp_path) -> None:
    if not s3:
        pytest.skip("no S3 server: make test installs one beside the environment")
    from pyarrow.fs import LocalFileSystem, S3FileSystem, copy_files

    files = S3FileSystem(endpoint_override=s3, allow_bucket_creation=True)
    files.create_dir("shots")
    copy_files(str(archive), "shots/year 2026", LocalFileSystem(), files)
    common = ("recognize", *options, "-o")
    run(*common, tmp_path / "r", "s3://shots/year 2026", "--engine", "ray", "--jobs", 1, expect=1)
    run(*common, tmp_path / "l", archive, "--format", "parquet", expect=1)
    rows = read(tmp_path / "r")
    assert rows[0]["path"] == "s3://shots/year 2026/below/copy.wav"
    assert without_names(rows) == without_names(read(tmp_path / "l"))


def test_workers_that_do_not_start_end_the_run(cluster, archive, setup, tmp_path) -> None:
    driver, _ = open_run([archive], setup, tmp_path / "r")
    driver._setup = Setup(setup.settings, tmp_path / "gone.onnx")
    with pytest.raises(ShotprintError, match=r"3 workers did not start.*no model .*gone.onnx"):
        list(driver.run(1))


def test_a_worker_with_another_model_is_refused(cluster, archive, setup, tmp_path) -> None:
    driver, _ = open_run([archive], setup, tmp_path / "r")
    driver._described = {**driver._described, "shotprint": "0.0.1"}
    with pytest.raises(ShotprintError, match=r"another shotprint .*0\.0\.1"):
        list(driver.run(1))


WRONG = [
    (("--engine", "ray"), SystemExit, "-o FOLDER"),
    (("--engine", "ray", "-o", "x", "--format", "csv"), SystemExit, "Parquet"),
    (("--engine", "ray", "-o", "x", "--same-source"), SystemExit, "--same-source"),
    (("--address", "auto"), SystemExit, "--engine ray"),
    (("--format", "parquet"), SystemExit, "-o FOLDER"),
    (("--format", "parquet", "-o", "full"), ShotprintError, "full is not empty"),
    (("--engine", "ray", "-o", "full/a.txt"), ShotprintError, "is a file"),
]


@pytest.mark.parametrize(("words", "error", "message"), WRONG)
def test_wrong_usage_is_refused(tmp_path, monkeypatch, words, error, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").touch()
    if error is SystemExit:
        assert message in run("recognize", "a.wav", *words, expect=2).stderr
    else:
        with pytest.raises(error, match=message):
            run("recognize", "a.wav", *words)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_no_ray_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    for address, mend in ((f"127.0.0.1:{port}", "leave out --address"), ("auto", "unset RAY_ADD")):
        message = f"no Ray at 127.0.0.1:{port} .*ray start.*{mend}"
        with pytest.raises(ShotprintError, match=message), connect(Cluster(address)):
            pass


def test_without_ray_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"shotprint\[cluster\]"), connect(Cluster()):
        pass
