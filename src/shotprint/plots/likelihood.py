"""The pictures of a validation of likelihood ratios; `docs/likelihood-ratios.md` explains each."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from shotprint.likelihood.ece import compute_ece, compute_ece_curves
from shotprint.likelihood.pav import fit_pav
from shotprint.likelihood.reliability import compute_reliability
from shotprint.likelihood.tippett import compute_tippett
from shotprint.likelihood.trials import Trials
from shotprint.likelihood.validation import Validation
from shotprint.plots.figures import add_title, new_axes, save_figure

H1_COLOUR, H2_COLOUR, GREY = "#08519c", "#d94801", "0.55"
FONT_SIZE = 8.5
PRIORS = np.linspace(-3, 3, 241)  # log10 odds
N_BARS = 40
EDGE = 0.35  # of the llr: room beyond the outermost values


def draw_validation(
    folder: str | os.PathLike[str], validation: Validation, note: str | None = None
) -> list[Path]:
    """Write ``tippett``, ``pav``, ``ece``, ``scores`` and ``reliability`` as PNG and SVG.

    Parameters
    ----------
    note : a line for every picture; that shots are simulated is said without it
    """
    if validation.report["n_simulated"]:
        n, n_all = validation.report["n_simulated"], validation.report["n_recordings"]
        note = " · ".join(filter(None, [f"{n} of {n_all} recordings are simulated shots", note]))
    trials, scores = validation.trials, validation.claims.to_trials()
    cllr = validation.report["all"]["figures"]
    figure = f", Cllr {cllr['cllr']['value']:.3f}" if cllr else ""
    about = f"{validation.report['n_recordings']} recordings, {validation.claims.hypothesis}"
    pictures: dict[str, tuple[Callable[[Any, Trials], None], Trials, str]] = {
        "tippett": (plot_tippett, trials, f"How strong the evidence is ({about}{figure})"),
        "pav": (plot_pav, trials, f"Is the evidence as strong as it says? ({about})"),
        "ece": (
            partial(plot_ece, scores=scores),
            trials,
            f"What stays uncertain, for every prior ({about})",
        ),
        "scores": (plot_scores, scores, f"Scores before calibration ({about})"),
        "reliability": (plot_reliability, trials, f"Do likelihood ratios come true? ({about})"),
    }
    written: list[Path] = []
    for name, (plot, values, title) in pictures.items():
        drawing, ax = new_axes(4.8, 3.4, left=0.8, right=0.3, below=0.65, above=0.6)
        plot(ax, values)
        add_title(ax, title, note)
        written += save_figure(drawing, Path(folder) / name)
    return written


def plot_tippett(ax: Any, trials: Trials) -> None:
    """Draw the share of llrs at or above each value, under H1 and under H2.

    Parameters
    ----------
    ax : matplotlib axes
    trials : finite llrs of both hypotheses
    """
    curves = compute_tippett(trials)
    low, high = _span(curves.llr)
    steps = np.concatenate([[low], curves.llr, [high]])
    for shares, colour, width, name in (
        (curves.h1, H1_COLOUR, 2.6, "H1 true"),
        (curves.h2, H2_COLOUR, 1.3, "H2 true"),
    ):
        reached = 100 * np.concatenate([[1.0], shares, [0.0]])
        ax.step(steps, reached, where="pre", color=colour, linewidth=width, label=name)
    ax.axvline(0, color=GREY, linewidth=0.8)
    for x, side, text in ((low, "left", "◂ supports H2"), (high, "right", "supports H1 ▸")):
        ax.text(x, 103, text, ha=side, fontsize=FONT_SIZE - 1, color="0.35")
    ax.set_ylim(0, 110)
    ax.set_yticks(range(0, 101, 20))
    _finish(ax, (low, high), "llr (log10 of the likelihood ratio)", "% of values at or above")


def plot_pav(ax: Any, trials: Trials) -> None:
    """Draw what each stated llr turns out to be worth after PAV, beside the diagonal.

    Parameters
    ----------
    trials : finite llrs of both hypotheses; blocks of one hypothesis only, whose worth is
        infinite, are drawn as triangles at the edge
    """
    pav = fit_pav(trials)
    low, high = _span(np.concatenate([pav.first, pav.last]))
    ax.plot([low, high], [low, high], "--", color=GREY, linewidth=0.9, label="as strong as it says")
    inside = np.isfinite(pav.llr)
    lines = np.stack([pav.first, pav.last], 1)[inside].ravel()
    worth = np.repeat(pav.llr[inside], 2)
    ax.plot(lines, worth, ".-", color=H1_COLOUR, markersize=5, label="what it is worth (PAV)")
    below = min([low, *(worth - EDGE)])
    above = max([high, *(worth + EDGE)])
    for sign, marker, edge in ((1, "^", above), (-1, "v", below)):
        for i in np.flatnonzero(pav.llr == sign * np.inf):
            ends = [pav.first[i], pav.last[i]]
            ax.plot(ends, [edge, edge], marker + "-", color=H1_COLOUR, clip_on=False)
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.set_ylim(below, above)
    _finish(ax, (low, high), "llr as stated", "llr that it is worth")


def plot_ece(ax: Any, trials: Trials, scores: Trials | None = None) -> None:
    """Draw the empirical cross-entropy over prior odds: system, PAV, and without evidence.

    Parameters
    ----------
    trials : llrs of both hypotheses
    scores : what the llrs were made of, for one curve more
    """
    curves, peak = compute_ece_curves(trials, PRIORS), 1.0
    if scores is not None:
        bits = compute_ece(scores, PRIORS)
        peak = max(peak, float(bits.max()))
        ax.plot(PRIORS, bits, color=GREY, linewidth=1, label="scores taken as likelihood ratios")
    ax.plot(PRIORS, curves.neutral, ":", color="black", label="without evidence")
    ax.plot(PRIORS, curves.system, color=H2_COLOUR, label="with these likelihood ratios")
    ax.plot(PRIORS, curves.pav, "--", color=H1_COLOUR, label="if calibrated perfectly (PAV)")
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set_ylim(0, 1.5 * max(peak, float(curves.system.max())))  # room for the legend
    _finish(ax, (-3, 3), "prior log10 odds of H1", "uncertainty that stays (bits)")


def plot_scores(ax: Any, trials: Trials) -> None:
    """Draw how scores are spread under H1 and under H2.

    Parameters
    ----------
    trials : finite scores
    """
    low, high = _span(trials.values)
    edges = np.linspace(low, high, N_BARS + 1)
    for side, colour, name in (
        (trials.is_h1, H1_COLOUR, "H1 true"),
        (~trials.is_h1, H2_COLOUR, "H2 true"),
    ):
        ax.hist(
            trials.values[side],
            edges,
            weights=100 * trials.shares[side],
            color=colour,
            alpha=0.55,
            label=name,
        )
    ax.axvline(0, color=GREY, linewidth=0.8)
    _finish(
        ax, (low, high), "score (log10 ratio that the network's probabilities imply)", "% of values"
    )


def plot_reliability(ax: Any, trials: Trials) -> None:
    """Draw for ranges of stated llrs how much more frequent H1 is than H2 among them.

    Parameters
    ----------
    trials : finite llrs of both hypotheses; ranges with one hypothesis only are triangles at the
        edge
    """
    bins = compute_reliability(trials)
    stated, observed = np.array([[each.stated, each.observed] for each in bins]).T
    shown = np.isfinite(observed)
    low, high = _span(np.concatenate([stated, observed[shown]]))
    ax.plot([low, high], [low, high], "--", color=GREY, linewidth=0.9, label="comes true")
    ax.plot(stated[shown], observed[shown], "o", color=H1_COLOUR, label="ranges of equal weight")
    for x, y in zip(stated[~shown], observed[~shown], strict=True):
        ax.plot(x, high if y > 0 else low, "^" if y > 0 else "v", color=H1_COLOUR, clip_on=False)
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.axvline(0, color=GREY, linewidth=0.6)
    ax.set_ylim(low, high)
    _finish(ax, (low, high), "llr as stated (mean of the range)", "log10 of H1 share / H2 share")


def _span(values: np.ndarray) -> tuple[float, float]:
    return min(float(values.min()), 0.0) - EDGE, max(float(values.max()), 0.0) + EDGE


def _finish(ax: Any, limits: tuple[float, float], across: str, up: str) -> None:
    ax.set_xlim(*limits)
    ax.set_xlabel(across, fontsize=FONT_SIZE + 0.5)
    ax.set_ylabel(up, fontsize=FONT_SIZE + 0.5)
    ax.tick_params(labelsize=FONT_SIZE)
    ax.grid(color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=FONT_SIZE, framealpha=0.9)
