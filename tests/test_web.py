"""The service over HTTP: real processes, real sound, real SQLite."""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from serving import ServedProcess
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.simulation.cadre import Settings, simulate_set
from shotprint.web import ServiceSettings
from shotprint.web.corrections import apply_corrections, list_effective
from shotprint.web.exports import Entry, gather_corrections
from shotprint.web.intake import clean_name
from shotprint.web.store import Store

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")
if sys.platform == "win32":
    pytest.skip("processes are killed with signals here", allow_module_level=True)

TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A simulated recording with shots of one gun at 0.5, 1.7 and 2.9 s or so."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate_set(folder, Settings(shots=3, guns=("Glock9",)))
    paths = sorted(folder.rglob("*.wav"))[:3]
    waveforms = [sf.read(path) for path in paths]
    rate_hz = waveforms[0][1]
    path = folder / "three.wav"
    sf.write(path, np.concatenate([waveform for waveform, _ in waveforms]), rate_hz)
    return path


@pytest.fixture(scope="module")
def allowed(tmp_path_factory, sound) -> Path:
    folder = tmp_path_factory.mktemp("allowed")
    (folder / "three.wav").write_bytes(sound.read_bytes())
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory, allowed):
    served = ServedProcess(
        tmp_path_factory.mktemp("service"), "--allow", str(allowed), "--max-upload-mb", "3"
    )
    yield served
    served.kill()


@pytest.fixture(scope="module")
def client(service):
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def wait(client, job_id: str, state: str = "done") -> dict:
    end = time.monotonic() + 90
    while True:
        job = client.get(f"/api/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            assert job["state"] == state, job
            return job
        assert time.monotonic() < end, job
        time.sleep(0.05)


@pytest.fixture(scope="module")
def recording(client, sound) -> str:
    """The address of a recording in a case, recognised."""
    case = client.post("/api/cases", json={"name": "Range"}).json()
    with sound.open("rb") as file:
        answer = client.post(
            f"/api/cases/{case['id']}/recordings", files={"file": ("dir/three.wav", file)}
        )
    assert answer.status_code == 202
    wait(client, answer.json()["job"]["id"])
    return f"/api/cases/{case['id']}/recordings/{answer.json()['recording']['id']}"


def submit(client, content: bytes, name: str = "a.wav") -> dict:
    answer = client.post("/api/jobs", files={"file": (name, content)})
    assert answer.status_code == 202, answer.text
    return answer.json()["job"]


def test_a_submitted_recording_is_answered_in_the_contract(client, sound, read_schema) -> None:
    job = submit(client, sound.read_bytes(), "three.wav")
    wait(client, job["id"])
    document = client.get(f"/api/jobs/{job['id']}/result").json()
    read_schema("shotprint-1").validate(document)
    (found,) = document["recordings"]
    assert found["path"] == "three.wav"
    assert len(found["shots"]) >= 2


def test_events_tell_a_job_to_its_end(client, sound) -> None:
    changed = sound.read_bytes() + bytes(7)
    job = submit(client, changed)
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        states = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert states[-1]["state"] == "done"
    assert [each["progress"] for each in states] == sorted(each["progress"] for each in states)


def test_identical_content_is_not_computed_twice(client, service, sound) -> None:
    content = sound.read_bytes() + bytes(11)
    first = wait(client, submit(client, content, "first.wav")["id"])
    database = sqlite3.connect(service.folder / "data" / "shotprint.sqlite")
    n_answers = database.execute("SELECT count(*) FROM answers").fetchone()
    second = submit(client, content, "second.wav")
    wait(client, second["id"])
    assert second["sha256"] == first["sha256"]
    assert database.execute("SELECT count(*) FROM answers").fetchone() == n_answers
    result = client.get(f"/api/jobs/{second['id']}/result").json()
    assert result["recordings"][0]["path"] == "second.wav"
    database.close()


@pytest.mark.parametrize("content", [b"RIFF\x00\x00\x00\x00WAVEfmt ", b"\x00" * 999, b"<html>"])
def test_a_hostile_file_fails_in_one_line_and_the_service_goes_on(client, service, content) -> None:
    job = wait(client, submit(client, content)["id"], "failed")
    assert job["error"]
    assert "\n" not in job["error"]
    assert str(service.folder) not in job["error"]  # where it is kept is nobody's business
    assert client.get("/api/health").json()["status"] == "ok"


def test_an_empty_upload_is_refused(client) -> None:
    answer = client.post("/api/jobs", files={"file": ("a.wav", b"")})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_too_large_recordings_are_refused(client, service, allowed) -> None:
    def endless():
        for _ in range(40):
            yield bytes(1 << 17)

    kept = sorted((service.folder / "data" / "recordings").iterdir())
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    (allowed / "large.wav").write_bytes(bytes(4 << 20))
    for request in (
        {"json": {"path": str(allowed / "large.wav")}},
        {"files": {"file": ("a.wav", bytes(4 << 20))}},
        {"content": endless(), "headers": kind},  # no length is stated
    ):
        with contextlib.suppress(httpx.TransportError):  # it may hang up before all was sent
            assert client.post("/api/jobs", **request).status_code in (400, 413)
    assert client.get("/api/health").status_code == 200
    assert sorted((service.folder / "data" / "recordings").iterdir()) == kept
    asking = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    asking.putrequest("POST", "/api/jobs")
    asking.putheader("Content-Length", str(4 << 20))
    asking.endheaders()  # refused by its length, before any of it is sent
    assert asking.getresponse().status == 413
    asking.close()


def test_a_path_below_an_allowed_folder_is_taken(client, allowed) -> None:
    answer = client.post("/api/jobs", json={"path": str(allowed / "three.wav")})
    assert answer.status_code == 202
    wait(client, answer.json()["job"]["id"])


def test_no_path_leads_elsewhere(client, allowed, tmp_path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    link = allowed / "link.wav"
    link.symlink_to(secret)
    relative = os.path.relpath(secret, allowed)
    paths = [
        str(secret),
        str(link),
        str(allowed / relative),
        str(allowed),
        "a\0b",
        "/proc/self/mem",
    ]
    answers = [client.post("/api/jobs", json={"path": path}) for path in paths]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1  # what is there is not told


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"path": 3}', "{"])
def test_a_body_that_is_not_understood(client, body) -> None:
    answer = client.post("/api/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "path" in answer.json()["error"]


def test_other_names_and_other_pages_are_refused(client, service) -> None:
    assert client.get("/api/jobs", headers={"Host": "evil.example"}).status_code == 421
    foreign = client.post(
        "/api/cases", json={"name": "x"}, headers={"Origin": "http://evil.example"}
    )
    assert foreign.status_code == 403
    for origin in ("http://[", "http://[::1", "null", "http://", "\x80"):
        headers = {"Origin": origin.encode("latin-1")}
        answer = client.post("/api/cases", json={"name": "x"}, headers=headers)
        assert answer.status_code == 403, origin
    own = {"Origin": service.url.rstrip("/")}
    assert client.post("/api/cases", json={"name": "x"}, headers=own).status_code == 201


def test_the_page_may_load_nothing_from_elsewhere(client) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "http" not in policy


def test_corrections_stand_beside_the_answer(client, recording) -> None:
    before = client.get(recording).json()
    assert len(before["shots"]) == len(before["machine"]["shots"]) >= 2

    def correct(**values):
        answer = client.post(f"{recording}/corrections", json={"who": "Ann", **values})
        assert answer.status_code == 200, answer.text
        return {shot["id"]: shot for shot in answer.json()["shots"]}

    shots = correct(action="label", shot="m0", label="=cmd()")
    assert (shots["m0"]["label"], shots["m0"]["origin"]) == ("=cmd()", "corrected")
    assert shots["m0"]["machine"]["label"] == before["machine"]["shots"][0]["label"]
    assert correct(action="move", shot="m1", onset_s=0.1, end_s=0.2)["m1"]["onset_s"] == 0.1
    assert correct(action="delete", shot="m1")["m1"]["deleted"]
    assert not correct(action="restore", shot="m1")["m1"]["deleted"]
    assert correct(action="add", onset_s=2.0, end_s=2.1, label="new")["a1"]["origin"] == "added"

    undone = client.post(f"{recording}/undo").json()
    assert "a1" not in {shot["id"] for shot in undone["shots"]}
    assert undone["can_redo"]
    assert "a1" in {shot["id"] for shot in client.post(f"{recording}/redo").json()["shots"]}
    for _ in range(5):
        client.post(f"{recording}/undo")
    after = client.get(recording).json()
    assert after["shots"] == before["shots"]
    assert after["machine"] == before["machine"]
    assert client.post(f"{recording}/undo").status_code == 409
    case = recording.rpartition("/recordings")[0]
    lines = client.get(f"{case}/history").json()
    assert [line["action"] for line in lines].count("undo") == 6
    assert {"Ann", "examiner"} <= {line["who"] for line in lines}


@pytest.mark.parametrize(
    "values",
    [
        {"action": "move", "shot": "m0", "onset_s": 2, "end_s": 1},
        {"action": "label", "shot": "m99", "label": "x"},
        {"action": "label", "shot": "m0"},
        {"action": "add", "onset_s": 1},
    ],
)
def test_a_wrong_correction_is_refused(client, recording, values) -> None:
    assert client.post(f"{recording}/corrections", json=values).status_code == 400


def test_the_database_keeps_its_history(service, recording) -> None:
    database = sqlite3.connect(service.folder / "data" / "shotprint.sqlite")
    for command in ("UPDATE history SET who = 'x'", "DELETE FROM history"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(command)
    database.close()


def test_sound_is_served_in_parts(client, recording, sound) -> None:
    part = client.get(f"{recording}/audio", headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)
    whole, rate_hz = sf.read(io.BytesIO(client.get(f"{recording}/audio").content))
    original, own_rate_hz = sf.read(sound)
    assert rate_hz == own_rate_hz
    np.testing.assert_allclose(
        whole, original if original.ndim == 1 else original.mean(1), atol=2e-4
    )
    answer = client.get(f"{recording}/excerpt.wav?start_s=0.5&end_s=1.0")
    excerpt, _ = sf.read(io.BytesIO(answer.content))
    np.testing.assert_array_equal(excerpt, whole[round(0.5 * rate_hz) : round(1.0 * rate_hz)])


@pytest.mark.parametrize("bins", [7, 300, 4000])
def test_peaks_are_those_of_the_sound(client, recording, bins) -> None:
    whole, _ = sf.read(io.BytesIO(client.get(f"{recording}/audio").content))
    found = client.get(f"{recording}/peaks?bins={bins}").json()
    assert len(found["min"]) == len(found["max"]) <= bins
    assert max(found["max"]) == pytest.approx(whole.max(), abs=1e-3)
    assert min(found["min"]) == pytest.approx(whole.min(), abs=1e-3)
    place = np.argmax(found["max"]) / len(found["max"])
    assert place == pytest.approx(
        np.argmax(whole) / len(whole), abs=1.5 / len(found["max"]) + 0.002
    )


def test_the_spectrogram_is_a_picture_of_the_size_asked_for(client, recording) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    answer = client.get(f"{recording}/spectrogram.png?start_s=0&end_s=2&width=300&height=80")
    picture = plt.imread(io.BytesIO(answer.content))
    assert picture.shape[:2] == (80, 300)
    assert picture.std() > 0.05


def test_two_shots_are_compared(client, recording) -> None:
    case, _, own = recording.partition("/recordings/")
    found = client.get(f"{case}/compare?a={own}:m0&b={own}:m0").json()
    assert found["lag_s"] == 0
    assert found["a"] == found["b"]
    assert found["same_gun"]["low"] <= found["same_gun"]["llr"] <= found["same_gun"]["high"]
    assert client.get(f"{case}/compare?a={own}:m0&b={own}:zz").status_code == 404


def test_a_case_leaves_as_files(client, recording, read_schema) -> None:
    case = recording.partition("/recordings/")[0]
    read_schema("shotprint-1").validate(client.get(f"{case}/export/results.json").json())
    client.post(f"{recording}/corrections", json={"action": "label", "shot": "m0", "label": "=A1"})
    manifest = client.get(f"{case}/export/manifest.csv").text
    client.post(f"{recording}/undo")
    assert "'=A1" in manifest  # no formula for a spreadsheet
    assert client.get(f"{case}/export/shots.csv").text.count("\n") >= 3
    for name in ("audacity", "raven", "textgrid"):
        content = client.get(f"{case}/export/labels.{name}.zip").content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert [Path(each).parts for each in archive.namelist()] == [(archive.namelist()[0],)]
    assert client.get(f"{case}/export/nothing.exe").status_code == 404


def test_a_case_can_be_trained_on(client, recording, tmp_path) -> None:
    pytest.importorskip("pandas")
    from shotprint.manifest import read_manifest

    case = recording.partition("/recordings/")[0]
    for change in ({"action": "delete", "shot": "m0"}, {"action": "label", "label": "My\tgun\n"}):
        client.post(f"{recording}/corrections", json={"shot": "m1", **change})
    content = client.get(f"{case}/export/training.zip").content
    n_shots = len(client.get(recording).json()["shots"])
    for _ in range(2):
        client.post(f"{recording}/undo")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    table = read_manifest(tmp_path / "manifest.csv")
    assert len(table) == n_shots - 1
    assert "My gun" in set(table["label"])
    assert table["group"].nunique() == 1
    for row in table.itertuples():
        assert compute_sha256(tmp_path / row.path) == row.sha256
        clip, rate_hz = sf.read(tmp_path / row.path)
        onset = round(float(row.lead_in_s) * rate_hz)
        before, after = clip[: max(1, onset - 100)], clip[onset : onset + rate_hz // 5]
        assert np.abs(after).max() > np.abs(before[-rate_hz // 20 :]).max()


def test_a_report_is_of_the_model_that_answered(tmp_path, sound) -> None:
    served = ServedProcess(tmp_path)
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            case = client.post("/api/cases", json={"name": "c"}).json()["id"]
            files = {"file": ("a.wav", sound.read_bytes())}
            job = client.post(f"/api/cases/{case}/recordings", files=files).json()["job"]
            wait(client, job["id"])
        served.kill()
        served.options = ("--level", "0.6")
        served.start()
        answer = httpx.get(f"{served.url}api/cases/{case}/export/report.html", timeout=60)
        assert answer.status_code == 409
        assert "submit it again" in answer.json()["error"]
    finally:
        served.kill()


def test_a_text_may_not_be_as_large_as_an_upload(client) -> None:
    kind = {"Content-Type": "application/json"}
    assert client.post("/api/cases", content=b" " * (2 << 20), headers=kind).status_code == 413


def test_a_damaged_history_can_still_be_read() -> None:
    lines = [{"action": action, "shot": "a9", "after": {}} for action in ("undo", "redo", "label")]
    assert len(apply_corrections([{"onset_s": 1.0, "end_s": 1.1, "label": "A"}], lines)) == 1


def test_a_moved_shot_keeps_what_the_machine_said_of_it(client, recording) -> None:
    own = client.get(recording).json()["machine"]["shots"][1]
    change = {"action": "move", "shot": "m1", "onset_s": 0.1, "end_s": 0.2}
    client.post(f"{recording}/corrections", json=change)
    case = recording.partition("/recordings/")[0]
    content = client.get(f"{case}/export/labels.audacity.zip").content
    client.post(f"{recording}/undo")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    (moved,) = [line for line in lines if line.startswith("0.100000\t0.200000\t")]
    assert f"{own['label']} {own['probability']:.2f}" in moved, moved


def test_corrections_of_equal_contents_are_all_reported() -> None:
    def entry(name, label):
        line = {"who": "x", "when": "t", "action": "label", "shot": "m0", "after": {"label": label}}
        return Entry({"name": name, "sha256": "1"}, None, {}, [line])

    (rows,) = gather_corrections([entry("a.wav", "A"), entry("b.wav", "B")]).values()
    assert [row["text"].split(":")[0] for row in rows] == ["a.wav", "b.wav"]


def test_a_case_leaves_as_a_report(client, recording) -> None:
    pytest.importorskip("fpdf")
    case = recording.partition("/recordings/")[0]
    change = {"action": "label", "shot": "m0", "label": "Zip gun", "who": "Ann"}
    client.post(f"{recording}/corrections", json=change)
    with ThreadPoolExecutor(2) as pool:  # they overlap: a report takes seconds
        address = f"{case}/export/report.zip"
        answers = pool.map(lambda _: client.get(address, timeout=120), range(2))
        archive, refused = sorted(answers, key=lambda answer: answer.status_code)
    client.post(f"{recording}/undo")
    assert archive.status_code == 200, archive.text
    assert refused.status_code == 429
    assert "another report" in refused.json()["error"]
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        assert {"report.html", "report.pdf", "report.json"} <= set(files.namelist())
        page = files.read("report.html").decode()
    assert "Zip gun" in page
    assert "Exhibit 1: three.wav<" in page  # as the case names it, not as it is kept
    assert "shotprint report dir/three.wav -o report --level 0.9" in page
    assert "Ann" in page


def test_reports_have_the_laboratorys_own_and_its_signature(tmp_path, sound) -> None:
    pytest.importorskip("fpdf")
    from shotprint.report import make_key, verify

    make_key(tmp_path / "lab.key", "open sesame")
    (tmp_path / "password").write_text("open sesame")
    (tmp_path / "own.toml").write_text('sections = ["summary", "repeat"]\n')
    (tmp_path / "texts.toml").write_text('[texts]\ntitle = "Unser Titel"\n')
    key = ("--key", str(tmp_path / "lab.key"), "--key-password-file", str(tmp_path / "password"))
    own = ("--layout", str(tmp_path / "own.toml"), "--texts", str(tmp_path / "texts.toml"))
    about = ("--laboratory", "Institut für Schall", "--language", "de")
    served = ServedProcess(tmp_path, *key, *own, *about)
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            case = f"/api/cases/{client.post('/api/cases', json={'name': 'c'}).json()['id']}"
            for name, content in (("a.wav", sound.read_bytes()), ("b.wav", b"no sound")):
                files = {"file": (name, content)}
                job = client.post(f"{case}/recordings", files=files).json()["job"]
                wait(client, job["id"], "done" if name == "a.wav" else "failed")
            archive = client.get(f"{case}/export/report.zip", timeout=120)
            page = client.get(f"{case}/export/report.html", timeout=120).text
    finally:
        served.kill()
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        files.extractall(tmp_path / "report")
    (tmp_path / "exhibits").mkdir()
    (tmp_path / "exhibits" / "a.wav").write_bytes(sound.read_bytes())
    (tmp_path / "exhibits" / "b.wav").write_bytes(b"no sound")
    found = verify(tmp_path / "report", tmp_path / "exhibits", tmp_path / "lab.pub")
    assert (found.findings, found.signature) == ((), "known")
    for text in ("Unser Titel", "Institut für Schall", "1. Kurz gefasst", "2. Wie dieser Bericht"):
        assert text in page
    assert "keine lesbare Tondatei" in page
    command = "--laboratory &#39;Institut für Schall&#39; --language de --texts texts.toml"
    assert f"--level 0.9 {command} --layout own.toml --key lab.key" in page
    assert "open sesame" not in page


def test_a_service_that_could_not_report_does_not_start(tmp_path) -> None:
    pytest.importorskip("fpdf")
    command = [sys.executable, "-m", "shotprint", "serve", "--data", str(tmp_path / "data")]
    command += ["--port", "0", "--no-browser", "--logo", __file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "is no logo" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_models_health_and_metrics(client) -> None:
    (model,) = client.get("/api/models").json()
    assert len(model["labels"]) == 8
    assert "guns8_mn04" in model["card"]
    picture = client.get(f"/api/models/{model['sha256']}/pictures/reliability.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert client.get(f"/api/models/{model['sha256']}/pictures/x.svg").status_code == 404
    lines = client.get("/metrics").text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert int(values['shotprint_jobs{state="done"}']) >= 1


def test_a_backup_is_a_service_when_it_is_unpacked(client, service, recording, tmp_path) -> None:
    client.post(f"{recording}/corrections", json={"action": "label", "shot": "m0", "label": "Zip"})
    answer = client.get("/api/backup")
    before = {name: client.get(f"{recording}{name}") for name in ("", "/audio", "/peaks")}
    client.post(f"{recording}/undo")
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    for path in (tmp_path / "data" / "recordings").iterdir():
        assert compute_sha256(path) == path.name
    about = json.loads((tmp_path / "data" / "backup.json").read_text())
    assert (about["missing"], about["settings"]["max_upload_mb"]) == ([], 3)
    assert "token" not in about["settings"]
    assert not list((service.folder / "data" / "working").iterdir())
    restored = ServedProcess(tmp_path)
    try:
        with httpx.Client(base_url=restored.url, timeout=60) as other:
            assert other.get("/api/cases").json() == client.get("/api/cases").json()
            for name, each in before.items():
                assert other.get(f"{recording}{name}").content == each.content
            assert before[""].json()["shots"][0]["label"] == "Zip"
            case = recording.partition("/recordings/")[0]
            line = other.get(f"{case}/history").json()[-1]
            assert (line["action"], line["after"]) == ("label", {"label": "Zip"})
    finally:
        restored.kill()


def test_an_upload_that_breaks_off_leaves_nothing(client, service) -> None:
    head = "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    head += 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    kept = sorted((service.folder / "data" / "recordings").iterdir())
    n_lines = (service.folder / "serve.log").read_text().count("\n")
    n_jobs = len(client.get("/api/jobs").json())
    with socket.create_connection(("127.0.0.1", service.port)) as opened:
        opened.sendall(head.encode() + bytes(1_500_000))
    assert len(client.get("/api/jobs").json()) == n_jobs
    assert sorted((service.folder / "data" / "recordings").iterdir()) == kept
    assert (service.folder / "serve.log").read_text().count("\n") == n_lines


def make_long(path: Path, seed: int, duration_s: int = 600) -> bytes:
    """Return ten minutes of noise: it takes the service some seconds."""
    noise = 0.05 * np.random.default_rng(seed).standard_normal(duration_s * 16000)
    sf.write(path, noise, 16000, "PCM_16")
    return path.read_bytes()


def test_nothing_is_lost_when_worker_and_server_are_killed(tmp_path, sound) -> None:
    served = ServedProcess(tmp_path, "--queue", "3")
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            case = client.post("/api/cases", json={"name": "Crash"}).json()["id"]
            long = make_long(tmp_path / "long.wav", 0)
            answer = client.post(f"/api/cases/{case}/recordings", files={"file": ("l.wav", long)})
            job = answer.json()["job"]["id"]
            _wait_for_progress(client, job)
            (worker,) = _list_children(served.process.pid)
            os.kill(worker, signal.SIGKILL)
            _wait_for_progress(client, job)
            others = [submit(client, sound.read_bytes() + bytes(n)) for n in range(3)]
            full = client.post("/api/jobs", files={"file": ("a.wav", b"abc")})
            assert full.status_code == 429
            assert int(full.headers["retry-after"]) > 0
            served.kill()
            served.start()
            for each in (job, *(other["id"] for other in others)):
                wait(client, each)
            assert "shotprint_workers_replaced_total 0" in client.get("/metrics").text
            assert len(client.get(f"/api/cases/{case}").json()["recordings"]) == 1
    finally:
        served.kill()


def test_a_job_can_be_cancelled_and_takes_no_longer_than_allowed(tmp_path, sound) -> None:
    served = ServedProcess(tmp_path, "--timeout", "1")
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            job = submit(client, make_long(tmp_path / "long.wav", 1))
            assert "more than 1 s" in wait(client, job["id"], "failed")["error"]
            job = submit(client, make_long(tmp_path / "long.wav", 2))
            _wait_for_progress(client, job["id"])
            assert client.delete(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"
            assert client.delete(f"/api/jobs/{job['id']}").status_code == 409
            wait(client, job["id"], "cancelled")
    finally:
        served.kill()


def test_jobs_go_on_after_the_database_was_locked(tmp_path) -> None:
    served = ServedProcess(tmp_path)
    other = sqlite3.connect(tmp_path / "data" / "shotprint.sqlite", isolation_level=None)
    try:
        with httpx.Client(base_url=served.url, timeout=60) as client:
            job = submit(client, make_long(tmp_path / "long.wav", 3, 200))
            _wait_for_progress(client, job["id"])
            other.execute("BEGIN IMMEDIATE")
            answer = client.post("/api/cases", json={"name": "x"})
            assert (answer.status_code, list(answer.json())) == (503, ["error"])
            end = time.monotonic() + 60
            while "jobs wait: database is locked" not in (tmp_path / "serve.log").read_text():
                assert time.monotonic() < end
                time.sleep(0.1)
            other.execute("ROLLBACK")
            wait(client, job["id"])
            assert client.get("/api/health").json()["status"] == "ok"
        assert "Traceback" not in (tmp_path / "serve.log").read_text()
    finally:
        other.close()
        served.kill()


def test_it_serves_on_the_loopback_of_ipv6(tmp_path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    served = ServedProcess(tmp_path, "--request-timeout", "1", host="::1")
    try:
        own = {"Origin": served.url.rstrip("/")}
        answer = httpx.post(f"{served.url}api/cases", json={"name": "x"}, headers=own, timeout=60)
        assert answer.status_code == 201
        with socket.create_connection(("::1", served.port), timeout=30) as opened:
            opened.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 9\r\n\r\nx")
            assert opened.recv(12) == b"HTTP/1.1 408"
        assert "Traceback" not in (tmp_path / "serve.log").read_text()
    finally:
        served.kill()


def _wait_for_progress(client, job_id: str) -> None:
    end = time.monotonic() + 60
    while not 0 < client.get(f"/api/jobs/{job_id}").json()["progress"] < 1:
        assert time.monotonic() < end
        time.sleep(0.01)


def _list_children(pid: int) -> list[int]:
    """Return the processes that a process started, the resource tracker aside."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            command = (each / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == pid and b"spawn_main" in command:
            found.append(int(each.name))
    return found


def test_a_token_is_asked_for(tmp_path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    served = ServedProcess(tmp_path, "--token-file", str(tmp_path / "token"))
    try:
        with httpx.Client(base_url=served.url) as client:
            assert client.get("/api/jobs").status_code == 401
            assert client.get("/api/jobs", headers={"Authorization": "Bearer x"}).status_code == 401
            shown = {"Authorization": f"Bearer {TOKEN}"}
            assert client.get("/api/jobs", headers=shown).status_code == 200
            assert client.get("/", params={"token": TOKEN}).status_code == 200
            assert client.get("/api/jobs").status_code == 200  # by the cookie
            stale = {"Cookie": "shotprint-token=old"}
            assert httpx.get(f"{served.url}?token={TOKEN}", headers=stale).status_code == 200
    finally:
        served.kill()


@pytest.mark.parametrize(
    "options",
    [
        {"host": "0.0.0.0"},
        {"host": "0.0.0.0", "token": TOKEN},
        {"token": "short"},
        {"tls_cert": Path("a.pem")},
    ],
)
def test_it_is_not_open_to_others_by_mistake(tmp_path, options) -> None:
    with pytest.raises(ShotprintError, match=r"token|tls"):
        ServiceSettings(folder=tmp_path, **options)


def test_it_listens_to_others_with_token_and_encryption(tmp_path) -> None:
    found = ServiceSettings(tmp_path, host="0.0.0.0", token=TOKEN, behind_proxy=True)
    assert not found.is_local


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("C:\\a\\b.wav", "C:/a/b.wav"),
        ("a\nb\x1b[0m\u202e.wav", "a_b_[0m_.wav"),
        ("", "recording"),
        ("//", "recording"),
    ],
)
def test_names_are_cleaned(given, shown) -> None:
    assert clean_name(given) == shown


def test_uploads_outside_cases_can_be_forgotten(tmp_path) -> None:
    store = Store(tmp_path / "a.sqlite")
    case = store.add_case("c", "x")
    kept = store.add_job("1" * 64, "kept", 9, case["id"], "x")
    loose = store.add_job("2" * 64, "loose", 9)
    for job in (kept, loose):
        store.take_job()
        store.finish(job["id"], None, "no")
    assert store.list_forgettable("9999") == ["2" * 64]
    assert store.list_forgettable("2000") == []
    store.close()


def test_a_new_correction_ends_what_can_be_redone() -> None:
    def line(action, shot=None, **after):
        return {"action": action, "shot": shot, "after": after}

    machine = [{"onset_s": 1.0, "end_s": 1.1, "label": "A"}]
    lines = [line("label", "m0", label="B"), line("undo"), line("label", "m0", label="C")]
    assert apply_corrections(machine, lines)[0]["label"] == "C"
    done, undone = list_effective(lines)
    assert (len(done), undone) == (1, [])


def test_corrections_at_once_leave_a_history_that_can_be_read(client, recording) -> None:
    change = {"action": "label", "shot": "m0", "label": "x"}
    assert client.post(f"{recording}/corrections", json=change).status_code == 200
    with ThreadPoolExecutor(8) as pool:
        codes = [
            answer.status_code
            for answer in pool.map(lambda _: client.post(f"{recording}/undo"), range(8))
        ]
    assert sorted(codes) == [200, *[409] * 7]
    assert not client.get(recording).json()["can_undo"]
