"""Requests made up from the service's own OpenAPI meet no error of the server."""

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
        options += ["--max-examples", "5", "--exclude-path-regex", "events|backup", "--no-color"]
        run = subprocess.run(
            [sys.executable, "-c", code, "run", f"{served.url}api/openapi.json", *options],
            capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
        assert "generated" in run.stdout, run.stdout[-3000:]
        assert served.answers()
    finally:
        served.kill()
