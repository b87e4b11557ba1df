"""The texts of a report: every message of the program has its words in another language."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fpdf")

from messages import VALUE, list_messages
from shotprint.audio import FoundRecording, find_recordings, write_wav
from shotprint.errors import ShotprintError
from shotprint.recognition import OnnxModel, Recognizer, RecordingResult
from shotprint.report import Answers, Correction, ReportSettings, write_report
from shotprint.report.texts import read_texts
from shotprint.weights import shipped_model
from toy import make_shot

ENGLISH = re.compile(r"\b(the|of|is|are|its|it|and|with|be|has|this|that|for)\b", re.I)
MESSAGES = sorted(list_messages())
RATE_HZ = 48_000


def read_page(folder):
    """Return the text of a report's page, without what is quoted in its own language."""
    page = (folder / "report.html").read_text("utf-8")
    quoted = r'<section id="(model|repeat)".*?(?=<section id="glossary")|<style>.*?</style>|<[^>]+>'
    return re.sub(quoted, " ", page, flags=re.S)


def test_the_messages_of_all_layers_are_found() -> None:
    known = {
        "the model was trained on this very recording, so its answer proves nothing",
        f"cut short: {VALUE}{VALUE} s of {VALUE} s can be read",
        f"the file cannot be opened ({VALUE})",
        f"it took more than {VALUE} s; raise --timeout",
        f"a gap of {VALUE} s at {VALUE} s filled with silence",
        f"added shot {VALUE} from {VALUE} s to {VALUE} s, labelled {VALUE}",
    }
    assert known <= set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_is_german_in_a_german_report(message) -> None:
    told = read_texts("de").translate(message)
    assert told != message
    assert not ENGLISH.search(told)
    assert told.count(VALUE) == message.count(VALUE)


def test_a_german_report_of_all_messages_holds_no_english(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of paths are English
    path = Path("c.wav")
    write_wav(path, make_shot(3, 1.0), RATE_HZ)
    found = find_recordings([path])
    recognizer = Recognizer(OnnxModel(shipped_model()))
    (result,) = recognizer.recognize(found)
    warned = dataclasses.replace(result, warnings=tuple(MESSAGES))
    failed = [RecordingResult(f"{n}.wav", None, error=text) for n, text in enumerate(MESSAGES)]
    said = Correction("J. Doe", "2026-11-24T10:00:00Z", "label", "b.wav: shot 3, labelled Škorpion")
    write_report(
        [*found, *(FoundRecording(str(path), each.path) for each in failed)],
        ReportSettings(language="de", date="2026-11-25"),
        tmp_path / "out",
        {result.sha256 or "": [said]},
        Answers(recognizer, [warned, *failed]),
    )
    text = read_page(tmp_path / "out")
    assert "b.wav: Schuss 3, benannt: Škorpion" in text
    assert "der Ton wechselt bei 7 s zu 7 Hz mit 7 Kanal" in text
    assert [text[m.start() - 60 : m.end() + 60] for m in ENGLISH.finditer(text)] == []


def test_real_damage_is_told_in_german(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shot = make_shot(3, 1.0)
    loud = np.stack([np.sign(shot) * 0.995, -np.sign(shot) * 0.995]).astype(np.float32)
    write_wav(tmp_path / "clipped.wav", loud[:1], RATE_HZ)
    write_wav(tmp_path / "inverse.wav", loud * np.float32([[1], [0.9]]), RATE_HZ)
    write_wav(tmp_path / "short.wav", shot + np.float32(0.3), RATE_HZ)
    content = (tmp_path / "short.wav").read_bytes()
    (tmp_path / "short.wav").write_bytes(content[: len(content) * 2 // 3])
    (tmp_path / "none.wav").write_bytes(b"no sound")
    write_wav(tmp_path / "silent.wav", np.zeros(RATE_HZ, np.float32), RATE_HZ)
    settings = ReportSettings(language="de", date="2026-11-25")
    write_report(find_recordings(["."]), settings, tmp_path / "out")
    text = read_page(tmp_path / "out")
    for expected in (
        "Übersteuert: 100\u00a0% der Abtastwerte",
        "Die Kanäle 0 und 1 sind gegenphasig (Korrelation −1,00)",
        "Unvollständig: 0,666 s von 1,000 s sind lesbar",
        "Die Abtastwerte liegen um +0,30 der Vollaussteuerung",
        "Nicht auswertbar: keine lesbare Tondatei",
        "Nicht auswertbar: stumm: Die Aufnahme enthält keinen Ton",
    ):
        assert expected in text, expected
    assert [text[m.start() - 60 : m.end() + 60] for m in ENGLISH.finditer(text)] == []


def test_a_laboratory_has_its_own_words_for_messages(tmp_path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[messages]\n"cut short: {read} s of {all} s can be read" = "{all}!"\n', "utf-8")
    assert read_texts("en", own).translate("cut short: 1.5 s of 2.5 s can be read") == "2.5!"
    assert read_texts("de", own).translate("cut short: 1.5 s of 2.5 s can be read") == "2,5!"
    own.write_text('[messages]\n"cut short: {read} s" = "{reed}!"\n', "utf-8")
    with pytest.raises(ShotprintError, match="may hold"):
        read_texts("en", own)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("shot 3 is a door", "shot 3 is a door"),
        ("shot x, labelled MP5", "shot x, labelled MP5"),
        ("it cannot be opened (Permission denied)", "die Datei lässt sich nicht öffnen"),
        ("-0.25", "−0,25"),
    ],
)
def test_only_what_is_a_message_is_translated(said, expected) -> None:
    assert read_texts("de").translate(said).startswith(expected)
