"""The report of a case: what it says, that it is the same again, and that changes are noticed."""

import json
import os
import re
import struct
import subprocess
import sys
from html.parser import HTMLParser

import av
import numpy as np
import pytest

pytest.importorskip("fpdf")
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shotprint.audio import find_recordings, write_wav
from shotprint.audio.tags import read_stated_time
from shotprint.cli import main
from shotprint.errors import ShotprintError
from shotprint.recognition import OnnxModel
from shotprint.report import Correction, ReportSettings, verify, write_report
from shotprint.report.blocks import Group, Items, Paragraph, Table, read_markdown
from shotprint.report.texts import LANGUAGES, read_texts, write_clock, write_ratio
from shotprint.weights import shipped_model
from sounds import make_noise

RATE_HZ = 32_000
OUTPUTS = ("report.html", "report.pdf", "report.json", "hashes.json")
DATE = ("--date", "2026-11-25")


def make_shots(onsets_s, duration_s, seed=0):
    """Return noise that rises at each onset and dies away, over faint noise."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    noise = make_noise(2, len(time_s), seed)
    rising = [np.where(time_s < at, 0, np.exp(-(time_s - at) / 0.05)) for at in onsets_s]
    return (8 * sum(rising) * noise[0] + 0.002 * noise[1]).clip(-1, 1).astype(np.float32)


@pytest.fixture
def shotprint(monkeypatch, capsys, tmp_path):
    """Run a command in a folder with two recordings and what is none in ``case/``."""
    monkeypatch.chdir(tmp_path)
    write_wav(tmp_path / "case" / "a & b.wav", make_shots((0.5, 1.5), 2.5), RATE_HZ)
    write_wav(tmp_path / "case" / "c.wav", make_shots((0.3,), 1.0, seed=1), RATE_HZ)
    (tmp_path / "case" / "d.wav").write_bytes(b"no sound")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["shotprint", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return end.value.code, shown.out, shown.err

    return run


class Reader(HTMLParser):
    """Text, links, anchors and pictures of a page; every tag must be closed."""

    VOID = frozenset(("meta", "img", "br"))

    def __init__(self, page):
        super().__init__()
        self.text, self.links, self.ids, self.pictures, self.stack = "", [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if tag == "img":
            self.pictures.append(found)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, text):
        self.text += text


def test_a_report_holds_all_exhibits_and_shots(shotprint, tmp_path, read_schema, toy_detector):
    more = ("--question", "Who <fired>?", "--detector", toy_detector, *DATE)
    code, _, told = shotprint("report", "case", "-o", "out", *more)
    assert code == 1
    assert "d.wav" in told
    twin = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    read_schema("shotprint-report-1").validate(twin)
    read_schema("shotprint-1").validate(twin["answers"])
    n_shots = [len(each["shots"]) for each in twin["answers"]["recordings"]]
    assert n_shots[0] == 2
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    reader = Reader(page)
    assert not reader.stack
    assert "Who <fired>?" in reader.text
    assert "a & b.wav" in reader.text
    assert f"It could not be evaluated: {twin['answers']['recordings'][2]['error']}" in reader.text
    assert all(each["sha256"] in reader.text for each in twin["exhibits"])
    shots = [f"shot-{e}-{i}" for e, n in enumerate(n_shots, 1) for i in range(1, n + 1)]
    assert [each for each in reader.ids if each.startswith("shot-")] == shots
    assert len(reader.ids) == len(set(reader.ids))
    assert {each[1:] for each in reader.links} <= set(reader.ids)
    assert len(reader.pictures) == 1 + 2 + len(shots)  # time line, exhibits, shots
    assert all(each["src"].startswith("data:image/png;base64,") for each in reader.pictures)
    assert all(each["alt"] for each in reader.pictures)
    assert not re.search(r"""(src|href)="?https?:|url\(|@import|<script""", page)
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_ratios_are_those_of_the_formula(shotprint, tmp_path, shared):
    path = min((shared / "data" / "guns9" / "MP5").glob("*.flac"))
    shotprint("report", path, "-o", "out", "--value", "M16", *DATE)
    twin = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    calibration = OnnxModel(shipped_model()).metadata.evidence["model"]
    shots = twin["answers"]["recordings"][0]["shots"]
    assert shots
    for shot, ratios in zip(shots, twin["exhibits"][0]["shot_ratios"], strict=True):
        p = {each["label"]: each["probability"] for each in shot["candidates"]}
        others = np.mean([value for label, value in p.items() if label != "M16"])
        free = calibration["slope"] * np.log10(p["M16"] / others) + calibration["intercept"]
        expected = min(max(free, calibration["lower"]), calibration["upper"])
        assert ratios[0]["value"] == "M16"
        assert ratios[0]["log10_lr"] == pytest.approx(expected, abs=1e-5)
    told = Reader((tmp_path / "out" / "report.html").read_text("utf-8")).text
    assert f"{ratios[0]['log10_lr']:.2f}".replace("-", "−") in told


def test_the_same_input_gives_the_same_bytes(shotprint, tmp_path, monkeypatch):
    def make(*more):
        shotprint("report", "case", "-o", "out", *more)
        return {name: (tmp_path / "out" / name).read_bytes() for name in OUTPUTS}

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795564800")
    first = make()
    assert make() == first
    assert "2026-11-25 00:00:00+00:00" in first["report.html"].decode()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795651200")
    later = make()
    for name in ("report.html", "report.json"):
        assert later[name] != first[name]
        assert later[name].replace(b"2026-11-26", b"2026-11-25") == first[name]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert shotprint("report", "case", "-o", "out")[0] == 2


def test_every_change_is_named(shotprint, tmp_path):
    shotprint("report", "case", "-o", "out", *DATE)
    code, out, told = shotprint("verify", "out")
    assert (code, out) == (0, "")
    assert "not signed" in told
    with (tmp_path / "case" / "a & b.wav").open("ab") as file:
        file.write(b"\0")
    (tmp_path / "case" / "c.wav").unlink()
    write_wav(tmp_path / "case" / "new.wav", make_shots((0.2,), 0.5), RATE_HZ)
    twin = tmp_path / "out" / "report.json"
    content = json.loads(twin.read_text("utf-8"))
    content["answers"]["recordings"][1]["label"] = "MP5!"
    twin.write_text(json.dumps(content), "utf-8")
    (tmp_path / "out" / "report.pdf").unlink()
    (tmp_path / "out" / "notes.txt").write_text("x")
    code, out, _ = shotprint("verify", "out")
    assert code == 1
    assert out.splitlines() == [
        "changed\texhibit\tcase/a & b.wav",
        "missing\texhibit\tcase/c.wav",
        "added\texhibit\tcase/new.wav",
        "changed\tresult\tcase/c.wav",
        "missing\tfile\treport.pdf",
        "changed\tfile\treport.json",
        "added\tfile\tnotes.txt",
    ]
    assert shotprint("verify", "case")[0] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names there are Unicode")
@pytest.mark.usefixtures("shotprint")
def test_a_name_that_is_no_unicode(tmp_path):
    name = os.fsdecode(b"case/\xff.wav")
    (tmp_path / "case" / "c.wav").rename(tmp_path / name)

    def run(*arguments):  # of its own: pytest's standard error takes Unicode only
        command = [sys.executable, "-m", "shotprint", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
        return done.returncode, done.stdout

    assert run("report", name, "-o", "out", *DATE)[0] == 0
    assert run("verify", "out") == (0, b"")
    (tmp_path / name).unlink()
    assert run("verify", "out") == (1, b"missing\texhibit\tcase/\\udcff.wav\n")


def test_exhibits_may_lie_elsewhere(shotprint, tmp_path):
    shotprint("report", "case/c.wav", "-o", "out", *DATE)
    (tmp_path / "kept").mkdir()
    (tmp_path / "case" / "c.wav").rename(tmp_path / "kept" / "c.wav")
    assert shotprint("verify", "out")[0] == 1
    assert shotprint("verify", "out", "--exhibits", "kept")[0] == 0


def test_a_signature_belongs_to_its_list_and_key(shotprint, tmp_path):
    for name in ("lab", "other"):
        assert shotprint("make-key", f"{name}.key")[0] == 0
    assert shotprint("make-key", "lab.key")[0] == 2
    assert (tmp_path / "lab.key").stat().st_mode & 0o077 == 0 or sys.platform == "win32"
    code, *_ = shotprint("report", "case/c.wav", "-o", "out", "--key", "lab.key", *DATE)
    assert code == 0
    signature = json.loads((tmp_path / "out" / "hashes.json.sig").read_text())
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
    listed = tmp_path / "out" / "hashes.json"
    key.verify(bytes.fromhex(signature["signature"]), listed.read_bytes())
    with pytest.raises(InvalidSignature):
        key.verify(bytes.fromhex(signature["signature"]), listed.read_bytes() + b" ")
    code, _, told = shotprint("verify", "out")
    assert code == 0
    assert signature["public_key"] in told
    assert shotprint("verify", "out", "--public-key", "lab.pub")[0] == 0
    assert shotprint("verify", "out", "--public-key", "other.pub")[:2] == (
        1,
        "wrong\tsignature\thashes.json.sig\n",
    )
    listed.write_text(listed.read_text().replace('"date": "2026', '"date": "2025'))
    assert shotprint("verify", "out")[0] == 1
    (tmp_path / "out" / "hashes.json.sig").unlink()
    assert shotprint("verify", "out")[0] == 0  # nobody promised a signature
    code, out, _ = shotprint("verify", "out", "--public-key", "lab.pub")
    assert (code, out) == (1, "missing\tsignature\thashes.json.sig\n")


def test_a_key_with_a_password_signs_only_with_it(shotprint, tmp_path, monkeypatch):
    (tmp_path / "password").write_text("correct horse\n")
    assert shotprint("make-key", "lab.key", "--password-file", "password")[0] == 0
    with pytest.raises(TypeError):
        load_pem_private_key((tmp_path / "lab.key").read_bytes(), None)
    assert load_pem_private_key((tmp_path / "lab.key").read_bytes(), b"correct horse")
    asked = ("report", "case/c.wav", "-o", "out", "--key", "lab.key", *DATE)
    for given, expected in ((None, "--key-password-file"), ("wrong", "does not open lab.key")):
        if given is not None:
            monkeypatch.setenv("SHOTPRINT_KEY_PASSWORD", given)
        code, _, told = shotprint(*asked)
        assert (code, len(told.splitlines())) == (2, 1)
        assert expected in told
        assert not (tmp_path / "out").exists()
    assert shotprint(*asked, "--key-password-file", "password")[0] == 0
    assert shotprint("verify", "out", "--public-key", "lab.pub")[0] == 0
    assert "correct horse" not in (tmp_path / "out" / "report.html").read_text("utf-8")
    (tmp_path / "password").write_text("\n")
    code, _, told = shotprint(*asked, "--key-password-file", "password")
    assert (code, "is empty" in told) == (2, True)


def type_on_terminal(command, typed, cwd):
    """Run a command on a terminal, answer each prompt; return exit code and what was shown."""
    import pty

    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "shotprint", *command],
        cwd=cwd,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
            if chunk.endswith(b": ") and typed:
                os.write(ours, typed.pop(0).encode() + b"\n")
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return process.wait(), shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("typed", "code", "expected"),
    [
        (["pass word", "pass word"], 0, "protected by its password"),
        ([""], 0, "without a password"),
        (["pass word", "password"], 2, "differ"),
    ],
)
def test_make_key_asks_on_a_terminal(tmp_path, typed, code, expected):
    found, shown = type_on_terminal(["make-key", "lab.key"], typed, tmp_path)
    assert (found, typed) == (code, [])
    assert expected in shown
    assert "pass word" not in shown
    is_there = (tmp_path / "lab.key").exists()
    assert is_there == (code == 0)
    if code == 0:
        is_locked = b"ENCRYPTED" in (tmp_path / "lab.key").read_bytes()
        assert is_locked == ("protected" in expected)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_report_asks_for_the_password_on_a_terminal(shotprint, tmp_path):
    (tmp_path / "password").write_text("correct horse")
    shotprint("make-key", "lab.key", "--password-file", "password")
    command = ["report", "case/c.wav", "-o", "out", "--key", "lab.key"]
    code, shown = type_on_terminal(command, ["wrong one"], tmp_path)
    assert code == 2
    assert "Password of lab.key: " in shown
    assert "does not open lab.key" in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--value", "Musket"), "Musket"),
        (("--layout", "own.toml"), "own.toml has texts"),
        (("--language", "xx"), "de, en"),
        (("--logo", "case/d.wav"), "PNG or JPEG"),
        (("--key", "case/d.wav"), "make-key"),
        (("--date", "soon"), "2026-11-25"),
        (("--texts", "own.toml"), "no report uses"),
        (("--texts", "flat.toml"), "no sentence"),
        (("--template", "missing.j2"), "missing.j2"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(shotprint, tmp_path, arguments, expected):
    (tmp_path / "own.toml").write_text('[texts]\ntitel = "x"\n')
    (tmp_path / "flat.toml").write_text('texts = "x"\n')
    code, _, told = shotprint("report", "case", "-o", "out", *arguments)
    assert code == 2
    assert expected in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_corrections_stand_beside_the_answer(tmp_path):
    path = tmp_path / "c.wav"
    write_wav(path, make_shots((0.3,), 1.0), RATE_HZ)
    found = find_recordings([path])
    plain = write_report(found, ReportSettings(date="2026-11-25"), tmp_path / "plain")
    sha256 = plain.exhibits[0].result.sha256
    said = Correction("J. Doe", "2026-11-24T10:00:00Z", "label", "it is a <door>")
    settings = ReportSettings(date="2026-11-25", language="de")
    write_report(found, settings, tmp_path / "corrected", {sha256: [said]})
    first, second = (
        json.loads((tmp_path / name / "report.json").read_text("utf-8"))
        for name in ("plain", "corrected")
    )
    assert second["answers"] == first["answers"]
    assert second["exhibits"][0]["corrections"] == [vars(said)]
    text = Reader((tmp_path / "corrected" / "report.html").read_text("utf-8")).text
    assert all(each in text for each in vars(said).values())
    assert "Korrekturen" in text
    assert not verify(tmp_path / "corrected").findings


def test_a_laboratory_replaces_texts_and_page(tmp_path):
    path = tmp_path / "c.wav"
    write_wav(path, make_shots((0.3,), 1.0), RATE_HZ)
    texts, template = tmp_path / "own.toml", tmp_path / "own.j2"
    texts.write_text('[texts]\ntitle = "Our title"\n', "utf-8")
    template.write_text("{{ title }}|{{ sections | length }}|{{ case.exhibits | length }}", "utf-8")
    settings = ReportSettings(texts=texts, template=template)
    write_report(find_recordings([path]), settings, tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_text("utf-8") == "Our title|10|1\n"
    template.write_text("{{ nothing }}", "utf-8")
    with pytest.raises(ShotprintError, match="cannot be filled"):
        write_report(find_recordings([path]), settings, tmp_path / "out")


def test_languages_say_the_same():
    import string

    def fields(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = read_texts("en")._texts
    assert len(english) > 100
    for language in LANGUAGES:
        other = read_texts(language)
        assert {name: fields(text) for name, text in other._texts.items()} == {
            name: fields(text) for name, text in english.items()
        }
        assert [step for step, _ in other.scale.steps] == [1, 2, 10, 100, 1000, 1e4, 1e6]


@pytest.mark.parametrize(
    ("seconds", "digits", "expected"),
    [(0, 3, "0:00.000"), (59.9996, 3, "1:00.000"), (3661.5, 0, "1:01:02"), (-0.5, 1, "−0:00.5")],
)
def test_clock(seconds, digits, expected):
    assert write_clock(seconds, digits) == expected


@pytest.mark.parametrize(
    ("llr", "expected"),
    [(1.0, "10"), (-1.0, "10"), (0.5, "3.2"), (2.53, "340"), (0.01, "1.0"), (0.999, "10")],
)
def test_ratio_in_two_digits(llr, expected):
    assert write_ratio(llr) == expected


def test_markdown_becomes_blocks():
    text = "# A **b**\n\none\ntwo\n\n- x\n  y\n- z\n\n| h | i |\n|---|---|\n| 1 | `2` |\n"
    assert read_markdown(text) == [
        Group("A b", ()),
        Paragraph("one two"),
        Items(["x y", "z"]),
        Table([["1", "2"]], ["h", "i"]),
    ]


def test_stated_time_of_a_video(tmp_path):
    path = tmp_path / "phone.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["creation_time"] = "2024-05-06T07:08:09.000000Z"
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert read_stated_time(path) == "2024-05-06T07:08:09.000000Z"


def test_stated_time_of_a_broadcast_wave_file(tmp_path):
    path = tmp_path / "recorder.wav"
    write_wav(path, make_shots((0.1,), 0.3), RATE_HZ)
    assert read_stated_time(path) is None
    content = path.read_bytes()
    origin = b"".join([bytes(256 + 32 + 32), b"2024-05-06", b"07:08:09", bytes(8 + 2 + 254)])
    chunk = b"bext" + struct.pack("<I", len(origin)) + origin
    riff = b"RIFF" + struct.pack("<I", len(content) - 8 + len(chunk)) + b"WAVE" + chunk
    path.write_bytes(riff + content[12:])
    assert read_stated_time(path) == "2024-05-06 07:08:09"
    (tmp_path / "none.wav").write_bytes(b"no sound")
    assert read_stated_time(tmp_path / "none.wav") is None


def test_a_recording_that_was_trained_on_is_named_at_the_top(shared, tmp_path):
    path = min((shared / "data" / "guns9" / "AK-47").glob("*.flac"))
    write_report(find_recordings([path]), ReportSettings(date="2026-11-25"), tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    top = page[: page.index('id="question"')]
    assert "trained on this very recording" in top
