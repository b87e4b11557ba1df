"""Training of the detector: tables, labels, excerpts, network, thresholds, the whole command."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from shotprint.audio import resample, write_wav
from shotprint.backbones.efficientat import MobileNet
from shotprint.cli import app
from shotprint.detection import DetectorMetadata, OnnxDetector
from shotprint.detection.facts import DETECTOR, STEP_SAMPLES
from shotprint.detection.judging import (
    BEFORE_S,
    CLIP_SAMPLES,
    EVIDENCE,
    LIKENESS,
    Judge,
    cut_candidates,
    gather_evidence,
)
from shotprint.detection.sections import AHEAD_S, BACK_S
from shotprint.errors import ShotprintError
from shotprint.evaluation.detection import Found, count_onsets
from shotprint.export import export_detector
from shotprint.frontends import EFFICIENTAT, compute_logmel
from shotprint.training.detector import labels as labelling
from shotprint.training.detector.bursts import compose_bursts
from shotprint.training.detector.excerpts import FAR, N_FRAMES, N_SAMPLES, make_excerpt, make_pool
from shotprint.training.detector.figures import choose_threshold
from shotprint.training.detector.fit import DetectorRecipe, fit_detector
from shotprint.training.detector.judge import (
    N_ENSEMBLES,
    N_TREES,
    WEIGHTS,
    Case,
    fit_judge,
    fit_verdict,
)
from shotprint.training.detector.likeness import Likeness, LowBandLogMel
from shotprint.training.detector.network import DetectorNetwork, DetectorPair
from shotprint.training.detector.sets import Recording, read_sets

RATE_HZ = DETECTOR.sample_rate_hz


def make_shots(onsets_s: list[float], duration_s: float, seed: int = 0) -> np.ndarray:
    """Bursts of noise that die away, over faint noise."""
    rng = np.random.default_rng(seed)
    waveform = 1e-3 * rng.standard_normal(round(duration_s * RATE_HZ))
    decay = np.exp(-np.arange(RATE_HZ) / (0.02 * RATE_HZ))
    for onset_s in onsets_s:
        start = round(onset_s * RATE_HZ)
        n = min(RATE_HZ, len(waveform) - start)
        waveform[start : start + n] += 0.4 * (rng.standard_normal(RATE_HZ) * decay)[:n]
    return waveform.astype(np.float32)


def make_recording(onsets_s: list[float], *, marked: bool = False, fold: int = 0) -> Recording:
    times = np.array(onsets_s)
    return Recording(
        folder=Path(),
        path=f"{fold}-{len(onsets_s)}-{marked}",
        sha256="",
        waveform=make_shots(onsets_s, 3.0, seed=fold + len(onsets_s)),
        onsets_s=None if marked else times,
        marks_s=times - 0.1 if marked else None,
        fold=fold,
    )


RECORDINGS = [
    make_recording([0.5, 1.5], fold=0),
    make_recording([1.0], fold=1),
    make_recording([0.7, 1.9], marked=True, fold=0),
    make_recording([1.2], marked=True, fold=1),
    make_recording([], fold=0),
    make_recording([], fold=1),
]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """Three small tables with their recordings, in folders of their own."""
    kinds = {
        "exact": ("shot_onsets_s", "firing_position"),
        "marked": ("window_starts_s", None),
        "none": (None, "group"),
    }
    found = {}
    for kind, (times, group) in kinds.items():
        folder = tmp_path / kind
        rows = []
        for place in range(4):
            onsets_s = [] if kind == "none" else [0.6 + 0.1 * place, 1.6]
            waveform = make_shots(onsets_s, 2.5, seed=place + len(kind))
            write_wav(folder / f"{place} é.wav", waveform, RATE_HZ)
            row = {"recording": f"{place} é.wav"}
            if times:
                shift = 0.1 if kind == "marked" else 0.0
                row[times] = " ".join(f"{t - shift:.4f}" for t in onsets_s)
            if group:
                row[group] = f"G{place % 2}"
            rows.append(row)
        write_csv(folder / "table.csv", rows)
        found[kind] = folder / "table.csv"
    rows = [
        {"recording": f"{place} é.wav", "group": f"g{place}", "fold": str(place % 2)}
        for place in range(3)
    ]
    write_csv(tmp_path / "marked" / "groups.csv", rows)
    found["groups"] = tmp_path / "marked" / "groups.csv"
    return found


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_tables_say_what_is_known(tables: dict[str, Path]) -> None:
    paths = [tables["exact"], tables["marked"], tables["none"]]
    recordings = read_sets(paths, [tables["groups"]], n_folds=2)
    exact, marked = recordings[:4], [each for each in recordings if each.marks_s is not None]
    assert [each.fold for each in exact] == [0, 1, 0, 1]  # by firing position
    assert exact[1].onsets_s == pytest.approx([0.7, 1.6])
    assert [each.path for each in marked] == ["0 é.wav", "1 é.wav", "2 é.wav"]  # 3: not in groups
    assert [each.fold for each in marked] == [0, 1, 0]
    assert [each.group for each in marked] == ["g0", "g1", "g2"]
    without = [each for each in recordings if not each.has_shots]
    assert len(without) == 4
    assert all(len(each.sha256) == 64 for each in recordings)


def test_repeated_recordings_are_read_once(tables: dict[str, Path]) -> None:
    folder = tables["exact"].parent
    shutil.copy(folder / "0 é.wav", folder / "1 é.wav")
    assert len(read_sets([tables["exact"]])) == 3


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no column `recording`"),
        ("name\na.wav\n", "no column `recording`"),
        ("recording,shot_onsets_s\n0 é.wav,soon\n", "'soon' where seconds were expected"),
        ("recording,shot_onsets_s\nmissing.wav,1\n", "no such file"),
    ],
)
def test_wrong_tables_are_refused(tables: dict[str, Path], text: str, error: str) -> None:
    path = tables["exact"].with_name("wrong.csv")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ShotprintError, match=error):
        read_sets([path])


def test_targets_stand_at_the_onsets() -> None:
    targets = labelling.draw_targets(np.array([0.1, 0.202]), 100)
    assert targets[25] == 1.0
    assert targets[50] == pytest.approx(targets[51])  # 0.202 s lies between two frames
    assert targets[24] == pytest.approx(targets[26])
    assert targets[35:45].max() == 0


def test_marks_become_onsets_by_level_and_by_network() -> None:
    recording = RECORDINGS[2]
    by_level = labelling.label_by_level(recording)
    assert by_level.onsets_s == pytest.approx([0.7, 1.9], abs=0.003)
    probability = labelling.draw_targets(np.array([0.704, 1.2, 1.904]), len(by_level.doubtful))
    probability = np.clip(0.9 * probability, 1e-6, None)
    probability[100] = 0.3  # neither yes nor no
    logits = np.log(probability / (1 - probability))
    by_network = labelling.label_by_network(recording, logits)
    assert by_network.onsets_s == pytest.approx([0.704, 1.2, 1.904], abs=0.003)
    assert by_network.doubtful[100]
    assert not by_network.doubtful[600]
    silent = labelling.label_by_network(recording, np.full(750, -9.0, np.float32))
    assert len(silent.onsets_s) == 0
    assert silent.doubtful[round(0.7 / labelling.FRAME_S)]  # there is a shot somewhere here


def test_shots_for_the_other_expert_count_nothing() -> None:
    doubtful = labelling.label_as_doubtful(RECORDINGS[0])
    assert len(doubtful.onsets_s) == 0
    assert doubtful.doubtful[round(0.5 / labelling.FRAME_S)]
    assert not doubtful.doubtful[round(0.7 / labelling.FRAME_S)]


def make_a_pool() -> object:
    labels = [
        labelling.label_exactly(each) if each.marks_s is None else labelling.label_by_level(each)
        for each in RECORDINGS
    ]
    return make_pool(RECORDINGS, labels, 0, {**FAR, "burst": 0.2, "marked": 0.2})


def test_excerpts_hold_what_the_targets_say() -> None:
    pool = make_a_pool()
    n_onsets = n_silent = 0
    for seed in range(60):
        excerpt = make_excerpt(pool, np.random.default_rng(seed))
        again = make_excerpt(pool, np.random.default_rng(seed))
        assert excerpt.waveform.shape == (N_SAMPLES,)
        assert excerpt.targets.shape == excerpt.weights.shape == (N_FRAMES,)
        assert np.isfinite(excerpt.waveform).all()
        assert np.abs(excerpt.waveform).max() <= 1.1
        assert excerpt.waveform.tobytes() == again.waveform.tobytes()
        for place in np.flatnonzero(excerpt.targets > 0.99).tolist():
            start = place * DETECTOR.hop_length
            after = excerpt.waveform[start : start + 120]
            n_onsets += 1
            n_silent += int(np.ptp(after) == 0)
    assert n_onsets > 60
    assert n_silent < 0.05 * n_onsets  # a few are under the zeros that end some excerpts


def test_bursts_are_composed_of_shots_that_stand_alone() -> None:
    bursts = compose_bursts(RECORDINGS, 20, seed=1)
    assert len(bursts) == 20
    for burst in bursts:
        gaps_s = np.diff(burst.onsets_s)
        assert gaps_s.min() >= 0.048
        assert gaps_s.max() <= 0.14
        level, rise = labelling.measure_rise(burst.waveform)
        first = round(1000 * burst.onsets_s[0])
        assert rise[first - 4 : first + 5].max() > 20
        assert level[: first - 10].max() < level.max() - 20
    assert compose_bursts(RECORDINGS[:2], 5, seed=1) == []


def test_a_frame_hears_a_finite_surrounding() -> None:
    """What `detection.sections` gives around a section is enough."""
    torch.manual_seed(0)
    network = DetectorNetwork(8).eval()
    n_samples = 8 * RATE_HZ // STEP_SAMPLES * STEP_SAMPLES
    waveform = (0.1 * torch.randn(1, n_samples)).requires_grad_()
    middle = n_samples // DETECTOR.hop_length // 2 + 1
    network(waveform)[0, middle].backward()
    heard = np.flatnonzero(waveform.grad[0].numpy())
    place_s = middle * DETECTOR.hop_length / RATE_HZ
    assert 0.3 * BACK_S < place_s - heard[0] / RATE_HZ <= BACK_S - BEFORE_S + 0.3
    assert 0.5 * AHEAD_S < heard[-1] / RATE_HZ - place_s <= AHEAD_S


def make_likeness() -> Likeness:
    torch.manual_seed(0)
    return Likeness(MobileNet(0.4)).eval()


def test_a_pair_gives_what_its_experts_give() -> None:
    torch.manual_seed(0)
    far, near = DetectorNetwork(8).eval(), DetectorNetwork(6).eval()
    waveform = 0.1 * torch.randn(2, 10 * STEP_SAMPLES)
    with torch.no_grad():
        expected = torch.stack([far(waveform), near(waveform)], dim=1)
        torch.testing.assert_close(DetectorPair(far, near).eval()(waveform), expected)


def test_the_low_band_front_end_hears_what_the_full_one_hears() -> None:
    """But for the lowest bands, whose leakage differs, and those above what 12 kHz can hold."""
    low = make_shots([0.2, 0.6], 1.0)
    full = compute_logmel(resample(low[None], RATE_HZ, 32000)[0], EFFICIENTAT)
    given = LowBandLogMel()(torch.from_numpy(low)[None])[0].numpy()[:, : full.shape[1]]
    bands = slice(20, 85)
    assert np.abs(given - full)[bands, 2:-2].max() < 0.3
    assert np.abs(given - full)[bands, 2:-2].mean() < 0.01
    assert given[-1] == pytest.approx(full[-1], abs=0.01)


def test_weights_of_likeness_fit_into_bytes() -> None:
    backbone = MobileNet(0.4)
    with torch.no_grad():
        expected = backbone.eval().features[:14](torch.ones(1, 1, 128, 40))
        stages = Likeness(backbone).stages
        given = stages(torch.ones(1, 1, 128, 40))
    assert torch.nn.functional.cosine_similarity(given.flatten(), expected.flatten(), 0) > 0.99
    for module in stages.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            rows = module.weight.detach().flatten(1)
            assert all(len(row.unique()) <= 255 for row in rows)


def test_export_gives_what_torch_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pair, likeness = DetectorPair(DetectorNetwork(8), DetectorNetwork(6)).eval(), make_likeness()
    metadata = DetectorMetadata("toy", "1", 0.5, recipe={"steps": 0})
    export = export_detector(pair, likeness, metadata, tmp_path / "toy.onnx")
    assert export.difference < 1e-5
    model = OnnxDetector(tmp_path / "toy.onnx")
    assert model.metadata.name == "toy"
    assert model.metadata.software["torch"] == torch.__version__
    assert model.run(np.zeros((3, 50 * STEP_SAMPLES), np.float32)).shape == (3, 2, 200)
    assert model.rate(np.zeros((11, CLIP_SAMPLES), np.float32)).shape == (11,)
    assert model.rate(np.zeros((0, CLIP_SAMPLES), np.float32)).shape == (0,)
    with torch.no_grad():
        pair.far.head.bias.fill_(float("nan"))
        pair.near.head.bias.fill_(float("nan"))
    with pytest.raises(ShotprintError, match="is not written"):
        export_detector(pair, likeness, metadata, tmp_path / "broken.onnx")
    assert not (tmp_path / "broken.onnx").exists()


def test_training_repeats_itself() -> None:
    recipe = DetectorRecipe(steps=12, batch_size=2, width=8, average_decay=0.5)
    networks = [fit_detector(RECORDINGS, [], recipe) for _ in range(2)]
    for one, other in zip(*(n.state_dict().values() for n in networks), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ShotprintError, match="0 without"):
        fit_detector(RECORDINGS[:2], [], recipe)


def make_found(true_s: list[float] | None, far: list[float], near: list[float]) -> Found:
    """Onsets of probability 0.8 (far) and 0.4 (near)."""
    onsets_s = np.array([*far, *near])
    probability = np.array([0.8] * len(far) + [0.4] * len(near))
    order = np.argsort(onsets_s)
    known = None if true_s is None else np.array(true_s)
    marks = np.array(near) - 0.1 if true_s is None else None
    return Found(onsets_s[order], probability[order], known, marks)


def test_the_threshold_is_the_best() -> None:
    """What is less sure is wrong where onsets are known, and right where marks are."""
    found = [
        make_found([0.4, 1.2], [0.4, 1.2], [0.8]),
        make_found([], [], [0.5]),
        make_found(None, [], [1.0]),
    ]
    counts = {at: count_onsets(found, at) for at in (0.3, 0.5, 0.9)}
    assert choose_threshold(counts, np.array([True, True, False])) == 0.5
    assert choose_threshold(counts, np.array([False, False, True])) == 0.3
    assert choose_threshold({0.3: counts[0.3]}, np.array([True, True, False])) == 0.3


def make_cases(n: int) -> list[Case]:
    """Sharp sounds are shots, and so are those of a certain description."""
    rng = np.random.default_rng(0)
    cases = []
    for place in range(n):
        evidence = rng.standard_normal((6, len(EVIDENCE)))
        evidence[:, LIKENESS] = 0
        sounds = rng.standard_normal((6, 5)).astype(np.float32)
        truth = (evidence[:, 2] + sounds[:, 3] > 0).astype(float)
        truth[0] = np.nan
        case = Case(
            name=str(place),
            sha256="",
            kind="exact",
            fold=place % 3,
            group="g",
            times_s=np.arange(6) * 0.5,
            evidence=evidence,
            sounds=sounds,
            truth=truth,
            true_s=None,
            marks_s=None,
        )
        cases.append(case)
    return cases


def test_a_judge_learns_and_stays_itself_in_a_file() -> None:
    cases = make_cases(240)
    verdict = fit_verdict(cases[:180])
    truth = np.concatenate([case.truth for case in cases[180:]])
    known = np.isfinite(truth)
    scores = np.concatenate([verdict.score(case) for case in cases[180:]])
    assert np.mean((scores > 0)[known] == truth[known]) > 0.85
    assert np.abs(verdict.rater.weights).argmax() == 3
    judge, evidence = verdict.judge, cases[180].evidence
    again = Judge.from_mapping(json.loads(json.dumps(judge.to_mapping())))
    assert (again.score(evidence) == judge.score(evidence)).all()
    assert judge.score(evidence[:0]).shape == (0,)
    with pytest.raises(ShotprintError, match="other evidence"):
        Judge.from_mapping({**judge.to_mapping(), "evidence": ["loudness"]})


def test_a_judge_is_what_scikit_learn_fitted() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    cases = make_cases(40)
    evidence = np.concatenate([case.evidence for case in cases])
    truth = np.concatenate([case.truth for case in cases])
    known = np.isfinite(truth)
    settings = {"max_iter": N_TREES, "max_depth": 4, "learning_rate": 0.08, "max_features": 0.5}
    settings |= {"l2_regularization": 1.0, "early_stopping": False}
    weights = np.full(known.sum(), WEIGHTS["exact"])
    scores = [
        HistGradientBoostingClassifier(random_state=seed, **settings)
        .fit(evidence[known], truth[known], sample_weight=weights)
        .decision_function(evidence)
        for seed in range(N_ENSEMBLES)
    ]
    judge = fit_judge(cases, [case.evidence for case in cases])
    np.testing.assert_allclose(judge.score(evidence), np.mean(scores, axis=0), atol=1e-4)


def test_clips_stand_where_the_sounds_are() -> None:
    waveform = make_shots([0.02, 0.9], 1.2)
    clips = cut_candidates(waveform, np.array([0.02, 0.9]) / labelling.FRAME_S)
    assert clips.shape == (2, CLIP_SAMPLES)
    assert np.abs(clips).max(axis=1) == pytest.approx([0.5, 0.5])
    assert np.ptp(clips[0, : round(0.08 * RATE_HZ)]) == 0
    blast = np.abs(clips[1, round(0.1 * RATE_HZ) :][:60]).max()
    assert blast > 10 * np.abs(clips[1, : round(0.099 * RATE_HZ)]).max()


def test_evidence_shows_an_echo() -> None:
    """Two shots and their weaker echoes, 0.3 s late; then nothing that came before counts."""
    waveform = make_shots([0.5, 1.3], 3.0)
    shift = round(0.3 * RATE_HZ)
    waveform[shift:] += np.float32(0.3) * waveform[:-shift]
    moments = np.array([0.5, 0.8, 1.3, 1.6]) / labelling.FRAME_S
    logits = np.zeros((2, 750), np.float32)
    evidence = gather_evidence(waveform, logits, moments)
    (column,) = (i for i, name in enumerate(EVIDENCE) if name.startswith("how much duller"))
    echo = evidence[:, column]
    assert echo[:3].tolist() == [0, 0, 0]  # the first echo has no other beside it yet
    assert 5 < echo[3] < 15
    own = evidence[:, EVIDENCE.index("peak of the sound's first difference, dB")]
    assert own[1] < own[0] - 5
    assert evidence[:, LIKENESS].tolist() == [0, 0, 0, 0]
    assert -15 < evidence[2, column + 2] < -5  # the second echo follows the second shot
    earlier = gather_evidence(waveform[: round(2.2 * RATE_HZ)], logits, moments[:3])
    assert (evidence[:3] == earlier).all()
    assert gather_evidence(waveform, logits, moments[:0]).shape == (0, len(EVIDENCE))


def test_the_command_makes_a_detector_that_detects(
    tables: dict[str, Path], tmp_path: Path, shared: Path
) -> None:
    out = tmp_path / "out"
    words = [tables["exact"], tables["marked"], tables["none"], "--groups", tables["groups"]]
    words += ["-o", out, "--steps", 2, "--n-folds", 2, "--jobs", 1, "--no-simulated"]
    words += ["--weights-dir", shared / "weights"]
    done = CliRunner().invoke(app, ["train-detector", *map(str, words)])
    assert done.exit_code == 0, done.output
    figures = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert set(figures["folds"]) == {"0", "1"}
    assert (out / "precision-recall.png").stat().st_size > 10_000
    shots = json.loads((out / "shots.json").read_text(encoding="utf-8"))
    assert len(shots["recordings"]) == 11
    model = OnnxDetector(out / "shots.onnx")
    assert model.metadata.data["recordings"] == 11
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("*.pt")}
    assert len(kept) == 6
    again = CliRunner().invoke(app, ["train-detector", *map(str, words)])
    assert again.exit_code == 0
    assert kept == {path.name: path.stat().st_mtime_ns for path in out.glob("*.pt")}
    done = CliRunner().invoke(
        app, ["detect", str(tables["exact"].parent), "--detector", str(out / "shots.onnx")]
    )
    assert done.exit_code == 0, done.output
