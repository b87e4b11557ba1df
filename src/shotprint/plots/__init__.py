"""Pictures of results: `plot_*` draws on the axes it is given, `draw_*` makes a whole figure."""

from shotprint.plots.bars import Rate, draw_rates, plot_rates
from shotprint.plots.confusion import draw_confusion, plot_confusion
from shotprint.plots.evaluation import draw_evaluation
from shotprint.plots.figures import new_figure, save_figure

__all__ = [
    "Rate",
    "draw_confusion",
    "draw_evaluation",
    "draw_rates",
    "new_figure",
    "plot_confusion",
    "plot_rates",
    "save_figure",
]
