"""Pictures of recordings: what is reduced to columns, labels that do not cover each other."""

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import same_color

from shotprint.audio import Audio
from shotprint.plots import draw_recording, draw_shot, measure_overview, new_figure
from shotprint.plots.overview import MAX_COLUMNS
from shotprint.plots.shots import (
    COLOURS,
    OTHER_COLOUR,
    choose_colours,
    place_labels,
    plot_candidates,
    plot_spectrogram,
    plot_waveform,
)
from shotprint.recognition.results import BurstResult, RecordingResult, Score, ShotResult
from test_cli_recognize import run
from test_plots import assert_readable, show_texts
from toy import make_shots, write_bursts

RATE_HZ = 8000


def cut_blocks(waveform, block_s, start_s=0.0):
    n = round(block_s * RATE_HZ)
    for first in range(0, waveform.shape[1], n):
        part = waveform[:, first : first + n]
        yield Audio(part, RATE_HZ, RATE_HZ, 1, start_s=start_s + first / RATE_HZ)


def make_shot(onset_s, label="AK-47", **changes):
    scores = None
    if label is not None:
        names = (label, "IMI Desert Eagle", "a $gun$ of a long name")
        scores = tuple(Score(name, p) for name, p in zip(names, (0.9, 0.096, 0.004), strict=True))
    shot = ShotResult(onset_s, onset_s + 0.02, 0.95, -3.0, True, label=label,
                      probability=None if label is None else 0.9, candidates=scores)  # fmt: skip
    return dataclasses.replace(shot, **changes)


def make_result(*shots, **changes):
    result = RecordingResult("folder/range.wav", "0" * 64, 4.0, RATE_HZ, 1, shots=shots)
    return dataclasses.replace(result, **changes)


@pytest.fixture(scope="module")
def overview():
    waveform = make_shots([1.0, 2.0], 4.0, RATE_HZ)[None]
    return measure_overview([Audio(waveform, RATE_HZ, RATE_HZ, 1)], 4.0)


# columns


@pytest.mark.parametrize("duration_s", [0.001, 1.0, 30.0])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_columns_do_not_depend_on_the_blocks(duration_s, n_channels):
    rng = np.random.default_rng(0)
    shape = (n_channels, round(duration_s * RATE_HZ))
    waveform = rng.uniform(-1, 1, shape).astype(np.float32)
    whole = measure_overview(cut_blocks(waveform, 99), duration_s)
    for block_s in (0.05, 0.7, 5.0):
        parts = measure_overview(cut_blocks(waveform, block_s), duration_s)
        for name in ("lowest", "highest", "power"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-5)
        assert (parts.start_s, parts.end_s) == (whole.start_s, whole.end_s)


def test_every_sample_is_in_a_column():
    waveform = np.zeros((1, 30 * RATE_HZ), np.float32)
    waveform[0, 12345], waveform[0, -1] = 0.5, -0.25
    overview = measure_overview(cut_blocks(waveform, 1.0, start_s=7.0), 30.0)
    assert len(overview.lowest) <= MAX_COLUMNS
    assert len(overview.lowest) == len(overview.highest) == overview.power.shape[1]
    assert int(overview.highest.argmax()) == int(12345 / RATE_HZ / overview.column_s)
    assert overview.highest.max() == 0.5
    assert overview.lowest[-1] == -0.25
    assert (overview.start_s, overview.end_s) == (7.0, 37.0)


@pytest.mark.parametrize("duration_s", [2.0, 600.0])
def test_a_tone_stands_at_its_frequency_and_time(duration_s):
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    tone = np.where(t >= duration_s / 2, np.sin(2 * np.pi * 1000 * t), 0).astype(np.float32)[None]
    overview = measure_overview(cut_blocks(tone, 10.0), duration_s)
    frequency = overview.power.sum(axis=1).argmax() / (len(overview.power) - 1) * RATE_HZ / 2
    assert frequency == pytest.approx(1000, abs=40)
    level = overview.power.max(axis=0)
    begins_s = np.flatnonzero(level > level.max() / 2)[0] * overview.column_s
    assert begins_s == pytest.approx(duration_s / 2, abs=max(0.02, 1.5 * overview.column_s))


# labels


def test_labels_are_written_in_full_where_there_is_room(overview):
    texts, rows = place_labels([make_shot(0.5), make_shot(2.0)], overview, 9.0)
    assert texts == ["1 AK-47 0.90", "2 AK-47 0.90"]
    assert rows == [0, 0]
    _, near = place_labels([make_shot(0.5), make_shot(0.6), make_shot(0.7)], overview, 9.0)
    assert near == [2, 1, 0]
    found, _ = place_labels([make_shot(0.5, None)], overview, 9.0)
    assert found == ["1 0.95"]
    assert place_labels([], overview, 9.0) == ([], [])


def test_crowded_shots_are_numbered_and_thinned_out(overview):
    shots = [make_shot(0.5 + 0.11 * i) for i in range(30)]
    assert place_labels(shots, overview, 9.0)[0] == [str(i) for i in range(1, 31)]
    texts, rows = place_labels([make_shot(0.001 * i) for i in range(3000)], overview, 9.0)
    assert texts[0] == "1"
    shown = [int(text) for text in texts if text]
    assert 10 < len(shown) < 300
    assert len({number % 10 for number in shown[1:]}) == 1
    assert max(rows) <= 2
    lonely, _ = place_labels(
        [*(make_shot(0.001 * i) for i in range(1000)), make_shot(3)], overview, 9
    )
    assert lonely[1000] == "1001"


@pytest.mark.parametrize(
    "onsets_s",
    [
        [],
        [0.0, 3.99],
        [1.0, 1.05, 1.1, 1.15, 1.2, 3.0],
        [0.1 * i for i in range(40)],
        [0.002 * i for i in range(2000)],
    ],
)
def test_no_text_of_a_recording_leaves_the_picture_or_covers_another(overview, onsets_s):
    labels = ("AK-47", "IMI Desert Eagle", "a $gun$ of a long name")
    shots = [make_shot(onset_s, labels[i % 3]) for i, onset_s in enumerate(onsets_s)]
    bursts = (BurstResult(1.0, 1.2, 5, 1200.0),) * 5
    result = make_result(*shots, bursts=bursts, label="AK-47", probability=0.5)
    assert_readable(draw_recording(overview, result))
    assert_readable(draw_recording(overview, dataclasses.replace(result, path="long" * 50)))


def test_a_recording_without_shots_or_names_of_guns(overview):
    plain = [text for text, _ in show_texts(draw_recording(overview, make_result()))]
    assert "range.wav" in plain
    assert not any("shot" in text for text in plain)
    figure = draw_recording(overview, make_result(make_shot(1.0, None)))
    assert_readable(figure)
    assert "1 0.95" in [text for text, _ in show_texts(figure)]


def test_a_long_recording_shows_a_clock(overview):
    long = dataclasses.replace(overview, column_s=2 * 3600 / len(overview.lowest), end_s=2 * 3600)
    texts = [text for text, _ in show_texts(draw_recording(long, make_result()))]
    assert "time (h:min:s)" in texts
    assert "1:30:00" in texts
    short = dataclasses.replace(overview, column_s=150 / len(overview.lowest), end_s=150)
    assert "1:30" in [text for text, _ in show_texts(draw_recording(short, make_result()))]


@pytest.mark.parametrize("onsets_s", [[1.0], [0.99, 1.0, 1.03, 1.06, 1.2, 1.49]])
@pytest.mark.parametrize("label", ["AK-47", None])
def test_no_text_of_a_shot_leaves_the_picture_or_covers_another(overview, onsets_s, label):
    shots = [make_shot(onset_s, label, gap_s=0.03, burst=0) for onset_s in onsets_s]
    result = make_result(*shots, bursts=(BurstResult(1.0, 1.2, 5, 1200.0),))
    place = onsets_s.index(1.0)
    figure = draw_shot(overview, result, place)
    assert_readable(figure)
    texts = [text for text, _ in show_texts(figure)]
    assert f"shot {place + 1}" in texts
    assert any("clipped" in text and "1200 rounds/min" in text for text in texts)
    assert ("90 %" in texts) == (label is not None)


def test_colours_go_to_the_most_frequent_guns():
    shots = [make_shot(i, label) for i, label in enumerate("aabbbcdefg")]
    colours = choose_colours(shots)
    assert (colours["b"], colours["a"]) == COLOURS[:2]
    assert [label for label, colour in colours.items() if colour == OTHER_COLOUR] == ["f", "g"]
    assert len(set(choose_colours(shots[:9]).values())) == 6
    assert choose_colours([make_shot(0, None)]) == {}


def test_axes_show_what_they_are_given(overview):
    ax = new_figure(5, 3).add_subplot()
    plot_waveform(ax, overview)
    assert ax.get_ylim()[1] == pytest.approx(1.08 * np.abs(overview.highest).max(), rel=0.2)
    ax = new_figure(5, 3).add_subplot()
    plot_spectrogram(ax, overview)
    assert ax.images[0].get_extent() == pytest.approx([0, 4, 0, 4], abs=0.01)
    ax = new_figure(5, 3).add_subplot()
    plot_candidates(ax, [("AK-47", 0.96), ("M16", 0.004)])
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([96, 0.4])
    assert [text.get_text() for text in ax.texts] == ["96 %", "< 1 %"]
    assert same_color(ax.patches[0].get_facecolor(), COLOURS[0])


def test_silence_can_be_drawn():
    silent = Audio(np.zeros((1, 8000), np.float32), RATE_HZ, RATE_HZ, 1)
    assert_readable(draw_recording(measure_overview([silent], 1.0), make_result()))


# plot


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a") / "range"
    (folder / "b").mkdir(parents=True)
    write_bursts(folder / "a.wav", [0.5, 1.2], 2.0)
    write_bursts(folder / "b" / "a.wav", [0.5], 1.0, 16000)
    return folder


def plot(toy_model, toy_detector, *arguments, **expected):
    networks = ("--model", toy_model, "--detector", toy_detector)
    return run("plot", "--shots", *networks, *arguments, **expected)


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_a_picture_of_each_recording_and_of_each_shot(shots, toy_model, toy_detector, tmp_path):
    result = plot(toy_model, toy_detector, shots, "-o", tmp_path / "pictures")
    assert list_files(tmp_path / "pictures") == [
        *("a-0001.png", "a-0002.png", "a.png", "b/a-0001.png", "b/a.png"),
    ]
    assert "2 of 2 recordings drawn" in result.stderr
    assert "have a picture" not in result.stderr


def test_of_many_shots_the_first_get_a_picture_of_their_own(
    shots, toy_model, toy_detector, tmp_path
):
    limit = ("--max-shots", 1)
    result = plot(toy_model, toy_detector, shots, "-o", tmp_path / "one", *limit)
    names = ["a-0001.png", "a.png", "b/a-0001.png", "b/a.png"]
    assert list_files(tmp_path / "one") == names
    assert result.stderr.count("only the first 1 of 2 shots have a picture of their own") == 1
    for path in (tmp_path / "pictures").rglob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_sound_alone_in_every_format(shots, tmp_path, ending, magic):
    for name in ("one", "two"):
        run("plot", shots / "a.wav", "-o", tmp_path / f"{name}.{ending}")
    contents = [(tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two")]
    assert contents[0].startswith(magic)
    assert contents[0] == contents[1]
    run("plot", shots, "-o", tmp_path / "folder", "--format", ending)
    assert list_files(tmp_path / "folder") == [f"a.{ending}", f"b/a.{ending}"]


def test_wrong_usage_and_failures(shots, toy_model, toy_detector, tmp_path):
    from shotprint.errors import ShotprintError

    for output, message in (("a.gif", "no name for a picture"), ("a.png", "give a folder")):
        with pytest.raises(ShotprintError, match=message):
            plot(toy_model, toy_detector, shots, "-o", tmp_path / output)
    assert "--shots" in run("plot", shots, "-o", "x", "--threshold", 0.5, expect=2).stderr
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    both = (tmp_path / "text.wav", shots / "a.wav", "-o", tmp_path / "new")
    result = plot(toy_model, toy_detector, *both, expect=1)
    assert "text.wav" in result.stderr
    assert len(list_files(tmp_path / "new")) == 3
    run("plot", tmp_path / "text.wav", "-o", tmp_path / "other", expect=2)
    assert not (tmp_path / "other").exists()
