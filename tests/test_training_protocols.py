"""Every protocol that a set allows, side by side: rehearsed on simulated shots in CADRE layout."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from shotprint import cli
from shotprint.clips import ClipRule
from shotprint.datasets import cadre
from shotprint.errors import ShotprintError
from shotprint.packing import PackSettings, open_pack, pack
from shotprint.simulation.cadre import Settings, simulate_set
from shotprint.splits import assign_folds, read_protocol, write_protocol
from shotprint.training.crossval import crossval
from shotprint.training.parts import divide
from shotprint.training.protocols import crossval_all
from shotprint.training.recipe import Recipe, load_recipe
from training_sets import make_set

RECIPE = Path(__file__).parents[1] / "recipes" / "cadre.toml"
PROTOCOLS = ["random", "group", "shot", "position", "recorder"]
QUICK = {"weights": "shipped", "epochs": 0, "num_threads": 1, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two guns at two places, two shots each, heard by two recorders: 16 recordings."""
    folder = tmp_path_factory.mktemp("cadre")
    settings = Settings(
        guns=("M16", "Glock45"),
        recorders=("Zoom", "iPhone"),
        positions=("1A", "41B"),
        duration_s=0.6,
    )
    assert simulate_set(folder / "shots", settings, workers=1) == 16
    manifest = cadre.import_dir(folder / "shots").manifest
    rule = ClipRule(length_s=0.3, onset_at_s=0.05, max_clips=1)
    pack(manifest, folder / "set.h5", PackSettings(clip_rule=rule), jobs=1)
    return folder / "set.h5"


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def compared(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("all") / "cv"
    options = [word for name, value in QUICK.items() for word in (f"--{name}", value)]
    options = [str(word).replace("_", "-") for word in options]
    done = invoke(
        *("crossval", packed, "-o", folder, "--config", RECIPE, "--n-folds", 2, "--jobs", 1),
        *options,
    )
    assert done.exit_code == 0, done.output
    return folder, done


def test_the_recipe_for_cadre_gives_every_protocol(compared: tuple[Path, Result]) -> None:
    folder, done = compared
    content = json.loads((folder / "protocols.json").read_text(encoding="utf-8"))
    rows = {row["protocol"]: row for row in content["protocols"]}
    assert list(rows) == PROTOCOLS
    assert {name: row["n_folds"] for name, row in rows.items()} == {
        **{"random": 2, "group": 2, "shot": 2},
        **{"position": 2, "recorder": 8},
    }
    assert [name for name, row in rows.items() if row["leaks"]] == ["random", "shot"]
    assert rows["shot"]["n_kept_whole"] == 8
    # of the other 14 recordings the other recorder's at the three other group-parts, 6, remain
    assert rows["recorder"]["excluded_share"] == pytest.approx(8 / 14)
    for name, row in rows.items():
        with (folder / name / "predictions.csv").open(encoding="utf-8", newline="") as file:
            answers = list(csv.DictReader(file))
        right = [answer["predicted"] == answer["label"] for answer in answers]
        assert row["accuracy"]["n"] == len({a["recording"] for a in answers}) == 16
        assert row["accuracy"]["n_correct"] == sum(right)
        cost = row["cost_of_leakage"]
        if name != "random":
            random = rows["random"]["accuracy"]["value"]
            assert cost["value"] == pytest.approx(random - row["accuracy"]["value"])
    assert list(content["refused"]) == ["session", "source"]
    assert (folder / "protocols.txt").read_text(encoding="utf-8") == done.stdout
    with (folder / "protocols.csv").open(encoding="utf-8", newline="") as file:
        assert [row["protocol"] for row in csv.DictReader(file)] == PROTOCOLS


def test_the_table_says_what_must_be_said(compared: tuple[Path, Result]) -> None:
    folder, done = compared
    first, *lines = done.stdout.splitlines()
    assert first == "Simulated shots – not real recordings"
    table = {line.split()[0]: line for line in lines}
    assert all(name in table for name in PROTOCOLS)
    assert " LEAKS " in table["random"]
    assert " LEAKS " not in table["group"]
    assert "2 of 2 labels come from a single gun set" in done.stdout
    assert "gun model, individual gun and session are confounded" in done.stdout
    assert done.stdout.count("are confounded") == 1
    assert "not possible: session: the protocol session needs the column session" in done.stdout
    assert (folder / "protocols.png").stat().st_size > 10_000


def test_all_protocols_go_on_where_they_stopped(
    packed: Path, compared: tuple[Path, Result]
) -> None:
    folder, _ = compared
    recipe = load_recipe(RECIPE, {**QUICK, "n_folds": 2})
    with pytest.raises(ShotprintError, match=r"holds protocols already \(random, group"):
        crossval_all(packed, recipe, folder, jobs=1)
    before = (folder / "protocols.json").read_bytes()
    kept = folder / "recorder" / "fold-0" / "model.safetensors"
    lost = folder / "recorder" / "fold-1" / "run.json"
    stamp = kept.stat().st_mtime_ns
    lost.unlink()
    (folder / "protocols.json").unlink()
    crossval_all(packed, recipe, folder, jobs=1, resume=True)
    assert lost.is_file()
    assert kept.stat().st_mtime_ns == stamp
    assert (folder / "protocols.json").read_bytes() == before
    other = load_recipe(RECIPE, {**QUICK, "n_folds": 2, "seed": 3})
    with pytest.raises(ShotprintError, match="has other folds than were asked for"):
        crossval_all(packed, other, folder, jobs=1, resume=True)


def test_training_leaves_out_what_is_kept_apart(
    packed: Path, compared: tuple[Path, Result]
) -> None:
    folder, _ = compared
    manifest = open_pack(packed).manifest.set_index("recording")
    for fold in range(8):
        path = folder / "recorder" / f"fold-{fold}" / "split.csv"
        with path.open(encoding="utf-8", newline="") as file:
            part = {row["recording"]: row["part"] for row in csv.DictReader(file)}
        table = manifest.assign(part=manifest.index.map(part))
        train, test = (table[table["part"] == name] for name in ("train", "test"))
        assert (len(train), len(test)) == (6, 2)
        for column in ("recorder", "group", "shot_id"):
            assert set(train[column]).isdisjoint(test[column])


def test_a_protocol_file_gives_its_folds(packed: Path, tmp_path: Path) -> None:
    manifest = open_pack(packed).manifest
    path = tmp_path / "recorder.csv"
    done = invoke("split", packed, "--protocol", "recorder", "--no-purge", "-o", path)
    assert done.exit_code == 0, done.output
    assert read_protocol(path, manifest) == assign_folds(manifest, "recorder", purge=False)
    recipe = Recipe(**{**QUICK, "protocol_file": str(path)})
    result = crossval(packed, recipe, tmp_path / "cv", jobs=1)
    assert result.protocol == "recorder"
    assert {fold: n for fold, (_, n) in result.folds.items()} == {0: 8, 1: 8}
    assert (tmp_path / "cv" / "protocol.csv").read_bytes() == path.read_bytes()
    write_protocol(assign_folds(manifest, "position"), path)
    with pytest.raises(ShotprintError, match="has other folds than were asked for"):
        crossval(packed, recipe, tmp_path / "cv", jobs=1, resume=True)


def test_a_validation_fold_is_kept_apart_too() -> None:
    rows = [
        {"recording": f"{label}{group}{recorder}", "label": label, "group": f"{label}{group}"}
        | {"recorder": recorder}
        for label in "ab"
        for group in range(5)
        for recorder in "xyz"
    ]
    manifest = pd.DataFrame(rows).assign(sha256="", fold="")
    recipe = Recipe(protocol="recorder", test_fold=0, validation="fold", validation_fold=6)
    parts = dict(list(manifest.assign(part=divide(manifest, recipe).part).groupby("part")))
    assert {name: len(rows) for name, rows in parts.items()} == {
        **{"test": 2, "validation": 2},
        **{"train": 6, "excluded": 20},
    }
    for a, b in (("train", "test"), ("train", "validation"), ("validation", "test")):
        for column in ("group", "recorder"):
            assert set(parts[a][column]).isdisjoint(parts[b][column])


def test_all_is_for_crossval_alone(packed: Path) -> None:
    with pytest.raises(ShotprintError, match="use shotprint crossval"):
        divide(open_pack(packed).manifest, Recipe(protocol="all", test_fold=0))


def test_split_shows_what_a_set_allows(packed: Path, tmp_path: Path) -> None:
    done = invoke("split", packed, "--n-folds", 2, "-o", tmp_path / "folds")
    assert done.exit_code == 0, done.output
    header, *rows = done.stdout.splitlines()
    assert header.split() == [
        "protocol",
        "folds",
        "kept",
        "whole",
        "leaks",
        "left",
        "out",
        "sha256",
    ]
    assert [row.split()[:4] for row in rows[:5]] == [
        ["random", "2", "16", "LEAKS"],
        ["group", "2", "4", "no"],
        ["shot", "2", "8", "LEAKS"],
        ["position", "2", "4", "no"],
        ["recorder", "8", "4", "no"],
    ]
    assert all(row.startswith("not possible: ") for row in rows[5:])
    assert "note: random folds leak" in done.stderr
    written = {path.stem: read_protocol(path) for path in (tmp_path / "folds").iterdir()}
    assert sorted(written) == sorted(PROTOCOLS)
    assert all(f" {written[row.split()[0]].sha256[:12]}" in row for row in rows[:5])
    contradiction = invoke("split", packed, "--n-folds", 2, "--leave-one-out")
    assert "give one of the two" in str(contradiction.exception)


def test_split_reads_a_manifest(tmp_path: Path) -> None:
    from shotprint.manifest import write_manifest

    write_manifest(make_set(tmp_path / "set", n_each=4), tmp_path / "set.csv")
    done = invoke("split", tmp_path / "set.csv", "--protocol", "group", "--leave-one-out")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1].split()[:4] == ["group", "12", "12", "no"]


def test_other_folds_are_not_resumed(packed: Path, tmp_path: Path) -> None:
    from shotprint.training.fit import fit

    manifest, path = open_pack(packed).manifest, tmp_path / "folds.csv"
    write_protocol(assign_folds(manifest, "group", 2), path)
    recipe = Recipe(**{**QUICK, "protocol_file": str(path), "test_fold": 0})
    fit(packed, recipe, tmp_path / "run")
    write_protocol(assign_folds(manifest, "position"), path)
    with pytest.raises(ShotprintError, match="the protocol has other folds"):
        fit(packed, recipe, tmp_path / "run", resume=True)
