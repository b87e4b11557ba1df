"""The pictures of a validation: what they show, that it can be read, and edge cases."""

import matplotlib.text
import numpy as np
import pytest

from likelihood_sets import GUNS, make_predictions
from shotprint.evaluation import Resampling
from shotprint.likelihood import Settings, make_trials, validate
from shotprint.likelihood.metrics import compute_cllr
from shotprint.plots.figures import new_figure
from shotprint.plots.likelihood import (
    PRIORS,
    draw_validation,
    plot_ece,
    plot_pav,
    plot_reliability,
    plot_scores,
    plot_tippett,
)

NAMES = ("tippett", "pav", "ece", "scores", "reliability")
PLOTS = (plot_tippett, plot_pav, plot_ece, plot_scores, plot_reliability)


@pytest.fixture
def ax():
    return new_figure(5, 4).add_subplot()


def find_line(ax, label):
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return line.get_xdata(), line.get_ydata()


def test_tippett_curves_fall_from_all_to_none_through_the_shares(ax):
    plot_tippett(ax, make_trials([-1, 1, 2, 3, -1, 1], [1, 1, 1, 1, 0, 0]))
    llr, share = find_line(ax, "H1 true")
    assert (share[0], share[-1]) == (100, 0)
    assert share[llr == 1].tolist() == [75]  # from just above −1 to 1 three of four are left
    assert find_line(ax, "H2 true")[1][llr == 1].tolist() == [50]


def test_ece_at_even_odds_is_cllr(ax):
    trials = make_trials([1.0, 2.0, -0.5, -1.0, 0.5], [1, 1, 1, 0, 0])
    plot_ece(ax, trials, trials.with_values(3 * trials.values))
    even = np.argmin(np.abs(PRIORS))
    assert find_line(ax, "without evidence")[1][even] == pytest.approx(1)
    assert find_line(ax, "with these likelihood ratios")[1][even] == pytest.approx(
        compute_cllr(trials)
    )
    _, of_scores = find_line(ax, "scores taken as likelihood ratios")
    assert ax.get_ylim()[1] > of_scores.max()


def test_pav_marks_blocks_of_infinite_worth_at_the_edge(ax):
    plot_pav(ax, make_trials([-1.0, 0.0, 0.0, 1.0], [0, 0, 1, 1]))
    markers = {line.get_marker() for line in ax.get_lines()}
    assert {"^", "v"} <= markers


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("values", [[0, 0, 0, 0], [2, 2, -2, -2], [-2, 2, 2, -2]])
def test_degenerate_values_can_be_drawn(ax, plot, values):
    plot(ax, make_trials(values, [1, 1, 0, 0]))
    ax.figure.canvas.draw()
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert ax.get_legend() is not None


def test_scores_are_drawn_with_equal_weight_of_the_hypotheses(ax):
    plot_scores(ax, make_trials([1.0] + [-1.0] * 99, [1] + [0] * 99))
    heights = [sum(bar.get_height() for bar in group) for group in ax.containers]
    assert heights == pytest.approx([100, 100])


@pytest.mark.parametrize("n_simulated", [0, 48])
def test_every_picture_is_written_as_png_and_svg_and_notes_stand_on_it(
    tmp_path, monkeypatch, n_simulated
):
    simulated = ("true",) * n_simulated + ("",) * (48 - n_simulated)
    validation = validate(
        make_predictions(n_groups=8, simulated=simulated),
        GUNS,
        Settings(resampling=Resampling(100), conditions=(), n_replicates=10),
    )
    shown = []

    def keep(figure, path):
        from shotprint.plots.figures import save_figure

        figure.canvas.draw()
        shown.append({text.get_text() for text in figure.findobj(matplotlib.text.Text)})
        return save_figure(figure, path)

    monkeypatch.setattr("shotprint.plots.likelihood.save_figure", keep)
    written = draw_validation(tmp_path, validation, "a note")
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")
    ]
    assert all(path.stat().st_size > 5000 for path in written)
    note = "48 of 48 recordings are simulated shots · a note" if n_simulated else "a note"
    assert all(note in texts for texts in shown)
