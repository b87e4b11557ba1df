"""The picture of protocols side by side: what it shows, and that its text can be read."""

from typing import Any

import pytest
from matplotlib.colors import same_color

from shotprint.plots import draw_protocols
from test_plots import assert_readable, show_texts


def make_comparison(n: int = 6, grouping: str = "group", simulated: int = 0) -> dict[str, Any]:
    """Return the figures of random folds and of `n` − 1 protocols that score less and less."""
    rows = []
    for k in range(n):
        value = 0.9 - 0.1 * k
        accuracy = {"value": value, "wilson": [value - 0.02, value + 0.02], "bootstrap": None}
        if grouping == "group":
            accuracy["bootstrap"] = [value - 0.08, value + 0.06]
        cost = {"value": 0.9 - value, "bootstrap": [0, 1]} if k else None
        name = "random" if not k else f"a rather long column of $ {k}"
        rows.append(
            {"protocol": name, "leaks": k < 2, "n_folds": 5 + k, "accuracy": accuracy}
            | {"cost_of_leakage": cost}
        )
    return {
        "protocols": rows,
        "n_labels": 8,
        "n_recordings": 599,
        "n_simulated": simulated,
        "grouping": grouping,
        "n_groups": 27,
        "resampling": {"n_resamples": 2000, "confidence": 0.95},
    }


@pytest.mark.parametrize("n", [1, 8])
@pytest.mark.parametrize(("grouping", "simulated"), [("group", 599), ("recording", 10)])
def test_no_text_leaves_the_picture_or_covers_another(
    n: int, grouping: str, simulated: int
) -> None:
    assert_readable(draw_protocols(make_comparison(n, grouping, simulated)))


def test_dots_stand_at_the_accuracy_and_leaking_ones_are_open() -> None:
    figure = draw_protocols(make_comparison(3))
    (ax,) = figure.axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == pytest.approx([90, 80, 70])
    open_ones = [same_color(dot.get_markerfacecolor(), "white") for dot in dots]
    assert open_ones == [True, True, False]
    spans = [list(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert spans[0] == pytest.approx([82, 96])
    assert spans[-1] == pytest.approx([12.5, 12.5])  # guessing among eight guns
    texts = [text for text, _ in show_texts(figure)]
    assert "80.0 %  (+10.0)" in texts
    assert "random  (leaks, 5 folds)" in texts


def test_simulated_shots_are_named() -> None:
    texts = [text for text, _ in show_texts(draw_protocols(make_comparison(2, simulated=599)))]
    assert any("Simulated shots" in text for text in texts)
