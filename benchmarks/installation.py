"""The size of the base install, measured now and then and kept in ``installation.json``."""

import json
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from benchmarks.measuring import ROOT, run, say

RECORD = Path(__file__).with_name("installation.json")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src")
N_LARGEST = 5


@dataclass(frozen=True)
class Installation:
    """What ``pip install .`` without extras puts into an empty environment, in MB."""

    size_mb: float
    largest_mb: dict[str, float]
    platform: str
    python: str
    measured: str


def measure_installation() -> Installation:
    """Install into a fresh environment, measure and keep what was found."""
    say("installing shotprint into a fresh environment")
    with tempfile.TemporaryDirectory() as folder:
        source, environment = Path(folder) / "source", Path(folder) / "environment"
        copy_sources(source)
        pip = make_environment(environment)
        run([*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", source])
        packages = find_packages(environment)
        sizes_mb = {part.name: measure_mb(part) for part in packages.iterdir()}
    largest = sorted(sizes_mb.items(), key=lambda item: -item[1])[:N_LARGEST]
    installation = Installation(
        size_mb=round(sum(sizes_mb.values()), 1),
        largest_mb={name: round(size_mb, 1) for name, size_mb in largest},
        platform=sys.platform,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        measured=date.today().isoformat(),
    )
    RECORD.write_text(json.dumps(asdict(installation), indent=1) + "\n", encoding="utf-8")
    return installation


def make_environment(folder: Path) -> list[str | Path]:
    """Make an empty environment; return the start of the pip commands for it."""
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    return [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]


def find_packages(environment: Path) -> Path:
    """Return the folder of an environment's packages."""
    (packages,) = environment.glob("lib/python*/site-packages")
    return packages


def read_installation() -> Installation | None:
    """Return what was measured last; None: never."""
    if not RECORD.is_file():
        return None
    return Installation(**json.loads(RECORD.read_text(encoding="utf-8")))


def copy_sources(folder: Path) -> None:
    """Copy what is installed, so that the build leaves nothing in the repository."""
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)


def measure_mb(path: Path) -> float:
    """Return the size of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
