"""Opening model files: ONNX Runtime tells nobody of it."""

import os
import subprocess
import sys

from shotprint.weights import shipped_detector

SCRIPT = """
import sys
from pathlib import Path
from shotprint.inference import open_session
open_session(Path(sys.argv[1]), threads=1)
"""


def test_nothing_is_noted_of_what_is_opened(tmp_path):
    """Left to itself, ONNX Runtime 1.29 and later begin a database of it in the cache's folder."""
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    environment = {**known, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", SCRIPT, str(shipped_detector())]
    subprocess.run(command, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
