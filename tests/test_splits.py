"""Protocols: groups stay whole, labels are trained on, the same input gives the same folds."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shotprint.errors import ShotprintError
from shotprint.splits import (
    EACH,
    NAMED,
    Protocol,
    assign_folds,
    assign_validation,
    check_fits,
    check_no_leakage,
    read_protocol,
    survey_protocols,
    write_protocol,
)

OLD_FILE = """\
# shotprint-protocol/1 {"fold_names": {"0": "0", "1": "1"}, "leaks": false, \
"manifest_sha256": "0f8090eadfa29a87114b24b59d05385591b625e57ccc6ea7064b92de28a3fd0b", \
"name": "group", "remarks": [], "seed": 0, \
"sha256": "9e84fa6053ef6398d10ade45b93830d9f114f192e36dbd2fe016cc70fa34944a"}
recording,label,group,fold
r0.wav,a,g0,0
r1.wav,b,g0,0
r2.wav,a,g1,1
r3.wav,b,g1,1
"""
"""What version 0.1.0 wrote."""


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
    assert protocol.remarks == (NAMED["group"].remark,)
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
    assert protocol.remarks == (NAMED["group"].remark,)


def test_a_label_with_one_group_is_reported() -> None:
    manifest = make_manifest()
    manifest.loc[manifest["label"] == "gun2", "group"] = "one video"
    manifest.loc[manifest["group"].isin(["3-0", "3-1", "3-2"]), "group"] = "3-0"
    _, *remarks = assign_folds(manifest).remarks
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
    protocol = assign_folds(make_manifest(), "recorder", purge=False)
    assert set(protocol.fold_names.values()) == {"Zoom", "iPhone", "Samsung"}
    assert protocol.leaks
    assert "20 groups" in protocol.remarks[1]
    assert "both sides" in protocol.remarks[1]
    assert protocol.apart == {}


@pytest.mark.parametrize("n_folds", [None, 2])
def test_a_recorder_is_tested_on_groups_that_no_recorder_heard_in_training(
    n_folds: int | None,
) -> None:
    manifest = make_manifest()
    protocol = assign_folds(manifest, "recorder", n_folds)
    assert not protocol.leaks
    assert protocol.n_folds == 5 * (n_folds or 3)
    n_tested = 0
    for fold in protocol.fold_numbers:
        table = manifest.assign(part=protocol.split_for(manifest["recording"], fold))
        train, test = (table[table["part"] == part] for part in ("train", "test"))
        assert set(train["recorder"]).isdisjoint(test["recorder"])
        assert set(train["group"]).isdisjoint(test["group"])
        assert set(train["label"]) == set(manifest["label"])
        # whatever else could have been trained on is
        others = ~table["recorder"].isin(test["recorder"]) & ~table["group"].isin(test["group"])
        assert (others == (table["part"] == "train")).all()
        n_tested += len(test)
    assert n_tested == len(manifest)
    if n_folds is None:
        assert protocol.fold_names[0] == "Samsung, part 1 of 5"
        # of the 120 - 8 recordings that are not tested, 2/3 · 4/5 are trained on
        assert "recorder: 43 % of the recordings outside the test part" in protocol.remarks[1]


def test_few_torn_groups_are_left_out_of_training_and_folds_stay() -> None:
    manifest = make_manifest()
    manifest.loc[manifest["group"].isin(["0-0", "0-1"]), "group"] = "two places"
    protocol = assign_folds(manifest, "position")
    assert list(protocol.fold_names.values()) == ["9", "10", "11", "12", "13"]
    assert not protocol.leaks
    table = manifest.assign(part=protocol.split_for(manifest["recording"], 0))
    excluded = table[table["part"] == "excluded"]
    assert set(excluded["group"]) == {"two places"}
    assert set(excluded["position"]) == {"10"}
    assert len(excluded) == 6
    with pytest.raises(ShotprintError, match=r"stand in more than one fold \(two places\)"):
        check_no_leakage(manifest["group"], protocol.folds_for(manifest["recording"]))
    for fold in protocol.fold_numbers:
        parts = protocol.split_for(manifest["recording"], fold)
        check_no_leakage(manifest["group"], parts)
        heard = np.where(parts == "excluded", "train", parts)
        if fold < 2:
            with pytest.raises(ShotprintError, match="two places"):
                check_no_leakage(manifest["group"], heard)


def test_a_fold_is_tested_in_parts_where_most_of_its_training_part_would_go() -> None:
    manifest = make_manifest()
    # Two of three recordings belong to one group a gun, at all positions; labels all remain.
    torn = np.arange(len(manifest)) % 3 != 0
    manifest.loc[torn, "group"] = manifest.loc[torn, "label"]
    protocol = assign_folds(manifest, "position")
    assert list(protocol.apart) == ["position", "group"]
    assert protocol.n_folds > 5
    assert not protocol.leaks


def test_one_group_for_all_cannot_be_purged_and_leaks() -> None:
    protocol = assign_folds(make_manifest().assign(group="one video"), "recorder")
    assert protocol.leaks
    assert protocol.apart == {}


def test_recordings_of_one_shot_stay_together() -> None:
    manifest = make_manifest()
    shots = [f"{group}/{k % 6 // 3}" for k, group in enumerate(manifest["group"])]
    manifest["shot_id"] = shots  # two shots a group, each heard by three recorders
    protocol = assign_folds(manifest, "shot")
    check_no_leakage(shots, protocol.folds_for(manifest["recording"]))
    assert (tabulate(manifest, protocol) == 6).all(axis=None)
    assert sorted(set(protocol.groups)) == sorted(set(shots))
    assert protocol.leaks  # of the same group another shot is trained on
    assert protocol.remarks[0] == NAMED["shot"].remark
    assert "shot leaks: " in protocol.remarks[1]


@pytest.mark.parametrize(("name", "n_folds"), [("random", 24), ("group", 4), ("recorder", 3)])
def test_leave_one_out(name: str, n_folds: int) -> None:
    manifest = make_manifest(2, 2)
    protocol = assign_folds(manifest, name, EACH, purge=False)
    assert protocol.n_folds == n_folds
    values = manifest["recording" if name == "random" else name]
    names = [protocol.fold_names[fold] for fold in protocol.folds_for(manifest["recording"])]
    assert names == values.tolist()


def test_many_values_are_dealt_unless_one_is_to_be_left_out() -> None:
    manifest = make_manifest(n_groups=13)
    assert assign_folds(manifest, "position").n_folds == 5
    assert assign_folds(manifest, "position", EACH).n_folds == 13
    assert assign_folds(make_manifest(n_groups=12), "position").n_folds == 12


@pytest.mark.parametrize("name", ["shot", "session", "source"])
def test_an_absent_column_is_told_with_where_it_comes_from(name: str) -> None:
    with pytest.raises(ShotprintError, match="import folder --groups") as raised:
        assign_folds(make_manifest(), name)
    assert f"the protocol {name} needs the column {NAMED[name].column}," in str(raised.value)
    assert "\n" not in str(raised.value)


def test_groups_that_are_single_recordings_are_told() -> None:
    manifest = make_manifest()
    for group in ("", manifest["recording"]):
        _, remark = assign_folds(manifest.assign(group=group), "group").remarks
        assert "every recording is a group of its own" in remark


@pytest.mark.parametrize(
    ("sets", "said"),
    [(["8", "9"], "20 of"), (["8"], "4 of 4 labels come from a single gun set"), ([""], "4 of 4")],
)
def test_a_gun_of_one_individual_is_confounded(sets: list[str], said: str) -> None:
    manifest = make_manifest()
    manifest["set_number"] = [sets[k % len(sets)] for k in range(len(manifest))]
    remarks = assign_folds(manifest, "position").remarks
    assert any(said in remark and "confounded" in remark for remark in remarks) == (len(sets) == 1)


def test_survey_of_a_set() -> None:
    manifest = make_manifest()
    manifest["source"] = manifest["label"]
    found = survey_protocols(manifest, 3, seed=2)
    assert list(found.protocols) == ["random", "group", "position", "recorder"]
    assert {name: p.n_folds for name, p in found.protocols.items()} == {
        **{"random": 3, "group": 3},
        **{"position": 5, "recorder": 15},
    }
    assert found.protocols["group"] == assign_folds(manifest, "group", 3, seed=2)
    assert [name for name, made in found.protocols.items() if made.leaks] == ["random"]
    assert list(found.refused) == ["shot", "session", "source"]
    assert "4 of 4 labels are not trained on" in found.refused["source"]
    assert "single source" in found.refused["source"]
    with_folds = survey_protocols(manifest.assign(fold=manifest["position"]), EACH)
    assert with_folds.protocols["manifest"].n_folds == 5
    assert with_folds.protocols["group"].n_folds == 20


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
        ("gun", None, {}, "no column 'gun'; give manifest, random, .* or one of recording"),
        ("manifest", None, {}, "120 recordings have no fold"),
        ("manifest", None, {"fold": "0"}, "one fold only"),
        ("manifest", None, {"fold": list("01" * 60)}, "20 groups stand in more than one fold"),
        ("manifest", 10, {"fold": list("0" * 60 + "1" * 60)}, "has 2 folds, 10 were asked for"),
        ("position", None, {"position": ""}, "120 recordings have no position"),
        ("position", None, {"position": "4"}, r"same position \(4\)"),
        ("group", 1, {}, "1 folds of 20 groups; give 2 to 20"),
        ("group", 0, {}, "0 folds"),
        ("group", 21, {}, "21 folds of 20 groups"),
        ("position", 6, {}, "6 folds of 5 values of position"),
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


def test_validation_takes_nothing_that_is_kept_apart() -> None:
    manifest = make_manifest(n_groups=10)
    protocol = assign_folds(manifest, "recorder")
    for fold in protocol.fold_numbers:
        parts = manifest["recording"].map(assign_validation(protocol, fold))
        split = protocol.split_for(manifest["recording"], fold)
        assert (parts[split != "train"] == split[split != "train"]).all()
        assert set(parts[split == "train"]) == {"train", "validation"}
        check_no_leakage(manifest["group"], parts)


@pytest.mark.parametrize("name", ["group", "random", "recorder"])
def test_protocol_reads_back(tmp_path: Path, name: str) -> None:
    manifest = make_manifest()
    manifest.loc[0, "recording"] = 'Ä, "#1".wav'
    protocol = assign_folds(manifest, name, seed=3)
    path = tmp_path / "folds.csv"
    write_protocol(protocol, path)
    assert read_protocol(path, manifest) == protocol
    assert protocol.sha256 in path.read_text(encoding="utf-8")
    changed = dataclasses.replace(protocol, apart={"label": protocol.labels})
    assert changed.sha256 != protocol.sha256
    write_protocol(changed, path)
    assert read_protocol(path) == changed


def test_protocol_of_an_earlier_version_reads(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text(OLD_FILE, encoding="utf-8")
    protocol = read_protocol(path)
    assert protocol.folds == (0, 0, 1, 1)
    assert protocol.split(1).tolist() == ["train", "train", "test", "test"]


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
