"""Likelihood ratios: how strongly a recording speaks for a gun, and whether to believe it.

Task: for hypotheses H1 and H2 about the gun that fired, turn what a network says into a log10
likelihood ratio (`llr`), and show on recordings of known guns how good these are. Conventions: all
llrs are log10; positive ones support H1; both hypotheses weigh equally in every figure; a group
counts as one independent observation. `docs/likelihood-ratios.md` defines every figure.
"""

from shotprint.likelihood.bounds import fit_elub
from shotprint.likelihood.calibrators import Affine, fit_affine, fit_gaussian, fit_kde
from shotprint.likelihood.ece import compute_ece, compute_ece_curves
from shotprint.likelihood.metrics import (
    compute_auc,
    compute_cllr,
    compute_cllr_cal,
    compute_cllr_min,
    compute_eer,
    compute_misleading_rates,
)
from shotprint.likelihood.output import format_table, write_validation
from shotprint.likelihood.pav import fit_pav
from shotprint.likelihood.tippett import compute_tippett
from shotprint.likelihood.trials import Trials, make_trials
from shotprint.likelihood.validation import Settings, Validation, validate
from shotprint.verbal import VerbalScale, read_scale

__all__ = [
    "Affine",
    "Settings",
    "Trials",
    "Validation",
    "VerbalScale",
    "compute_auc",
    "compute_cllr",
    "compute_cllr_cal",
    "compute_cllr_min",
    "compute_ece",
    "compute_ece_curves",
    "compute_eer",
    "compute_misleading_rates",
    "compute_tippett",
    "fit_affine",
    "fit_elub",
    "fit_gaussian",
    "fit_kde",
    "fit_pav",
    "format_table",
    "make_trials",
    "read_scale",
    "validate",
    "write_validation",
]
