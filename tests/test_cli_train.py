"""``pack``, ``train`` and ``crossval`` as they are typed."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from shotprint import cli
from shotprint.manifest import write_manifest
from shotprint.packing import open_pack, pack
from shotprint.training.recipe import Recipe, load_recipe
from training_sets import RULE, SETTINGS, SMALL, make_set

SHORT = {**SMALL, "epochs": 1, "max_steps": 1}
PACK_OPTIONS = ["--clip-length", "0.25", "--onset-at", "0.05", "--max-clips", "2"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return make_set(tmp_path_factory.mktemp("set"), n_each=4)


@pytest.fixture(scope="module")
def packed(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "set.h5"
    pack(manifest, path, SETTINGS)
    return path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [os.fspath(str(word)) for word in words])


def as_options(entries: dict[str, Any]) -> list[str]:
    options = []
    for name, value in entries.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            options.append(f"--{option}" if value else f"--no-{option}")
        else:
            options += [f"--{option}", str(value)]
    return options


def test_pack_does_what_the_function_does(
    manifest: pd.DataFrame, packed: Path, tmp_path: Path
) -> None:
    write_manifest(manifest, tmp_path / "set.csv")
    done = invoke(
        *("pack", tmp_path / "set.csv", "-o", tmp_path / "set.h5", *PACK_OPTIONS),
        *("--margin", 0.05),
    )
    assert done.exit_code == 0, done.output
    assert "packed 12 recordings" in done.stdout
    assert done.stderr == ""
    assert (tmp_path / "set.h5").read_bytes() == packed.read_bytes()
    done = invoke("pack", tmp_path / "set.csv", "-o", tmp_path / "full.h5", "--clip", "full")
    assert done.exit_code == 0, done.output
    assert not open_pack(tmp_path / "full.h5").settings.crop


def test_pack_says_what_is_left_out_and_exits_1(manifest: pd.DataFrame, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    extra = pd.DataFrame(
        [
            {"recording": "x/broken.wav", "path": str(broken), "label": "x"},
            {"recording": "y/copy.wav", "path": manifest["path"][0], "label": "high"},
        ]
    )
    rows = pd.concat([manifest, extra], ignore_index=True).fillna("")
    write_manifest(rows, tmp_path / "set.csv")
    done = invoke("pack", tmp_path / "set.csv", "-o", tmp_path / "set.h5")
    assert done.exit_code == 1
    assert "failed: x/broken.wav: " in done.stderr
    assert "1 recordings hold the same bytes as another" in done.stderr
    assert "no recording is left of x" in done.stderr
    assert "packed 12 recordings" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--channel", "each"], "one waveform"),
        (["--backbone", "resnet"], "no backbone 'resnet'"),
        (["--onset-at", "2"], "inside the clip"),
    ],
)
def test_wrong_packing(
    manifest: pd.DataFrame, tmp_path: Path, options: list[str], message: str
) -> None:
    write_manifest(manifest, tmp_path / "set.csv")
    done = invoke("pack", tmp_path / "set.csv", "-o", tmp_path / "set.h5", *options)
    assert message in str(done.exception)
    assert not (tmp_path / "set.h5").exists()


def test_pack_writes_no_folder(manifest: pd.DataFrame, tmp_path: Path) -> None:
    write_manifest(manifest, tmp_path / "set.csv")
    assert "is a folder" in str(invoke("pack", tmp_path / "set.csv", "-o", tmp_path).exception)


@pytest.mark.parametrize("command", ["train", "crossval"])
def test_every_entry_of_the_recipe_is_an_option(command: str) -> None:
    text = invoke(command, "--help").stdout
    for field in dataclasses.fields(Recipe):
        assert f"--{field.name.replace('_', '-')} " in text.replace("/", " ").replace("\n", " ")


def test_train_takes_recipe_and_options(packed: Path, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("seed = 3\nepochs = 7\n", encoding="utf-8")
    entries = {**SHORT, "test_fold": 1, "weight_decay": 0.5, "mixup_alpha": 1, "loss": "clip_nll"}
    done = invoke("train", packed, "-o", tmp_path / "run", "--config", config, *as_options(entries))
    assert done.exit_code == 0, done.output
    assert "trained on 9 recordings" in done.stdout
    assert "test fold 1: accuracy" in done.stdout
    *notes, last = done.stderr.splitlines()
    assert last == f"wrote {tmp_path / 'run'}{os.sep}"
    assert all(note.startswith("note: ") for note in notes)  # nothing of other packages
    expected = {**entries, "seed": 3, "clip_length_s": RULE.length_s}
    expected |= {"onset_at_s": RULE.onset_at_s, "max_clips": RULE.max_clips, "short_clip_s": 0.0}
    assert load_recipe(tmp_path / "run" / "recipe.toml") == load_recipe(None, expected)
    again = invoke("train", packed, "-o", tmp_path / "run", *as_options(entries))
    assert "--resume" in str(again.exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "-1"], "epochs is -1"),
        (["--loss", "mse"], "loss is 'mse'"),
        (["--config", "none.toml"], "cannot be read"),
        (["--patience", "3"], "needs a validation part"),
    ],
)
def test_wrong_options(packed: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = invoke("train", packed, "-o", tmp_path / "run", *options)
    assert message in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_crossval_prints_folds_and_interval(packed: Path, tmp_path: Path) -> None:
    entries = {**SHORT, "protocol": "random", "n_folds": 2}
    done = invoke("crossval", packed, "-o", tmp_path / "cv", "--jobs", 1, *as_options(entries))
    assert done.exit_code == 0, done.output
    assert done.stdout.count("\nfold") + done.stdout.startswith("fold") == 2
    assert "all folds of random: accuracy" in done.stdout
    assert "of 12, 95 % Wilson" in done.stdout
    assert "note: random folds leak" in done.stderr
    assert (tmp_path / "cv" / "predictions.csv").is_file()
