"""Requests made up from the service's own OpenAPI meet no error of the server.

`SHOTPRINT_FUZZ` says how many an address; a few by default.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")
if sys.platform == "win32":
    pytest.skip("processes are killed with signals here", allow_module_level=True)

from serving import ServedProcess


def test_no_made_up_request_breaks_the_service(tmp_path) -> None:
    served = ServedProcess(tmp_path)
    try:
        code = "from schemathesis.cli import schemathesis; schemathesis()"
        options = ["--checks", "not_a_server_error", "--phases", "fuzzing", "--seed", "5"]
        options += [
            "--max-examples",
            os.environ.get("SHOTPRINT_FUZZ", "5"),
            "--exclude-path-regex",
            "events|backup",
            "--no-color",
        ]
        run = subprocess.run(
            [sys.executable, "-c", code, "run", f"{served.url}api/openapi.json", *options],
            capture_output=True, text=True, cwd=tmp_path, timeout=1800, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
        made_up = [line.strip() for line in run.stdout.splitlines() if "generated" in line]
        print(made_up)
        assert made_up, run.stdout[-3000:]
        assert served.answers()
    finally:
        served.kill()
