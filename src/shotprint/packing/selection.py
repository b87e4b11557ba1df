"""Which recordings of a manifest are packed: each content once, and none under two labels."""

from typing import TYPE_CHECKING

from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.progress import show_progress

if TYPE_CHECKING:
    from pandas import DataFrame

_MAX_LISTED = 200


def select_recordings(
    manifest: "DataFrame", on_conflict: str = "stop"
) -> tuple["DataFrame", dict[str, str], tuple[str, ...]]:
    """Choose which recordings are packed: each content once, and none under two labels.

    Parameters
    ----------
    manifest : every row with its sha256
    on_conflict : see `PackSettings`

    Returns
    -------
    The rows to pack; recording → the kept one with the same bytes; recordings dropped.

    Raises
    ------
    ShotprintError : the same bytes have two labels and `on_conflict` is ``stop``
    """
    n_labels = manifest.groupby("sha256")["label"].transform("nunique")
    torn = manifest[n_labels > 1]
    if len(torn) and on_conflict == "stop":
        raise ShotprintError(_describe_conflicts(torn))
    if on_conflict == "drop":
        dropped = tuple(torn["recording"])
    else:
        first = torn.groupby("sha256")["label"].transform("first")
        dropped = tuple(torn["recording"][torn["label"] != first])
    kept = manifest[~manifest["recording"].isin(set(dropped))]
    first_with = kept.groupby("sha256")["recording"].transform("first")
    again = first_with != kept["recording"]
    duplicates = dict(zip(kept["recording"][again], first_with[again], strict=True))
    return kept[~again].reset_index(drop=True), duplicates, dropped


def _describe_conflicts(torn: "DataFrame") -> str:
    cases = [
        " = ".join(f"{r} ({label})" for r, label in zip(g["recording"], g["label"], strict=True))
        for _, g in torn.groupby("sha256", sort=False)
    ]
    shown = cases[:_MAX_LISTED]
    if len(cases) > len(shown):
        shown.append(f"and {len(cases) - len(shown)} more")
    return (
        f"{len(cases)} files stand under two labels with the same bytes; correct the manifest, or "
        "leave both out with --on-conflict drop, or keep the first with --on-conflict first:\n  "
        + "\n  ".join(shown)
    )


def fill_hashes(manifest: "DataFrame") -> tuple["DataFrame", dict[str, str]]:
    """Hash the files whose hash the manifest does not say; leave out those not to be read."""
    unknown = manifest.index[manifest["sha256"] == ""]
    if not len(unknown):
        return manifest.reset_index(drop=True), {}
    manifest, failed = manifest.copy(), {}
    for row in show_progress(unknown, total=len(unknown), description="hashing"):
        try:
            manifest.loc[row, "sha256"] = compute_sha256(manifest.loc[row, "path"])
        except OSError as error:
            failed[manifest.loc[row, "recording"]] = error.strerror or str(error)
    readable = ~manifest["recording"].isin(set(failed))
    return manifest[readable].reset_index(drop=True), failed
