"""Train and test every fold of a protocol; one file of out-of-fold predictions.

``fold-<k>/`` is a run of `fit` each. Folds are trained in processes of their own with one thread
each, which is faster than one after the other with all threads: small networks leave cores idle.
"""

import csv
import dataclasses
import importlib.util
import io
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

from shotprint import __version__
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.evaluation.intervals import wilson_interval
from shotprint.files import write_text
from shotprint.packing import open_pack
from shotprint.progress import show_progress
from shotprint.splits import Protocol, read_protocol, write_protocol
from shotprint.training.parts import choose_protocol
from shotprint.training.recipe import Recipe, write_recipe

POLL_S = 0.5
FORMAT = "shotprint-crossval/1"


@dataclass(frozen=True)
class CrossvalResult:
    """Out-of-fold figures.

    Attributes
    ----------
    folds : fold → (correct, recordings)
    remarks : sentences to show beside the figures
    """

    out_dir: Path
    protocol: str
    folds: Mapping[int, tuple[int, int]]
    remarks: tuple[str, ...]

    @property
    def n_correct(self) -> int:
        """Recordings of all folds that are answered rightly."""
        return sum(correct for correct, _ in self.folds.values())

    @property
    def n(self) -> int:
        """Recordings of all folds."""
        return sum(n for _, n in self.folds.values())

    @property
    def wilson95(self) -> tuple[float, float]:
        """Wilson's interval of the accuracy, which takes recordings as independent."""
        low, high = wilson_interval(self.n_correct, self.n)
        return float(low), float(high)


def crossval(
    pack_path: str | os.PathLike[str],
    recipe: Recipe,
    out_dir: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    resume: bool = False,
    weights_dir: str | os.PathLike[str] | None = None,
) -> CrossvalResult:
    """Train every fold of the recipe's protocol on the others and put the answers together.

    Parameters
    ----------
    recipe : its `test_fold` is not used
    jobs : folds trained at the same time; by default as many as the recipe has devices, where
        that is one and no GPU one a core. With several and ``num_threads`` 0 each has its share
        of the cores.
    resume : go on with folds that were begun, keep those that are done

    Raises
    ------
    ShotprintError
        As `fit`; a validation fold is given (it would be tested, too: use groups); several nodes.
    """
    if recipe.validation == "fold":
        raise ShotprintError(
            "every fold is tested, so none can be the validation fold; give validation = groups"
        )
    if recipe.nodes > 1:
        raise ShotprintError(
            f"found {recipe.nodes} nodes, but crossval trains every fold on one device of this "
            "machine; leave nodes out, or train each fold with shotprint train --test-fold"
        )
    out_dir = Path(out_dir)
    pack = open_pack(pack_path)
    protocol = choose_protocol(pack.manifest, dataclasses.replace(recipe, test_fold=None))
    _check_folder(out_dir, protocol, resume)
    jobs = min(jobs or _default_jobs(recipe), protocol.n_folds)
    n_devices, recipe = recipe.devices, dataclasses.replace(recipe, devices=1)
    if jobs > 1 and not recipe.num_threads:
        share = max(1, (os.cpu_count() or 1) // jobs)
        recipe = dataclasses.replace(recipe, num_threads=share)
    write_protocol(protocol, out_dir / "protocol.csv")
    write_recipe(dataclasses.replace(recipe, test_fold=None), out_dir / "recipe.toml")
    pending = [
        _Fold(
            str(pack_path),
            dataclasses.replace(recipe, test_fold=fold),
            out_dir / f"fold-{fold}",
            weights_dir,
        )
        for fold in protocol.fold_numbers
    ]
    remarks = _run_folds(pending, jobs, n_devices)
    folds = join_predictions(out_dir, protocol.fold_numbers)
    result = CrossvalResult(out_dir, protocol.name, folds, remarks)
    _write_summary(result, protocol, recipe, pack.content_sha256)
    return result


def _check_folder(out_dir: Path, protocol: Protocol, resume: bool) -> None:
    path = out_dir / "protocol.csv"
    if not path.is_file():
        return
    if not resume:
        raise ShotprintError(
            f"{out_dir} holds a cross-validation already; go on with it with --resume, or choose "
            "another folder"
        )
    if read_protocol(path).sha256 != protocol.sha256:
        raise ShotprintError(
            f"{path} has other folds than were asked for; choose another folder, or give the "
            "options that it was started with"
        )


def _default_jobs(recipe: Recipe) -> int:
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("train", "training")
    from shotprint.training.devices import choose_accelerator

    if choose_accelerator(recipe) == "cuda" or recipe.devices > 1:
        return recipe.devices
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Fold:
    """What a process needs to train and test one fold."""

    pack_path: str
    recipe: Recipe
    out_dir: Path
    weights_dir: str | os.PathLike[str] | None

    def run(self) -> tuple[str, ...]:
        """Train and test; return the remarks."""
        from shotprint.training.fit import fit

        result = fit(
            self.pack_path, self.recipe, self.out_dir, resume=True, weights_dir=self.weights_dir
        )
        return result.remarks if result else ()


def _run_folds(folds: Sequence[_Fold], jobs: int, n_devices: int) -> tuple[str, ...]:
    """Run all folds and return their remarks, each once."""
    remarks: dict[str, None] = {}
    if jobs == 1:
        for fold in folds:
            remarks.update(dict.fromkeys(fold.run()))
        return tuple(remarks)
    n_epochs = sum(fold.recipe.epochs for fold in folds)
    places = [name_device(job % n_devices, n_devices) for job in range(min(jobs, len(folds)))]
    epochs = _run_in_processes(folds, places, remarks)
    for _ in show_progress(epochs, total=n_epochs, description="epochs of all folds"):
        pass
    return tuple(remarks)


def _run_in_processes(
    folds: Sequence[_Fold], devices: Sequence[str | None], remarks: dict[str, None]
) -> Iterator[None]:
    """Run folds side by side, yield once for every finished epoch, collect remarks.

    There is a process for each of `devices`; see `name_device`.

    Whatever ends this early ends the processes, too: their runs can be resumed.
    """
    # Spawned, not forked: threads of torch do not survive a fork, and Windows has none.
    context = multiprocessing.get_context("spawn")
    waiting = list(folds)
    workers: dict[Connection, SpawnProcess] = {}
    n_seen = 0
    try:
        for device in devices:
            pipe, end = context.Pipe()
            process = context.Process(target=_run_in_process, args=(end, device))
            process.start()
            end.close()  # so that the end of the process is the end of the pipe
            workers[pipe] = process
            pipe.send(waiting.pop(0))
        while workers:
            ready = connection.wait(list(workers), POLL_S)
            for pipe in [each for each in workers if each in ready]:
                remarks.update(dict.fromkeys(_receive(pipe, workers[pipe])))
                if waiting:
                    pipe.send(waiting.pop(0))
                else:
                    pipe.send(None)
                    workers.pop(pipe).join()
            n_done = sum(_count_rows(fold.out_dir / "metrics.csv") for fold in folds)
            yield from (None for _ in range(n_seen, n_done))
            n_seen = max(n_seen, n_done)
    finally:
        for process in workers.values():
            process.kill()  # at once: a run can be resumed from any moment
        for process in workers.values():
            process.join()


def name_device(place: int, n_devices: int) -> str | None:
    """Return what ``CUDA_VISIBLE_DEVICES`` shows of several GPUs; None: leave it as it is."""
    if n_devices == 1:
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",")[place] if visible else str(place)


def _run_in_process(pipe: Connection, device: str | None) -> None:
    """Run the folds that come, send back remarks or the error that the caller is to raise."""
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller ends this process on Ctrl-C
    fold: _Fold | None
    while (fold := pipe.recv()) is not None:
        try:
            pipe.send(fold.run())
        except ShotprintError as error:
            pipe.send(str(error))


def _receive(pipe: Connection, process: SpawnProcess) -> tuple[str, ...]:
    """Return the remarks of a fold that is finished, or raise what stopped it."""
    try:
        answer: tuple[str, ...] | str = pipe.recv()
    except EOFError:
        process.join()
        raise ShotprintError(
            f"the process of a fold ended with exit code {process.exitcode}; if memory ran out, "
            "go on with --resume and --jobs 1"
        ) from None
    if isinstance(answer, tuple):
        return answer
    raise ShotprintError(answer)


def _count_rows(path: Path) -> int:
    try:
        return max(0, path.read_text(encoding="utf-8").count("\n") - 1)
    except OSError:  # not there yet, or just being replaced
        return 0


def join_predictions(out_dir: Path, folds: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Write the predictions of all folds to one file, sorted, with the fold of each.

    Returns
    -------
    fold → (correct, recordings)
    """
    rows: list[dict[str, str]] = []
    counts: dict[int, tuple[int, int]] = {}
    for fold in folds:
        path = out_dir / f"fold-{fold}" / "predictions.csv"
        with path.open(encoding="utf-8", newline="") as file:
            tested = [{**row, "fold": str(fold)} for row in csv.DictReader(file)]
        counts[fold] = sum(row["predicted"] == row["label"] for row in tested), len(tested)
        rows += tested
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["recording"]))
    write_text(out_dir / "predictions.csv", text.getvalue())
    return counts


def _write_summary(
    result: CrossvalResult, protocol: Protocol, recipe: Recipe, content_sha256: str
) -> None:
    content = {
        "format": FORMAT,
        "shotprint": __version__,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "pack_content_sha256": content_sha256,
        "protocol": protocol.name,
        "protocol_sha256": protocol.sha256,
        "leaks": protocol.leaks,
        "apart": list(protocol.apart),
        "remarks": list(result.remarks),
        "recipe": dataclasses.asdict(recipe),
        "n": result.n,
        "n_correct": result.n_correct,
        "accuracy": result.n_correct / result.n,
        "wilson95": list(result.wilson95),
        "folds": {
            str(fold): {"name": protocol.fold_names[fold], "n_correct": correct, "n": n}
            for fold, (correct, n) in result.folds.items()
        },
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_text(result.out_dir / "crossval.json", f"{text}\n")
