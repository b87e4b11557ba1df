"""The page of the benchmarks, and what is said of tools that do not run; nothing is timed."""

import dataclasses
import json
import sys
import zipfile

import pytest
from benchmarks import comparison, gpu, page, peers
from benchmarks.comparison import Comparison
from benchmarks.peers import Failed, Peer
from benchmarks.rows import Row
from benchmarks.workshop import work_for

OURS = Row("many files", 120, "files/s", more_is_better=True, target=150)
BESIDE = Row(
    "many files", 120, "files/s", more_is_better=True, target_ratio=20, baseline=4, way="a tool"
)


@pytest.fixture
def record(tmp_path, monkeypatch):
    path = tmp_path / "comparison.json"
    monkeypatch.setattr(comparison, "RECORD", path)
    return path


def test_other_tools_stay_on_the_page_as_they_were_measured_last(record):
    found = Comparison("2026-01-02", "a chip", {"tool": "3.1"}, {"bird": "needs more"}, (BESIDE,))
    record.write_text(json.dumps(dataclasses.asdict(found)), encoding="utf-8")
    text = page.write_page([OURS], load=0.1, seconds=60)
    assert "| many files | 120 files/s | ≥ 150 files/s | **no** |  |  |" in text
    assert "Measured 2026-01-02" in text
    assert "a chip, 2 cores; tool 3.1." in text
    assert "| many files | 120 files/s | ≥ 20 × | yes | 4.00 files/s, a tool | 30.0 × |" in text
    assert "- bird: needs more." in text


def test_without_other_tools_the_page_has_no_word_of_them(record):
    text = page.write_page([OURS], load=0.1, seconds=60)
    assert "Beside other tools" not in text
    assert "\n\n## Machine\n" in text


def test_a_gpu_stays_on_the_page_as_it_was_measured_last(record, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "RECORD", tmp_path / "gpu.json")
    assert "On a GPU" not in page.write_page([OURS], load=0.1, seconds=60)
    machine = gpu.Machine(tmp_path, n_shots=1, device="cuda")
    gpu.write_record(gpu.RECORD, machine, [BESIDE])
    assert gpu.read_record().rows == (BESIDE,)
    text = page.write_page([OURS], load=0.1, seconds=60)
    assert f"; {gpu.name_gpu()}, {machine.n_cores} cores of" in text
    assert "| 4.00 files/s, a tool | 30.0 × |" in text
    assert "\n\n## On a GPU\n" in text
    assert "\n\n## Machine\n" in text


def test_a_folder_without_tools_is_told_how_to_be_filled(tmp_path):
    with pytest.raises(SystemExit, match=r"found no peers\.json.*--install"):
        peers.read_peers(tmp_path)


def test_what_stops_a_tool_is_told(tmp_path):
    """The interpreter is ours, in which there is no birdnet."""
    python = tmp_path / "birdnet" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    recipe = peers.RECIPES["birdnet"]
    problem = peers.try_out(tmp_path, "birdnet", recipe)
    assert problem == f"does not run here (ModuleNotFoundError); {recipe.remark}"


def test_a_tool_that_dies_is_told(tmp_path):
    python = tmp_path / "birdnet" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nkill -9 $$\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(Failed, match="its prepare ended early"):
        peers.work(tmp_path, "birdnet", "prepare")


def test_other_tools_choose_how_many_threads_they_use(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    python = tmp_path / "toy" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\necho "{\\"answer\\": \\"$OMP_NUM_THREADS\\"}"\n', encoding="utf-8"
    )
    python.chmod(0o755)
    assert peers.work(tmp_path, "toy", "recognize")[0] == ""


def write_wheel(folder, name):
    """Write a package of nothing but a version, as pip installs it."""
    path = folder / f"{name}-1.5-py3-none-any.whl"
    facts = f"{name}-1.5.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{facts}/RECORD", "")
        wheel.writestr(f"{name}.bin", bytes(200_000))
    return str(path)


def test_a_tool_is_installed_and_weighed(tmp_path):
    recipe = peers.Recipe((write_wheel(tmp_path, "toy"),))
    version, size_mb = peers.install_peer(tmp_path / "peers", "toy", recipe)
    assert (version, size_mb) == ("1.5", 0.2)


def test_a_tool_that_would_bring_cuda_is_left_out(tmp_path):
    recipe = peers.Recipe((write_wheel(tmp_path, "toy"), write_wheel(tmp_path, "nvidia_toy")))
    with pytest.raises(Failed, match="pip would bring nvidia_toy"):
        peers.install_peer(tmp_path / "peers", "toy", recipe)
    assert not list((tmp_path / "peers").rglob("toy-1.5*"))


def test_a_job_answers_from_a_process_of_its_own():
    macs = work_for("floor.count_arithmetic")
    assert set(macs) == {"detector", "judge", "recogniser"}
    assert macs["judge"] < macs["detector"]


def test_peers_are_read_as_they_were_written(tmp_path):
    content = {"tool": dataclasses.asdict(Peer("1.2", 34.5))}
    (tmp_path / peers.RECORD).write_text(json.dumps(content), encoding="utf-8")
    assert peers.read_peers(tmp_path) == {"tool": Peer("1.2", 34.5, "")}
