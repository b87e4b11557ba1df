"""Gunshots from physics: for the demo, the tests and augmentation. See `docs/simulation.md`.

Pure functions on arrays; whatever is random takes a `numpy.random.Generator`.
"""

from shotprint.simulation.air import Atmosphere, air_absorption_db_per_m
from shotprint.simulation.guns import Gun, compute_blast, compute_muzzle, directivity, read_guns
from shotprint.simulation.recorders import RECORDERS, Recorder, apply_recorder
from shotprint.simulation.shot import (
    Discharge,
    Individual,
    Shot,
    Take,
    draw_individual,
    draw_late_spectra,
    fire,
    simulate_shot,
)
from shotprint.simulation.site import Site, make_site, microphone_position, propagate
from shotprint.simulation.waves import find_bullet_ray, muzzle_blast, n_wave, whitham

__all__ = [
    "RECORDERS",
    "Atmosphere",
    "Discharge",
    "Gun",
    "Individual",
    "Recorder",
    "Shot",
    "Site",
    "Take",
    "air_absorption_db_per_m",
    "apply_recorder",
    "compute_blast",
    "compute_muzzle",
    "directivity",
    "draw_individual",
    "draw_late_spectra",
    "find_bullet_ray",
    "fire",
    "make_site",
    "microphone_position",
    "muzzle_blast",
    "n_wave",
    "propagate",
    "read_guns",
    "simulate_shot",
    "whitham",
]
