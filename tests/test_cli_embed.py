"""The command embed: what the files hold, read back with NumPy and pyarrow."""

import json
import sys

import numpy as np
import pytest

from shotprint.audio import find_recordings, write_wav
from shotprint.detection import Detector, Listening, OnnxDetector
from shotprint.embeddings import embed_all, list_columns, write_embeddings
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import compute_sha256
from test_cli_recognize import run
from test_recognition import LoudnessModel
from toy import TOY_LABELS, make_shots, write_bursts

COLUMNS = ("recording", "sha256", "shot", "onset_s", "end_s", "detection_probability")


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a") / "Schüsse"
    folder.mkdir()
    write_bursts(folder / "a.wav", [0.5, 1.2, 2.5])
    write_wav(folder / "b.wav", make_shots([], 1.0, 8000), 8000)
    write_bursts(folder / "c.wav", [1.0], 2.0, 16000)
    return folder


@pytest.fixture
def embed(toy_model, toy_detector):
    def call(*arguments, **expected):
        networks = ("--model", toy_model, "--detector", toy_detector)
        return run("embed", *networks, *arguments, **expected)

    return call


def read_npz(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def read_parquet(path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    columns = {name: np.array(table[name].to_pylist()) for name in table.column_names}
    return {**columns, "metadata": table.schema.metadata[b"shotprint"].decode()}


@pytest.mark.parametrize(("name", "read"), [("e.npz", read_npz), ("e.PARQUET", read_parquet)])
def test_a_row_is_a_shot(shots, embed, toy_model, tmp_path, name, read):
    result = embed(shots, "-o", tmp_path / "new" / name)
    content = read(tmp_path / "new" / name)
    assert "embeddings of 4 shots in 3 of 3 recordings" in result.stderr
    assert list(content) == [*COLUMNS, "label", "probability", "embedding", "metadata"]
    assert content["recording"].tolist() == [str(shots / "a.wav")] * 3 + [str(shots / "c.wav")]
    assert content["sha256"][0] == compute_sha256(shots / "a.wav")
    assert content["shot"].tolist() == [1, 2, 3, 1]
    assert content["onset_s"] == pytest.approx([0.5, 1.2, 2.5, 1.0], abs=0.006)
    assert (content["end_s"] > content["onset_s"]).all()
    assert set(content["label"]) <= set(TOY_LABELS)
    assert content["embedding"].shape[0] == 4
    metadata = json.loads(str(content["metadata"]))
    assert metadata["schema"] == "shotprint-embeddings/1"
    assert metadata["model"]["sha256"] == compute_sha256(toy_model)
    assert metadata["detector"]["name"] == "rise"


def test_both_formats_hold_the_same(shots, embed, tmp_path):
    embed(shots, "-o", tmp_path / "e.npz")
    embed(shots, "-o", tmp_path / "e.parquet")
    one, other = read_npz(tmp_path / "e.npz"), read_parquet(tmp_path / "e.parquet")
    for name in (*COLUMNS, "label", "probability", "embedding"):
        np.testing.assert_array_equal(one[name], other[name])
    assert one["metadata"] == other["metadata"]
    assert len({tuple(row) for row in one["embedding"].tolist()}) == 4


def test_whole_gives_a_row_a_recording(shots, embed, toy_model, tmp_path):
    result = run("embed", shots, "--whole", "--model", toy_model, "-o", tmp_path / "e.npz")
    content = read_npz(tmp_path / "e.npz")
    assert "embeddings of 3 of 3 recordings" in result.stderr
    assert list(content) == [
        *("recording", "sha256", "label", "probability", "embedding", "metadata")
    ]
    assert json.loads(str(content["metadata"]))["detector"] is None
    answers = run("recognize", shots, "--whole", "--model", toy_model, "--format", "json").stdout
    recordings = json.loads(answers)["recordings"]
    assert content["label"].tolist() == [each["label"] for each in recordings]
    assert content["probability"] == pytest.approx([each["probability"] for each in recordings])


def test_a_shot_is_embedded_as_recognize_hears_it(shots, embed, toy_model, toy_detector, tmp_path):
    embed(shots / "a.wav", "-o", tmp_path / "e.npz")
    content = read_npz(tmp_path / "e.npz")
    options = ("--model", toy_model, "--detector", toy_detector, "--format", "json")
    (recording,) = json.loads(run("recognize", shots / "a.wav", *options).stdout)["recordings"]
    for i, shot in enumerate(recording["shots"]):
        assert content["label"][i] == shot["label"]
        assert content["probability"][i] == pytest.approx(shot["probability"])
        assert content["onset_s"][i] == shot["onset_s"]


def test_a_model_without_labels_gives_embeddings_alone(shots, toy_detector, tmp_path):
    class Bare(LoudnessModel):
        def run(self, waveforms):
            return np.zeros((len(waveforms), 0), np.float32), waveforms[:, :5]

    model, detector = Bare(labels=()), Detector(OnnxDetector(toy_detector))
    items = list(embed_all(find_recordings([shots]), model, detector, Listening()))
    assert [len(item.rows) for item in items] == [3, 0, 1]
    assert list(items[0].rows[0]) == [*COLUMNS, "embedding"]
    assert list(list_columns(model, detector)) == list(COLUMNS)
    assert items[0].rows[0]["embedding"].shape == (5,)


def test_a_model_that_hears_recordings_whole_has_no_shots(shots, toy_detector):
    from shotprint.clips import ClipRule

    model = LoudnessModel(clip_rule=ClipRule(length_s=0))
    with pytest.raises(ShotprintError, match="--whole"):
        embed_all([], model, Detector(OnnxDetector(toy_detector)), Listening())


@pytest.mark.parametrize("name", ["e.npz", "e.parquet"])
def test_no_shots_give_an_empty_file_and_no_recordings_none(shots, embed, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    embed(shots / "b.wav", "-o", tmp_path / name)
    read = read_npz if name.endswith("npz") else read_parquet
    content = read(tmp_path / name)
    assert len(content["embedding"]) == 0
    assert len(content["label"]) == 0
    (tmp_path / name).write_text("as it was", encoding="utf-8")
    embed(tmp_path / "absent.wav", "-o", tmp_path / name, expect=2)
    assert (tmp_path / name).read_text(encoding="utf-8") == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    embed(tmp_path / "absent.wav", shots / "a.wav", "-o", tmp_path / name, expect=1)
    assert len(read(tmp_path / name)["embedding"]) == 3


def test_parquet_is_written_as_rows_come(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("shotprint.embeddings.ROWS_A_GROUP", 4)
    row = {"recording": "a", "embedding": np.arange(3, dtype=np.float32)}
    with write_embeddings(tmp_path / "e.parquet", {"recording": str}, {}) as add:
        for _ in range(5):
            add([row] * 3)
    file = parquet.ParquetFile(tmp_path / "e.parquet")
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (15, 3)
    np.testing.assert_array_equal(file.read()["embedding"].to_pylist(), [[0, 1, 2]] * 15)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingExtraError, match=r"shotprint\[embed\]"),
        write_embeddings(tmp_path / "e.parquet", {"recording": str}, {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_is_refused(shots, embed, toy_model, tmp_path):
    with pytest.raises(ShotprintError, match=r"end it with \.npz or \.parquet"):
        embed(shots, "-o", tmp_path / "e.csv")
    assert "--whole" in embed(shots, "-o", tmp_path / "e.npz", "--whole", expect=2).stderr
    assert list(tmp_path.iterdir()) == []
