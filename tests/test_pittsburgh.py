"""The manifest of the Pittsburgh set."""

import sys

import pytest
from benchmarks.pittsburgh import describe_distance, main

from shotprint.manifest import read_manifest


@pytest.mark.parametrize(
    ("metres", "words"),
    [("45.1", "below 200 m"), ("200", "200 to 400 m"), ("400.0", "400 m and more")],
)
def test_distances_fall_into_three_classes(metres, words):
    assert describe_distance(metres) == words


def test_every_recording_is_listed_with_its_firing_position_as_group(shared, tmp_path, monkeypatch):
    table = shared / "data" / "shotspotter-cut" / "shots.csv"
    if not table.exists():
        pytest.skip("the Pittsburgh recordings are not beside the repository")
    monkeypatch.setattr(sys, "argv", ["pittsburgh", str(table), "-o", str(tmp_path / "p.csv")])
    main()
    manifest = read_manifest(tmp_path / "p.csv")
    assert len(manifest) == 462
    assert (manifest["group"] == manifest["position"]).all()
    assert (manifest["group"] == manifest["recording"].str.split("/").str[0]).all()
    assert manifest["label"].nunique() == 3
