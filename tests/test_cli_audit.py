"""``shotprint audit`` from the command line."""

import csv
import json
import re
import sys
from importlib import resources

import jsonschema
import numpy as np
import pytest

from shotprint.audio import write_wav
from shotprint.cli import main
from shotprint.manifest import read_manifest
from shotprint.splits import assign_folds, write_protocol
from sounds import make_noise

RATE_HZ = 16_000


def make_clip(seed, duration_s=1.0):
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    noise = make_noise(2, len(time_s), seed)
    blast = np.where(time_s < 0.3, 0, np.exp(-(time_s - 0.3) / 0.1)) * noise[0]
    return (blast + 0.01 * noise[1]).astype(np.float32)


@pytest.fixture
def shotprint(monkeypatch, capsys, tmp_path):
    """Run a command in a folder with recordings of two guns in ``set/``."""
    monkeypatch.chdir(tmp_path)
    for seed in range(6):
        gun = ("A<b>", "B")[seed % 2]
        write_wav(tmp_path / "set" / gun / f"{seed}.wav", make_clip(seed), RATE_HZ)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["shotprint", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return end.value.code, shown.out, shown.err

    return run


def spoil(folder):
    """Add what an audit has to find."""
    clip = make_clip(0)
    write_wav(folder / "B" / "same.wav", clip, RATE_HZ)  # under another label
    write_wav(folder / "A<b>" / "cut.wav", 0.3 * clip[2_000:], RATE_HZ)
    write_wav(folder / "B" / "silent.wav", 0 * clip, RATE_HZ)
    write_wav(folder / "B" / "loud.wav", 40 * make_clip(9), RATE_HZ)
    write_wav(folder / "B" / "offset.wav", make_clip(10) + 0.05, RATE_HZ)
    shots = np.hstack([make_clip(11), make_clip(12)])
    write_wav(folder / "A<b>" / "two.wav", shots, RATE_HZ)
    (folder / "B" / "broken.wav").write_bytes(b"RIFF")


def test_what_is_wrong_is_found_and_written_in_every_form(shotprint, tmp_path):
    spoil(tmp_path / "set")
    assert shotprint("import", "folder", "set")[0] == 0
    table = (tmp_path / "set.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "set.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    code, out, err = shotprint("audit", "set.csv", "--jobs", "1")
    assert code == 0
    assert "SERIOUS: 1 recording that cannot be read" in out
    assert err.startswith("written to audit: audit.html")
    audit = json.loads((tmp_path / "audit/audit.json").read_text(encoding="utf-8"))
    schema = json.loads(
        resources.files("shotprint").joinpath("schemas/shotprint-audit-1.json").read_text("utf-8")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(audit, schema)
    items = {each["kind"]: " | ".join(each["items"]) for each in audit["findings"]}
    for kind, recording in {
        "unreadable": "B/broken.wav",
        "silent": "B/silent.wav",
        "two_labels": "B/same.wav",
        "identical": "B/same.wav",
        "alike": "A<b>/cut.wav",
        "clipped": "B/loud.wav",
        "offset": "B/offset.wav",
        "across_groups": "A<b>/cut.wav",
    }.items():
        assert recording in items[kind], kind
    assert "across_folds" not in items  # there are none


def test_the_tables_fit_what_reads_them(shotprint, tmp_path):
    spoil(tmp_path / "set")
    shotprint("import", "folder", "set")
    shotprint("audit", "set.csv", "--no-shots")
    with (tmp_path / "audit/pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = {(row["first"], row["second"]): row for row in csv.DictReader(file)}
    assert set(pairs) == {("A<b>/0.wav", "B/same.wav"), ("A<b>/0.wav", "A<b>/cut.wav")}
    cut = pairs["A<b>/0.wav", "A<b>/cut.wav"]
    assert cut["kind"] == "copy"
    assert float(cut["lag_s"]) == pytest.approx(2_000 / RATE_HZ, abs=1e-4)
    code, _, err = shotprint(
        "import", "folder", "set", "--groups", "audit/groups.csv", "-o", "again.csv"
    )
    assert code == 0
    assert "without" not in err.replace("without a row", "without a row")
    groups = read_manifest(tmp_path / "again.csv").set_index("recording")["group"]
    assert groups["A<b>/0.wav"] == groups["B/same.wav"] == groups["A<b>/cut.wav"]
    assert groups.nunique() == len(groups) - 2


def test_the_page_is_one_file_that_needs_no_network(shotprint, tmp_path):
    spoil(tmp_path / "set")
    shotprint("import", "folder", "set")
    shotprint("audit", "set.csv", "--no-shots", "-o", "out")
    page = (tmp_path / "out/audit.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)', page))
    assert "url(" not in page
    assert "A&lt;b&gt;/cut.wav" in page
    assert "A<b>" not in page
    assert page.count("<img") == page.count('alt="') >= 4


def test_folds_of_a_protocol_are_looked_at_and_strict_fails(shotprint, tmp_path):
    spoil(tmp_path / "set")
    shotprint("import", "folder", "set")
    manifest = read_manifest(tmp_path / "set.csv")
    write_protocol(assign_folds(manifest, "group", 3), tmp_path / "p.csv")
    arguments = ["audit", "set.csv", "--no-shots", "--protocol", "p.csv", "--strict"]
    code, out, err = shotprint(*arguments)
    assert code == 1
    assert "1 silent recording" in err
    folds = dict(zip(manifest["recording"], assign_folds(manifest, "group", 3).folds, strict=True))
    torn = folds["A<b>/0.wav"] != folds["A<b>/cut.wav"]
    assert ("in two folds" in out) == torn


def test_a_sound_set_has_no_serious_finding(shotprint, tmp_path):
    groups = "recording,group\n" + "".join(
        f"{('A<b>', 'B')[seed % 2]}/{seed}.wav,g{seed}\n" for seed in range(6)
    )
    (tmp_path / "groups.csv").write_text(groups, encoding="utf-8")
    shotprint("import", "folder", "set", "--groups", "groups.csv")
    code, out, _ = shotprint("audit", "set.csv", "--strict", "--no-shots")
    assert code == 0
    assert " 0 serious findings" in out


def test_a_real_set_is_seen_through(shotprint, tmp_path, shared):
    """M4 repeats M16, rate and length tell the class, a pair shares sound across groups."""
    guns = shared / "data/guns9"
    shotprint("import", "folder", str(guns), "--groups", str(guns / "groups.csv"))
    assert shotprint("audit", "set.csv", "--no-shots")[0] == 0
    pair = ["MP5/8 (60).flac", "MP5/8 (62).flac"]
    audit = json.loads((tmp_path / "audit/audit.json").read_text(encoding="utf-8"))
    serious = {
        each["kind"]: each["items"] for each in audit["findings"] if each["severity"] != "note"
    }
    twins = [item for item in serious["two_labels"] if item.startswith("M16/") and "= M4/" in item]
    assert len(twins) == len(serious["two_labels"]) == 80
    told = {item.split(":")[0] for item in serious["confound"]}
    assert {"sample rate", "length", "all together"} <= told
    by_fact = {each["fact"]: each for each in audit["confounds"]}
    assert by_fact["clipped"]["interval"][0] < by_fact["clipped"]["chance"]
    listed = [each for each in audit["findings"] if each["kind"] == "confound"]
    assert not any("clipped" in item for each in listed for item in each["items"])
    assert any(item.startswith(" = ".join(pair)) for item in serious["across_folds"])
    groups = {each["recording"]: each["proposed_group"] for each in audit["recordings"]}
    assert groups[pair[0]] == groups[pair[1]]


def test_shots_are_counted(shotprint, tmp_path, toy_detector):
    spoil(tmp_path / "set")
    shotprint("import", "folder", "set")
    shotprint("audit", "set.csv", "--detector", str(toy_detector), "-o", "out")
    audit = json.loads((tmp_path / "out/audit.json").read_text(encoding="utf-8"))
    counted = {each["recording"]: each["sound"] for each in audit["recordings"] if each["sound"]}
    assert counted["A<b>/two.wav"]["n_shots"] == 2
    assert counted["B/1.wav"]["n_shots"] == 1


def test_changed_bytes_are_noticed(shotprint, tmp_path):
    shotprint("import", "folder", "set")
    write_wav(tmp_path / "set/B/1.wav", make_clip(77), RATE_HZ)
    _, out, _ = shotprint("audit", "set.csv", "--no-shots")
    assert "1 recording changed since the import" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.csv",), "none.csv"),
        (("set.csv", "-o", "set.csv"), "is a file"),
        (("set.csv", "--protocol", "set.csv"), "is no protocol"),
        (("part.csv",), "have no fold"),
        (("gone.csv",), "none of the 1 recordings can be read"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(shotprint, tmp_path, arguments, says):
    shotprint("import", "folder", "set")
    head = "recording,path,sha256,label,group,fold\n"
    rows = "a,set/B/1.wav,,B,,0\nb,set/B/3.wav,,B,,\n"
    (tmp_path / "part.csv").write_text(head + rows, encoding="utf-8")
    (tmp_path / "gone.csv").write_text(f"{head}a,a.wav,,B,,\n", encoding="utf-8")
    code, out, err = shotprint("audit", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("shotprint: ")
    assert says in err
    assert err.count("\n") == 1
