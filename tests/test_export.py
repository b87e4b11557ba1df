"""Exported models against torch, against the published network, and against their promises."""

import json
import os

import numpy as np
import pytest

from toy import TOY_LABELS, build_toy_network, make_shot

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from shotprint.backbones import build_backbone  # noqa: E402
from shotprint.backbones.checkpoints import write_network  # noqa: E402
from shotprint.backbones.torch_model import TorchModel, load_described  # noqa: E402
from shotprint.clips import ClipRule  # noqa: E402
from shotprint.errors import ShotprintError  # noqa: E402
from shotprint.export import TOLERANCE, export_network, make_probes  # noqa: E402
from shotprint.firearms import Firearm, read_firearms  # noqa: E402
from shotprint.recognition import ModelMetadata, OnnxModel, Recognizer  # noqa: E402

MN04 = "mn04_as_mAP_432.pt"


def describe(labels=TOY_LABELS, **changes):
    settings = {
        "name": "toy",
        "version": "1",
        "labels": tuple(Firearm(label, "", "", "") for label in labels),
        "sample_rate_hz": 32000,
        "min_samples": 514,
        "clip_rule": ClipRule(),
        "level": "peak_half",
        "backbone": "efficientat_mn04",
    }
    return ModelMetadata(**{**settings, **changes})


class Plain(nn.Module):
    """A network of three weights that is quick to export."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0, 3.0]]))

    def forward(self, waveform):
        embedding = waveform.square().mean(dim=1, keepdim=True) * self.weight
        return torch.log_softmax(embedding[:, :2], dim=1), embedding


@pytest.mark.parametrize(("n", "n_samples"), [(1, 32000), (3, 32001), (2, 100_000), (7, 5000)])
def test_any_batch_and_length_gives_what_torch_gives(toy_model, n, n_samples):
    network, model = build_toy_network(), OnnxModel(toy_model)
    shots = [make_shot(seed, 4.0, 32000, at_s=0.05)[:n_samples] for seed in range(n)]
    waveforms = np.stack(shots)
    with torch.inference_mode():
        expected = [each.numpy() for each in network(torch.from_numpy(waveforms))]
    log_probabilities, embedding = model.run(waveforms)
    assert np.abs(np.exp(log_probabilities) - np.exp(expected[0])).max() < TOLERANCE
    assert np.abs(embedding - expected[1]).max() < TOLERANCE * np.abs(expected[1]).max()
    assert np.ptp(log_probabilities, axis=0).max() > 0.1 or n == 1


def test_mn04_in_onnx_runtime_equals_the_published_network(shared, tmp_path):
    golden = np.load(shared / "golden" / "efficientat_mn04.npz")
    network, metadata = load_described(shared / "weights" / MN04, firearms={})
    assert metadata.labels == ()
    assert metadata.clip_rule.length_s == 0
    export = export_network(network, metadata, tmp_path / "mn04.onnx")
    assert export.difference < TOLERANCE
    log_probabilities, embedding = OnnxModel(tmp_path / "mn04.onnx").run(golden["waveform"])
    assert log_probabilities.shape == (2, 0)
    expected = golden["embedding"]
    assert np.abs(embedding - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_file_is_alone_and_the_same_each_time(tmp_path):
    first = export_network(Plain().eval(), describe(["a", "b"]), tmp_path / "a.onnx")
    export_network(Plain().eval(), describe(["a", "b"]), tmp_path / "b.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    assert first.path.read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert first.size_bytes == first.path.stat().st_size
    graph = onnx.load(first.path).graph
    assert all(each.data_location == onnx.TensorProto.DEFAULT for each in graph.initializer)
    shapes = [[d.dim_param for d in graph.input[0].type.tensor_type.shape.dim]]
    assert shapes == [["n", "n_samples"]]


class Doubles(Plain):
    """Exports as another function than it computes."""

    def forward(self, waveform):
        log_probabilities, embedding = super().forward(waveform)
        if torch.onnx.is_in_onnx_export():
            embedding = embedding * 1.001
        return log_probabilities, embedding


class GivesNan(Plain):
    def forward(self, waveform):
        log_probabilities, embedding = super().forward(waveform)
        return log_probabilities, embedding * torch.nan


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Doubles().eval(), r"differ by 0\.001.* is not written"),
        (GivesNan().eval(), "differ by nan"),
        (Plain().train(), "training mode"),
    ],
)
def test_export_refuses_and_keeps_what_was_there(tmp_path, network, message):
    path = tmp_path / "a.onnx"
    path.write_text("as before", encoding="utf-8")
    with pytest.raises(ShotprintError, match=message):
        export_network(network, describe(["a", "b"]), path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.onnx"]
    assert path.read_text(encoding="utf-8") == "as before"


def test_probes_are_of_several_lengths_batches_and_kinds():
    probes = make_probes(describe())
    assert len({probe.shape for probe in probes}) >= 4
    assert min(probe.shape[1] for probe in probes) == 32000
    peaks = sorted(np.abs(clip).max() for probe in probes for clip in probe)
    assert peaks[0] == 0
    assert 0 < peaks[len(probes)] < 1e-4
    assert peaks[-1] == pytest.approx(0.5)
    whole = make_probes(describe(clip_rule=ClipRule(length_s=0, onset_at_s=0)))
    assert min(probe.shape[1] for probe in whole) == 514


def test_metadata_of_a_training_run_arrive_in_the_file(tmp_path):
    said = {
        "clip_rule": {
            "length_s": 0.5,
            "onset_at_s": 0.05,
            "max_clips": 2,
            "min_gap_s": 0.1,
            "short_length_s": 0.25,
        },
        "recipe": {"epochs": 3},
        "pack": {"manifest_sha256": "ab"},
        "trained_on": ["012345678901"],
        "start": {"weights": "published"},
        "versions": {"torch": "2.9"},
        "licences": {"recordings": "CC BY 4.0"},
    }
    write_network(
        build_toy_network(), "efficientat_mn04", tmp_path / "run" / "model.safetensors", said
    )
    card = {"name": "guns", "version": "7", "limits": "only these", "licences": {"x": "MIT"}}
    network, metadata = load_described(tmp_path / "run", firearms=read_firearms(), card=card)
    path = export_network(network, metadata, tmp_path / "guns.onnx").path
    found = json.loads(onnx.load(path).metadata_props[0].value)
    assert onnx.load(path).metadata_props[0].key == "shotprint"
    for name in ("clip_rule", "recipe"):
        assert found[name] == said[name]
    for name in ("name", "version", "limits"):
        assert found[name] == card[name]
    assert found["data"] == {"pack": said["pack"], "trained_on": said["trained_on"]}
    assert found["weights"]["start"] == said["start"]
    assert found["licences"] == {
        "weights efficientat_mn04": "MIT",
        "recordings": "CC BY 4.0",
        "x": "MIT",
    }
    assert found["labels"][0] == {
        "label": "AK-47",
        "make_model": "Kalashnikov AK-47",
        "calibre": "7.62x39 mm",
        "category": "rifle",
    }
    assert found["level"] == "peak_half"
    assert len(found["weights"]["sha256"]) == 64
    assert found["software"].keys() == {"training torch", "shotprint", "torch", "onnx"}
    assert str(tmp_path) not in json.dumps(found)


def test_a_card_with_an_unknown_entry_is_refused(toy_model):
    with pytest.raises(ShotprintError, match=r"unknown entry 'limit'; known are .*limits"):
        load_described(toy_model.parent / "run", firearms={}, card={"limit": "x"})


def test_the_baselines_checkpoint_is_recognised_with_and_exported(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = build_backbone("panns_cnn6")
        state = {f"base.{key}": value for key, value in backbone.state_dict().items()}
        state["fc_transfer.weight"] = torch.randn(18, 512)
        state["fc_transfer.bias"] = torch.randn(18)
    torch.save({"iteration": 1, "model": state}, tmp_path / "baseline.pth")
    model = TorchModel(tmp_path / "baseline.pth", "panns_cnn6", firearms=read_firearms())
    assert model.metadata.clip_rule.length_s == 0
    assert model.metadata.level == "as_recorded"
    assert {gun.calibre == "" for gun in model.metadata.labels} == {False}
    from shotprint.audio import write_wav

    write_wav(tmp_path / "a.wav", make_shot(0, 0.7), 48000)
    answers = [Recognizer(model).recognize_file(tmp_path / "a.wav")]
    network, metadata = load_described(tmp_path / "baseline.pth", firearms=read_firearms())
    export = export_network(network, metadata, tmp_path / "baseline.onnx")
    answers.append(Recognizer(OnnxModel(export.path)).recognize_file(tmp_path / "a.wav"))
    assert answers[0].error is None
    assert answers[0].label == answers[1].label
    for mine, other in zip(*(answer.candidates for answer in answers), strict=True):
        assert mine.probability == pytest.approx(other.probability, abs=1e-4)


def test_labels_without_facts_are_kept(tmp_path):
    write_network(build_toy_network(), "efficientat_mn04", tmp_path / "model.safetensors")
    _, metadata = load_described(tmp_path, firearms={})
    assert metadata.label_names == TOY_LABELS
    assert {gun.calibre for gun in metadata.labels} == {""}


@pytest.mark.skipif(
    not os.environ.get("SHOTPRINT_SLOW"), reason="80 M parameters; set SHOTPRINT_SLOW=1 to run it"
)
def test_cnn14_is_exported(tmp_path):
    torch.save(build_backbone("panns_cnn14").state_dict(), tmp_path / "cnn14.pth")
    network, metadata = load_described(tmp_path / "cnn14.pth", "panns_cnn14", firearms={})
    assert export_network(network, metadata, tmp_path / "cnn14.onnx").difference < TOLERANCE
