"""Other tools, each in an environment of its own: ``python -m benchmarks.peers --install DIR``.

`comparison` runs them from there. A tool whose packages would bring libraries for graphics cards
is left out, one that cannot open its network is not run; ``peers.json`` in the folder says why.
"""

import argparse
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.installation import find_packages, make_environment, measure_mb
from benchmarks.measuring import Usage, run, say

RECORD = "peers.json"
WORKER = Path(__file__).with_name("peer_work.py")
TORCH = "torch==2.13.0"
FOR_CUDA = re.compile("nvidia|cuda|triton")


@dataclass(frozen=True)
class Recipe:
    """How a tool is installed.

    Attributes
    ----------
    requirements : what pip is asked for; torch by its version, for the newest may be for CUDA
    unused : parts that are built for CUDA only and taken away, for the tool runs without them
    remark : what is to be known of a tool that does not run
    """

    requirements: tuple[str, ...]
    unused: tuple[str, ...] = ()
    remark: str = ""


RECIPES: Mapping[str, Recipe] = {
    "panns-inference": Recipe((TORCH, "panns-inference")),
    "opensoundscape": Recipe((TORCH, "opensoundscape"), ("torchaudio/lib",)),
    "birdnet": Recipe(("birdnet",), remark="its network is downloaded when it is first used"),
}
OURS = {"PYTHONPATH", *(f"{name}_NUM_THREADS" for name in ("OMP", "MKL", "OPENBLAS"))}
"""What other tools are not given: set for ours, it would keep theirs to one thread."""
HOSTS = {"baseline": "panns-inference"}
"""Who runs in the environment of another: the baseline's network is that of panns-inference."""


@dataclass(frozen=True)
class Peer:
    """A tool as installed.

    Attributes
    ----------
    version, size_mb : empty and 0: not installed
    problem : why it is not installed or does not run; empty: it runs
    """

    version: str = ""
    size_mb: float = 0.0
    problem: str = ""


class Failed(Exception):
    """A tool could not do what it was asked for."""


def install(folder: Path) -> None:
    """Install all tools anew, open each, and write down what came of it."""
    peers = {}
    for name, recipe in RECIPES.items():
        say(f"installing {name}")
        try:
            version, size_mb = install_peer(folder, name, recipe)
            peers[name] = Peer(version, size_mb, try_out(folder, name, recipe))
        except Failed as error:
            peers[name] = Peer(problem=str(error))
        say(f"{name}: {peers[name]}")
    content = {name: asdict(peer) for name, peer in peers.items()}
    (folder / RECORD).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def install_peer(folder: Path, name: str, recipe: Recipe) -> tuple[str, float]:
    """Install a tool into an environment of its own; return its version and the size of all."""
    environment = folder / name
    shutil.rmtree(environment, ignore_errors=True)
    pip = make_environment(environment)
    try:
        resolve = ["install", "--quiet", "--dry-run", "--report", "-", *recipe.requirements]
        report = json.loads(run([*pip, *resolve]).stdout)
        versions = {
            each["metadata"]["name"]: each["metadata"]["version"] for each in report["install"]
        }
        if for_cuda := sorted(filter(FOR_CUDA.search, versions)):
            raise Failed(f"not installed: pip would bring {', '.join(for_cuda)}")
        run([*pip, "install", "--quiet", *recipe.requirements])
    except SystemExit:
        raise Failed(f"pip could not install {' '.join(recipe.requirements)}") from None
    packages = find_packages(environment)
    size_mb = measure_mb(packages)
    for part in recipe.unused:
        shutil.rmtree(packages / part)
    return versions[name], round(size_mb, 1)


def try_out(folder: Path, name: str, recipe: Recipe) -> str:
    """Return why an installed tool cannot open its network; empty: it can."""
    shutil.rmtree(find_home(folder, name), ignore_errors=True)
    try:
        prepare(folder, name)
        work(folder, name, "recognize", paths=[], n_warm=0, n_rounds=0)
    except Failed as error:
        return "; ".join(filter(None, (str(error), recipe.remark)))
    return ""


def read_peers(folder: Path) -> dict[str, Peer]:
    """Return what `install` left in a folder."""
    path = folder / RECORD
    if not path.is_file():
        raise SystemExit(
            f"benchmarks: found no {RECORD} in {folder}; expected a folder that "
            "python -m benchmarks.peers --install wrote"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: Peer(**fields) for name, fields in content.items()}


def find_home(folder: Path, name: str) -> Path:
    """Return the home folder that a tool is given."""
    return folder / f"{name}-home"


def prepare(folder: Path, name: str) -> None:
    """Write what a tool would download, with random weights, where that is not done yet."""
    home = find_home(folder, name)
    if home.is_dir():
        return
    home.mkdir()
    try:
        work(folder, name, "prepare")
    except Failed:
        shutil.rmtree(home)
        raise


def work(folder: Path, name: str, job: str, **arguments: Any) -> tuple[Any, Usage]:
    """Do a job of `peer_work` in a tool's own interpreter; return its answer, and what it took."""
    python = folder / HOSTS.get(name, name) / "bin" / "python"
    variables = {key: value for key, value in os.environ.items() if key not in OURS}
    variables["HOME"] = str(find_home(folder, name))
    try:
        usage = run([python, WORKER, name, job, json.dumps(arguments)], variables)
    except SystemExit:
        raise Failed(f"its {job} ended early") from None
    content = json.loads(usage.stdout.splitlines()[-1])
    if "failed" in content:
        raise Failed(f"does not run here ({content['failed']})")
    return content["answer"], usage


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--install", type=Path, metavar="DIR", required=True)
    return parser.parse_args(arguments)


def main() -> None:
    """Install."""
    folder = parse().install.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    install(folder)


if __name__ == "__main__":
    main()
