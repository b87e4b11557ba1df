"""Pictures of results: `plot_*` draws on the axes it is given, `draw_*` makes a whole figure."""

from shotprint.errors import MissingExtraError

try:
    import matplotlib  # noqa: F401
except ModuleNotFoundError:
    raise MissingExtraError("evaluate", "a picture") from None

from shotprint.plots.bars import Rate, draw_rates, plot_rates
from shotprint.plots.confusion import draw_confusion, plot_confusion
from shotprint.plots.evaluation import draw_evaluation
from shotprint.plots.figures import new_figure, save_figure, write_figure
from shotprint.plots.overview import Overview, measure_overview
from shotprint.plots.protocols import draw_protocols, plot_protocols
from shotprint.plots.recordings import draw_pictures
from shotprint.plots.shots import draw_recording, draw_shot

__all__ = [
    "Overview",
    "Rate",
    "draw_confusion",
    "draw_evaluation",
    "draw_pictures",
    "draw_protocols",
    "draw_rates",
    "draw_recording",
    "draw_shot",
    "measure_overview",
    "new_figure",
    "plot_confusion",
    "plot_protocols",
    "plot_rates",
    "save_figure",
    "write_figure",
]
