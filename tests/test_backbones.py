"""Backbones against the reference implementations' outputs, and every layout of checkpoint."""

import json
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from shotprint.backbones import BACKBONES, build_backbone, find_backbone
from shotprint.errors import ShotprintError
from shotprint.frontends import PANNS, mel_filterbank
from shotprint.weights import read_registry

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from shotprint.backbones.checkpoints import (  # noqa: E402
    BASELINE_LABELS,
    identify_backbone,
    load_backbone,
    load_network,
    read_checkpoint,
    write_network,
)
from shotprint.backbones.network import Network  # noqa: E402

MN04 = "mn04_as_mAP_432.pt"


def relative_difference(found, expected):
    """Largest difference over the largest magnitude of the array."""
    return np.abs(found.numpy() - expected).max() / np.abs(expected).max()


def fill_by_rule(module):
    """Fill parameters as the golden outputs of PANNs were made (golden/README.md)."""
    state = module.state_dict()
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        z = rng.standard_normal(tuple(value.shape)).astype("float32")
        if key.endswith("running_var"):
            z = 1 + 0.1 * np.abs(z)
        elif key.endswith(("running_mean", "bias")):
            z = 0.1 * z
        elif z.ndim == 1:
            z = 1 + 0.1 * z
        else:
            z = z * np.float32(np.sqrt(2 / np.prod(z.shape[1:])))
        state[key] = torch.from_numpy(z)
    module.load_state_dict(state)
    return module.eval()


def read_shapes(path):
    """Read 'key <tab> shape' lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines)
    return {key: tuple(int(n) for n in shape.strip("()").split(",") if n) for key, shape in pairs}


def build_shapes(name):
    with torch.device("meta"):
        state = build_backbone(name).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@pytest.fixture(scope="module")
def cnn6():
    """A small PANNs network whose random weights are the same in every run."""
    return fill_by_rule(build_backbone("panns_cnn6"))


@pytest.fixture(scope="module")
def logmel():
    """Two log-mel spectrograms (2, 64, 101) of a click in noise."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(-30, 10, (2, 64, 101)).astype(np.float32))


def baseline_state(backbone, n_classes=18):
    """The baseline's keys and front-end tensors around a backbone."""
    state = {f"base.{key}": value for key, value in backbone.state_dict().items()}
    state["base.spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(513, 1, 1024)
    state["base.logmel_extractor.melW"] = torch.from_numpy(mel_filterbank(PANNS).T.copy())
    generator = torch.Generator().manual_seed(0)
    state["fc_transfer.weight"] = torch.randn(n_classes, 512, generator=generator)
    state["fc_transfer.bias"] = torch.randn(n_classes, generator=generator)
    return state


# The networks themselves


def test_cnn14_equals_the_reference(shared):
    golden = np.load(shared / "golden" / "panns_cnn14.npz")
    network = fill_by_rule(build_backbone("panns_cnn14"))
    logmel = torch.from_numpy(golden["logmel"]).transpose(1, 2)
    with torch.inference_mode():
        embedding = network(logmel)
        clipwise = torch.sigmoid(network.fc_audioset(embedding))
    assert relative_difference(embedding, golden["embedding"]) < 1e-4
    assert relative_difference(clipwise, golden["clipwise_output"]) < 1e-4


def test_mn04_equals_the_reference(shared):
    golden = np.load(shared / "golden" / "efficientat_mn04.npz")
    network = load_backbone("efficientat_mn04", shared / "weights" / MN04)
    logmel = torch.from_numpy(golden["logmel"])
    with torch.inference_mode():
        embedding, logits = network(logmel), network.forward_audioset(logmel)
    assert relative_difference(embedding, golden["embedding"]) < 1e-4
    assert relative_difference(logits, golden["logits"]) < 1e-4


def test_mn04_from_the_waveform_equals_the_reference(shared):
    golden = np.load(shared / "golden" / "efficientat_mn04.npz")
    network = Network(load_backbone("efficientat_mn04", shared / "weights" / MN04), ["a", "b"])
    with torch.inference_mode():
        _, description = network.eval()(torch.from_numpy(golden["waveform"]))
    levels, n_hidden = 2 * (16 + 32 + 64), 512  # means and deviations of three stages first
    assert description.shape == (2, levels + 384 + n_hidden)
    embedding = description[:, levels : levels + 384]
    assert relative_difference(embedding, golden["embedding"]) < 1e-4


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("panns_cnn14", "panns_cnn14_state_dict.txt"),
        ("efficientat_mn04", "efficientat_mn04_state_dict.txt"),
    ],
)
def test_keys_and_shapes_are_the_published_ones(shared, name, file):
    published = read_shapes(shared / "golden" / file)
    front_end = ("spectrogram_extractor.", "logmel_extractor.")
    expected = {k: shape for k, shape in published.items() if not k.startswith(front_end)}
    assert len(expected) > 80
    assert build_shapes(name) == expected


@pytest.mark.parametrize(
    ("name", "n_millions", "embedding_dim"),
    [
        ("panns_cnn6", 4.84, 512),
        ("panns_cnn10", 5.22, 512),
        ("panns_cnn14", 80.75, 2048),
        ("efficientat_mn04", 0.98, 384),
        ("efficientat_mn05", 1.43, 480),
        ("efficientat_mn10", 4.88, 960),
        ("efficientat_mn20", 17.91, 1920),
        ("efficientat_mn40", 68.43, 3840),
    ],
)
def test_sizes_are_the_published_ones(name, n_millions, embedding_dim):
    spec = BACKBONES[name]
    with torch.device("meta"):
        backbone = build_backbone(name)
    n_parameters = sum(p.numel() for p in backbone.parameters())
    assert n_parameters / 1e6 == pytest.approx(n_millions, abs=0.005)
    assert backbone.embedding_dim == spec.embedding_dim == embedding_dim
    assert backbone.frontend is spec.frontend
    assert spec.weights in read_registry()


@pytest.mark.parametrize("name", ["panns_cnn6", "panns_cnn10", "efficientat_mn05"])
def test_the_shortest_clip_works_and_one_frame_less_is_refused(name):
    spec = BACKBONES[name]
    network = Network(build_backbone(name), ["a", "b", "c"]).eval()
    with torch.inference_mode():
        log_probabilities, embedding = network(torch.zeros(1, spec.min_samples))
    assert log_probabilities.exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    assert embedding.shape == (1, network.backbone.description_dim)
    if spec.family == "panns":
        too_short = torch.zeros(1, spec.frontend.n_mels, spec.min_frames - 1)
        with pytest.raises(ShotprintError, match=r"15 frames is too short.*16 frames \(0.15 s\)"):
            network.backbone(too_short)


def test_min_frames_agrees_between_list_and_network():
    for name, spec in BACKBONES.items():
        if spec.family == "panns":
            with torch.device("meta"):
                assert build_backbone(name).min_frames == spec.min_frames


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ShotprintError, match=r"'cnn14'.*efficientat_mn04.*panns_cnn14"):
        find_backbone("cnn14")


def test_listing_backbones_needs_no_torch():
    code = "import sys, shotprint.backbones as b; assert b.BACKBONES; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert output.stdout.split() == [b"False"]


# Checkpoints


def save_legacy(content, path):
    """As PANNs' files of 2020: before PyTorch's zip format."""
    torch.save(content, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("save", [torch.save, save_legacy])
@pytest.mark.parametrize("is_bare", [True, False])
def test_published_layouts_load(tmp_path, cnn6, logmel, save, is_bare):
    state = {key[5:]: value for key, value in baseline_state(cnn6).items() if key[:5] == "base."}
    save(state if is_bare else {"model": state}, tmp_path / "Cnn6.pth")
    loaded = load_backbone("panns_cnn6", tmp_path / "Cnn6.pth")
    with torch.inference_mode():
        assert torch.equal(loaded(logmel), cnn6(logmel))
        assert torch.equal(loaded.forward_audioset(logmel), cnn6.forward_audioset(logmel))


@pytest.mark.parametrize("backbone_name", ["panns_cnn6", None])
def test_the_baselines_checkpoint_loads(tmp_path, cnn6, logmel, backbone_name):
    state = baseline_state(cnn6)
    path = tmp_path / "gunshots é.pth"
    torch.save({"iteration": 50000, "model": state}, path)
    network = load_network(path, backbone_name)
    with torch.inference_mode():
        log_probabilities, embedding = network.classify(logmel)
        logits = cnn6(logmel) @ state["fc_transfer.weight"].T + state["fc_transfer.bias"]
    assert network.labels == BASELINE_LABELS
    assert torch.equal(embedding, cnn6(logmel))
    assert torch.allclose(log_probabilities, torch.log_softmax(logits, 1), atol=1e-4)
    assert torch.equal(load_backbone("panns_cnn6", path)(logmel), cnn6(logmel))


def test_class_order_of_the_baseline_is_that_of_its_matrix(shared):
    path = shared / "reference" / "baseline-confusion-matrix.csv"
    header = path.read_text(encoding="utf-8").splitlines()[0]
    assert tuple(header.split(",")[1:]) == BASELINE_LABELS


def test_our_own_network_survives_safetensors(tmp_path):
    network = Network(build_backbone("efficientat_mn04"), ["Glock 17", "AK-47", "Škorpion"]).eval()
    path = tmp_path / "gun.safetensors"
    write_network(network, "efficientat_mn04", path, {"recipe": {"epochs": 3}})
    loaded = load_network(path)
    waveform = torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for found, expected in zip(loaded(waveform), network(waveform), strict=True):
            assert torch.equal(found, expected)
    assert loaded.labels == network.labels
    assert read_checkpoint(path).metadata["recipe"] == {"epochs": 3}
    assert not any("classifier.5" in key for key in read_checkpoint(path).backbone)
    assert [p.name for p in tmp_path.iterdir()] == ["gun.safetensors"]
    backbone = load_backbone("efficientat_mn04", path)
    with pytest.raises(AttributeError, match="`5`"):
        backbone.forward_audioset(torch.zeros(1, 128, 100))


def test_a_training_checkpoint_loads(tmp_path, cnn6, logmel):
    network = Network(cnn6, ["a", "b"]).eval()
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save(
        {"epoch": 3, "state_dict": state, "shotprint": {"labels": ["a", "b"]}}, tmp_path / "l.ckpt"
    )
    loaded = load_network(tmp_path / "l.ckpt", "panns_cnn6")
    with torch.inference_mode():
        assert torch.equal(loaded.classify(logmel)[0], network.classify(logmel)[0])
    assert loaded.labels == ("a", "b")


def test_labels_must_be_as_many_as_the_classes(tmp_path, cnn6):
    name, path = "panns_cnn6", tmp_path / "b.pth"
    torch.save({"iteration": 1, "model": baseline_state(cnn6, n_classes=3)}, path)
    assert load_network(path, name, ["a", "b", "c"]).labels == ("a", "b", "c")
    with pytest.raises(ShotprintError, match="3 classes but none are given"):
        load_network(path, name)
    with pytest.raises(ShotprintError, match="3 classes but 2 labels are given"):
        load_network(path, name, ["a", "b"])


def test_another_architecture_is_named(tmp_path, cnn6):
    torch.save({"model": cnn6.state_dict()}, tmp_path / "c.pth")
    message = r"as panns_cnn10: conv_block1\.bn2.* missing.* and \d+ more; it looks like panns_cnn6"
    with pytest.raises(ShotprintError, match=message):
        load_backbone("panns_cnn10", tmp_path / "c.pth")
    torch.save({"model": {"a.weight": torch.zeros(3)}}, tmp_path / "c.pth")
    with pytest.raises(ShotprintError, match="no backbone known here"):
        load_backbone("panns_cnn10", tmp_path / "c.pth")


def test_one_missing_one_extra_and_one_misshapen_key_are_named(tmp_path, cnn6):
    state = cnn6.state_dict()
    del state["fc1.bias"]
    state["fc2.bias"] = torch.zeros(1)
    state["bn0.weight"] = torch.zeros(128)
    torch.save(state, tmp_path / "c.pth")
    message = (
        r"bn0\.weight is \(128,\), expected \(64,\), fc1\.bias is missing, "
        r"fc2\.bias is not expected; it looks like panns_cnn6"
    )
    with pytest.raises(ShotprintError, match=message):
        load_backbone("panns_cnn6", tmp_path / "c.pth")


def test_other_mel_bands_are_refused(tmp_path, cnn6):
    state = baseline_state(cnn6)
    state["base.logmel_extractor.melW"] = torch.zeros(257, 64)  # of a 16 kHz checkpoint
    torch.save({"model": state}, tmp_path / "16k.pth")
    with pytest.raises(ShotprintError, match=r"other mel bands \(melW \(257, 64\)\)"):
        load_network(tmp_path / "16k.pth", "panns_cnn6")


class RunsCode:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("save", [torch.save, save_legacy])
def test_a_file_with_code_is_refused_and_not_run(tmp_path, save):
    save({"model": RunsCode(tmp_path / "it-ran")}, tmp_path / "evil.pth")
    with pytest.raises(ShotprintError, match="could run code"):
        load_backbone("panns_cnn6", tmp_path / "evil.pth")
    assert not (tmp_path / "it-ran").exists()


def make_bad_files(folder, cnn6):
    """Write files that are not weights; return {name: expected message}."""
    torch.save(cnn6.state_dict(), folder / "whole.pth")
    whole = (folder / "whole.pth").read_bytes()
    (folder / "half.pth").write_bytes(whole[: len(whole) // 2])
    (folder / "page.pth").write_text("<html>404</html>", encoding="utf-8")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "page.safetensors").write_text("<html>404</html>", encoding="utf-8")
    (folder / "pickle.pth").write_bytes(pickle.dumps({"a": 1}))
    torch.save([1, 2], folder / "list.pth")
    torch.save({"epoch": 1}, folder / "numbers.pth")
    return {
        "half.pth": "cannot be read as PyTorch weights",
        "page.pth": "cannot be read as PyTorch weights",
        "empty.pth": "cannot be read as PyTorch weights",
        "pickle.pth": "cannot be read as PyTorch weights",
        "page.safetensors": "cannot be read as safetensors",
        "list.pth": "holds no state dictionary",
        "numbers.pth": "holds no state dictionary",
        "absent.pth": "there is no file",
    }


def test_files_that_are_no_weights_are_named(tmp_path, cnn6):
    for name, message in make_bad_files(tmp_path, cnn6).items():
        with pytest.raises(ShotprintError, match=message) as error:
            load_backbone("panns_cnn6", tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def test_a_backbone_alone_is_no_recogniser(tmp_path, cnn6):
    torch.save({"model": cnn6.state_dict()}, tmp_path / "c.pth")
    with pytest.raises(ShotprintError, match="without a head"):
        load_network(tmp_path / "c.pth", "panns_cnn6")


@pytest.mark.parametrize("name", sorted(set(BACKBONES) - {"panns_cnn14", "efficientat_mn40"}))
def test_backbones_are_recognised_by_their_shapes(name):
    with torch.device("meta"):
        assert identify_backbone(build_backbone(name).state_dict()) == name


def test_metadata_is_json_in_the_header(tmp_path):
    from safetensors import safe_open

    network = Network(build_backbone("efficientat_mn04"), ["a", "b"])
    write_network(network, "efficientat_mn04", tmp_path / "n.safetensors")
    with safe_open(tmp_path / "n.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["shotprint"])
    assert header == {"backbone": "efficientat_mn04", "labels": ["a", "b"]}
