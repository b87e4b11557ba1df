"""Pictures: what they show, that no text leaves or covers another, and the same bytes again."""

import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from shotprint.evaluation import ConfusionMatrix, evaluate_matrix
from shotprint.firearms import Firearm, read_firearms
from shotprint.plots import (
    Rate,
    draw_confusion,
    draw_evaluation,
    draw_rates,
    new_figure,
    plot_confusion,
    plot_rates,
    save_figure,
)

GUNS = read_firearms()
CADRE = (
    *("SportKing22", "Lorcin380", "Glock9", "Sig9", "MP40", "HKUSP", "Glock45", "Colt1911"),
    *("Kimber45", "Smith&Wesson22", "Smith&Wesson38special", "Ruger357", "Ruger22"),
    *("BoltAction22", "M16", "WASR-10", "WinchesterM14", "Remington700"),
)
KAGGLE = ("AK-12", "AK-47", "IMI Desert Eagle", "M16", "M249", "MG-42", "MP5", "Zastava M92")
TITLE = "78.2 % of 579 recordings recognised correctly (95 % interval 74.7–81.4 %)"
NOTE = "Simulated shots – not real recordings"


def make_matrix(labels, largest=60):
    k = len(labels)
    counts = np.random.default_rng(0).integers(1, largest, (k, k))
    if k > 20:
        counts *= np.eye(k, k=1, dtype=int) + np.eye(k, dtype=int)
    return ConfusionMatrix(tuple(labels), counts)


def show_texts(figure):
    """Return the drawn texts with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text().strip()]
    return [
        (text.get_text(), text.get_window_extent(canvas.get_renderer()))
        for text in texts
        if text.get_visible()
    ]


def assert_readable(figure):
    texts = show_texts(figure)
    width, height = figure.canvas.get_width_height()
    for name, box in texts:
        assert box.x0 >= 0, name
        assert box.y0 >= 0, name
        assert box.x1 <= width, name
        assert box.y1 <= height, name
    boxes = np.array([box.extents for _, box in texts])
    left, below, right, above = boxes.T
    margin = 0.5  # pixels
    apart = (
        (left[:, None] >= right - margin)
        | (right[:, None] <= left + margin)
        | (below[:, None] >= above - margin)
        | (above[:, None] <= below + margin)
    )
    covered = [(texts[i][0], texts[j][0]) for i, j in np.argwhere(~apart) if i < j]
    assert covered == []


@pytest.mark.parametrize(
    ("labels", "largest"),
    [
        (CADRE, 99_000),
        (KAGGLE, 60),
        (("M16",), 60),
        (("M16", "a gun with an unusually long name, unknown to the table $x$"), 60),
        ([f"gun {i}" for i in range(45)], 60),
    ],
)
def test_no_text_of_a_matrix_leaves_the_picture_or_covers_another(labels, largest):
    assert_readable(draw_confusion(make_matrix(labels, largest), GUNS, TITLE, NOTE))


@pytest.mark.parametrize(("title", "note"), [("", None), (TITLE, " · ".join([NOTE] * 4))])
def test_a_title_and_a_long_note_find_room(title, note):
    assert_readable(draw_confusion(make_matrix(KAGGLE), GUNS, title, note))


def test_a_matrix_shows_every_count_calibre_category_and_the_note():
    matrix = make_matrix(KAGGLE)
    shown = [text for text, _ in show_texts(draw_confusion(matrix, GUNS, TITLE, NOTE))]
    for label in KAGGLE:
        assert label in shown
        assert GUNS[label].calibre in shown
        assert GUNS[label].category in shown
    assert {TITLE, NOTE, "calibre", "category"} <= set(shown)
    assert sorted(text for text in shown if text.isdigit()) == sorted(
        str(count) for count in matrix.counts.flat
    )


def test_a_dollar_sign_starts_no_formula():
    gun = {"$x$": Firearm("$x$", "", "$9$ mm", "$pistol$")}
    figure = draw_confusion(make_matrix(("$x$",)), gun, "$title$", "$note$")
    texts = [text for text in figure.findobj(matplotlib.text.Text) if "$" in text.get_text()]
    texts = [text for text in texts if text.get_visible()]
    assert len(texts) == 6
    assert not any(text.get_parse_math() for text in texts)


def test_rows_stand_by_category_and_calibre_with_their_sums():
    guns = {"z": Firearm("z", "", "9 mm", "pistol"), "a": Firearm("a", "", "9 mm", "rifle")}
    figure = new_figure(5, 5)
    ax = figure.add_subplot()
    plot_confusion(ax, ConfusionMatrix(("a", "z"), np.array([[3, 1], [0, 0]])), guns)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["z  (0)", "a  (4)"]
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 0], [0.25, 0.75]])


def test_only_calibres_of_several_known_guns_are_framed():
    def count_frames(labels):
        ax = new_figure(5, 5).add_subplot()
        plot_confusion(ax, make_matrix(labels), GUNS)
        return len(ax.patches)

    assert count_frames(CADRE) == 5
    assert count_frames(("M16", "stranger", "other stranger")) == 0


RATES = [
    Rate("Smith&Wesson38special", 0.947, (0.75, 0.99), 19),
    Rate("Sig9", 0.0, (0.0, 0.2), 17),
    Rate("never heard", None, None, 0),
    Rate("Ruger357", 1.0, (0.9, 1.0), 36),
]


@pytest.mark.parametrize("panels", [{"recall": RATES}, {"by recorder": RATES, "by $x$": RATES[:1]}])
def test_no_text_of_rates_leaves_the_picture_or_covers_another(panels):
    assert_readable(draw_rates(panels, "A caption. " * 20, " · ".join([NOTE] * 4)))


def test_rates_show_their_values_and_intervals():
    ax = new_figure(5, 3).add_subplot()
    plot_rates(ax, RATES, "recall", NOTE, breaks=[2])
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["95 %", "0 %", "–", "100 %", NOTE]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([94.7, 0, 100])
    spans = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "|"]
    assert spans == [[75, 99], [0, 20], [90, 100]]


def test_pictures_have_the_same_bytes_again_and_change_no_setting(tmp_path):
    before = dict(matplotlib.rcParams)
    for folder in ("a", "b"):
        save_figure(draw_confusion(make_matrix(KAGGLE), GUNS, TITLE), tmp_path / folder / "m.png")
    names = ["m.png", "m.svg"]
    for folder in ("a", "b"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "m.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(tmp_path / "a" / "m.svg").getroot().tag.endswith("svg")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("path", "stem"), [("m", "m"), ("m.svg", "m"), ("v1.5", "v1.5"), ("Ż.PNG", "Ż")]
)
def test_both_extensions_are_added_to_any_name(tmp_path, path, stem):
    written = save_figure(new_figure(1, 1), tmp_path / path)
    assert [file.name for file in written] == [f"{stem}.png", f"{stem}.svg"]


def test_nothing_half_written_stays_if_drawing_fails(tmp_path):
    figure = new_figure(1, 1)
    figure.text(0, 0, r"$\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(figure, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_every_picture_of_an_evaluation_carries_the_note(tmp_path):
    column = [{"column_value": "Zoom", "value": 0.5, "wilson": [0.3, 0.7], "n": 9}]
    evaluation = evaluate_matrix(make_matrix(("M16", "MP5")), GUNS)
    extended = evaluation.extend(by_column={"recorder": column})
    written = draw_evaluation(tmp_path, extended, GUNS, NOTE)
    assert [path.stem for path in written[1::2]] == ["confusion", "recall", "by_column"]
    for path in written[1::2]:  # matplotlib repeats every text as a comment beside its outlines
        assert f"<!-- {NOTE} -->" in path.read_text(encoding="utf-8")
    draw_evaluation(tmp_path, evaluation, GUNS)
    assert not list(tmp_path.glob("by_column*"))
    assert NOTE not in (tmp_path / "confusion.svg").read_text(encoding="utf-8")
