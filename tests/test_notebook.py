"""One call in a notebook gives what the command line gives, as a table and a picture."""

import json
import subprocess
import sys

import numpy as np
import pytest

import shotprint
from shotprint import Recognizer, ShotprintError
from shotprint.audio import write_wav
from shotprint.cli import app
from shotprint.simulation.cadre import Settings, simulate_set
from toy import TOY_LABELS, write_shots

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "simulated"
    simulate_set(folder, Settings(guns=("M16", "Glock9"), recorders=("Zoom",), positions=("101A",)))
    return folder


@pytest.fixture(scope="module")
def recognition(simulated):
    return Recognizer().recognize(simulated)


def test_gives_the_json_of_the_command(simulated, recognition, read_schema, tmp_path):
    from typer.testing import CliRunner

    run = CliRunner().invoke(app, ["recognize", str(simulated), "-o", str(tmp_path / "a.json")])
    assert run.exit_code == 0
    text = recognition.to_json(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == text
    assert (tmp_path / "b.json").read_text(encoding="utf-8") == text
    read_schema("shotprint-1").validate(json.loads(text))


def test_is_a_sequence_of_results(simulated, recognition):
    assert len(recognition) == 6  # 2 shots of one M16 and of two Glocks
    assert [result.path for result in recognition] == [found.name for found in recognition.found]
    assert recognition[0] is next(iter(recognition))
    assert len(recognition[1:3]) == 2
    assert all(result.shots for result in recognition)


def test_table_has_a_row_a_recording(recognition):
    table = recognition.to_dataframe()
    assert list(table["recording"]) == [result.path for result in recognition]
    labels = recognition.results.model.labels
    assert np.allclose(table[[f"p_{label}" for label in labels]].sum(axis=1), 1)
    assert list(table["probability"]) == [result.probability for result in recognition]
    assert list(table["p_category"]) == [result.category[0].probability for result in recognition]


def test_table_has_a_row_a_shot(simulated, recognition):
    import pandas as pd

    table = recognition.shots_to_dataframe()
    truth = pd.read_csv(simulated / "simulation.csv").set_index("path")["onset_s"]
    first = table[table["shot"] == 1].set_index("recording")["onset_s"]
    for path, onset_s in truth.items():
        found = first[next(name for name in first.index if name.endswith(path))]
        assert found == pytest.approx(onset_s, abs=0.02), path


def test_draws_the_recording_and_the_shot(recognition, tmp_path):
    pictures = [recognition.plot(1), recognition.plot(1, shot=0)]
    contents = [picture._repr_png_() for picture in pictures]
    assert all(content.startswith(PNG) for content in contents)
    assert contents[0] != contents[1]
    pictures[0].save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == contents[0]
    with pytest.raises(ShotprintError, match=r"end it with \.png"):
        pictures[0].save(tmp_path / "a.gif")


def test_notebook_shows_table_and_picture(recognition):
    html = recognition._repr_html_()
    assert html.count("<tr>") == 1 + len(recognition)
    assert "data:image/png;base64,iVBOR" in html
    assert recognition[0].label in html
    lines = repr(recognition).splitlines()  # in a console
    assert [line.split("   ")[0] for line in lines] == [result.path for result in recognition]


def test_a_failure_is_an_answer(tmp_path, toy_model):
    shots = write_shots(tmp_path, 1)
    bad = tmp_path / "<b>.wav"
    bad.write_bytes(b"no sound")
    done = Recognizer(toy_model, whole=True).recognize(bad, *shots, tmp_path / "gone.wav")
    assert [result.error is None for result in done] == [False, True, False]
    table = done.to_dataframe()
    assert "no such file" in table["error"][2]
    assert table["label"][1] in TOY_LABELS
    html = done._repr_html_()
    assert "&lt;b&gt;.wav" in html
    assert "<b>" not in html
    assert "data:image/png" in html  # of the one that was recognised
    with pytest.raises(ShotprintError, match="was not recognised"):
        done.plot(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": 0.2}, "0.5 to 1"),
        ({"threshold": 1.5}, "between 0 and 1"),
        ({"threshold": 0.5, "whole": True}, "none with whole=True"),
        ({"channel": "left"}, "channel"),
        ({"model": "missing.onnx"}, "no model missing.onnx"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ShotprintError, match=message):
        Recognizer(**settings)


def test_wrong_places(recognition):
    with pytest.raises(ShotprintError, match="no recording 99; expected 0 to 5"):
        recognition.plot(99)
    with pytest.raises(ShotprintError, match="has no shot 7"):
        recognition.plot(0, shot=7)
    with pytest.raises(ShotprintError, match="no recording was given"):
        Recognizer().recognize()


def test_silence_fails_by_itself(tmp_path):
    write_wav(tmp_path / "silent.wav", np.zeros((1, 48000), np.float32), 48000)
    result = Recognizer().recognize(tmp_path)[0]
    assert "silent" in result.error


def test_settings_reach_the_answer(simulated):
    done = Recognizer(channel="0", level=0.6, threshold=0.3).recognize(simulated / "M16_Zoom")
    content = json.loads(done.to_json())
    assert content["settings"]["channel"] == "0"
    assert content["settings"]["decision_level"] == 0.6
    assert content["detector"]["threshold"] == 0.3


def test_real_shots(shared):
    path = sorted((shared / "data" / "guns9" / "AK-47").iterdir())[0]
    done = Recognizer().recognize(path)
    assert done[0].label == "AK-47"  # the model was trained on it, and must say so
    assert any("trained on" in text for text in done[0].warnings)
    assert "trained on" in done._repr_html_()


def test_import_is_quick_and_light():
    script = (
        "import sys, shotprint; before = set(sys.modules); shotprint.Recognizer(); "
        "print(*(set(sys.modules) - before)); print(*before, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"numpy", "onnxruntime"}.isdisjoint(run.stderr.split())
    assert {"torch", "pandas", "matplotlib", "h5py", "typer"}.isdisjoint(run.stdout.split())
    with pytest.raises(AttributeError, match="has no attribute 'recogniser'"):
        shotprint.recogniser  # noqa: B018


def test_without_the_extra_a_notebook_shows_the_table(simulated):
    script = (
        "import sys; sys.modules['matplotlib'] = sys.modules['pandas'] = None\n"
        "import shotprint; done = shotprint.Recognizer().recognize(sys.argv[1])\n"
        "assert done._repr_html_().startswith('<table>')\n"
        "for ask in (done.plot, done.to_dataframe):\n"
        "    try: ask()\n"
        "    except shotprint.ShotprintError as error: print(error)\n"
    )
    command = [sys.executable, "-c", script, str(simulated / "M16_Zoom")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.count("pip install 'shotprint[evaluate]'") == 2
