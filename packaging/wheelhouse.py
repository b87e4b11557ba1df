"""Collect the wheels of shotprint and of all it needs, for a machine without a network.

usage: python packaging/wheelhouse.py [--extras evaluate,train] [--platform win_amd64]
       [--python 3.12] [-o wheelhouse]

Needs pip and a network, installs nothing. Writes the wheels, ``SHA256SUMS``, ``requirements.txt``
(each version with its hash) and ``INSTALL.txt``, whose two lines install them; then lets pip
resolve the folder for that machine without a network.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

from pip._vendor.packaging.markers import default_environment
from pip._vendor.packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PLATFORMS = {  # what is asked for → the tags that it takes, newest first
    "win_amd64": ["win_amd64"],
    "manylinux_x86_64": ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"],
    "manylinux_aarch64": ["manylinux_2_28_aarch64", "manylinux2014_aarch64"],
}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--extras", default="", help="such as evaluate,train; without: recognition")
    parser.add_argument("--platform", choices=PLATFORMS, help="without: this machine's")
    parser.add_argument("--python", help="3.11, 3.12 or 3.13; without: this one")
    parser.add_argument("-o", "--output", type=Path, default=Path("wheelhouse"))
    return parser.parse_args(arguments)


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"pip ended with exit code {done.returncode}; its last lines say why")


def choose_options(asked: argparse.Namespace, online: bool = True) -> list[str]:
    """Return what pip is told about the machine the wheels are for."""
    options = ["--only-binary=:all:"]
    for tag in PLATFORMS.get(asked.platform, ()):
        options += ["--platform", tag]
    if asked.python or asked.platform:
        version = asked.python or f"{sys.version_info.major}.{sys.version_info.minor}"
        options += ["--python-version", version, "--implementation", "cp"]
    if online and ("train" in asked.extras or "dev" in asked.extras):
        options += ["--extra-index-url", CPU_INDEX]
    return options


def collect(asked: argparse.Namespace) -> None:
    """Build shotprint's wheel and download the rest beside it, in the versions that were tested."""
    folder = asked.output.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        sys.exit(f"{folder} holds files already; remove it or name another folder with -o")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("shotprint-*.whl")
    named = f"{wheel}[{asked.extras}]" if asked.extras else str(wheel)
    constraints = folder / "constraints.txt"
    constraints.write_text(choose_versions(asked), encoding="utf-8")
    wanted = [named]
    while wanted:
        pip(
            *("download", "--quiet", "--dest", str(folder), "-c", str(constraints)),
            *(*choose_options(asked), *wanted),
        )
        before, wanted = wanted, list_missing(folder, asked)
        if wanted == before:
            sys.exit(f"no wheel found for {', '.join(wanted)}; try another --platform or --python")
    constraints.unlink()


def list_missing(folder: Path, asked: argparse.Namespace) -> list[str]:
    """Return what the machine needs and the wheels are not: pip looks at the one it runs on."""
    wheels = {normalize(wheel.name.split("-")[0]): wheel for wheel in folder.glob("*.whl")}
    machine = describe_machine(asked)
    wanted, seen, missing = [Requirement(f"shotprint[{asked.extras}]")], set(), []
    while wanted:
        need = wanted.pop()
        need.marker = None
        if str(need) in seen:
            continue
        seen.add(str(need))
        wheel = wheels.get(normalize(need.name))
        if wheel is None or not need.specifier.contains(wheel.name.split("-")[1], prereleases=True):
            missing.append(str(need))
            continue
        for each in map(Requirement, read_requirements(wheel)):
            extras = need.extras or {""}
            if not each.marker or any(each.marker.evaluate(machine | {"extra": x}) for x in extras):
                wanted.append(each)
    return sorted(missing)


def describe_machine(asked: argparse.Namespace) -> dict[str, str]:
    """Return what the markers of requirements ask of the machine that the wheels are for."""
    found = dict(default_environment())
    if asked.platform == "win_amd64":
        found |= {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
        found["platform_machine"] = "AMD64"
    elif asked.platform:
        found |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
        found["platform_machine"] = asked.platform.removeprefix("manylinux_")
    if asked.python:
        found |= {"python_version": asked.python, "python_full_version": f"{asked.python}.0"}
    return found


def read_requirements(wheel: Path) -> list[str]:
    """Return what a wheel says that it needs."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = [n for n in file.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        return BytesParser().parsebytes(file.read(name)).get_all("Requires-Dist") or []


def normalize(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def choose_versions(asked: argparse.Namespace) -> str:
    """Return the tested versions; of torch the build without CUDA, where there is one."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    if "train" in asked.extras and asked.platform != "manylinux_aarch64":
        lines = [f"{each}+cpu" if each.startswith("torch==") else each for each in text.split("\n")]
        return "\n".join(lines)
    return text


def check(asked: argparse.Namespace) -> None:
    """Let pip resolve the folder without a network for the machine, and install nothing."""
    folder = asked.output.resolve()
    missing = list_missing(folder, asked)
    if missing:
        sys.exit(f"{folder} lacks {', '.join(missing)}; collect it again")
    with tempfile.TemporaryDirectory() as nowhere:
        pip(
            *("install", "--quiet", "--dry-run", "--target", nowhere, "--no-index"),
            *("--find-links", str(folder), *choose_options(asked, online=False)),
            *("--require-hashes", "-r", str(folder / "requirements.txt")),
        )


def describe(asked: argparse.Namespace) -> None:
    """Write the hashes and how to install."""
    wheels = sorted(asked.output.glob("*.whl"))
    hashes = {wheel: hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}
    sums = "".join(f"{sha256}  {wheel.name}\n" for wheel, sha256 in hashes.items())
    pinned = [
        f"{name}{f'[{asked.extras}]' if name == 'shotprint' and asked.extras else ''}"
        f"=={version} --hash=sha256:{sha256}\n"
        for wheel, sha256 in hashes.items()
        for name, version in [wheel.name.split("-")[:2]]
    ]
    install = (
        "python -m venv shotprint-env\n"
        "shotprint-env/bin/pip install --no-index --find-links . --require-hashes"
        " -r requirements.txt\n"
    )
    if asked.platform == "win_amd64":
        install = install.replace("/bin/", "\\Scripts\\")
    contents = {"SHA256SUMS": sums, "requirements.txt": "".join(pinned), "INSTALL.txt": install}
    for name, text in contents.items():
        (asked.output / name).write_text(text, encoding="utf-8", newline="\n")
    size_mb = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    print(f"{asked.output}: {len(wheels)} wheels, {size_mb:.0f} MB\n{install}", end="")


if __name__ == "__main__":
    request = parse()
    collect(request)
    describe(request)
    check(request)
