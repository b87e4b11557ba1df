"""What runs the examples of a page, in the order of the page.

Commands of shotprint, and benchmarks, run in this process, where nothing speaks against it: a new
one takes seconds to load PyTorch. All else goes to bash.

- What would download gigabytes (other tools for a comparison) is read and no more.
- What would take minutes to hours is made smaller: `QUICK` adds options that the example leaves
  open, `SHORT` changes some. Of ``python -m benchmarks`` the shortest case is measured.
- ``shotprint serve`` runs on a free port until the page is done, and is then ended as by Ctrl-C.
- ``shotprint listen`` with a microphone listens for two seconds. Where there is none, it has to end
  with one line that says so.
- What is for PowerShell is run by bash, with the separators of paths turned.
- Programs, machines and networks that a test does not have are played by `stand_ins.py`.
"""

import contextlib
import importlib
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import stand_ins
from shotprint import cli

ROOT = Path(__file__).parents[1]
WAIT_S = 300

QUICK = (  # what is given beside the example, where the example leaves it open
    (r"shotprint (train|crossval) ", "--epochs 0 --weights shipped"),
    (r"(torchrun .* shotprint train|sbatch) ", "--epochs 0 --weights shipped"),
    (r"shotprint crossval ", "--jobs 1"),
    (r"shotprint crossval .*(--protocol all|cadre.toml)", "--n-folds 2"),
    (r"shotprint simulate ", "--guns M16 --recorders iPhone --shots 1"),
    (r"python -m benchmarks.unknown_gun ", "--config quick.toml --jobs 1"),
    (r"python -m benchmarks.composed ", "-n 3"),
)
SHORT = (  # what stands for an option of the example
    (r"--guns SportKing22,\S+", "--guns M16,Glock9"),
    (r"(benchmarks.soak --files) \d+", r"\1 40"),
    (r"--rounds \d+", "--rounds 1"),
)
FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^(?:\$ |.*\| )?(?:shotprint|make|pip|python) ", re.M)
KINDS = ("shell", "python", "console", "powershell")


class Block(NamedTuple):
    kind: str
    code: str


def read_blocks(text: str) -> list[Block]:
    """Return the blocks of a page that a reader may run."""
    found = [Block(m["kind"], m["code"]) for m in FENCE.finditer(text)]
    return [
        Block(each.kind or "shell", each.code)
        for each in found
        if each.kind in KINDS or (not each.kind and EXAMPLE.search(each.code))
    ]


def read_page(name: str) -> list[Block]:
    return read_blocks((ROOT / name).read_text(encoding="utf-8"))


def read_commands(code: str) -> Iterator[str]:
    """Yield the commands of a block, each a line, or up to the END of what it is given."""
    lines = iter(code.replace("\\\n", " ").splitlines())
    for line in lines:
        if "<<'END'" in line:
            yield "\n".join([line, *itertools.takewhile(lambda each: each != "END", lines), "END"])
        elif line.strip() and not line.startswith("#"):
            yield line


def hasten(line: str) -> str:
    """Return a command with the options of `QUICK` that it leaves open, and those of `SHORT`."""
    command = line.split("  #")[0].rstrip()
    for pattern, options in QUICK:
        if re.match(pattern, command):
            words = options.split()
            for name, value in zip(words[::2], words[1::2], strict=True):
                if name not in command.split():
                    command += f" {name} {value}"
    for pattern, short in SHORT:
        command = re.sub(pattern, short, command)
    return command


def call(main: Callable[[], object], words: list[str]) -> None:
    """Call what a command calls, with its words."""
    sys.argv[:] = words
    end = None
    try:
        end = main()
    except SystemExit as error:
        end = error.code
    assert not end, f"{shlex.join(words)}: {end}"


class Runner:
    """Runs examples in the current folder; at the end of the context nothing of them is left.

    Parameters
    ----------
    folder : an empty one, for the programs of `stand_ins` and the user's own data
    """

    def __init__(self, folder: Path) -> None:
        self.programs = stand_ins.install(folder / "programs")
        self.environment = {
            "PATH": os.pathsep.join([str(self.programs), os.environ.get("PATH", "")]),
            "PYTHON": sys.executable,
            "OMP_NUM_THREADS": "1",
            "XDG_DATA_HOME": str(folder / "data"),
            "BROWSER": "true",  # a program that does nothing
        }
        self.port = 0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Runner":
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", [])
        # What was started in the background ignores Ctrl-C, and so would what it starts.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self._stack.callback(signal.signal, signal.SIGINT, before)
        for name, value in self.environment.items():
            patch.setenv(name, value)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run_page(self, name: str) -> None:
        """Run the blocks of a page; what ``console`` shows is compared by a test of its own."""
        names: dict[str, object] = {}
        for block in read_page(name):
            if block.kind == "python":
                exec(compile(block.code, name, "exec"), names)
            elif block.kind == "powershell":
                self.run_shell(block.code.replace("\\Scripts\\", "/bin/").replace("\\", "/"))
            elif block.kind == "shell":
                self.run_shell(block.code)

    def run_shell(self, code: str) -> None:
        """Run the commands of a block; the first that fails ends it.

        What follows a variable that is set is one script with it.
        """
        commands = list(read_commands(code))
        for place, line in enumerate(commands):
            if re.match(r"\w+=", line):
                self.run_bash("\n".join(map(hasten, commands[place:])))
                return
            self.run_command(hasten(line))

    def run_command(self, command: str) -> None:
        words = [] if re.search(r"[|<>&;$]", command) else shlex.split(command, comments=True)
        if command.startswith("shotprint serve"):
            self._serve(shlex.split(command.rstrip(" &"), comments=True))
        elif re.fullmatch("shotprint listen( --list-devices)?", command):
            listen_to_microphone(words)
        elif words[:1] == ["shotprint"] and not {"--devices", "ray"} & {*words}:
            call(cli.main, words)
        elif words[:3] == ["python", "-m", "benchmarks"]:
            measure(words[3:])
        elif words[:2] == ["python", "-m"] and words[2].startswith("benchmarks"):
            self._call_benchmark(words[2:])
        else:
            self.run_bash(command)

    def _call_benchmark(self, words: list[str]) -> None:
        module = importlib.import_module(words[0])
        if "--install" in words:
            module.parse(words[1:])
        else:
            call(module.main, words)

    def run_bash(self, command: str) -> None:
        """Run a script with the stand-ins before all other programs."""
        for name in ("bash", *re.findall(r"(?:^|[|(] *)(curl|tar|sha256sum|cmp)\b", command, re.M)):
            if shutil.which(name) is None:
                pytest.skip(f"the example needs {name}")
        command = command.replace("127.0.0.1:8765", f"127.0.0.1:{self.port}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"

    def _serve(self, words: list[str]) -> None:
        """Start the service; it ends with the page."""
        pytest.importorskip("uvicorn")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", *words, "--port", str(self.port)]
        service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(f"http://127.0.0.1:{self.port}/api/health", service)
        except BaseException:
            service.kill()
            raise
        self._stack.callback(end_with_ctrl_c, service)


def wait_for(url: str, service: "subprocess.Popen[str]") -> None:
    """Wait until a service answers."""
    end_s = time.monotonic() + WAIT_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            assert response.status == 200
            return
        if service.poll() is not None:
            raise AssertionError(service.communicate()[1])
        assert time.monotonic() < end_s, f"{url} does not answer"
        time.sleep(0.1)


def end_with_ctrl_c(process: "subprocess.Popen[str]") -> None:
    """Press Ctrl-C, and see that the process ends as it says that it does."""
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode in (0, 130), stderr
    assert "Traceback" not in stderr


def listen_to_microphone(words: list[str]) -> None:
    """Listen until Ctrl-C; without a microphone, or without PortAudio, one line says so."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        stderr = process.communicate(timeout=20)[1]
    except subprocess.TimeoutExpired:
        end_with_ctrl_c(process)
        return
    message = re.fullmatch(r"shotprint: .*(PortAudio|extra|device|microphone).*\n", stderr)
    assert process.returncode == 0 or message, stderr


def measure(options: list[str]) -> None:
    """Run a benchmark as asked for, but of its cases the shortest."""
    from benchmarks.__main__ import main, parse

    parse(options)
    call(main, ["benchmarks", "--only", "help"])
