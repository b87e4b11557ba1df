"""Requests made up from the service's own OpenAPI meet no error of the server.

Half of their ids are of things that are there, so that what lies behind the ids is reached too.
`SHOTPRINT_FUZZ` says how many an address; a few by default.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")
if sys.platform == "win32":
    pytest.skip("processes are killed with signals here", allow_module_level=True)

import httpx

from serving import ServedProcess
from shotprint.simulation.cadre import Settings, simulate_set
from shotprint.web.exports import EXPORTS, REPORTS

PROBABILITY = 0.5
REQUEST_S = "20"  # a stream of events that does not end within is an error


def fill(served: ServedProcess, folder: Path) -> dict[str, list[str]]:
    """Put a recording into a case; return what parameters may be."""
    simulate_set(folder, Settings(shots=1, guns=("Glock9",)))
    with httpx.Client(base_url=served.url, timeout=60) as client:
        case = client.post("/api/cases", json={"name": "c"}).json()["id"]
        files = {"file": ("a.wav", min(folder.rglob("*.wav")).read_bytes())}
        answer = client.post(f"/api/cases/{case}/recordings", files=files).json()
        job, recording = answer["job"]["id"], answer["recording"]["id"]
        while client.get(f"/api/jobs/{job}").json()["state"] != "done":
            time.sleep(0.1)
        (model,) = client.get("/api/models").json()
    return {
        "path.job_id": [job],
        "path.case_id": [case],
        "path.recording_id": [recording],
        "path.sha256": [model["sha256"]],
        "path.name": [*(name for name in EXPORTS if name not in REPORTS), "confusion"],
        "query.a": [f"{recording}:m0"],
        "query.b": [f"{recording}:m0"],
    }


def format_config(values: dict[str, list[str]]) -> str:
    """Return a configuration that takes some values of parameters from lists."""
    lines = []
    for place, each in enumerate(values.values()):
        lines += [f"[dictionaries.d{place}]", f"values = {each}"]
    lines.append("[parameters]")
    for place, name in enumerate(values):
        binding = f'dictionary = "d{place}", probability = {PROBABILITY}'
        lines.append(f'"{name}" = {{ {binding} }}')
    return "\n".join(lines)


def test_no_made_up_request_breaks_the_service(tmp_path) -> None:
    served = ServedProcess(tmp_path)
    try:
        config = format_config(fill(served, tmp_path / "set"))
        (tmp_path / "schemathesis.toml").write_text(config)
        code = "from schemathesis.cli import schemathesis; schemathesis()"
        options = ["--checks", "not_a_server_error", "--phases", "fuzzing", "--seed", "5"]
        options += ["--max-examples", os.environ.get("SHOTPRINT_FUZZ", "5"), "--no-color"]
        options += ["--request-timeout", REQUEST_S]
        run = subprocess.run(
            [sys.executable, "-c", code, "run", f"{served.url}api/openapi.json", *options],
            capture_output=True, text=True, cwd=tmp_path, timeout=3000, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
        n_addresses = re.search(r"Selected: (\d+)/\1$", run.stdout, re.M)  # none is left out
        n_requests = re.search(r"(\d+) generated, \1 passed", run.stdout)
        assert n_addresses, run.stdout[-3000:]
        assert n_requests, run.stdout[-3000:]
        print(f"{n_requests[1]} requests to {n_addresses[1]} addresses")
        answered = re.findall(
            r'shotprint_requests_total.*"} \d+', httpx.get(f"{served.url}metrics").text
        )
        print("\n".join(answered))
        assert any('"GET",status="200"' in line for line in answered)
    finally:
        served.kill()
