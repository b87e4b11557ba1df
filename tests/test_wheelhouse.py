"""A wheelhouse holds what its platform needs, and says how to install it."""

import hashlib
import runpy
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("pip._vendor.packaging")
ROOT = Path(__file__).parents[1]
TOOL = runpy.run_path(str(ROOT / "packaging" / "wheelhouse.py"))
NEEDS = [
    'colorama>=0.4; platform_system == "Windows"',
    'uvloop; sys_platform == "linux"',
    "numpy",
    'torch; extra == "train"',
    'new; python_version >= "3.13"',
    'numpy[quick]; extra == "fast"',
]


def write_wheel(folder, name, needs):
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0", *needs]
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}-1.0.dist-info/METADATA", "\nRequires-Dist: ".join(lines) + "\n")
        kind = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr(f"{name}-1.0.dist-info/WHEEL", kind)


@pytest.fixture
def folder(tmp_path):
    write_wheel(tmp_path, "shotprint", NEEDS)
    write_wheel(tmp_path, "toml", [])
    quick = ['speed; extra == "quick"', 'toml>=2; extra == "quick"']
    write_wheel(tmp_path, "numpy", ['tomli; python_version < "3.0"', *quick])
    return tmp_path


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (("--platform", "win_amd64"), ["colorama>=0.4"]),
        (("--platform", "win_amd64", "--extras", "evaluate,train"), ["colorama>=0.4", "torch"]),
        (("--platform", "win_amd64", "--python", "3.13"), ["colorama>=0.4", "new"]),
        (("--platform", "manylinux_aarch64", "--extras", "train"), ["torch", "uvloop"]),
        (("--platform", "win_amd64", "--extras", "fast"), ["colorama>=0.4", "speed", "toml>=2"]),
    ],
)
def test_finds_what_another_machine_needs(folder, options, missing):
    options = ("--python", "3.11", *options)
    assert TOOL["list_missing"](folder, TOOL["parse"](options)) == missing


def test_torch_comes_without_cuda():
    plain, train = (TOOL["parse"](["--extras", extras]) for extras in ("evaluate", "train"))
    assert "+cpu" not in TOOL["choose_versions"](plain)
    (line,) = [x for x in TOOL["choose_versions"](train).splitlines() if x.startswith("torch==")]
    assert line.endswith("+cpu")
    assert "--extra-index-url" in TOOL["choose_options"](train)
    assert "--extra-index-url" not in TOOL["choose_options"](plain)


def test_writes_hashes_and_how_to_install(folder, capsys):
    request = TOOL["parse"](["--platform", "win_amd64", "--extras", "train", "-o", str(folder)])
    TOOL["describe"](request)
    wheel = folder / "shotprint-1.0-py3-none-any.whl"
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    needs = (folder / "requirements.txt").read_text(encoding="utf-8")
    assert f"shotprint[train]==1.0 --hash=sha256:{sha256}\n" in needs
    sums = (folder / "SHA256SUMS").read_text(encoding="utf-8")
    assert f"{sha256}  {wheel.name}\n" in sums
    install = (folder / "INSTALL.txt").read_text(encoding="utf-8")
    assert "Scripts\\pip install --no-index --find-links ." in install
    assert "3 wheels" in capsys.readouterr().out


def test_a_folder_with_files_is_left_alone(folder):
    with pytest.raises(SystemExit, match="holds files already"):
        TOOL["collect"](TOOL["parse"](["-o", str(folder)]))


def test_pip_resolves_the_folder_for_the_machine_it_is_for(folder, capfd):
    request = TOOL["parse"](["--platform", "win_amd64", "--python", "3.12", "-o", str(folder)])
    with pytest.raises(SystemExit, match="lacks colorama"):
        TOOL["check"](request)
    for name in ("colorama", "uvloop"):
        write_wheel(folder, name, [])
    TOOL["describe"](request)
    TOOL["check"](request)
    wheel = folder / "numpy-1.0-py3-none-any.whl"
    wheel.rename(folder / "numpy-1.0-cp312-cp312-manylinux2014_x86_64.whl")
    with pytest.raises(SystemExit, match="pip ended"):
        TOOL["check"](request)
    assert "numpy" in capfd.readouterr().err
