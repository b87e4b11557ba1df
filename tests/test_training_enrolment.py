"""Calibration of enrolled guns: toy networks in the folders that a cross-validation leaves."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from shotprint import cli
from shotprint.audio import write_wav
from shotprint.evidence import LikelihoodCalibration
from shotprint.manifest import build_manifest
from shotprint.packing import pack
from shotprint.references import ReferenceSpace
from shotprint.splits import assign_folds, write_protocol
from training_sets import RATE_HZ, SETTINGS, make_shot

pytest.importorskip("torch")

PITCHES_HZ = {"a": 300.0, "b": 800.0, "c": 2000.0, "d": 4500.0, "e": 9000.0}


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Five guns of three sources, and networks that list all guns but one."""
    from shotprint.backbones.checkpoints import write_network
    from toy import build_toy_network

    folder = tmp_path_factory.mktemp("enrolment")
    rng = np.random.default_rng(0)
    rows = []
    for label, pitch_hz in PITCHES_HZ.items():
        for i in range(9):
            path = folder / "shots" / label / f"{i}.wav"
            write_wav(path, make_shot(pitch_hz, rng)[None], RATE_HZ)
            group = {"group": f"{label}-{i % 3}", "fold": str(i % 3)}
            name = {"recording": f"{label}/{i}.wav", "path": str(path), "label": label}
            rows.append({**name, **group})
    manifest = build_manifest(rows)[0]
    pack(manifest, folder / "set.h5", SETTINGS)
    network = build_toy_network(labels=tuple(PITCHES_HZ))
    rule = {"length_s": 0.25, "onset_at_s": 0.05, "max_clips": 2}
    facts = {"clip_rule": {**rule, "min_gap_s": 0.2, "short_length_s": 0.0}}
    write_network(network, "efficientat_mn04", folder / "run" / "model.safetensors", facts)
    for label in PITCHES_HZ:
        listed = tuple(name for name in PITCHES_HZ if name != label)
        network = build_toy_network(labels=listed)
        crossval = folder / "without" / label / "cv"
        for fold in range(3):
            path = crossval / f"fold-{fold}" / "model.safetensors"
            write_network(network, "efficientat_mn04", path, facts)
        known = manifest[manifest["label"] != label].reset_index(drop=True)
        write_protocol(assign_folds(known, "manifest"), crossval / "protocol.csv")
        (crossval / "crossval.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def content(folder: Path):
    done = invoke(
        *("calibrate-enrolment", folder / "run", "--without", folder / "without"),
        *("--pack", folder / "set.h5", "-o", folder / "enrolment.json"),
    )
    assert done.exit_code == 0, done.output
    assert "1 references: cllr" in done.stdout
    return json.loads((folder / "enrolment.json").read_text())


def test_pitches_are_told_apart_by_guns_that_no_network_knew(content) -> None:
    figures = content["figures"]
    assert figures["all"]["auc"]["value"] > 0.8  # a tone tells these guns, chance is 0.5
    assert figures["all"]["cllr"]["value"] < 1
    assert figures["all"]["n_guns"] == 5
    medians = figures["median_scores"]
    assert medians["other_gun"] < medians["same_gun"]
    assert set(figures["by_gun"]) == set(PITCHES_HZ)


def test_each_trial_is_counted(content) -> None:
    rows = {row["n_references"]: row for row in content["figures"]["by_n_references"]}
    assert rows[1]["n_h1"] == 5 * 3 * 5 * 3  # guns, folds, draws, recordings of the gun in a fold
    assert rows[1]["n_h2"] == 5 * 3 * 5 * 12
    assert rows[3]["named_first"] >= rows[3]["others_named_so"]


def test_what_is_written_can_be_used(content) -> None:
    entry = content["enrolment"]
    found = LikelihoodCalibration.from_json(json.dumps(entry["calibration"]))
    assert found.hypothesis == "enrolled"
    assert found.n_groups == 15
    assert -np.log10(6) <= found.lower <= 0 <= found.upper <= np.log10(6)
    assert ReferenceSpace.from_mapping(entry["space"]).labels == tuple(PITCHES_HZ)


def test_folders_that_do_not_fit_are_refused(folder: Path, content, tmp_path: Path) -> None:
    words = ("calibrate-enrolment", folder / "run", "--pack", folder / "set.h5")
    done = invoke(*words, "--without", tmp_path, "-o", tmp_path / "x.json")
    assert "holds no finished cross-validation" in str(done.exception)
    crossval = tmp_path / "all" / "cv"
    (crossval / "fold-0").mkdir(parents=True)
    (crossval / "crossval.json").write_text("{}")
    weights = (folder / "run" / "model.safetensors").read_bytes()
    (crossval / "fold-0" / "model.safetensors").write_bytes(weights)
    done = invoke(*words, "--without", tmp_path, "-o", tmp_path / "x.json")
    assert "leaves out 0 guns" in str(done.exception)
    assert not (tmp_path / "x.json").exists()
