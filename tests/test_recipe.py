"""Recipes: what is accepted, what is refused and how it is said, and that none is lost."""

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotprint.errors import ShotprintError
from shotprint.training.recipe import (
    MACHINE_ENTRIES,
    Recipe,
    compare_recipes,
    entry_type,
    format_recipe,
    load_recipe,
    write_recipe,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_valid_and_survive_the_file(tmp_path: Path) -> None:
    assert load_recipe() == Recipe()
    write_recipe(Recipe(), tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == Recipe()


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs = 3\nlearning_rate = 1\n")
    recipe = load_recipe(path, {"epochs": 5, "freeze_base": True})
    assert (recipe.epochs, recipe.learning_rate, recipe.freeze_base) == (5, 1.0, True)
    assert isinstance(recipe.learning_rate, float)


@settings(deadline=None, max_examples=50)
@given(
    rate=st.floats(0, 10, exclude_min=True),
    weights=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    fold=st.none() | st.integers(0, 99),
    is_frozen=st.booleans(),
)
def test_any_recipe_survives_its_text(
    rate: float, weights: str, fold: int | None, is_frozen: bool
) -> None:
    recipe = Recipe(learning_rate=rate, weights=weights, test_fold=fold, freeze_base=is_frozen)
    assert load_recipe(None, tomllib.loads(format_recipe(recipe))) == recipe


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"learnin_rate": 0.1}, "'learnin_rate'.*did you mean learning_rate"),
        ({"xyzzy": 1}, "'xyzzy'.*known are backbone, weights"),
        ({"epochs": 2.5}, "epochs is 2.5, expected a whole number"),
        ({"epochs": True}, "epochs is True, expected a whole number"),
        ({"epochs": "3"}, "epochs is '3', expected a whole number"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', expected a number"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected a number"),
        ({"learning_rate": float("inf")}, "learning_rate is inf, expected a number"),
        ({"learning_rate": -1.0}, "learning_rate is -1, expected 0 to 10"),
        ({"freeze_base": 1}, "freeze_base is 1, expected true or false"),
        ({"backbone": 4}, "backbone is 4, expected a text"),
        ({"loss": "mse"}, "loss is 'mse', expected cross_entropy or clip_nll"),
        ({"loss": ["mse"]}, r"loss is \['mse'\], expected"),
        ({"noise_snr_min_db": 50.0}, "noise_snr_min_db 50 is above noise_snr_max_db 40"),
        ({"validation": "fold"}, "validation 'fold' and validation_fold None"),
        ({"validation_fold": 1}, "validation 'none' and validation_fold 1"),
        (
            {"validation": "fold", "validation_fold": 2, "test_fold": 2},
            "fold 2 would be validation and test at once",
        ),
        ({"leave_one_out": True, "n_folds": 3}, "leave_one_out and n_folds 3; give one"),
        ({"protocol": "group", "protocol_file": "f.csv"}, "protocol 'group' and protocol_file"),
        ({"patience": 3}, "patience 3 needs a validation part"),
    ],
)
def test_refused(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        load_recipe(None, entries)


@pytest.mark.parametrize(
    ("text", "message"),
    [("epochs = = 3", "is no TOML"), ("epoch = 3", "recipe.toml: there is no entry 'epoch'")],
)
def test_refused_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        load_recipe(write(tmp_path, text))
    with pytest.raises(ShotprintError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")


def test_differences_name_what_changes_the_weights() -> None:
    other = Recipe(epochs=3, num_threads=2, max_steps=5, test_fold=1)
    assert compare_recipes(Recipe(epochs=4), other) == [
        "epochs was 4, is 3",
        "test_fold was None, is 1",
    ]
    assert {field.name for field in dataclasses.fields(Recipe)} > MACHINE_ENTRIES


def test_every_entry_is_described_and_has_a_plain_type() -> None:
    for field in dataclasses.fields(Recipe):
        assert field.metadata["description"]
        kind = entry_type(field.name)
        assert kind in (bool, int, float, str) or getattr(kind, "__args__", None)


def test_reading_a_recipe_needs_no_torch() -> None:
    code = (
        "import sys; from shotprint.training.recipe import load_recipe; load_recipe();"
        "print([m for m in ('torch', 'pandas', 'h5py', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_entry_is_in_the_documentation() -> None:
    text = (Path(__file__).parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    missing = [field.name for field in dataclasses.fields(Recipe) if f"`{field.name}`" not in text]
    assert missing == []
