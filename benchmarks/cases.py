"""What is measured, and the targets for two cores."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.installation import read_installation
from benchmarks.measuring import run, run_repeatedly
from benchmarks.rows import Row
from benchmarks.workshop import (
    CORES,
    N_FEW,
    N_RECORDINGS,
    SHOTPRINT,
    Workshop,
    work_for,
)
from shotprint.audio import read
from shotprint.weights import shipped_backbone, shipped_model

N_PACKED_AS_BASELINE = 60
SHOTS_AUDITED = 30  # of each gun, recorder and position: 10,260 recordings
LONG_S, HOURS_S, RATE_HZ = 600.0, 36_000.0, 48000
CASE_S, CASE_GAP_S = 2400.0, 40.0  # the recording of a report: sixty shots
EAGER = "eager PyTorch"
PER_FILE = "Cnn14 in PyTorch, read anew for every file"


def measure_help(workshop: Workshop) -> list[Row]:
    """Start of the command line."""
    wall_s = run_repeatedly([SHOTPRINT, "--help"], 9)
    return [Row("`shotprint --help`", wall_s, "s", target=0.5)]


def measure_one(workshop: Workshop) -> list[Row]:
    """One recording from a cold start."""
    wall_s = run_repeatedly(recognize(workshop, 1), 7)
    usage = workshop.recognize_as_baseline(1)
    what = "`recognize`, 1 file, cold start"
    return [Row(what, wall_s, "s", target=1.0, baseline=usage.wall_s, way=PER_FILE)]


def measure_few(workshop: Workshop) -> list[Row]:
    """Twenty recordings."""
    wall_s = run_repeatedly(recognize(workshop, N_FEW), 5)
    usage = workshop.recognize_as_baseline(N_FEW)
    what = f"`recognize`, {N_FEW} files in all"
    return [Row(what, wall_s, "s", target=2.0, baseline=usage.wall_s, way=PER_FILE)]


def measure_steady(workshop: Workshop) -> list[Row]:
    """Speed without the start, and memory, of many recordings."""
    few_s = run_repeatedly(recognize(workshop, N_FEW), 3)
    many = run(recognize(workshop, N_RECORDINGS))
    rate = (N_RECORDINGS - N_FEW) / (many.wall_s - few_s)
    one, few = workshop.recognize_as_baseline(1), workshop.recognize_as_baseline(N_FEW)
    baseline_rate = (N_FEW - 1) / (few.wall_s - one.wall_s)
    return [
        Row(
            "`recognize`, steady state",
            rate,
            "files/s",
            more_is_better=True,
            target=60,
            baseline=baseline_rate,
            way=PER_FILE,
        ),
        Row(
            f"`recognize`, {N_RECORDINGS} files: peak memory",
            many.peak_mb,
            "MB",
            target=400,
            baseline=few.peak_mb,
            way=f"the same with {N_FEW} files",
        ),
    ]


def recognize(workshop: Workshop, n: int) -> list[str]:
    """Return the command that recognises the first `n` recordings."""
    options = ["--jobs", str(CORES), "--format", "csv"]
    return [str(SHOTPRINT), "recognize", *options, *workshop.few(n)]


def measure_packing(workshop: Workshop) -> list[Row]:
    """Speed of the whole command, and the room that the pack takes."""
    manifest, ours = workshop.folder / "set.csv", workshop.folder / "set.h5"
    theirs = workshop.folder / "baseline.h5"
    run([SHOTPRINT, "import", "folder", workshop.recordings.parent, "-o", manifest])
    usage = run([SHOTPRINT, "pack", manifest, "-o", ours, "--jobs", str(CORES)])
    paths = workshop.few(N_PACKED_AS_BASELINE)
    seconds = work_for("pack_as_baseline", output=str(theirs), paths=paths)
    return [
        Row(
            f"`pack`, {N_RECORDINGS} files, start included",
            N_RECORDINGS / usage.wall_s,
            "files/s",
            more_is_better=True,
            target=100,
            baseline=len(paths) / seconds,
            way="padded to 30 s, one write a clip, without the start",
        ),
        Row(
            "packed size",
            ours.stat().st_size / N_RECORDINGS / 1e6,
            "MB/file",
            baseline=theirs.stat().st_size / len(paths) / 1e6,
            way="padded to 30 s",
        ),
    ]


def measure_cnn14(workshop: Workshop) -> list[Row]:
    """Cnn14 with random weights."""
    return measure_embedding("Cnn14", workshop.checkpoint, workshop.cnn14_model, 20, 2)


def measure_mn04(workshop: Workshop) -> list[Row]:
    """The shipped network."""
    return measure_embedding("mn04", shipped_backbone(), shipped_model(), 200)


def measure_embedding(
    name: str, weights: Path, model: Path, n: int, target_ratio: float | None = None
) -> list[Row]:
    """One two-second clip at a time through ONNX Runtime and through PyTorch."""
    rows = []
    for threads in (1, 2):
        eager_ms, onnx_ms = (
            work_for("time_model", path=str(path), threads=threads, n=n)
            for path in (weights, model)
        )
        what = f"{name} embedding, one 2 s clip, {threads} thread{'s' * (threads > 1)}"
        row = Row(what, onnx_ms, "ms", target_ratio=target_ratio, baseline=eager_ms, way=EAGER)
        rows.append(row)
    return rows


def measure_frontend(workshop: Workshop) -> list[Row]:
    """Time of the front-end inside the model file beside that of the network behind it."""
    rows = []
    for duration_s in (1.0, 2.0):
        path = str(shipped_model())
        times_ms = work_for("time_frontend", path=path, duration_s=duration_s, n=200)
        where = f"mn04, {duration_s:g} s clip, 1 thread"
        way = "NumPy with an FFT"
        numpy_ms = times_ms["numpy"]
        graph = Row(f"{where}: front-end", times_ms["frontend"], "ms", baseline=numpy_ms, way=way)
        rows += [graph, Row(f"{where}: network", times_ms["network"], "ms")]
    return rows


def measure_simulation(workshop: Workshop) -> list[Row]:
    """Simulated recordings a second, start included."""
    output = workshop.folder / "measured"
    usage = run([SHOTPRINT, "simulate", "-o", output, "--shots", "1", "--workers", str(CORES)])
    n_recordings = sum(1 for _ in output.rglob("*.wav"))
    rate = n_recordings / usage.wall_s
    what = f"`simulate`, {n_recordings} recordings, start included"
    return [Row(what, rate, "recordings/s", more_is_better=True, target=50)]


def measure_listening(workshop: Workshop) -> list[Row]:
    """How soon a shot is printed, how many streams a core sustains, memory of hours."""
    folder = str(workshop.simulated)
    one = work_for("measure_latency", folder=folder, n_streams=1, n_shots=25, gaps_s=[0.4, 2])
    many = work_for("measure_latency", folder=folder, n_streams=20, n_shots=6, gaps_s=[8, 12])
    minute = work_for("measure_capacity", folder=folder, duration_s=60)
    hour = work_for("measure_capacity", folder=folder, duration_s=3600)
    printed = "from the end of a clip to its line"
    return [
        Row(f"`listen`, {printed}: median", one["median"], "ms", target=300),
        Row(f"`listen`, {printed}: worst of {one['n_shots']:.0f}", one["worst"], "ms", target=300),
        Row(
            f"`listen`, 20 streams on one core, {printed}: 95 of 100",
            many["most"],
            "ms",
            target=300,
        ),
        Row(
            "`listen`, 48 kHz, a shot every 10 s",
            hour["streams"],
            "streams a core",
            more_is_better=True,
            target=20,
        ),
        Row(
            "`listen`, an hour of sound: peak memory",
            hour["peak_mb"],
            "MB",
            baseline=minute["peak_mb"],
            way="a minute of it",
        ),
    ]


def measure_detection(workshop: Workshop) -> list[Row]:
    """Shots of ten minutes of 48 kHz stereo, one every ten seconds; start included."""
    one_core = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    return measure_long(workshop, LONG_S, "ten minutes", one_core)


def measure_hours(workshop: Workshop) -> list[Row]:
    """The same of ten hours, on all cores: 7 GB of sound."""
    return measure_long(workshop, HOURS_S, "ten hours", [])


def measure_long(
    workshop: Workshop, duration_s: float, how_long: str, cores: list[str]
) -> list[Row]:
    """Speed and memory of finding and of recognising the shots of a long recording.

    Parameters
    ----------
    cores : command before that of finding, which keeps it on one core; empty: on all
    """
    path = workshop.folder / "long.rf64"
    shot = min(workshop.simulated.rglob("Glock9*Samsung/*.wav"))
    write_long_recording(path, shot, duration_s)
    jobs = ["--jobs", "1" if cores else str(CORES)]
    found = run([*cores, SHOTPRINT, "detect", path, *jobs, "--format", "csv"])
    answered = run([SHOTPRINT, "recognize", path, "--jobs", str(CORES), "--format", "csv"])
    path.unlink()
    detecting = f"`detect`, {how_long}{', one core' * bool(cores)}"
    more = {"unit": "× real time", "more_is_better": True}
    return [
        Row(detecting, duration_s / found.wall_s, target=200, **more),
        Row(f"{detecting}: peak memory", found.peak_mb, "MB", target=500),
        Row(f"`recognize`, {how_long}", duration_s / answered.wall_s, target=150, **more),
        Row(f"`recognize`, {how_long}: peak memory", answered.peak_mb, "MB", target=500),
    ]


def write_long_recording(path: Path, shot: Path, duration_s: float, gap_s: float = 10.0) -> None:
    """Write a shot every `gap_s` over faint noise; block by block, for a child process that is
    measured counts the memory that this one held."""
    rng = np.random.default_rng(0)
    (waveform,) = read(shot, sample_rate_hz=RATE_HZ).waveform
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16") as file:
        for _ in range(round(duration_s / gap_s)):
            block = rng.normal(0, 1e-3, (round(gap_s * RATE_HZ), 2)).astype(np.float32)
            block[RATE_HZ : RATE_HZ + len(waveform)] += 0.5 * waveform[:, None]
            file.write(block)


def measure_report(workshop: Workshop) -> list[Row]:
    """Time, memory and size of the report on forty minutes of 48 kHz stereo with sixty shots."""
    path, folder = workshop.folder / "case.rf64", workshop.folder / "report"
    shot = min(workshop.simulated.rglob("Glock9*Samsung/*.wav"))
    write_long_recording(path, shot, CASE_S, CASE_GAP_S)
    usage = run([SHOTPRINT, "report", path, "-o", folder, "--jobs", str(CORES)])
    path.unlink()
    twin = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    n_shots = len(twin["answers"]["recordings"][0]["shots"])
    what = f"`report`, {CASE_S / 60:g} minutes, {n_shots} shots"
    sizes = {each: (folder / f"report.{each}").stat().st_size / 1e6 for each in ("html", "pdf")}
    return [
        Row(what, usage.wall_s, "s", target=60),
        Row(f"{what}: peak memory", usage.peak_mb, "MB"),
        Row(f"{what}: page", sizes["html"], "MB", target=15),
        Row(f"{what}: PDF", sizes["pdf"], "MB"),
    ]


def measure_audit(workshop: Workshop) -> list[Row]:
    """Time and memory of an audit of ten thousand simulated recordings, shots counted."""
    folder, manifest = workshop.folder / "audited", workshop.folder / "audited.csv"
    shots = str(SHOTS_AUDITED)
    run([SHOTPRINT, "simulate", "-o", folder, "--shots", shots, "--workers", str(CORES)])
    run([SHOTPRINT, "import", "folder", folder, "-o", manifest])
    n = sum(1 for _ in folder.rglob("*.wav"))
    output = workshop.folder / "audit"
    usage = run([SHOTPRINT, "audit", manifest, "-o", output, "--jobs", str(CORES)])
    shutil.rmtree(folder)
    what = f"`audit`, {n} recordings"
    return [
        Row(what, usage.wall_s / 60, "minutes", target=10),
        Row(f"{what}: processor time of all cores", usage.cpu_s / 60, "minutes"),
        Row(f"{what}: peak memory", usage.peak_mb, "MB"),
    ]


def measure_size(workshop: Workshop) -> list[Row]:
    """Size of the model file, and of the base install as measured last."""
    model_mb = shipped_model().stat().st_size / 1e6
    baseline_mb = workshop.checkpoint.stat().st_size / 1e6
    way = "checkpoint of Cnn14"
    rows = [Row("model file", model_mb, "MB", target=8, baseline=baseline_mb, way=way)]
    installation = read_installation()
    if installation is not None:
        what = f"base install, measured {installation.measured}"
        rows.append(Row(what, installation.size_mb, "MB"))
    return rows


CASES: dict[str, Callable[[Workshop], list[Row]]] = {
    "help": measure_help,
    "one": measure_one,
    "few": measure_few,
    "steady": measure_steady,
    "packing": measure_packing,
    "cnn14": measure_cnn14,
    "mn04": measure_mn04,
    "frontend": measure_frontend,
    "simulation": measure_simulation,
    "detection": measure_detection,
    "listening": measure_listening,
    "size": measure_size,
}
ON_REQUEST: dict[str, Callable[[Workshop], list[Row]]] = {
    "hours": measure_hours,
    "audit": measure_audit,
    "report": measure_report,
}
"""Cases that take many minutes; they run where they are asked for only."""
