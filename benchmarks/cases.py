"""What is measured, and the targets for two cores."""

import json
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.comparison import measure_comparison
from benchmarks.installation import read_installation
from benchmarks.measuring import Usage, run, run_repeatedly, say
from benchmarks.rows import Row
from benchmarks.workshop import (
    CORES,
    LONG_S,
    N_FEW,
    N_RECORDINGS,
    N_ROUNDS,
    SHOTPRINT,
    Workshop,
    recognize_long,
    work_for,
)
from shotprint.weights import shipped_backbone, shipped_model

N_PACKED_AS_BASELINE = 60
SHOTS_AUDITED = 30  # of each gun, recorder and position: 10,260 recordings
HOURS_S, HOURS_BYTES = 36_000.0, 8e9
CASE_S, CASE_GAP_S = 2400.0, 40.0  # the recording of a report: sixty shots
EAGER = "eager PyTorch"
LOOP = "a plain loop in PyTorch, as the baseline trains"
MMAC = "10⁶ multiply–adds"
TRAINED = (("Cnn14", "panns_cnn14", 8, 7), ("mn04", "efficientat_mn04", 32, 20))
"""Name, backbone, clips a step (8: the baseline's; 32: the recipe's), steps."""
PER_FILE = "Cnn14 in PyTorch, read anew for every file"


def measure_help(workshop: Workshop) -> list[Row]:
    """Start of the command line."""
    wall_s = run_repeatedly([SHOTPRINT, "--help"], 9)
    return [Row("`shotprint --help`", wall_s, "s", target=0.5)]


def measure_one(workshop: Workshop) -> list[Row]:
    """One recording from a cold start."""
    usage = workshop.recognize_as_baseline(1)
    what = "`recognize`, 1 file, cold start"
    start_s = workshop.cold_start_s
    return [Row(what, start_s, "s", target=1.0, baseline=usage.wall_s, way=PER_FILE)]


def measure_few(workshop: Workshop) -> list[Row]:
    """Twenty recordings."""
    usage = workshop.recognize_as_baseline(N_FEW)
    what = f"`recognize`, {N_FEW} files in all"
    return [Row(what, workshop.few_s, "s", target=2.0, baseline=usage.wall_s, way=PER_FILE)]


def measure_steady(workshop: Workshop) -> list[Row]:
    """Speed without the start, and memory, of many recordings."""
    steady = workshop.steady
    one, few = workshop.recognize_as_baseline(1), workshop.recognize_as_baseline(N_FEW)
    baseline_rate = (N_FEW - 1) / (few.wall_s - one.wall_s)
    return [
        Row(
            "`recognize`, steady state",
            steady.rate,
            "files/s",
            more_is_better=True,
            target=150,
            baseline=baseline_rate,
            way=PER_FILE,
        ),
        Row(
            f"`recognize`, {N_RECORDINGS} files: peak memory",
            steady.peak_mb,
            "MB",
            target=400,
            baseline=few.peak_mb,
            way=f"the same with {N_FEW} files",
        ),
    ]


def measure_floor(workshop: Workshop) -> list[Row]:
    """How near steady state comes to what arithmetic and decoding take at least."""
    recordings = json.loads(run(workshop.recognize(N_FEW, "json")).stdout)["recordings"]
    n_shots = statistics.mean(len(each["shots"]) for each in recordings)
    macs = work_for("floor.count_arithmetic")
    macs_a_file = macs["detector"] + n_shots * (macs["judge"] + macs["recogniser"])
    peak = work_for("floor.measure_peak", threads=CORES, n=20)
    decoding_s = work_for("floor.time_decoding", paths=workshop.few(N_RECORDINGS))
    floor_rate = 1 / (macs_a_file / peak + decoding_s / CORES)
    share = 100 * workshop.steady.rate / floor_rate
    more = {"more_is_better": True}
    return [
        Row("arithmetic of a file: detector", macs["detector"] / 1e6, MMAC),
        Row(f"arithmetic of a file: judge, {n_shots:g} shots", n_shots * macs["judge"] / 1e6, MMAC),
        Row("arithmetic of a file: recogniser", n_shots * macs["recogniser"] / 1e6, MMAC),
        Row("peak of this machine", peak / 1e9, "10⁹ multiply–adds/s", **more),
        Row("decoding alone", CORES / decoding_s, "files/s", **more),
        Row("the floor: arithmetic at the peak, and decoding", floor_rate, "files/s", **more),
        Row("`recognize`, steady state: share of the floor", share, "%", target=50, **more),
    ]


def measure_packing(workshop: Workshop) -> list[Row]:
    """Speed of the whole command, and the room that the pack takes."""
    manifest, ours = workshop.folder / "set.csv", workshop.folder / "set.h5"
    theirs = workshop.folder / "baseline.h5"
    run([SHOTPRINT, "import", "folder", workshop.recordings.parent, "-o", manifest])
    ours_s, theirs_s = [], []
    paths = workshop.few(N_PACKED_AS_BASELINE)
    for _ in range(N_ROUNDS):
        ours.unlink(missing_ok=True)
        usage = run([SHOTPRINT, "pack", manifest, "-o", ours, "--jobs", str(CORES)])
        ours_s.append(usage.wall_s)
        theirs_s.append(work_for("baseline.pack", output=str(theirs), paths=paths))
    return [
        Row(
            f"`pack`, {N_RECORDINGS} files, start included",
            N_RECORDINGS / statistics.median(ours_s),
            "files/s",
            more_is_better=True,
            target=100,
            baseline=len(paths) / statistics.median(theirs_s),
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


def measure_training(workshop: Workshop) -> list[Row]:
    """Training steps a second, from random weights, clips of a second."""
    paths = sorted(map(str, workshop.simulated.rglob("*.wav")))
    rows = []
    for name, backbone, batch_size, n in TRAINED:
        fields = {"backbone": backbone, "batch_size": batch_size, "n": n, "threads": CORES}
        ours_s = work_for("work.time_training", pack=str(workshop.pack), **fields)
        theirs_s = work_for("baseline.time_training", paths=paths, **fields)
        what = f"`train`, {name}, {batch_size} clips of 1 s a step"
        row = Row(what, 1 / ours_s, "steps/s", more_is_better=True, baseline=1 / theirs_s, way=LOOP)
        rows.append(row)
    return rows


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
            work_for("work.time_model", path=str(path), threads=threads, n=n)
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
        times_ms = work_for("work.time_frontend", path=path, duration_s=duration_s, n=200)
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
    one = work_for(
        "listening.measure_latency", folder=folder, n_streams=1, n_shots=25, gaps_s=[0.4, 2]
    )
    many = work_for(
        "listening.measure_latency", folder=folder, n_streams=20, n_shots=6, gaps_s=[8, 12]
    )
    minute = work_for("listening.measure_capacity", folder=folder, duration_s=60)
    hour = work_for("listening.measure_capacity", folder=folder, duration_s=3600)
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


def measure_long(workshop: Workshop) -> list[Row]:
    """Shots of ten minutes of 48 kHz stereo, one every ten seconds; start included."""
    one_core = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    found = detect_long(workshop.long, one_core)
    return [
        *describe_long("`detect`, ten minutes, one core", LONG_S, found, 200),
        *describe_long("`recognize`, ten minutes", LONG_S, workshop.long_recognition, 150),
    ]


def measure_hours(workshop: Workshop) -> list[Row]:
    """The same of ten hours, on all cores: 7 GB of sound."""
    if shutil.disk_usage(workshop.folder).free < HOURS_BYTES:
        say("  left out: ten hours of sound need 8 GB of room for temporary files")
        return []
    path = workshop.write_long("hours.rf64", HOURS_S)
    found, answered = detect_long(path, []), recognize_long(path)
    path.unlink()
    return [
        *describe_long("`detect`, ten hours", HOURS_S, found, 200),
        *describe_long("`recognize`, ten hours", HOURS_S, answered, 150),
    ]


def detect_long(path: Path, cores: list[str]) -> Usage:
    """Find the shots of a recording; `cores`: command before it that keeps it on one core."""
    jobs = "1" if cores else str(CORES)
    return run([*cores, SHOTPRINT, "detect", path, "--jobs", jobs, "--format", "csv"])


def describe_long(what: str, duration_s: float, usage: Usage, target: float) -> list[Row]:
    """Return speed and memory of work on a long recording."""
    rate = duration_s / usage.wall_s
    return [
        Row(what, rate, "× real time", more_is_better=True, target=target),
        Row(f"{what}: peak memory", usage.peak_mb, "MB", target=500),
    ]


def measure_report(workshop: Workshop) -> list[Row]:
    """Time, memory and size of the report on forty minutes of 48 kHz stereo with sixty shots."""
    folder = workshop.folder / "report"
    path = workshop.write_long("case.rf64", CASE_S, CASE_GAP_S)
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
    "floor": measure_floor,
    "packing": measure_packing,
    "training": measure_training,
    "cnn14": measure_cnn14,
    "mn04": measure_mn04,
    "frontend": measure_frontend,
    "simulation": measure_simulation,
    "long": measure_long,
    "hours": measure_hours,
    "listening": measure_listening,
    "size": measure_size,
}
ON_REQUEST: dict[str, Callable[[Workshop], list[Row]]] = {
    "audit": measure_audit,
    "report": measure_report,
    "comparison": measure_comparison,
}
"""Cases that take many minutes; they run where they are asked for only."""
