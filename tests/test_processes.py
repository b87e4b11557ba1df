"""Forked processes, in a fresh interpreter: nothing is forked where other tests left threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
def test_processes_alone() -> None:
    pytest.importorskip("onnx")
    here = Path(__file__)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command.append(str(here.with_name("processes_alone.py")))
    run = subprocess.run(
        command,
        cwd=here.parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "skipped" not in run.stdout
