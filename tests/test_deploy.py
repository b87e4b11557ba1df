"""What runs the service elsewhere is without a fault, as linters see it; skipped without them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from shotprint.cli import app

DEPLOY = Path(__file__).parents[1] / "deploy"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def lint_unit(folder: Path, text: str) -> str:
    """Return what systemd says of a unit whose program is there."""
    path = folder / "shotprint.service"
    path.write_text(text.replace("/opt/shotprint/bin/shotprint", "/bin/true"))
    return run("systemd-analyze", "verify", str(path)).stderr


def lint_image(path: Path) -> subprocess.CompletedProcess[str]:
    """Return what dockerfile-utils says; `npx --yes dockerfile-utils --version` brings it."""
    found = run("npx", "--offline", "--yes", "dockerfile-utils", "lint", str(path))
    if "ENOTCACHED" in found.stderr:
        pytest.skip("dockerfile-utils is not at hand; npx --yes dockerfile-utils brings it")
    return found


def test_systemd_finds_no_fault_in_the_unit(tmp_path) -> None:
    text = (DEPLOY / "shotprint.service").read_text()
    assert lint_unit(tmp_path, text) == ""
    assert "Restat" in lint_unit(tmp_path, text.replace("Restart=", "Restat="))


def test_no_fault_is_found_in_the_dockerfile(tmp_path) -> None:
    found = lint_image(DEPLOY / "Dockerfile")
    assert (found.returncode, found.stdout) == (0, ""), found.stdout
    faulty = tmp_path / "Dockerfile"
    faulty.write_text((DEPLOY / "Dockerfile").read_text().replace("EXPOSE 8765", "EXPOSE port"))
    assert lint_image(faulty).returncode != 0


@pytest.mark.parametrize("name", ["shotprint.service", "Dockerfile"])
def test_the_service_has_the_options_it_is_started_with(name) -> None:
    lines = (DEPLOY / name).read_text().splitlines()
    started = [line for line in lines if line.startswith(("ExecStart=", "ENTRYPOINT", "CMD"))]
    used = set(re.findall(r"--[a-z-]+", " ".join(started)))
    parameters = typer.main.get_command(app).commands["serve"].params  # type: ignore[attr-defined]
    assert used
    assert used <= {option for each in parameters for option in each.opts}
