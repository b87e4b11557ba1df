"""Programs that play those which a test does not have: ``python stand_ins.py NAME WORDS…``.

Each looks at what it is told, refuses what the real one would, and does the nearest thing that
this machine can do in seconds and without a network.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = (
    *("shotprint", "python3", "py", "make", "pip", "ffmpeg", "arecord", "nc", "jq"),
    *("torchrun", "sbatch"),
)


TOY = """import os, subprocess, sys


def main():
    sys.exit(subprocess.call([os.environ["PYTHON"], "-m", "shotprint", *sys.argv[1:]]))
"""


def install(folder: Path, names: Sequence[str] = NAMES) -> Path:
    """Write a program of each name into a new folder."""
    folder.mkdir(parents=True)
    for name in names:
        program = folder / name
        program.write_text(
            f'#!/bin/sh\nexec "$PYTHON" "{__file__}" {name} "$@"\n', encoding="utf-8"
        )
        program.chmod(0o755)
    return folder


def shotprint(*words: str) -> int:
    return _run(sys.executable, "-m", "shotprint", *words)


def python3(*words: str) -> int:
    return _run(sys.executable, *words)


def py(version: str, *words: str) -> int:
    """Run what the launcher of Windows would."""
    assert re.fullmatch(r"-3\.1[1-3]", version), version
    return python3(*words)


def make(target: str, *settings: str) -> int:
    """Run what the target runs, made short; the real make says what that is, where there is one."""
    options = dict(each.split("=", 1) for each in settings).get("OPTIONS", "")
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    rule = re.search(rf"^{target}:.*\n\t(.+)", text, re.M)
    assert rule, f"there is no target {target}"
    command = rule[1].replace("$(OPTIONS)", options)
    if real := _find_real("make"):
        told = [real, "-n", "-C", str(ROOT), "--no-print-directory", target, *settings]
        plan = subprocess.run(told, capture_output=True, text=True, check=True).stdout
        assert plan.splitlines()[-1].split()[1:] == command.split()[1:]
    if target == "wheelhouse":
        return _collect_toys(options)
    if target == "bench":
        from benchmarks.__main__ import parse

        parse(options.split())
        command = [sys.executable, "-m", "benchmarks", "--only", "help"]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    assert target == "demo", f"nobody plays make {target}"
    with tempfile.TemporaryDirectory() as folder:
        script, recipe = (Path(folder, f"demo.{ending}") for ending in ("py", "toml"))
        shutil.copy(ROOT / command.split()[1], script)
        text = (ROOT / "examples" / recipe.name).read_text(encoding="utf-8")
        recipe.write_text(re.sub(r"^epochs = \d+$", "epochs = 0", text, flags=re.M), "utf-8")
        return _run(sys.executable, str(script), *command.split()[2:])


def _collect_toys(options: str) -> int:
    """Make a wheelhouse of a wheel that calls this machine's shotprint."""
    tool = runpy.run_path(str(ROOT / "packaging" / "wheelhouse.py"))
    asked = tool["parse"](options.split())
    asked.output.mkdir(parents=True)
    info = "shotprint-1.0.dist-info"
    extras = "".join(f"Provides-Extra: {each}\n" for each in asked.extras.split(",") if each)
    wheel = {
        "toy_shotprint.py": TOY,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: shotprint\nVersion: 1.0\n{extras}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nshotprint = toy_shotprint:main\n",
    }
    wheel[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*wheel, f"{info}/RECORD"])
    with zipfile.ZipFile(asked.output / "shotprint-1.0-py3-none-any.whl", "w") as file:
        for name, text in wheel.items():
            file.writestr(name, text)
    tool["describe"](asked)
    tool["check"](asked)
    return 0


def pip(*words: str) -> int:
    """See whether what is to be installed exists."""
    assert words[0] == "install", words
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in words[1:]:
        named = re.fullmatch(r"\.(?:\[([\w,]+)\])?", word)
        assert named, word
        assert {*(named[1] or "").split(",")} - {""} <= {*project["optional-dependencies"]}, word
    return 0


def ffmpeg(*words: str) -> int:
    """Read a file instead of the camera."""
    told = ["range.mp4" if word.startswith("rtsp://") else word for word in words]
    assert told != list(words)
    real = _find_real("ffmpeg")
    if real is None:
        return _write("recording.wav")
    return _run(real, *told)


def arecord(*words: str) -> int:
    """Give a recording of the rate that is asked for."""
    assert words == ("-q", "-f", "S16_LE", "-r", "48000"), words
    return _write("recording.wav")


def nc(*words: str) -> int:
    """Give a recording as some device might send it: 44.1 kHz, two channels, 24 bits, no header."""
    import soundfile

    from toy import make_shot

    assert words == ("-l", "5000"), words
    shot = make_shot(1, 2.0, 44100, 0.5)
    sound = soundfile.SoundFile(
        sys.stdout.buffer.fileno(), "w", 44100, 2, "PCM_24", "LITTLE", "RAW", closefd=False
    )
    sound.write([[value, value] for value in shot])
    sound.close()
    return 0


def _write(path: str) -> int:
    sys.stdout.buffer.write(Path(path).read_bytes())
    return 0


def jq(*words: str) -> int:
    import json

    assert words[0] == "-r", words
    value = json.load(sys.stdin)
    for name in words[1].strip(".").split("."):
        value = value[name]
    print(value)
    return 0


def torchrun(*words: str) -> int:
    """Start PyTorch's own torchrun; of several machines all are this one."""
    n_nodes = int(words[words.index("--nnodes") + 1]) if "--nnodes" in words else 1
    port = _find_port()
    told = [re.sub(r"^HOST:\d+$", f"127.0.0.1:{port}", word) for word in words]
    command = [sys.executable, "-m", "torch.distributed.run"]
    if n_nodes == 1:
        command.append("--standalone")
    nodes = [subprocess.Popen([*command, *told]) for _ in range(n_nodes)]
    return max(node.wait() for node in nodes)


def sbatch(script: str, *words: str) -> int:
    """Run a job on one node with two tasks, whatever it asks for."""
    text = Path(script).read_text(encoding="utf-8")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\S+)$", text, re.M))
    assert {"nodes", "ntasks-per-node", "gpus-per-node"} <= {*asked}, asked
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": asked["job-name"], "SLURM_NNODES": "1"}
    job |= {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "MASTER_ADDR": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder:
        programs = install(Path(folder, "node"), ["srun"])
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        os.environ.update(job, MASTER_PORT=str(_find_port()), PATH=path)
        return _run("bash", script, *words)


def srun(*words: str) -> int:
    """Start the tasks of the job; where one fails the others are ended."""
    assert words[0] == "--kill-on-bad-exit=1", words
    tasks = [
        subprocess.Popen(
            words[1:],
            env={
                **os.environ,
                "SLURM_NODEID": "0",
                "SLURM_PROCID": str(rank),
                "SLURM_LOCALID": str(rank),
            },
        )
        for rank in range(int(os.environ["SLURM_NTASKS"]))
    ]
    while any(task.poll() is None for task in tasks):
        if any(task.poll() for task in tasks):
            for task in tasks:
                task.kill()
        time.sleep(0.1)
    return max(abs(task.wait()) for task in tasks)


def _find_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _find_real(name: str) -> str | None:
    """Return the program that stands behind the one that plays it."""
    folders = os.environ["PATH"].split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(folders[1:]))


def _run(*command: str) -> int:
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    raise SystemExit(globals()[sys.argv[1]](*sys.argv[2:]))
