"""Protocols: groups stay whole, labels are trained on, the same input gives the same folds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotprint.errors import ShotprintError
from shotprint.splits import (
    Protocol,
    assign_folds,
    assign_validation,
    check_fits,
    check_no_leakage,
    read_protocol,
    write_protocol,
)


def make_manifest(n_labels: int = 4, n_groups: int = 5, n_each: int = 6) -> pd.DataFrame:
    """Recordings of `n_labels` guns, each in `n_groups` groups of `n_each`, three recorders."""
    rows = [
        {
            "recording": f"gun{label}/{group}_{k}.wav",
            "label": f"gun{label}",
            "group": f"{label}-{group}",
            "recorder": ("Zoom", "iPhone", "Samsung")[k % 3],
            "position": str(group + 9),
        }
        for label in range(n_labels)
        for group in range(n_groups)
        for k in range(n_each)
    ]
    return pd.DataFrame(rows).assign(path="x", sha256="", fold="")


def tabulate(manifest: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Count recordings by label and fold."""
    return pd.crosstab(manifest["label"], protocol.folds_for(manifest["recording"]))


def test_group_folds_are_whole_stratified_and_even() -> None:
    manifest = make_manifest()
    protocol = assign_folds(manifest)
    check_no_leakage(protocol.groups, protocol.folds)
    assert (tabulate(manifest, protocol) == 6).all(axis=None)
    assert not protocol.leaks
    assert protocol.remarks == ()
    assert (protocol.n_folds, protocol.fold_numbers) == (5, (0, 1, 2, 3, 4))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 9)), min_size=4, max_size=40),
    st.integers(2, 4),
    st.integers(0, 9),
)
def test_every_label_with_two_groups_is_always_trained_on(
    groups: list[tuple[int, int]], n_folds: int, seed: int
) -> None:
    rows = [
        {"recording": f"{g}/{k}", "label": f"L{label}", "group": str(g), "fold": "", "sha256": ""}
        for g, (label, size) in enumerate(groups)
        for k in range(size)
    ]
    protocol = assign_folds(pd.DataFrame(rows), n_folds=n_folds, seed=seed)
    check_no_leakage(protocol.groups, protocol.folds)
    table = pd.DataFrame({"l": protocol.labels, "g": protocol.groups, "f": protocol.folds})
    spread = table.groupby("l").nunique()
    assert (spread["f"][spread["g"] >= 2] >= 2).all()


def test_training_on_every_label_goes_before_balance() -> None:
    # By balance alone "mixed" would join A's only other group, because there is less of B.
    groups = {"a": ("A", 100), "b": ("B", 99), "b2": ("B", 50), "mixed": ("B", 40)}
    rows = [(f"{g}{k}", label, g) for g, (label, size) in groups.items() for k in range(size)]
    rows.append(("last", "A", "mixed"))
    manifest = pd.DataFrame(rows, columns=["recording", "label", "group"])
    protocol = assign_folds(manifest.assign(sha256="", fold=""), n_folds=2)
    assert protocol.remarks == ()


def test_a_label_with_one_group_is_reported() -> None:
    manifest = make_manifest()
    manifest.loc[manifest["label"] == "gun2", "group"] = "one video"
    manifest.loc[manifest["group"].isin(["3-0", "3-1", "3-2"]), "group"] = "3-0"
    remarks = assign_folds(manifest).remarks
    assert len(remarks) == 2
    assert "never trained on" in remarks[0]
    assert "gun2 (groups: 1)" in remarks[0]
    assert "not tested in every fold (1): gun3 (groups: 3)" in remarks[1]


@pytest.mark.parametrize("name", ["group", "random", "position"])
def test_folds_do_not_depend_on_the_order_of_rows(name: str) -> None:
    manifest = make_manifest()
    first = assign_folds(manifest, name, 3, seed=4)
    shuffled = manifest.sample(frac=1, random_state=1)
    assert assign_folds(shuffled, name, 3, seed=4) == first
    assert assign_folds(shuffled, name, 3, seed=4).sha256 == first.sha256
    others = [assign_folds(manifest, name, 3, seed=seed).folds for seed in range(5, 9)]
    assert any(folds != first.folds for folds in others)


def test_random_folds_are_stratified_and_say_that_they_leak() -> None:
    manifest = make_manifest()
    protocol = assign_folds(manifest, "random", 10)
    assert (tabulate(manifest, protocol) == 3).all(axis=None)
    assert protocol.leaks
    assert "leak" in protocol.remarks[0]
    with pytest.raises(ShotprintError, match="stand in more than one fold"):
        check_no_leakage(manifest["group"], protocol.folds_for(manifest["recording"]))
    check_no_leakage(
        manifest["group"], protocol.folds_for(manifest["recording"]), leaks=protocol.leaks
    )


def test_each_position_is_held_out_in_turn() -> None:
    manifest = make_manifest()
    protocol = assign_folds(manifest, "position")
    names = [protocol.fold_names[fold] for fold in protocol.folds_for(manifest["recording"])]
    assert names == manifest["position"].tolist()
    assert list(protocol.fold_names.values()) == ["9", "10", "11", "12", "13"]
    assert not protocol.leaks


def test_a_held_out_recorder_hears_the_same_shots() -> None:
    protocol = assign_folds(make_manifest(), "recorder")
    assert set(protocol.fold_names.values()) == {"Zoom", "iPhone", "Samsung"}
    assert protocol.leaks
    assert "20 groups" in protocol.remarks[0]
    assert "both sides" in protocol.remarks[0]


@pytest.mark.parametrize(
    ("folds", "numbers", "names"),
    [
        ("12345", [1, 2, 3, 4, 5], ["1", "2", "3", "4", "5"]),
        ("abcab", [0, 1, 2], ["a", "b", "c"]),
    ],
)
def test_folds_of_the_manifest(folds: str, numbers: list[int], names: list[str]) -> None:
    manifest = make_manifest()
    manifest["fold"] = [folds[int(group[-1])] for group in manifest["group"]]
    protocol = assign_folds(manifest, "manifest")
    assert list(protocol.fold_names) == numbers
    assert list(protocol.fold_names.values()) == names
    called = [protocol.fold_names[fold] for fold in protocol.folds_for(manifest["recording"])]
    assert called == manifest["fold"].tolist()


def test_folds_of_real_guns(shared: Path) -> None:
    manifest = pd.read_csv(shared / "data" / "guns9" / "groups.csv", dtype=str).assign(sha256="")
    protocol = assign_folds(manifest, "manifest")
    assert (
        protocol.folds_for(manifest["recording"]).tolist() == manifest["fold"].astype(int).tolist()
    )
    check_no_leakage(protocol.groups, protocol.folds)
    assert not any("never trained on" in remark for remark in protocol.remarks)
    dealt = assign_folds(manifest)
    check_no_leakage(dealt.groups, dealt.folds)
    assert not any("never trained on" in remark for remark in dealt.remarks)
    sizes = np.bincount(dealt.folds)
    assert sizes.max() < 1.6 * sizes.min()


@pytest.mark.parametrize(
    ("protocol", "n_folds", "change", "message"),
    [
        ("gun", None, {}, "no column 'gun'; give manifest, group, random or one of recording"),
        ("manifest", None, {}, "120 recordings have no fold"),
        ("manifest", None, {"fold": "0"}, "one fold only"),
        ("manifest", None, {"fold": list("01" * 60)}, "20 groups stand in more than one fold"),
        ("manifest", 10, {"fold": list("0" * 60 + "1" * 60)}, "has 2 folds, 10 were asked for"),
        ("position", None, {"position": ""}, "120 recordings have no position"),
        ("position", None, {"position": "4"}, r"same position \(4\)"),
        ("group", 1, {}, "1 folds of 20 groups; give 2 to 20"),
        ("group", 0, {}, "0 folds"),
        ("group", 21, {}, "21 folds of 20 groups"),
        ("position", 6, {}, "6 folds of 5 groups"),
    ],
)
def test_what_cannot_be_assigned(
    protocol: str, n_folds: int | None, change: dict, message: str
) -> None:
    with pytest.raises(ShotprintError, match=message) as raised:
        assign_folds(make_manifest().assign(**change), protocol, n_folds)
    assert "\n" not in str(raised.value)


def test_validation_is_whole_groups_of_the_training_part() -> None:
    manifest = make_manifest(n_groups=10)
    protocol = assign_folds(manifest)
    for fold in protocol.fold_numbers:
        parts = assign_validation(protocol, fold)
        table = manifest.assign(part=manifest["recording"].map(parts))
        expected = protocol.folds_for(manifest["recording"]) == fold
        assert ((table["part"] == "test") == expected).all()
        check_no_leakage(table["group"], table["part"])
        counts = pd.crosstab(table["label"], table["part"])
        assert counts["validation"].isin([6, 12]).all()
        assert (counts["train"] >= 36).all()
    assert assign_validation(protocol, 0) == assign_validation(protocol, 0)
    assert any(
        assign_validation(protocol, 0) != assign_validation(protocol, 0, seed=s) for s in (1, 2)
    )


def test_validation_never_takes_the_last_group_of_a_label() -> None:
    protocol = assign_folds(make_manifest(n_labels=3, n_groups=2), n_folds=2)
    for fraction in (0.2, 0.8):
        with pytest.raises(ShotprintError, match="no group can be spared"):
            assign_validation(protocol, 0, fraction=fraction)


@pytest.mark.parametrize(
    ("fold", "fraction", "message"), [(7, 0.2, "no fold 7; the folds are 0, 1"), (0, 1.0, "1.0")]
)
def test_wrong_validation(fold: int, fraction: float, message: str) -> None:
    with pytest.raises(ShotprintError, match=message):
        assign_validation(assign_folds(make_manifest()), fold, fraction=fraction)


@pytest.mark.parametrize("name", ["group", "random", "recorder"])
def test_protocol_reads_back(tmp_path: Path, name: str) -> None:
    manifest = make_manifest()
    manifest.loc[0, "recording"] = 'Ä, "#1".wav'
    protocol = assign_folds(manifest, name, seed=3)
    path = tmp_path / "folds.csv"
    write_protocol(protocol, path)
    assert read_protocol(path, manifest) == protocol
    assert protocol.sha256 in path.read_text(encoding="utf-8")


def test_protocol_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    manifest = make_manifest()
    path = tmp_path / "folds.csv"
    write_protocol(assign_folds(manifest), path)
    read_protocol(path, manifest.assign(path="moved", note="x"))
    with pytest.raises(ShotprintError, match="0 recordings are new, 1 are gone"):
        read_protocol(path, manifest.iloc[1:])
    with pytest.raises(ShotprintError, match="another manifest"):
        check_fits(read_protocol(path), manifest.assign(label="other"))
    with pytest.raises(ShotprintError, match=r"1 recordings have no fold .*\(new.wav\)"):
        read_protocol(path).folds_for(["new.wav"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gun0/0_0.wav,gun0,0-0,", "gun0/0_0.wav,gun1,0-0,", "was edited"),
        ('"seed": 0', '"seed": 1', "was edited"),
        ("# shotprint-protocol/1 {", "{", "is no protocol"),
        ("# shotprint-protocol/1 {", "# shotprint-protocol/1 ", "is a damaged protocol"),
        ('"seed": 0, ', "", "is a damaged protocol"),
        ("recording,label", "recording;label", "is a damaged protocol"),
    ],
)
def test_damaged_protocol(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "folds.csv"
    write_protocol(assign_folds(make_manifest()), path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ShotprintError, match=message):
        read_protocol(path)


def test_no_protocol_file(tmp_path: Path) -> None:
    with pytest.raises(ShotprintError, match="cannot be read as a protocol"):
        read_protocol(tmp_path / "absent.csv")
