"""Protocols: which fold each recording belongs to, fixed once, written, then only read.

A fold is the test part once; the others are its training part, without the recordings that a
protocol keeps apart from the test part. Grouped folds keep every group whole, because clips of
one source resemble each other more than two guns of one model do: on the guns of the Kaggle set
random folds score 0.9 where grouped ones score 0.6.
"""

from shotprint.splits.assigning import DEFAULT_N_FOLDS, EACH, assign_folds
from shotprint.splits.leakage import check_no_leakage, measure_excluded
from shotprint.splits.named import LEAK_SENTENCE, NAMED, NamedProtocol
from shotprint.splits.protocol import Protocol, check_fits
from shotprint.splits.survey import Survey, fit_n_folds, survey_protocols
from shotprint.splits.validation import assign_validation
from shotprint.splits.writing import read_protocol, write_protocol

__all__ = [
    "DEFAULT_N_FOLDS",
    "EACH",
    "LEAK_SENTENCE",
    "NAMED",
    "NamedProtocol",
    "Protocol",
    "Survey",
    "assign_folds",
    "assign_validation",
    "check_fits",
    "check_no_leakage",
    "fit_n_folds",
    "measure_excluded",
    "read_protocol",
    "survey_protocols",
    "write_protocol",
]
