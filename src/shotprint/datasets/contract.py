"""What every importer shares: listing a folder, the last steps to a manifest, what it returns."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from shotprint.audio import AUDIO_EXTENSIONS, probe
from shotprint.errors import RecordingError, ShotprintError
from shotprint.manifest import build_manifest, list_examples
from shotprint.progress import show_progress

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, str]
PROBED_COLUMNS = ("duration_s", "sample_rate_hz", "channels")


@dataclass(frozen=True)
class Remark:
    """Something the user should know: a sentence, and the names it is about, if any.

    Attributes
    ----------
    is_loss : recordings may be missing because of it, which nobody asked for
    """

    sentence: str
    names: tuple[str, ...] = ()
    is_loss: bool = False

    def __str__(self) -> str:
        """Return one line: what, how many, and the first of them."""
        if not self.names:
            return self.sentence
        return f"{self.sentence} ({len(self.names)}): {list_examples(self.names)}"


@dataclass(frozen=True)
class Imported:
    """What an importer found.

    Attributes
    ----------
    manifest : one row a recording, see `shotprint.manifest`
    remarks : what could not be matched, and what to beware of
    failed : recording → reason, for recordings that cannot be read and are not in the manifest
    """

    manifest: "DataFrame"
    remarks: tuple[Remark, ...]
    failed: Mapping[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether everything that could be wanted is in the manifest."""
        return not self.failed and not any(remark.is_loss for remark in self.remarks)


class Importer(Protocol):
    """What each importer module offers.

    Attributes
    ----------
    DESCRIPTION, SIZE, LABELS, GROUPS : what it is, how much, what is named, what stays together
    COLUMNS : further columns of its manifests → what stands there; those of a user's own table
        cannot be known and come on top
    GOOD_FOR : what the set is good for, and what not
    LAYOUT : what a folder must hold, to say it where it does not
    """

    NAME: str
    DESCRIPTION: str
    SIZE: str
    LABELS: str
    GROUPS: str
    COLUMNS: dict[str, str]
    CITATION: str
    LICENCE: str
    HOW_TO_GET: str
    GOOD_FOR: str
    LAYOUT: str
    import_dir: Callable[..., Imported]

    def matches(self, listing: "Listing") -> bool:
        """Tell whether the files of a folder look like this set; none is read."""


class WrongLayoutError(ShotprintError):
    """The folder does not hold the set that was asked for."""


@dataclass(frozen=True)
class Listing:
    """The files below a folder: paths relative to it with ``/``, sorted; hidden ones left out."""

    recordings: tuple[str, ...]
    others: tuple[str, ...]
    remarks: tuple[Remark, ...]


def list_folder(directory: str | os.PathLike[str]) -> Listing:
    """List every file below a folder, links followed, recordings apart by `AUDIO_EXTENSIONS`.

    Raises
    ------
    ShotprintError
        No such folder, or one that cannot be listed.
    """
    top = Path(directory)
    if not top.is_dir():
        what = "is a file" if top.exists() else "does not exist"
        raise ShotprintError(f"{directory} {what}; give the folder that holds the recordings")
    found: list[str] = []
    unlisted: list[str] = []
    _walk(top, "", frozenset(), found, unlisted)
    if unlisted == [""]:
        raise ShotprintError(f"{directory} cannot be listed; check its permissions")
    unnameable = [name for name in found if not _is_unicode(name)]
    names = [name for name in found if _is_unicode(name)]
    recordings = tuple(name for name in names if Path(name).suffix.lower() in AUDIO_EXTENSIONS)
    others = tuple(sorted(set(names) - set(recordings)))
    remarks = remark_if(
        "folders that cannot be listed, left out", unlisted, is_loss=True
    ) + remark_if(
        "files whose names are not Unicode, left out; rename them",
        [name.encode("utf-8", "backslashreplace").decode() for name in unnameable],
        is_loss=True,
    )
    return Listing(recordings, others, remarks)


def finish_import(
    directory: str | os.PathLike[str],
    rows: Sequence[Row],
    remarks: Iterable[Remark],
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """Choose labels, add paths, hash, probe, and look for identical files.

    Parameters
    ----------
    rows : recording and label, further columns as known; a group where it is known
    only, exclude : labels to keep, labels to leave out

    Raises
    ------
    ShotprintError
        A label that does not occur, or no recording left.
    """
    labels = {row["label"] for row in rows}
    for label in (*only, *exclude):
        if label not in labels:
            raise ShotprintError(
                f"no recording below {directory} has the label {label!r}; "
                f"the labels are {', '.join(sorted(labels))}"
            )
    wanted = (set(only) or labels) - set(exclude)
    top = Path(directory).resolve()
    rows = [{**row, "path": str(top / row["recording"])} for row in rows if row["label"] in wanted]
    if not rows:
        raise ShotprintError("the labels that were asked for are all left out; nothing remains")
    manifest, failed = build_manifest(rows)
    if manifest.empty:
        name, reason = next(iter(failed.items()))
        raise ShotprintError(f"no recording can be read; the first, {name}: {reason}")
    manifest, unprobed = _add_probed(manifest)
    remarks = (
        *remarks,
        *remark_if("recordings that cannot be opened as sound; they stay listed", unprobed),
        *_remark_on_twins(manifest),
    )
    return Imported(manifest, remarks, failed)


def refuse(
    directory: str | os.PathLike[str], listing: Listing, layout: str, found: str = ""
) -> WrongLayoutError:
    """Return the error for a folder that does not have the layout of a set.

    Parameters
    ----------
    layout : what was expected
    found : what was found of it, if anything
    """
    counts = f"{len(listing.recordings)} recordings and {len(listing.others)} other files"
    unseen = "".join(f"; {remark}" for remark in listing.remarks)
    return WrongLayoutError(f"{directory} holds {found or counts}{unseen}; expected {layout}")


def remark_on_others(listing: Listing, known: Iterable[str] = ()) -> tuple[Remark, ...]:
    """Return a remark on the files that are neither recordings nor a `known` part of the set."""
    others = sorted({*listing.others} - {*known})
    return remark_if("files that are no recordings, by their extension", others)


def is_most(names: Iterable[object], of: Sequence[object]) -> bool:
    """Tell whether `names` are more than half of at least one."""
    return 2 * len(list(names)) > len(of)


def remark_if(sentence: str, names: Iterable[str], *, is_loss: bool = False) -> tuple[Remark, ...]:
    """Return a remark about `names`, or nothing if there are none."""
    names = tuple(names)
    return (Remark(sentence, names, is_loss),) if names else ()


def _walk(
    folder: Path, below: str, above: frozenset[str], found: list[str], unlisted: list[str]
) -> None:
    # `above` are the real folders on the way here: a link back to one of them is a loop.
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        unlisted.append(below.rstrip("/"))
        return
    above = above | {os.path.realpath(folder)}
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if not _is_folder(entry):
            found.append(below + entry.name)
        elif os.path.realpath(entry.path) not in above:
            _walk(Path(entry.path), f"{below}{entry.name}/", above, found, unlisted)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _add_probed(manifest: "DataFrame") -> tuple["DataFrame", list[str]]:
    def probe_one(path: str) -> tuple[str, str, str]:
        try:
            stated = probe(path)
        except RecordingError:
            return "", "", ""
        duration = "" if stated.duration_s is None else f"{stated.duration_s:.3f}"
        return duration, str(stated.sample_rate_hz), str(stated.n_channels)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        probing = pool.map(probe_one, manifest["path"])
        rows = list(show_progress(probing, total=len(manifest), description="probing"))
    columns: dict[str, Any] = dict(zip(PROBED_COLUMNS, zip(*rows, strict=True), strict=True))
    manifest = manifest.assign(**columns)
    return manifest, manifest.loc[manifest["sample_rate_hz"] == "", "recording"].tolist()


def _remark_on_twins(manifest: "DataFrame") -> tuple[Remark, ...]:
    counts = manifest.groupby("sha256", sort=False)[["recording", "label", "group"]].nunique()
    twins = counts[counts["recording"] > 1]
    clashing = set(twins.index[twins["label"] > 1])
    torn = set(twins.index[twins["group"] > 1])

    def name(chosen: set[str]) -> list[str]:
        return [" = ".join(rs) for rs in _recordings_of(manifest, chosen)]

    return (
        *remark_if("identical files under one label", name(set(twins.index) - clashing)),
        *remark_if(
            "identical files under two labels; keep one side with --exclude LABEL",
            name(clashing),
        ),
        *remark_if("identical files in two groups; correct the groups", name(torn)),
    )


def _recordings_of(manifest: "DataFrame", hashes: set[str]) -> list[list[str]]:
    chosen = manifest[manifest["sha256"].isin(hashes)]
    return [group["recording"].tolist() for _, group in chosen.groupby("sha256", sort=False)]
