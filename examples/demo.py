"""What shotprint does, in one run and without a recording: ``make demo``.

Simulates a small set of shots of 18 guns in the layout of the CADRE set, lists it, packs it,
fine-tunes the shipped network on it, exports a model file, lets that recognise the recordings
that were held out, and evaluates the answers. Every step is a command that is printed first.

usage: python examples/demo.py FOLDER
"""

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).with_name("demo.toml")
MARKER = "made-by-shotprint-demo"


def prepare(folder: Path) -> None:
    """Make the folder anew; one that this script did not make is left alone."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            sys.exit(f"{folder} holds files of yours; name another folder for the demo")
        print(f"{folder} is from an earlier demo and is made anew")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def run(*arguments: str | Path, shown: str = "") -> None:
    """Print a shotprint command and run it; stop the demo where it fails."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ shotprint {shown or ' '.join(words)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "shotprint", *words], check=False)
    if done.returncode:
        sys.exit(f"the command ended with exit code {done.returncode}")


def list_held_out(folder: Path) -> list[str]:
    """Return the paths of the recordings of the test part, as the run wrote it down."""
    with (folder / "run" / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [str(folder / "shots" / row["recording"]) for row in rows if row["part"] == "test"]


def main(folder: Path) -> None:
    started_s = time.monotonic()
    prepare(folder)
    shots, manifest, pack = folder / "shots", folder / "set.csv", folder / "set.h5"
    model, predictions = folder / "gun.onnx", folder / "predictions.csv"
    run("simulate", "-o", shots)
    run("import", "cadre", shots, "-o", manifest)
    run("pack", manifest, "-o", pack)
    run("train", pack, "-o", folder / "run", "--config", RECIPE)
    run("export", folder / "run", "-o", model)
    held_out = list_held_out(folder)
    known = ("--model", model, "--manifest", manifest, "-o", predictions)
    words = " ".join(map(str, known))
    run("recognize", *held_out, *known, shown=f"recognize <{len(held_out)} recordings> {words}")
    run("evaluate", predictions, "-o", folder / "evaluation")
    metrics = json.loads((folder / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    accuracy = metrics["accuracy"]["value"]
    print(
        f"\nSimulated shots, not real recordings: {accuracy:.1%} of {len(held_out)} recordings "
        f"from a position never heard in training, 18 guns (chance: 5.6 %)\n"
        f"confusion matrix  {folder / 'evaluation' / 'confusion.png'}\n"
        f"predictions       {predictions}\n"
        f"model             {model}\n"
        f"{time.monotonic() - started_s:.0f} s"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
