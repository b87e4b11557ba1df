"""The recipe: every choice of a training run, validated, written beside its result as TOML.

The defaults are what ``docs/ablation.md`` led to. Each entry is also an option of
``shotprint train``, made from the fields of `Recipe`.
"""

import dataclasses
import difflib
import json
import math
import os
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shotprint.errors import ShotprintError
from shotprint.files import write_text

MACHINE_ENTRIES = frozenset(
    {
        *("max_steps", "accelerator", "devices", "nodes", "timeout_s"),
        *("num_threads", "num_workers"),
    }
)
"""What may differ when a run is resumed: where it runs, and at which step it stops."""


def _entry(
    default: Any, description: str, low: float | None = None, high: float | None = None
) -> Any:
    """Describe an entry; numbers must lie in low…high, both allowed."""
    metadata = {"description": description, "low": low, "high": high}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run; see the descriptions of the entries."""

    # Start and clips
    backbone: str = _entry("efficientat_mn04", "network; see 'shotprint models'")
    weights: str = _entry(
        "published", "start: published (AudioSet), shipped (the guns of the shipped model), none, "
        "or a file"
    )  # fmt: skip
    freeze_base: bool = _entry(False, "train the head only")
    frozen_share: float = _entry(
        0.0, "share of the backbone's stages, from the input, left as they are", 0, 1
    )
    freeze_norm: bool = _entry(True, "keep the statistics of batch norm as they were")
    clip_length_s: float | None = _entry(None, "length of a clip; 0: whole; as packed", 0, 3600)
    onset_at_s: float | None = _entry(None, "where in the clip its onset stands; as packed", 0)
    max_clips: int | None = _entry(None, "loudest onsets used of a recording; as packed", 1)
    short_clip_s: float = _entry(
        0.5, "length of a second clip around every onset, where the clip is longer; 0: none", 0
    )

    # Optimisation
    epochs: int = _entry(8, "passes over the training part; 0: the probe only", 0)
    max_steps: int | None = _entry(None, "stop at this step; the schedule stays that of epochs", 1)
    batch_size: int = _entry(32, "clips a step, over all devices", 1)
    clips_per_recording: int = _entry(1, "clips drawn of a recording an epoch, on average", 1)
    learning_rate: float = _entry(1e-4, "of the head", 0, 10)
    backbone_lr_scale: float = _entry(1.0, "learning rate of the backbone's last stage / head's", 0)
    layer_decay: float = _entry(0.7, "learning rate of a stage / of the stage after it", 0, 1)
    optimizer: Literal["adamw", "adam"] = _entry("adamw", "adam: with amsgrad, as the baseline")
    probe_l2: float = _entry(
        0.2, "fit the head first, by logistic regression with this penalty; 0: head at random", 0
    )
    head_l2: float = _entry(0.2, "penalty on the squared weights of the head", 0)
    weight_decay: float = _entry(0.01, "of the backbone; decoupled, for adamw", 0)
    warmup_fraction: float = _entry(0.1, "part of the steps with rising learning rate", 0, 1)
    schedule: Literal["cosine", "constant"] = _entry("cosine", "after the warm-up")
    loss: Literal["cross_entropy", "clip_nll"] = _entry(
        "cross_entropy", "clip_nll: the baseline's, the same divided by the number of labels"
    )
    label_smoothing: float = _entry(0.0, "share of the target spread over all labels", 0, 0.99)
    mixup_alpha: float = _entry(0.3, "of the beta distribution for mixing spectrograms; 0: off", 0)
    dropout: float = _entry(0.0, "before the head", 0, 0.99)
    class_balance: float = _entry(
        1.0, "labels drawn in proportion to their frequency^(1 - this)", 0, 1
    )
    average_decay: float = _entry(0.98, "of the running average of the weights; 0: off", 0, 0.9999)

    # Augmentation
    time_shift_s: float = _entry(0.03, "standard deviation of the shift of a clip", 0, 10)
    gain_db: float = _entry(3.0, "largest change of level", 0, 60)
    eq_db: float = _entry(3.0, "standard deviation of a random smooth equaliser", 0, 60)
    eq_probability: float = _entry(0.8, "of the equaliser", 0, 1)
    lowpass_probability: float = _entry(0.0, "of a low-pass at 3.5 to 15 kHz", 0, 1)
    noise_probability: float = _entry(0.3, "of coloured noise", 0, 1)
    noise_snr_min_db: float = _entry(15.0, "loudest noise", -60, 120)
    noise_snr_max_db: float = _entry(40.0, "faintest noise", -60, 120)
    clipping_probability: float = _entry(0.0, "of clipping, up to 12 dB below the peak", 0, 1)
    mixstyle_probability: float = _entry(
        0.0, "of exchanging band statistics between clips, a batch", 0, 1
    )
    mixstyle_alpha: float = _entry(0.3, "of its beta distribution", 0.01)
    spec_masks: int = _entry(1, "masks over bands and as many over time", 0, 100)
    spec_time_width_s: float = _entry(0.1, "widest mask over time, at most a quarter of a clip", 0)
    spec_bands_width: int = _entry(16, "widest mask over mel bands", 0)

    # Folds
    protocol: str = _entry(
        "auto", "folds: auto (manifest if it has folds, else group), manifest, group, shot, "
        "position, recorder, session, source, random (leaks), another column to hold out, or for "
        "crossval all of them"
    )  # fmt: skip
    protocol_file: str | None = _entry(None, "folds that shotprint split wrote, instead of these")
    n_folds: int | None = _entry(None, "folds to make, where the manifest does not say", 2)
    leave_one_out: bool = _entry(False, "a fold for every group, shot, recorder, …")
    purge: bool = _entry(
        True, "keep out of training what shares a group with the test part, where folds tear groups"
    )
    test_fold: int | None = _entry(None, "kept out of training, predicted at the end", 0)
    validation: Literal["none", "groups", "fold"] = _entry(
        "none", "part of the training part to watch: groups (a fifth, whole groups), or a fold"
    )
    validation_fold: int | None = _entry(None, "for validation = fold; never the test fold", 0)
    patience: int = _entry(
        0, "stop after this many epochs without better validation, keep the best; 0: off", 0
    )

    # Machine
    seed: int = _entry(0, "of everything random", 0, 2**32 - 1)
    precision: Literal["auto", "32", "bf16", "16"] = _entry("auto", "32 on CPU, bf16 on GPU")
    accelerator: Literal["auto", "cpu", "cuda", "gpu"] = _entry(
        "auto", "what to train on; gpu is another word for cuda"
    )
    devices: int = _entry(1, "how many of them a node has; crossval: folds at a time", 1, 1024)
    nodes: int = _entry(1, "machines, started by torchrun or srun", 1, 1024)
    timeout_s: int = _entry(300, "longest time that a process waits for the others", 1)
    num_threads: int = _entry(0, "of the CPU; 0: one a core, shared by the devices", 0, 1024)
    num_workers: int = _entry(0, "processes that read clips; 0: none", 0, 1024)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_range(field, getattr(self, field.name))
        if self.noise_snr_min_db > self.noise_snr_max_db:
            raise ShotprintError(
                f"noise_snr_min_db {self.noise_snr_min_db:g} is above noise_snr_max_db "
                f"{self.noise_snr_max_db:g}; exchange them"
            )
        if self.leave_one_out and self.n_folds is not None:
            raise ShotprintError(
                f"found leave_one_out and n_folds {self.n_folds}; give one of the two"
            )
        if self.protocol_file is not None and self.protocol != "auto":
            raise ShotprintError(
                f"found protocol {self.protocol!r} and protocol_file {self.protocol_file!r}; give "
                "one of the two"
            )
        if (self.validation == "fold") != (self.validation_fold is not None):
            raise ShotprintError(
                f"found validation {self.validation!r} and validation_fold "
                f"{self.validation_fold}; give both validation = fold and the fold, or neither"
            )
        if self.validation_fold is not None and self.validation_fold == self.test_fold:
            raise ShotprintError(
                f"fold {self.test_fold} would be validation and test at once; choose another "
                "validation_fold"
            )
        if self.patience and self.validation == "none":
            raise ShotprintError(
                f"patience {self.patience} needs a validation part; give validation = groups or "
                "fold"
            )


def _check_range(field: "dataclasses.Field[Any]", value: Any) -> None:
    low, high = field.metadata["low"], field.metadata["high"]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if (low is None or value >= low) and (high is None or value <= high):
        return
    expected = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
    raise ShotprintError(f"{field.name} is {value:g}, expected {expected}")


def load_recipe(
    path: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Read a recipe from TOML, replace some entries, and check all of them.

    Parameters
    ----------
    path : None for the default recipe
    overrides : entry → value; they win over the file

    Raises
    ------
    ShotprintError
        No TOML; an unknown entry, with the nearest known one; a value of another type, out of
        range, or at odds with another entry.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_toml(Path(path))
    values.update(overrides or {})
    known = [field.name for field in dataclasses.fields(Recipe)]
    source = f"{path}: " if path is not None else ""
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise ShotprintError(f"{source}there is no entry {name!r} in a recipe; {hint}")
    try:
        return _validate(values)
    except ShotprintError as error:
        raise ShotprintError(f"{source}{error}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ShotprintError(f"{path} cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShotprintError(f"{path} is no TOML ({error})") from None


def _validate(values: Mapping[str, Any]) -> Recipe:
    converted = {}
    for name, value in values.items():
        kind = entry_type(name)
        if kind is float and type(value) is int:
            value = float(value)
        if typing.get_origin(kind) is Literal:
            fits = value in typing.get_args(kind)
        else:
            fits = type(value) is kind and (kind is not float or math.isfinite(value))
        if not fits:
            raise ShotprintError(f"{name} is {value!r}, expected {describe_type(name)}")
        converted[name] = value
    return Recipe(**converted)


def describe_type(name: str) -> str:
    """Return in words what values an entry takes."""
    kind = entry_type(name)
    if typing.get_origin(kind) is Literal:
        return ", ".join(typing.get_args(kind)[:-1]) + f" or {typing.get_args(kind)[-1]}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")


def entry_type(name: str) -> Any:
    """Return the type of an entry, without None."""
    kind = typing.get_type_hints(Recipe)[name]
    if isinstance(kind, types.UnionType):
        return next(member for member in typing.get_args(kind) if member is not types.NoneType)
    return kind


def iterate_entries() -> Iterator[tuple[str, Any, Any, str]]:
    """Yield name, type without None, default and description of every entry."""
    for field in dataclasses.fields(Recipe):
        yield field.name, entry_type(field.name), field.default, field.metadata["description"]


def format_recipe(recipe: Recipe) -> str:
    """Return a recipe as TOML that `load_recipe` reads to an equal one; None is left out."""
    lines = []
    for name, value in dataclasses.asdict(recipe).items():
        if value is not None:
            # JSON writes text, numbers and booleans as TOML does, but leaves DEL as it is.
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def write_recipe(recipe: Recipe, path: str | os.PathLike[str]) -> None:
    """Write a recipe as TOML, beside and renamed."""
    write_text(path, format_recipe(recipe))


def compare_recipes(old: Recipe, new: Recipe) -> list[str]:
    """Return what differs, one text an entry, but for `MACHINE_ENTRIES`."""
    a, b = dataclasses.asdict(old), dataclasses.asdict(new)
    return [
        f"{name} was {a[name]}, is {b[name]}"
        for name in a
        if name not in MACHINE_ENTRIES and a[name] != b[name]
    ]
