"""What shotprint does, in one run and without a recording: ``make demo``.

Simulates a small set of shots of 18 guns in the layout of the CADRE set, lists it, packs it,
fine-tunes the shipped network on it, exports a model file, lets that recognise the recordings
that were held out, and evaluates the answers. Every step is a command that is printed first.

usage: python examples/demo.py FOLDER
"""

import csv
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).with_name("demo.toml")
MARKER = "made-by-shotprint-demo"
OUTPUTS = (
    *("shots", "set.csv", "set.h5", "set.h5.parts", "run"),
    *("gun.onnx", "predictions.csv", "evaluation"),
)


def prepare(folder: Path) -> None:
    """Make the folder, without what an earlier demo left in it; keep away from other folders."""
    if folder.exists() and not folder.is_dir():
        sys.exit(f"{folder} is a file; name a folder for the demo")
    if (folder / MARKER).is_file():
        print(f"{folder} is from an earlier demo: it starts anew")
        for path in (folder / name for name in OUTPUTS):
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
    elif folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} holds files of yours; name another folder for the demo")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def run(*arguments: str | Path, held_out: tuple[str, ...] = ()) -> None:
    """Print a shotprint command and run it, on many recordings; stop the demo where it fails."""
    words = [str(argument) for argument in arguments]
    many = f" <{len(held_out)} held-out recordings>" if held_out else ""
    print(f"\n$ shotprint {shlex.join(words)}{many}", flush=True)
    done = subprocess.run([sys.executable, "-m", "shotprint", *words, *held_out], check=False)
    if done.returncode:
        sys.exit(f"the command ended with exit code {done.returncode}")


def list_held_out(folder: Path) -> tuple[str, ...]:
    """Return the paths of the recordings of the test part, as the run wrote it down."""
    with (folder / "run" / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(str(folder / "shots" / row["recording"]) for row in rows if row["part"] == "test")


def demonstrate(folder: Path) -> None:
    """Run every command, one after the other."""
    shots, manifest, pack = folder / "shots", folder / "set.csv", folder / "set.h5"
    model, predictions = folder / "gun.onnx", folder / "predictions.csv"
    run("simulate", "-o", shots, "--positions", "all", "--shots", "1")
    run("import", "cadre", shots, "-o", manifest)
    run("pack", manifest, "-o", pack)
    run("train", pack, "-o", folder / "run", "--config", RECIPE)
    run("export", folder / "run", "-o", model)
    known = ("--model", model, "--manifest", manifest, "-o", predictions)
    run("recognize", *known, held_out=list_held_out(folder))
    run("evaluate", predictions, "-o", folder / "evaluation")


def summarize(folder: Path) -> str:
    """Return how often the answers are right, and where everything is."""
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    gun, calibre, category = (metrics[key] for key in ("accuracy", "calibre", "category"))
    return (
        f"Simulated shots, not real recordings. Of {gun['n']} recordings from places that were\n"
        f"never heard in training, {gun['value']:.1%} are given the right one of 18 guns "
        f"(chance: {1 / 18:.1%}),\n"
        f"{calibre['value']:.1%} the right calibre, {category['value']:.1%} the right category.\n\n"
        f"confusion matrix  {folder / 'evaluation' / 'confusion.png'}\n"
        f"predictions       {folder / 'predictions.csv'}\n"
        f"model             {folder / 'gun.onnx'}"
    )


def main() -> None:
    """Run the demo in the folder that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder, started_s = Path(sys.argv[1]), time.monotonic()
    prepare(folder)
    try:
        demonstrate(folder)
    except KeyboardInterrupt:
        sys.exit(130)
    print(f"\n{summarize(folder)}\n{time.monotonic() - started_s:.0f} s")


if __name__ == "__main__":
    main()
