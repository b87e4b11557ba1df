"""Calibration of a trained network, from the networks of a cross-validation.

A network is too sure of what it was trained on. So everything that says how far an answer can be
trusted is measured on recordings that the network which answers did not hear: each fold of a
cross-validation answers for its own test part. What is fitted for the network that is used (the
temperature, the ranges) comes from all folds; the figures that are shown come from fits that
leave out the fold they are shown for. Only what tells gunshots from other sounds has to be fitted
on the embeddings of the network itself.
"""

from shotprint.training.calibrating.making import calibrate
from shotprint.training.calibrating.output import describe, read_calibration
from shotprint.training.calibrating.sets import Sources

__all__ = ["Sources", "calibrate", "describe", "read_calibration"]
