"""What a fresh interpreter imports: recognition must not pay for training."""

import os
import subprocess
import sys

import pytest

from toy import write_shots

HEAVY = (
    "torch", "h5py", "matplotlib", "pandas", "lightning", "scipy", "sklearn", "onnx", "safetensors",
    "ray", "fsspec", "pyarrow",
)  # fmt: skip

SCRIPT = """
import sys
from shotprint.cli import main
sys.argv = ["shotprint", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*sorted(set(name.split(".")[0] for name in sys.modules)), file=sys.stderr)
"""


def list_imports(*arguments):
    """Run the command line in a fresh interpreter; return its output and the modules imported."""
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return run.stdout, set(run.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_recognising_imports_nothing_of_training(tmp_path, toy_model, format):
    path = write_shots(tmp_path, 1)[0]
    output, imported = list_imports("recognize", path, "--model", toy_model, "--format", format)
    assert "shot1.wav" in output
    assert "onnxruntime" in imported
    assert imported.isdisjoint(HEAVY)
    assert "av" not in imported  # a WAV file needs no FFmpeg
    assert "rich" not in imported  # and a pipe no drawing


def test_help_imports_nothing_but_typer():
    output, imported = list_imports("--help")
    assert "recognize" in output
    assert imported.isdisjoint({*HEAVY, "numpy", "onnxruntime", "soundfile"})


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("raise KeyboardInterrupt", 130, "shotprint: interrupted; nothing half-written is left"),
        (
            "try:\n    raise KeyboardInterrupt\nexcept BaseException as error:\n"
            "    raise ImportError('initialization failed') from error",
            130,
            "shotprint: interrupted; nothing half-written is left",
        ),
        ("raise ImportError('broken')", 1, "ImportError: broken"),
    ],
)
def test_ctrl_c_while_it_starts_is_one_line(tmp_path, content, code, line):
    """Ctrl-C in the middle of a module that is loaded; compiled ones make it an ImportError."""
    (tmp_path / "typer.py").write_text(content, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "shotprint", "--version"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] == line
    assert code == 1 or done.stderr.count("\n") == 1
