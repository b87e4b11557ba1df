"""Guns that a laboratory adds to a model by a few recordings, with no training.

A file of references (JSON, ``shotprint-enrolled/1``) holds for each gun the embeddings of its
recordings, with their hashes and what speaks for their quality, and the hash of the model that
made them: embeddings of two models cannot be compared. What makes likelihood ratios of scores
stands in the model file (`ModelMetadata.enrolment`). See ``docs/likelihood-ratios.md``.
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shotprint
from shotprint.errors import ShotprintError
from shotprint.evidence import LikelihoodCalibration
from shotprint.files import compute_sha256, write_text
from shotprint.recognition.model import Model, ModelMetadata
from shotprint.recognition.results import EnrolledRatio, printable
from shotprint.references import ReferenceSpace
from shotprint.verbal import VerbalScale, read_scale

SCHEMA = "shotprint-enrolled/1"


@dataclass(frozen=True)
class Reference:
    """A recording of an enrolled gun.

    Attributes
    ----------
    recording, sha256 : as it was named, and the hash of its bytes
    n_shots : how many were heard; `embedding` (d,) is the mean over them
    gunshot_probability : the lowest of its shots; None: the model cannot say
    label, probability : which listed model its first shot sounds like
    warnings : what makes it doubtful
    """

    recording: str
    sha256: str
    n_shots: int
    gunshot_probability: float | None
    label: str
    probability: float
    warnings: tuple[str, ...]
    embedding: tuple[float, ...]


@dataclass(frozen=True)
class EnrolledGun:
    """A gun and its reference recordings; calibre and category are empty where not known."""

    name: str
    calibre: str
    category: str
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class References:
    """What a file of references holds.

    Attributes
    ----------
    model : name, version and sha256 of the model whose embeddings they are
    guns : in the order in which they were enrolled
    """

    model: Mapping[str, str]
    guns: tuple[EnrolledGun, ...] = ()

    def require_model(self, model: Model, path: Path) -> None:
        """Raise `ShotprintError` unless the embeddings are of this model."""
        if self.model["sha256"] != model.sha256:
            raise ShotprintError(
                f"{path} holds embeddings of the model {self.model['name']} "
                f"{self.model['version']} ({self.model['sha256'][:12]}…), not of "
                f"{model.metadata.name} ({model.sha256[:12]}…); enrol again with this model, or "
                "give that one with --model"
            )

    def replace(self, gun: EnrolledGun) -> "References":
        """Return them with a gun added, in place of one of the same name."""
        names = [each.name for each in self.guns]
        if gun.name not in names:
            return dataclasses.replace(self, guns=(*self.guns, gun))
        guns = tuple(gun if each.name == gun.name else each for each in self.guns)
        return dataclasses.replace(self, guns=guns)

    def remove(self, name: str) -> "References":
        """Return them without a gun; ShotprintError where there is none of that name."""
        kept = tuple(gun for gun in self.guns if gun.name != name)
        if len(kept) == len(self.guns):
            known = ", ".join(gun.name for gun in self.guns) or "none"
            raise ShotprintError(f"no gun {name!r} is enrolled; there are: {known}")
        return dataclasses.replace(self, guns=kept)


def name_model(model: Model) -> dict[str, str]:
    """Return what a file of references says of the model."""
    metadata = model.metadata
    return {"name": metadata.name, "version": metadata.version, "sha256": model.sha256}


def write_references(path: str | os.PathLike[str], references: References) -> None:
    """Write a file of references, beside and renamed; the same content gives the same bytes."""
    head = {"schema": SCHEMA, "shotprint": shotprint.__version__}
    content = {**head, **dataclasses.asdict(references)}
    write_text(path, json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def read_references(path: str | os.PathLike[str]) -> References:
    """Read what `write_references` wrote.

    Raises
    ------
    ShotprintError : it cannot be read, is of another kind or damaged
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        model = {name: str(content["model"][name]) for name in ("name", "version", "sha256")}
        guns = tuple(_read_gun(gun) for gun in content["guns"])
        sizes = {len(each.embedding) for gun in guns for each in gun.references}
        if len(sizes) > 1 or not all(gun.references for gun in guns):
            raise ValueError("sizes")
    except OSError as error:
        raise ShotprintError(
            f"{path} cannot be read ({error.strerror}); make it with: shotprint enrol"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise ShotprintError(
            f"{path} is no file of references, or damaged; {SCHEMA} was expected: make it with "
            "shotprint enrol"
        ) from None
    return References(model, guns)


def _read_gun(content: Mapping[str, Any]) -> EnrolledGun:
    references = []
    for each in content["references"]:
        embedding = np.array(each["embedding"], float)
        if embedding.ndim != 1 or not np.isfinite(embedding).all():
            raise ValueError("embedding")
        fields = {**each, "warnings": tuple(each["warnings"])}
        references.append(Reference(**{**fields, "embedding": tuple(embedding.tolist())}))
    return EnrolledGun(**{**content, "references": tuple(references)})


def to_reference(
    recording: str, sha256: str, rows: Sequence[Mapping[str, Any]], warnings: Sequence[str]
) -> Reference:
    """Return a reference from the rows of `embeddings` of one recording, a row a shot."""
    embedding = np.mean([row["embedding"] for row in rows], axis=0, dtype=float)
    asked = [p for row in rows if (p := row["gunshot_probability"]) is not None]
    return Reference(
        recording=printable(recording),
        sha256=sha256,
        n_shots=len(rows),
        gunshot_probability=round(min(asked), 6) if asked else None,
        label=rows[0]["label"],
        probability=round(rows[0]["probability"], 6),
        warnings=tuple(warnings),
        embedding=tuple(float(f"{value:.6g}") for value in embedding),
    )


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What a model file holds to compare shots with references."""

    space: ReferenceSpace
    calibration: LikelihoodCalibration


def read_yardstick(metadata: ModelMetadata) -> Yardstick:
    """Return what the model compares with.

    Raises
    ------
    ShotprintError : the model holds nothing of the kind, or it is damaged
    """
    if not metadata.enrolment:
        raise ShotprintError(
            f"the model {metadata.name} cannot compare with enrolled guns; calibrate it "
            "(shotprint calibrate-enrolment, export --enrolment)"
        )
    try:
        space = ReferenceSpace.from_mapping(metadata.enrolment["space"])
        text = json.dumps(metadata.enrolment["calibration"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ShotprintError(
            f"the enrolment of the model {metadata.name} is damaged; export it again"
        ) from None
    return Yardstick(space, LikelihoodCalibration.from_json(text))


class EnrolledGuns:
    """Enrolled guns, ready to be compared with.

    Parameters
    ----------
    path : file of references, of `model`
    scale : words for likelihood ratios; None: the shipped ones

    Raises
    ------
    ShotprintError : no gun is enrolled; embeddings of another model; the model cannot compare
    """

    def __init__(
        self, path: str | os.PathLike[str], model: Model, scale: VerbalScale | None = None
    ) -> None:
        references = read_references(path)
        references.require_model(model, Path(path))
        if not references.guns:
            raise ShotprintError(f"no gun is enrolled in {path}; add one with: shotprint enrol")
        self.guns = references.guns
        self.sha256 = compute_sha256(path)
        self.yardstick = read_yardstick(model.metadata)
        self.scale = scale or read_scale()

    def rate(self, embeddings: NDArray[Any]) -> tuple[EnrolledRatio, ...]:
        """Return the likelihood ratio of each gun for a recording, the highest first.

        Parameters
        ----------
        embeddings : (n_shots, d) of its shots, taken as of one gun; at least one
        """
        questioned = np.asarray(embeddings, float).mean(axis=0)
        space, calibration = self.yardstick.space, self.yardstick.calibration
        scores = [
            float(space.score(questioned, [each.embedding for each in gun.references], (gun.name,)))
            for gun in self.guns
        ]
        found = calibration.apply(scores)
        rows = zip(self.guns, found.llr, found.low, found.high, found.is_bounded, strict=True)
        ratios = [
            EnrolledRatio(
                *(gun.name, float(llr), float(low), float(high), bool(bounded)),
                self.scale.describe(float(llr)),
            )
            for gun, llr, low, high, bounded in rows
        ]
        return tuple(sorted(ratios, key=lambda ratio: -ratio.llr))
