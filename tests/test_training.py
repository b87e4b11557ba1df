"""Training: the arithmetic of its parts, and runs that can be stopped at any moment."""

import csv
import dataclasses
import json
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from torch import nn

from shotprint.audio import read, write_wav
from shotprint.backbones import build_backbone
from shotprint.backbones.checkpoints import load_network, read_checkpoint
from shotprint.backbones.network import Network
from shotprint.clips import ClipRule, cut_clips, normalize_level
from shotprint.errors import ShotprintError
from shotprint.evaluation import read_predictions
from shotprint.manifest import build_manifest
from shotprint.packing import Pack, open_pack, pack
from shotprint.recognition.predictions import format_predictions
from shotprint.splits import LEAK_SENTENCE
from shotprint.training.callbacks import is_best, is_exhausted
from shotprint.training.crossval import crossval
from shotprint.training.dataset import TrainingBatches, choose_clip_rule, read_scoring_clips
from shotprint.training.devices import Share
from shotprint.training.fit import FitResult, fit
from shotprint.training.module import (
    FastLogMel,
    compute_loss,
    compute_lr_factor,
    group_parameters,
    list_stages,
    smooth_labels,
    update_average,
)
from shotprint.training.parts import divide
from shotprint.training.recipe import Recipe, load_recipe
from shotprint.training.scoring import (
    compute_embeddings,
    compute_probabilities,
    list_predictions,
)
from shotprint.training.start import build_start
from toy import build_toy_network
from training_sets import RATE_HZ, RULE, SETTINGS, SMALL, make_set, make_shot

SHORT = {**SMALL, "epochs": 1, "max_steps": 2}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def packed(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "set.h5"
    pack(manifest, path, SETTINGS)
    return path


def run(packed: Path, folder: Path, *, resume: bool = False, **entries: Any) -> FitResult:
    result = fit(packed, load_recipe(None, {**SMALL, **entries}), folder, resume=resume)
    assert result is not None
    return result


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- clips ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_cropped", [True, False])
@pytest.mark.parametrize("rule", [RULE, ClipRule(0.25, 0.05, 1), ClipRule(0.2, 0.08, 2)])
def test_scoring_clips_are_those_of_recognition(
    manifest: pd.DataFrame, tmp_path: Path, is_cropped: bool, rule: ClipRule
) -> None:
    settings = dataclasses.replace(SETTINGS, crop=is_cropped, channel="0")
    path = tmp_path / "short.wav"
    write_wav(path, make_shot(900, np.random.default_rng(5), 5000)[None], RATE_HZ)
    short = build_manifest([{"recording": "short.wav", "path": str(path), "label": "low"}])[0]
    rows = pd.concat([manifest.iloc[::4], short], ignore_index=True).fillna("")
    pack(rows, tmp_path / "set.h5", settings)
    opened = open_pack(tmp_path / "set.h5")
    for row, source in enumerate(rows["path"]):
        waveform = read(source, sample_rate_hz=RATE_HZ).waveform[0]
        clips = cut_clips(waveform, RATE_HZ, dataclasses.replace(rule, min_gap_s=RULE.min_gap_s))
        expected = normalize_level(clips.waveforms)
        found = read_scoring_clips(opened, row, rule)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-4


def test_whole_recordings_can_be_scored(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest.iloc[:2], tmp_path / "set.h5", dataclasses.replace(SETTINGS, crop=False))
    opened = open_pack(tmp_path / "set.h5")
    found = read_scoring_clips(opened, 0, ClipRule(length_s=0, onset_at_s=0))
    assert found.shape == (1, 20000)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"clip_length_s": 0.5}, "clips of 0.5 s.*holds 0.25 s.*--clip full"),
        ({"clip_length_s": 0.0}, "clips of 0 s.*--clip full"),
        ({"onset_at_s": 0.2}, "onset at 0.2 s"),
        ({"max_clips": 3}, "max_clips is 3.*2 onsets"),
    ],
)
def test_a_recipe_cannot_have_more_than_was_packed(
    packed: Path, entries: dict[str, Any], message: str
) -> None:
    with pytest.raises(ShotprintError, match=message):
        choose_clip_rule(open_pack(packed), load_recipe(None, entries))


def test_a_recipe_takes_what_was_packed_or_less(packed: Path) -> None:
    opened = open_pack(packed)
    assert choose_clip_rule(opened, Recipe()) == RULE
    less = choose_clip_rule(opened, Recipe(clip_length_s=0.2, onset_at_s=0.1, max_clips=1))
    assert less == ClipRule(0.2, 0.1, 1, RULE.min_gap_s)


def test_a_second_length_is_taken_where_clips_are_longer(packed: Path) -> None:
    opened = open_pack(packed)
    found = choose_clip_rule(opened, Recipe(short_clip_s=0.125))
    assert found == dataclasses.replace(RULE, short_length_s=0.125)
    for length_s in (0.25, 0.05, 0.0):
        assert choose_clip_rule(opened, Recipe(short_clip_s=length_s)) == RULE


def make_batches(opened: Pack, rank: int = 0, world: int = 1, **entries: Any) -> TrainingBatches:
    codes = {label: code for code, label in enumerate(opened.labels)}
    labels = np.array([codes[label] for label in opened.manifest["label"]], np.int64)
    rows = np.flatnonzero(opened.manifest["recording"] != "low/0.wav")
    recipe = load_recipe(None, {**SMALL, **entries})
    return TrainingBatches(opened, rows, labels, RULE, recipe, Share(rank, world))


def test_without_balancing_recordings_come_equally_often(packed: Path) -> None:
    batches = make_batches(open_pack(packed), class_balance=0.0, clips_per_recording=3)
    drawn = Counter(batches.draw_order(0).tolist())
    assert set(drawn) == set(batches.rows.tolist())
    assert set(drawn.values()) <= {2, 3}


def test_balancing_brings_labels_to_equal_numbers(packed: Path) -> None:
    batches = make_batches(open_pack(packed), clips_per_recording=10)
    rare = np.array([8, 9, 10, 11, 16])  # four of one label, one of another
    for balance, expected in ((0.0, 0.2), (0.5, 1 / 3), (1.0, 0.5)):
        recipe = dataclasses.replace(batches.recipe, class_balance=balance, batch_size=50)
        drawn = dataclasses.replace(batches, rows=rare, recipe=recipe).draw_order(0)
        assert (drawn == 16).mean() == pytest.approx(expected, abs=0.03)


def test_batches_depend_on_seed_epoch_and_step_alone(packed: Path) -> None:
    opened = open_pack(packed)
    batches = make_batches(opened)
    first = batches[(3, 1)]
    for other in ((0, 0), (3, 0), (7, 1)):
        assert not torch.equal(batches[other].waveforms, first.waveforms)
    assert torch.equal(make_batches(opened)[(3, 1)].waveforms, first.waveforms)
    assert not torch.equal(make_batches(opened, seed=1)[(3, 1)].waveforms, first.waveforms)
    assert first.waveforms.shape == (8, round(RULE.length_s * RATE_HZ))
    assert first.waveforms.dtype == torch.float32


def test_devices_share_a_batch(packed: Path) -> None:
    opened = open_pack(packed)
    whole = make_batches(opened)[(0, 0)]
    shares = [make_batches(opened, rank, 3)[(0, 0)] for rank in range(3)]
    for rank, share in enumerate(shares):
        assert torch.equal(share.waveforms, whole.waveforms[rank::3])
        assert torch.equal(share.labels, whole.labels)


def test_clips_move_by_the_shift_and_stay_inside(packed: Path) -> None:
    opened = open_pack(packed)
    batches = make_batches(opened)
    n = round(0.01 * RATE_HZ)
    n_free = 0

    def read_clip(onset: int, shift_s: float) -> np.ndarray:
        return opened.read_samples(*batches.place_clip(onset, shift_s, RULE.length_s))

    for onset, sample in enumerate(opened.onset_sample):
        clip, later = read_clip(onset, 0.0), read_clip(onset, 0.01)
        if 2000 < sample < 12000:  # far from the ends of the recording
            np.testing.assert_array_equal(later[:-n], clip[n:])
            n_free += 1
        for shift_s in (99.0, -99.0):
            assert len(read_clip(onset, shift_s)) == 8000
    assert n_free >= 24


def test_steps_take_turns_with_the_lengths_of_clips(packed: Path) -> None:
    long = make_batches(open_pack(packed))
    both = dataclasses.replace(long, rule=dataclasses.replace(RULE, short_length_s=0.125))
    assert torch.equal(both[(2, 0)].waveforms, long[(2, 0)].waveforms)
    short = dataclasses.replace(long, rule=both.rule.views[1])
    assert both[(2, 1)].waveforms.shape == (8, 4000)
    assert torch.equal(both[(2, 1)].waveforms, short[(2, 1)].waveforms)


# --- scoring ----------------------------------------------------------------------------------


def test_clips_of_both_lengths_are_scored(packed: Path) -> None:
    opened, network = open_pack(packed), build_toy_network()
    rule = dataclasses.replace(RULE, short_length_s=0.125)
    rows = np.array([7, 2, 20])
    probabilities = compute_probabilities(network, opened, rows, rule)
    embeddings, owners = compute_embeddings(network, opened, rows, rule)
    for place, row in enumerate(rows.tolist()):
        with torch.no_grad():
            outputs = [
                network(torch.from_numpy(read_scoring_clips(opened, row, view)))
                for view in rule.views
            ]
        log_probabilities, expected = (torch.cat(part) for part in zip(*outputs, strict=True))
        np.testing.assert_allclose(
            probabilities[place], log_probabilities.mean(dim=0).softmax(0), atol=1e-5
        )
        np.testing.assert_allclose(embeddings[owners == place], expected, rtol=1e-3, atol=1e-4)
    alone = compute_probabilities(network, opened, rows, RULE)
    assert np.abs(probabilities - alone).max() > 1e-3


# --- one step ---------------------------------------------------------------------------------


def make_network(backbone: str = "efficientat_mn04") -> Network:
    torch.manual_seed(0)
    network = Network(build_backbone(backbone), ["a", "b", "c"])
    network.backbone.remove_audioset_layer()
    return network


@pytest.mark.parametrize("backbone", ["efficientat_mn04", "panns_cnn6"])
def test_the_fast_front_end_is_the_front_end(backbone: str) -> None:
    logmel = make_network(backbone).logmel
    waveform = torch.randn(3, 9000) * torch.tensor([[0.5], [0.01], [0.0]])
    found, expected = FastLogMel(logmel)(waveform), logmel(waveform)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < 1e-3 * float(expected.abs().max())


def test_losses() -> None:
    logits = torch.randn(5, 3)
    labels = torch.tensor([0, 1, 2, 1, 0])
    log_p = logits.log_softmax(1)
    found = compute_loss(log_p, smooth_labels(labels, 3, 0.2), "cross_entropy")
    expected = nn.functional.cross_entropy(logits, labels, label_smoothing=0.2)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    baseline = compute_loss(log_p, smooth_labels(labels, 3, 0.0), "clip_nll")
    plain = nn.functional.cross_entropy(logits, labels)
    assert float(baseline) == pytest.approx(float(plain) / 3, rel=1e-6)


@pytest.mark.parametrize(
    ("step", "schedule", "expected"),
    [
        (0, "constant", 0.1),
        (9, "constant", 1.0),
        (99, "constant", 1.0),
        (0, "cosine", 0.1),
        (50, "cosine", 0.5),
        (100, "cosine", 0.0),
        (120, "cosine", 0.0),
    ],
)
def test_learning_rate_schedule(step: int, schedule: str, expected: float) -> None:
    recipe = load_recipe(None, {"schedule": schedule, "warmup_fraction": 0.1})
    assert compute_lr_factor(step, 100, recipe) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("backbone", ["efficientat_mn04", "panns_cnn6"])
def test_learning_rates_fall_towards_the_input(backbone: str) -> None:
    network = make_network(backbone)
    recipe = Recipe(learning_rate=1.0, backbone_lr_scale=0.5, layer_decay=0.1, frozen_share=0.0)
    groups = group_parameters(network, recipe)
    rates = [group["lr"] for group in groups]
    n_stages = len(list_stages(network.backbone))
    assert rates == pytest.approx([1.0, *(0.5 * 0.1**depth for depth in range(n_stages))])
    first = next(network.backbone.parameters())
    assert any(first is value for value in groups[-1]["params"])
    used = [id(value) for group in groups for value in group["params"]]
    assert len(used) == len(set(used))
    assert set(used) == {id(value) for value in network.parameters()}


def test_a_frozen_base_leaves_only_the_head_to_train() -> None:
    network = make_network()
    groups = group_parameters(network, Recipe(freeze_base=True))
    assert [id(v) for g in groups for v in g["params"]] == [
        id(v) for v in network.head.parameters()
    ]


def test_the_average_moves_by_one_minus_decay() -> None:
    old, new = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        new.weight.fill_(3.0)
        new.running_mean.fill_(10.0)  # type: ignore[union-attr]
        new.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    update_average(old.requires_grad_(False), new, 0.75)
    state = old.state_dict()
    assert state["weight"].tolist() == [1.5, 1.5]
    assert state["running_mean"].tolist() == [2.5, 2.5]
    assert int(state["num_batches_tracked"]) == 7


def test_best_epoch_and_patience() -> None:
    history = [
        {"validation_accuracy": accuracy, "validation_loss": loss}
        for accuracy, loss in ((0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1))
    ]
    assert [is_best(history[: n + 1]) for n in range(5)] == [True, True, True, False, False]
    exhausted = [is_exhausted(history[: n + 1], 2) for n in range(5)]
    assert exhausted == [False, False, False, False, True]
    assert not is_exhausted(history, 0)
    assert not is_exhausted([], 2)


# --- runs -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A run long enough to learn something, with a test fold."""
    folder = tmp_path_factory.mktemp("run")
    entries = {"epochs": 8, "clips_per_recording": 4, "test_fold": 0, "protocol": "manifest"}
    return run(packed, folder, **entries)


def test_it_learns(learned: FitResult) -> None:
    metrics = read_csv(learned.out_dir / "metrics.csv")
    assert len(metrics) == 8
    assert float(metrics[-1]["loss"]) < 0.85 * float(metrics[0]["loss"])
    assert learned.metrics["test_accuracy"] >= 0.5
    assert learned.metrics["test_loss"] < 0.9  # of chance: 1.1
    assert learned.counts == {"train": 18, "validation": 0, "test": 6}


def test_everything_is_written(learned: FitResult, packed: Path) -> None:
    folder = learned.out_dir
    recipe = load_recipe(folder / "recipe.toml")
    assert (recipe.clip_length_s, recipe.max_clips) == (RULE.length_s, RULE.max_clips)
    description = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    opened = open_pack(packed)
    assert description["pack"]["content_sha256"] == opened.content_sha256
    assert description["pack"]["manifest_sha256"] == opened.manifest_sha256
    assert description["split"]["counts"] == dict(learned.counts)
    assert description["metrics"]["test_accuracy"] == learned.metrics["test_accuracy"]
    assert {"shotprint", "python", "torch", "lightning"} <= set(description["versions"])
    parts = {row["recording"]: row["part"] for row in read_csv(folder / "split.csv")}
    assert parts == {
        name: "test" if fold == "0" else "train"
        for name, fold in zip(opened.manifest["recording"], opened.manifest["fold"], strict=True)
    }
    assert list((folder / "tensorboard").glob("events.*"))
    assert str(packed.parent) not in (folder / "run.json").read_text(encoding="utf-8")


def test_the_model_file_says_what_it_is(learned: FitResult, packed: Path) -> None:
    with safe_open(learned.out_dir / "model.safetensors", "pt") as file:
        metadata = json.loads(file.metadata()["shotprint"])
    assert metadata["labels"] == ["high", "low", "middle"]
    assert metadata["backbone"] == "efficientat_mn04"
    assert metadata["clip_rule"] == dataclasses.asdict(RULE)
    assert metadata["recipe"]["epochs"] == 8
    assert len(metadata["trained_on"]) == learned.counts["train"]


def test_predictions_are_those_of_the_saved_model(learned: FitResult, packed: Path) -> None:
    rows = read_csv(learned.out_dir / "predictions.csv")
    header = list(rows[0])
    assert header[:4] == ["recording", "label", "predicted", "probability"]
    assert header[4:8] == ["p_high", "p_low", "p_middle", "group"]
    assert {"sha256", "fold", "recorder"} <= set(header[8:])
    network = load_network(learned.out_dir / "model.safetensors")
    opened = open_pack(packed)
    names = opened.manifest["recording"].tolist()
    for row in rows:
        clips = read_scoring_clips(opened, names.index(row["recording"]), RULE)
        with torch.no_grad():
            expected = network(torch.from_numpy(clips))[0].mean(dim=0).softmax(0)
        found = [float(row[f"p_{label}"]) for label in network.labels]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert row["predicted"] == network.labels[int(expected.argmax())]
    predictions = read_predictions(learned.out_dir / "predictions.csv")
    assert predictions.correct.mean() == learned.metrics["test_accuracy"]


def test_columns_of_a_manifest_are_not_mistaken_for_answers() -> None:
    columns = ["recording", "path", "label", "predicted", "probability", "p_b", "fold"]
    rows = pd.DataFrame([["1.wav", "x/1.wav", "a", "b", "0.9", "1", "3"]], columns=columns)
    text = format_predictions(list_predictions(rows, ["a", "b"], np.array([[0.75, 0.25]])), "ab")
    assert text.splitlines() == [
        "recording,label,predicted,probability,p_a,p_b,group,fold",
        "1.wav,a,a,0.75,0.75,0.25,,3",
    ]


def test_a_fine_tuned_model_is_a_start(learned: FitResult, packed: Path) -> None:
    path = learned.out_dir / "model.safetensors"
    recipe = load_recipe(None, {**SMALL, "weights": str(path)})
    known = build_start(recipe, ["high", "low", "middle"])
    saved = load_network(path)
    assert known.has_head
    assert torch.equal(known.network.head.weight, saved.head.weight)
    other = build_start(recipe, ["high", "low"])
    assert not other.has_head
    assert other.network.head.out_features == 2
    for start in (known, other):
        first = next(iter(start.network.backbone.state_dict().values()))
        assert torch.equal(first, next(iter(saved.backbone.state_dict().values())))


def test_a_start_that_heard_the_test_part_is_told(
    learned: FitResult, packed: Path, tmp_path: Path
) -> None:
    weights = str(learned.out_dir / "model.safetensors")
    result = run(packed, tmp_path / "a", **{**SHORT, "weights": weights, "test_fold": 1})
    assert any("were trained on 6 of the 6 recordings" in remark for remark in result.remarks)
    result = run(packed, tmp_path / "b", **{**SHORT, "weights": weights, "test_fold": 0})
    assert not any("were trained on" in remark for remark in result.remarks)


@pytest.mark.parametrize(("weights", "message"), [("nowhere.pth", "which is no file")])
def test_wrong_weights(packed: Path, tmp_path: Path, weights: str, message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        run(packed, tmp_path / "run", weights=weights)


def test_a_frozen_base_stays_as_it_was(learned: FitResult, packed: Path, tmp_path: Path) -> None:
    weights = learned.out_dir / "model.safetensors"
    entries = {**SHORT, "weights": str(weights), "freeze_base": True, "average_decay": 0.0}
    run(packed, tmp_path / "run", **entries)
    start = read_checkpoint(weights)
    end = read_checkpoint(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(end.backbone[key], value) for key, value in start.backbone.items())
    assert not torch.equal(end.head["weight"], start.head["weight"])


def test_a_random_protocol_says_that_it_leaks(packed: Path, tmp_path: Path) -> None:
    result = run(packed, tmp_path / "run", **SHORT, protocol="random", test_fold=1)
    assert LEAK_SENTENCE in result.remarks


def test_whole_recordings_can_be_trained_on(manifest: pd.DataFrame, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, crop=False)
    pack(manifest.iloc[::3], tmp_path / "set.h5", settings)
    entries = {**SHORT, "clip_length_s": 0.0, "onset_at_s": 0.0, "test_fold": 0}
    result = run(tmp_path / "set.h5", tmp_path / "run", **entries, protocol="manifest")
    assert result.counts["test"] > 0


def test_the_baselines_settings_run(packed: Path, tmp_path: Path) -> None:
    entries = {"optimizer": "adam", "loss": "clip_nll", "schedule": "constant", "mixup_alpha": 1.0}
    off = {"label_smoothing": 0.0, "average_decay": 0.0, "warmup_fraction": 0.0}
    result = run(packed, tmp_path / "run", **{**SHORT, **entries, **off, "batch_size": 4})
    assert result.counts == {"train": 24, "validation": 0, "test": 0}
    assert not (tmp_path / "run" / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"backbone": "panns_cnn15"}, "no backbone 'panns_cnn15'"),
        ({"test_fold": 9}, "test fold 9 does not exist; the folds are 0, 1, 2, 3"),
        ({"protocol": "nothing", "test_fold": 0}, "no column 'nothing'"),
        ({"clip_length_s": 0.01, "onset_at_s": 0.0}, "too short for efficientat_mn04"),
    ],
)
def test_refused(packed: Path, tmp_path: Path, entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        run(packed, tmp_path / "run", **entries)
    assert not (tmp_path / "run").exists()


def test_one_label_is_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    pack(manifest[manifest["label"] == "low"], tmp_path / "set.h5", SETTINGS)
    with pytest.raises(ShotprintError, match="the label low only"):
        run(tmp_path / "set.h5", tmp_path / "run")


def test_another_rate_is_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, sample_rate_hz=16000)
    pack(manifest.iloc[::6], tmp_path / "set.h5", settings)
    with pytest.raises(ShotprintError, match=r"packed at 16000 Hz.*hears 32000 Hz"):
        run(tmp_path / "set.h5", tmp_path / "run")


def test_divergence_is_told(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(ShotprintError, match="training diverged"):
        run(packed, tmp_path / "run", epochs=2, learning_rate=10.0, backbone_lr_scale=1e6)


# --- parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("test_fold", [None, 2])
def test_validation_takes_whole_groups_and_never_the_test_fold(
    packed: Path, test_fold: int | None
) -> None:
    table = open_pack(packed).manifest
    entries = {"validation": "groups", "test_fold": test_fold}
    parts = divide(table, load_recipe(None, {k: v for k, v in entries.items() if v is not None}))
    part_of: dict[str, set[str]] = {}
    for group, part in zip(table["group"], parts.part, strict=True):
        part_of.setdefault(group, set()).add(part)
    assert all(len(several) == 1 for several in part_of.values())
    counts = parts.count()
    assert counts["test"] == (0 if test_fold is None else 6)
    assert counts["validation"] > 0
    is_test = table["fold"] == str(test_fold)
    assert set(parts.part[is_test]) <= {"test"}
    trained = set(table["label"][parts.part == "train"])
    assert trained == {"high", "low", "middle"}


def test_validation_by_fold(packed: Path) -> None:
    table = open_pack(packed).manifest
    parts = divide(table, Recipe(validation="fold", validation_fold=3, test_fold=1))
    expected = {"0": "train", "1": "test", "2": "train", "3": "validation"}
    assert parts.part.tolist() == [expected[fold] for fold in table["fold"]]


def test_early_stopping_keeps_the_best_epoch(packed: Path, tmp_path: Path) -> None:
    """Weights stay but for the statistics of batch norm: some epoch is soon the best."""
    entries = {"epochs": 9, "patience": 2, "validation": "groups", "learning_rate": 1e-9}
    result = run(packed, tmp_path / "run", **entries)
    history = [
        {key: float(value) for key, value in row.items()}
        for row in read_csv(tmp_path / "run" / "metrics.csv")
    ]
    best = max(n for n in range(1, len(history) + 1) if is_best(history[:n]))
    assert len(history) == min(9, best + 2)
    for name in ("validation_accuracy", "validation_loss"):
        assert result.metrics[name] == pytest.approx(history[best - 1][name], rel=1e-5)
    again = run(packed, tmp_path / "run", **entries, resume=True)
    assert again.metrics["epochs"] == result.metrics["epochs"]


# --- stopping and going on --------------------------------------------------------------------

LONG = {"epochs": 4, "clips_per_recording": 2, "validation": "groups", "patience": 4}


def read_outputs(folder: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "metrics.csv", "split.csv", "recipe.toml")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def uninterrupted(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(packed, folder, **LONG)
    return read_outputs(folder)


def test_a_killed_run_goes_on_to_the_same_weights(
    packed: Path, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    """A real process is killed in the middle of an epoch, as by a power cut."""
    script = tmp_path / "train.py"
    entries = {**SMALL, **LONG}
    script.write_text(
        "from shotprint.training.fit import fit\n"
        "from shotprint.training.recipe import load_recipe\n"
        f"fit({str(packed)!r}, load_recipe(None, {entries!r}), {str(tmp_path / 'run')!r})\n",
        encoding="utf-8",
    )
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    with subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE) as process:
        while process.poll() is None and not checkpoint.is_file():
            time.sleep(0.002)
        process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    unfinished = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert unfinished["metrics"] is None
    result = run(packed, tmp_path / "run", **LONG, resume=True)
    assert result.metrics["epochs"] == 4
    assert read_outputs(tmp_path / "run") == uninterrupted


def test_a_run_stopped_at_a_step_goes_on_to_the_same_weights(
    packed: Path, tmp_path: Path, uninterrupted: dict[str, bytes]
) -> None:
    stopped = run(packed, tmp_path / "run", **LONG, max_steps=6)
    assert stopped.metrics["epochs"] == 1  # complete ones; an epoch has four or five steps
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != uninterrupted[
        "model.safetensors"
    ]
    run(packed, tmp_path / "run", **LONG, resume=True)
    assert read_outputs(tmp_path / "run") == uninterrupted


def test_what_was_started_otherwise_is_not_resumed(
    manifest: pd.DataFrame, packed: Path, tmp_path: Path
) -> None:
    run(packed, tmp_path / "run", **SHORT)
    with pytest.raises(ShotprintError, match="holds a run already; go on with it with --resume"):
        run(packed, tmp_path / "run", **SHORT)
    with pytest.raises(ShotprintError, match="seed was 0, is 1"):
        run(packed, tmp_path / "run", **SHORT, seed=1, resume=True)
    pack(manifest.iloc[:-1], tmp_path / "other.h5", SETTINGS)
    with pytest.raises(ShotprintError, match="the pack has other content"):
        run(tmp_path / "other.h5", tmp_path / "run", **SHORT, resume=True)


def test_a_run_can_be_resumed_before_it_began(packed: Path, tmp_path: Path) -> None:
    assert run(packed, tmp_path / "run", **SHORT, resume=True).counts["train"] == 24


# --- several processes ------------------------------------------------------------------------


def test_crossval_tests_every_recording_once(packed: Path, tmp_path: Path) -> None:
    """Two processes; then one more run that has nothing left to do."""
    recipe = load_recipe(None, {**SHORT, "protocol": "manifest", "num_threads": 0})
    by_fold = load_recipe(None, {**SMALL, "validation": "fold", "validation_fold": 1})
    with pytest.raises(ShotprintError, match="validation = groups"):
        crossval(packed, by_fold, tmp_path / "cv")
    result = crossval(packed, recipe, tmp_path / "cv", jobs=2)
    rows = read_csv(tmp_path / "cv" / "predictions.csv")
    table = open_pack(packed).manifest
    assert {row["recording"]: row["fold"] for row in rows} == dict(
        zip(table["recording"], table["fold"], strict=True)
    )
    assert result.n == len(rows) == 24
    assert result.n_correct == sum(row["predicted"] == row["label"] for row in rows)
    assert {fold: n for fold, (_, n) in result.folds.items()} == {0: 6, 1: 6, 2: 6, 3: 6}
    summary = json.loads((tmp_path / "cv" / "crossval.json").read_text(encoding="utf-8"))
    assert summary["accuracy"] == result.n_correct / 24
    assert tomllib.loads((tmp_path / "cv" / "recipe.toml").read_text(encoding="utf-8"))
    with pytest.raises(ShotprintError, match="holds a cross-validation already"):
        crossval(packed, recipe, tmp_path / "cv")
    before = (tmp_path / "cv" / "predictions.csv").read_bytes()
    share = max(1, (os.cpu_count() or 1) // 2)  # other numbers of threads add in another order
    alone = dataclasses.replace(recipe, num_threads=share)
    crossval(packed, alone, tmp_path / "cv", jobs=1, resume=True)
    assert (tmp_path / "cv" / "predictions.csv").read_bytes() == before
