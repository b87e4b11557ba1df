"""How often the answer is right, and how sure that figure is: pure functions on arrays.

Task: every recording has one true label (a gun model) and one answer, or none where recognition
failed. Conventions throughout: a confusion matrix counts recordings, rows are the truth and
columns the answer; rates are fractions 0…1; intervals are 95 % unless told otherwise.
`docs/evaluation.md` defines every figure.
"""

from shotprint.evaluation.comparison import compare_predictions, compute_mcnemar_p
from shotprint.evaluation.intervals import Resampling, bootstrap_over_groups, wilson_interval
from shotprint.evaluation.matrix import ConfusionMatrix, read_matrix, write_matrix
from shotprint.evaluation.output import (
    format_comparison,
    format_report,
    format_summary,
    write_evaluation,
)
from shotprint.evaluation.predictions import Predictions, read_predictions
from shotprint.evaluation.summary import Evaluation, evaluate_matrix, evaluate_predictions

__all__ = [
    "ConfusionMatrix",
    "Evaluation",
    "Predictions",
    "Resampling",
    "bootstrap_over_groups",
    "compare_predictions",
    "compute_mcnemar_p",
    "evaluate_matrix",
    "evaluate_predictions",
    "format_comparison",
    "format_report",
    "format_summary",
    "read_matrix",
    "read_predictions",
    "wilson_interval",
    "write_evaluation",
    "write_matrix",
]
