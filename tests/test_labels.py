"""Label tracks, read back: by Praat itself, and strictly as the other manuals say."""

import csv
import dataclasses
import io
import itertools

import pytest

from shotprint.recognition.labels import (
    LABEL_TRACKS,
    format_audacity,
    format_raven,
    format_textgrid,
)
from shotprint.recognition.results import RecordingResult, Score, ShotResult
from shotprint.recognition.shot_table import format_shots, list_shots


def make_shot(onset_s, end_s, label=None):
    scores = None if label is None else (Score(label, 0.875), Score("M16", 0.125))
    probability = None if label is None else 0.875
    answer = dict.fromkeys(("candidates", "calibre", "category"), scores)
    return ShotResult(onset_s, end_s, 0.9512, -3.0, False, label=label, probability=probability,
                      **answer)  # fmt: skip


def make_result(*shots, **changes):
    result = RecordingResult("folder/Schüsse\t1.wav", "0" * 64, 3.0, 48000, 2, shots=shots)
    return dataclasses.replace(result, **changes)


PLAIN = make_result(make_shot(0.5, 0.9), make_shot(1.25, 1.3))
# The second begins before the first has ended; the third lasts longer than the recording.
ODD = make_result(
    make_shot(0.0, 0.500005, 'AK "47"\n'), make_shot(0.5, 0.5, "M\t16"), make_shot(2.9, 3.2, "Ż")
)
EMPTY = make_result()


def test_audacity_reads_begin_end_and_text():
    rows = [line.split("\t") for line in format_audacity(PLAIN).splitlines()]
    assert rows == [
        ["0.500000", "0.900000", "shot 1 0.95"],
        ["1.250000", "1.300000", "shot 2 0.95"],
    ]
    texts = [line.split("\t")[2] for line in format_audacity(ODD).splitlines()]
    assert texts == ['AK "47" 0.88', "M 16 0.88", "Ż 0.88"]
    assert format_audacity(EMPTY) == ""


def test_a_textgrid_reaches_to_the_end_of_sound_that_begins_late():
    late = make_result(make_shot(1.2, 1.3), start_s=0.75)
    assert "\nxmax = 3.750000\n" in format_textgrid(late)


def test_raven_reads_its_columns():
    text = format_raven(PLAIN)
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert list(rows[0])[:8] == [
        *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"),
        *("Low Freq (Hz)", "High Freq (Hz)", "Begin File"),
    ]
    assert [row["Selection"] for row in rows] == ["1", "2"]
    assert {row["View"] for row in rows} == {"Spectrogram 1"}
    assert [float(row["Begin Time (s)"]) for row in rows] == [0.5, 1.25]
    assert [float(row["End Time (s)"]) for row in rows] == [0.9, 1.3]
    assert {(row["Low Freq (Hz)"], row["High Freq (Hz)"]) for row in rows} == {("0.0", "24000.0")}
    assert {row["Begin File"] for row in rows} == {"Schüsse 1.wav"}
    assert rows[0]["Detection Probability"] == "0.9512"
    cells = {len(line.split("\t")) for line in format_raven(ODD).splitlines()}
    assert cells == {10}
    assert len(format_raven(EMPTY).splitlines()) == 1


@pytest.mark.parametrize("result", [PLAIN, ODD, EMPTY], ids=["plain", "odd", "empty"])
def test_praat_reads_a_textgrid(tmp_path, result):
    parselmouth = pytest.importorskip("parselmouth")
    from parselmouth.praat import call

    path = tmp_path / "Schüsse.TextGrid"
    path.write_text(format_textgrid(result), encoding="utf-8", newline="\n")
    grid = parselmouth.read(str(path))
    last_s = max([3.0, *(shot.end_s for shot in result.shots)])
    assert (grid.xmin, grid.xmax) == (0, pytest.approx(last_s))
    assert [call(grid, "Get tier name", i) for i in (1, 2)] == ["shots", "onsets"]
    intervals = [
        tuple(
            call(grid, f"Get {what}", 1, i) for what in ("start time of interval",
                                                         "end time of interval",
                                                         "label of interval")
        )
        for i in range(1, call(grid, "Get number of intervals", 1) + 1)
    ]  # fmt: skip
    assert intervals[0][0] == 0
    assert intervals[-1][1] == pytest.approx(last_s)
    for (_, end, _), (begin, _, _) in itertools.pairwise(intervals):
        assert end == begin
    assert all(end > begin for begin, end, _ in intervals)
    labelled = [(begin, text) for begin, _, text in intervals if text]
    points = [
        (call(grid, "Get time of point", 2, i), call(grid, "Get label of point", 2, i))
        for i in range(1, call(grid, "Get number of points", 2) + 1)
    ]
    assert points == labelled
    assert [begin for begin, _ in points] == pytest.approx([s.onset_s for s in result.shots])
    if result is ODD:
        assert [text for _, text in points] == ['AK "47" 0.88', "M 16 0.88", "Ż 0.88"]


def test_every_track_ends_with_a_line_break_and_has_no_carriage_return():
    for track in LABEL_TRACKS.values():
        text = track.format(ODD)
        assert text.endswith("\n")
        assert "\r" not in text


def test_the_csv_of_shots_has_a_row_a_shot():
    rows = list(csv.DictReader(io.StringIO("".join(format_shots([EMPTY, PLAIN])))))
    assert [row["shot"] for row in rows] == ["1", "2"]
    assert float(rows[1]["onset_s"]) == 1.25
    assert rows[0]["gap_s"] == ""
    assert rows[0]["sha256"] == "0" * 64
    assert "predicted" not in rows[0]
    known = make_result(make_shot(0.5, 0.9, "AK-47"))
    (row,) = csv.DictReader(io.StringIO("".join(format_shots([known], ["M16", "AK-47"]))))
    assert (row["predicted"], row["probability"]) == ("AK-47", "0.875")
    assert (row["p_M16"], row["p_AK-47"]) == ("0.125", "0.875")
    assert row["recording"] == known.path
    assert list_shots(EMPTY) == []
