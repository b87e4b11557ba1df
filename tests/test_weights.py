"""Finding and fetching weights, against a real HTTP server on this machine."""

import dataclasses
import hashlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.weights import (
    WeightsEntry,
    download_weights,
    list_weights,
    locate_weights,
    read_entries,
    read_registry,
    shipped_backbone,
    shipped_model,
)

CONTENT = np.random.default_rng(0).bytes(3_000_000)
OTHER = np.random.default_rng(1).bytes(3_000_000)


class Handler(http.server.BaseHTTPRequestHandler):
    """The path says how the server behaves; it remembers the ranges asked for."""

    ranges: list  # of the server in the fixture

    def do_GET(self):
        behaviour = self.path.split("/")[1].split("?")[0]
        start = self.read_range()
        if behaviour == "missing":
            self.send_error(404)
            return
        content = OTHER if behaviour == "other" else CONTENT
        start = 0 if behaviour == "whole" else start
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if behaviour != "unsized":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        # A broken connection: 1.2 MB more and then nothing, whatever was promised.
        self.wfile.write(content[start : start + 1_200_000 if behaviour == "breaks" else None])

    def read_range(self):
        header = self.headers.get("Range")
        self.ranges.append(header)
        return int(re.fullmatch(r"bytes=(\d+)-", header).group(1)) if header else 0

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """Base URL of the server, and the list of ranges that it was asked for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    ranges = []
    handler = type("RecordingHandler", (Handler,), {"ranges": ranges})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", ranges
        server.shutdown()
        thread.join()


def make_entry(url, **changes):
    entry = WeightsEntry(
        name="tiny",
        filename="tiny=0.4.pth",
        licence="MIT",
        description="for tests",
        url=url,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT),
    )
    return dataclasses.replace(entry, **changes)


NO_HASH = {"sha256": None, "size_bytes": None}


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


# Fetching


@pytest.mark.parametrize("behaviour", ["good?download=1", "whole", "unsized"])
@pytest.mark.parametrize(
    "known",
    [
        {},
        {"size_bytes": None},
        {"sha256": None, "md5": hashlib.md5(CONTENT).hexdigest()},
    ],
    ids=["sha256 and size", "sha256", "md5 and size"],
)
def test_a_download_is_whole_and_alone(tmp_path, server, behaviour, known):
    folder = tmp_path / "neuer Ordner é"
    path = download_weights(make_entry(f"{server[0]}/{behaviour}", **known), folder)
    assert path.read_bytes() == CONTENT
    assert list_names(folder) == ["tiny=0.4.pth"]


def test_a_broken_download_is_kept_apart_and_resumed(tmp_path, server):
    url, ranges = server
    breaks = make_entry(f"{url}/breaks")
    for n_bytes in (1_200_000, 2_400_000):
        with pytest.raises(ShotprintError, match=f"ended after {n_bytes} of 3000000.*goes on"):
            download_weights(breaks, tmp_path)
        assert list_names(tmp_path) == ["tiny=0.4.pth.part"]
    path = download_weights(breaks, tmp_path)
    assert path.read_bytes() == CONTENT
    assert ranges == [None, "bytes=1200000-", "bytes=2400000-"]
    assert list_names(tmp_path) == ["tiny=0.4.pth"]


def test_a_server_that_ignores_ranges_sends_all_again(tmp_path, server):
    (tmp_path / "tiny=0.4.pth.part").write_bytes(CONTENT[:1000])
    path = download_weights(make_entry(f"{server[0]}/whole"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server[1] == ["bytes=1000-"]


def test_a_part_longer_than_the_file_is_replaced(tmp_path, server):
    (tmp_path / "tiny=0.4.pth.part").write_bytes(OTHER + b"more")
    path = download_weights(make_entry(f"{server[0]}/good"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server[1] == ["bytes=3000004-", None]


def test_a_complete_part_is_not_fetched_again(tmp_path, server):
    (tmp_path / "tiny=0.4.pth.part").write_bytes(CONTENT)
    path = download_weights(make_entry(f"{server[0]}/good"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server[1] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"sha256 [0-9a-f]{64}, expected"),
        ({"sha256": None, "md5": "0" * 32}, "md5 .* expected 0000"),
        ({"size_bytes": 7}, "3000000 bytes, expected 7"),
    ],
)
def test_a_wrong_file_is_deleted(tmp_path, server, changes, message):
    with pytest.raises(ShotprintError, match=message):
        download_weights(make_entry(f"{server[0]}/other", **changes), tmp_path)
    assert list_names(tmp_path) == []


def test_wrong_bytes_in_the_part_are_found_out(tmp_path, server):
    (tmp_path / "tiny=0.4.pth.part").write_bytes(OTHER[:1_000_000])
    entry = make_entry(f"{server[0]}/good")
    with pytest.raises(ShotprintError, match="was deleted"):
        download_weights(entry, tmp_path)
    assert download_weights(entry, tmp_path).read_bytes() == CONTENT


def test_an_http_error_is_told(tmp_path, server):
    with pytest.raises(ShotprintError, match=r"/missing/x answers 404 Not Found.*--weights-dir"):
        download_weights(make_entry(f"{server[0]}/missing/x"), tmp_path)
    assert list_names(tmp_path) == []


def test_no_network_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ShotprintError, match=r"never reached http://127.*\(.+\).*--weights-dir"):
        download_weights(make_entry(f"http://127.0.0.1:{port}/good"), tmp_path)
    assert list_names(tmp_path) == []


def test_a_full_disk_is_told_and_freed(tmp_path, server):
    resource = pytest.importorskip("resource", reason="needs POSIX limits to fill a disk")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        with pytest.raises(ShotprintError, match=r"cannot write .*tiny=0.4.pth.*free some space"):
            download_weights(make_entry(f"{server[0]}/good"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list_names(tmp_path) == []


def test_a_cache_that_cannot_be_made_is_told(tmp_path, server):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ShotprintError, match="cannot write"):
        download_weights(make_entry(f"{server[0]}/good"), tmp_path / "file" / "cache")


# Files whose hash nobody published


def test_an_unknown_hash_is_recorded_and_then_verified(tmp_path, server):
    registry = {"tiny": make_entry(f"{server[0]}/good", **NO_HASH)}
    path = locate_weights("tiny", registry=registry, cache_dir=tmp_path)
    record = (tmp_path / "tiny=0.4.pth.sha256").read_text(encoding="utf-8")
    assert record == f"{hashlib.sha256(CONTENT).hexdigest()}  tiny=0.4.pth\n"
    assert locate_weights("tiny", registry=registry, cache_dir=tmp_path) == path
    path.write_bytes(OTHER)
    with pytest.raises(ShotprintError, match=r"sha256 .* expected"):
        locate_weights("tiny", registry=registry, cache_dir=tmp_path)
    # Fetched again, it must be the file of the first download.
    path.unlink()
    with pytest.raises(ShotprintError, match="was deleted"):
        download_weights(make_entry(f"{server[0]}/other", **NO_HASH), tmp_path)
    assert download_weights(registry["tiny"], tmp_path).read_bytes() == CONTENT


def test_an_unknown_hash_is_never_resumed(tmp_path, server):
    (tmp_path / "tiny=0.4.pth.part").write_bytes(OTHER[:1_000_000])
    entry = make_entry(f"{server[0]}/good", **NO_HASH)
    assert download_weights(entry, tmp_path).read_bytes() == CONTENT
    assert server[1] == [None]


def test_a_broken_download_of_unknown_hash_leaves_nothing(tmp_path, server):
    with pytest.raises(ShotprintError, match="ended after 1200000 of 3000000"):
        download_weights(make_entry(f"{server[0]}/breaks", **NO_HASH), tmp_path)
    assert list_names(tmp_path) == []


# Where files are looked for


@pytest.fixture
def folders(tmp_path):
    """A user's folder and a cache, both empty."""
    mine, cache = tmp_path / "mine", tmp_path / "cache"
    mine.mkdir()
    cache.mkdir()
    return mine, cache


def test_the_users_folder_comes_first_then_the_cache_then_the_net(folders, server, monkeypatch):
    mine, cache = folders
    registry = {"tiny": make_entry(f"{server[0]}/good")}

    def locate(**options):
        return locate_weights("tiny", registry=registry, cache_dir=cache, **options)

    with pytest.raises(ShotprintError, match=r"models --fetch tiny.*SHOTPRINT_WEIGHTS"):
        locate(download=False)
    assert locate() == cache / "tiny=0.4.pth"
    assert locate(weights_dir=mine, download=False) == cache / "tiny=0.4.pth"
    (mine / "tiny=0.4.pth").write_bytes(CONTENT)
    assert locate(weights_dir=mine) == mine / "tiny=0.4.pth"
    assert locate() == cache / "tiny=0.4.pth"
    monkeypatch.setenv("SHOTPRINT_WEIGHTS", str(mine))
    assert locate() == mine / "tiny=0.4.pth"
    assert len(server[1]) == 1


def test_a_wrong_file_in_the_users_folder_is_not_passed_over(folders):
    mine, cache = folders
    (mine / "tiny=0.4.pth").write_bytes(OTHER)
    (cache / "tiny=0.4.pth").write_bytes(CONTENT)
    registry = {"tiny": make_entry("http://127.0.0.1:9/")}
    with pytest.raises(ShotprintError, match=r"mine.*expected.*delete it"):
        locate_weights("tiny", mine, registry=registry, cache_dir=cache)


def test_unknown_names_and_folders_are_errors(tmp_path):
    with pytest.raises(ShotprintError, match="'cnn99'; expected one of efficientat_mn04,"):
        locate_weights("cnn99", cache_dir=tmp_path)
    with pytest.raises(ShotprintError, match="absent is no folder"):
        locate_weights("panns_cnn6", tmp_path / "absent", cache_dir=tmp_path)


def test_the_published_mn04_is_verified(shared, tmp_path):
    path = locate_weights(
        "efficientat_mn04", shared / "weights", download=False, cache_dir=tmp_path
    )
    assert path == shared / "weights" / "mn04_as_mAP_432.pt"


# What is listed


def test_every_published_entry_can_be_fetched_and_names_its_licence():
    registry = read_registry()
    assert len(registry) == 8
    for name, entry in registry.items():
        assert entry.name == name
        assert entry.url.startswith("https://")
        assert entry.licence in ("MIT", "CC BY 4.0")
        assert (entry.md5 is None) or len(entry.md5) == 32
        assert (entry.sha256 is None) or len(entry.sha256) == 64


@pytest.mark.parametrize(
    "text", ["[a]\nfilename = 3 4", '[a]\nfile = "x"', 'a = "x"', '[a]\nfilename = "x"']
)
def test_a_wrong_list_of_weights_is_told(tmp_path, text):
    (tmp_path / "list.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=r"list\.toml is no list of weights"):
        read_entries(tmp_path / "list.toml")


@pytest.fixture
def shipped(tmp_path):
    """A folder laid out as the shipped one."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    lines = []
    for name, filename, content in (("model", "g.onnx", b"m"), ("backbone", "g.safetensors", b"b")):
        (folder / filename).write_bytes(content)
        lines += [
            f'[{name}]\nfilename = "{filename}"\nsha256 = "{hashlib.sha256(content).hexdigest()}"',
            'licence = "MIT"\ndescription = "a gun"\n',
        ]
    (folder / "shipped.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_shipped_files_are_found_and_verified(shipped):
    assert shipped_model(shipped) == shipped / "g.onnx"
    assert shipped_backbone(shipped) == shipped / "g.safetensors"
    (shipped / "g.onnx").write_bytes(b"changed")
    with pytest.raises(ShotprintError, match="expected"):
        shipped_model(shipped)
    (shipped / "g.onnx").unlink()
    with pytest.raises(ShotprintError, match="no shipped model"):
        shipped_model(shipped)


def test_the_list_says_what_is_where_and_whether_it_is_whole(shipped, folders):
    _, cache = folders
    (cache / "mn04_as_mAP_432.pt").write_bytes(b"half")
    (cache / "mn05_as_mAP_443.pt").write_bytes(b"put here by hand")
    listed = {status.entry.name: status for status in list_weights(None, cache, shipped)}
    assert list(listed)[:2] == ["model", "backbone"]
    assert len(listed) == 10
    assert (listed["model"].origin, listed["model"].problem) == ("shipped", None)
    assert "expected 4066513" in listed["efficientat_mn04"].problem
    assert listed["efficientat_mn05"].path == cache / "mn05_as_mAP_443.pt"
    assert listed["efficientat_mn05"].checksum is None
    assert listed["panns_cnn14"].path is None
    assert listed["panns_cnn14"].checksum == "md5:541141fa2ee191a88f24a3219fff024e"


# The command


def run_models(*arguments, **environment):
    code = "from shotprint.cli import main; main()"
    command = [sys.executable, "-c", code, "models", *arguments]
    env = {**os.environ, "PYTHONUTF8": "1", **environment}
    return subprocess.run(command, capture_output=True, check=False, encoding="utf-8", env=env)


def test_models_command_lists_and_finds(shared):
    weights = str(shared / "weights")
    run = run_models("--format", "json", SHOTPRINT_WEIGHTS=weights)
    assert run.returncode == 0, run.stderr
    by_name = {entry["name"]: entry for entry in json.loads(run.stdout)["weights"]}
    assert by_name["efficientat_mn04"]["path"].endswith("mn04_as_mAP_432.pt")
    assert by_name["efficientat_mn04"]["problem"] is None
    table = run_models("--weights-dir", weights).stdout
    assert "CC BY 4.0" in table
    assert "hash unknown: recorded at first download" in table
    fetched = run_models("--fetch", "efficientat_mn04", "--weights-dir", weights)
    assert fetched.stdout.strip().endswith("mn04_as_mAP_432.pt")
    wrong = run_models("--fetch", "cnn99")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no weights 'cnn99'" in wrong.stderr
