import csv
import dataclasses

import numpy as np
import pytest

from shotprint.firearms import read_firearms
from shotprint.simulation.air import Atmosphere
from shotprint.simulation.guns import compute_blast, compute_muzzle, directivity, read_guns


def compute_usual_muzzle(gun):
    return compute_muzzle(gun, gun.muzzle_velocity_m_s, gun.propellant_mass_g)


def level_beside_db(gun):
    peak_pa, _ = compute_blast(compute_usual_muzzle(gun), 90.0, Atmosphere())
    return 20 * np.log10(peak_pa / 2e-5)


def test_the_18_guns_of_the_reference(shared):
    with (shared / "reference" / "firearms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    guns = read_guns()
    assert [row["label"] for row in rows] == list(guns)
    for row in rows:
        numbers = row["cadre_set_number"]
        if numbers:
            stated = tuple(int(number) for number in numbers.split(" and "))
            assert guns[row["label"]].set_numbers == stated
        assert guns[row["label"]].cylinder_gap == (row["category"] == "revolver")


def test_every_gun_is_in_the_table_of_firearms_and_says_where_its_figures_are_from():
    firearms = read_firearms()
    for label, gun in read_guns().items():
        assert label in firearms
        assert len(gun.source) > 20


def test_set_numbers_are_given_once():
    numbers = [number for gun in read_guns().values() for number in gun.set_numbers]
    assert len(numbers) == len(set(numbers)) == 19
    assert set(numbers) == set(range(1, 21)) - {13}


# Peak levels 1 m beside the muzzle, dB SPL: Dater, "Firearm Sound Suppression" (2014) for 9 mm,
# .40 and .223 (different barrels: ±2 dB); rimfire rifles "around 140" (NIOSH), with 8 dB of grace.
@pytest.mark.parametrize(
    ("label", "low_db", "high_db"),
    [
        ("Glock9", 159, 162),
        ("MP40", 159, 163),
        ("M16", 161, 165),
        ("BoltAction22", 139, 148),
        ("Ruger357", 163, 168),
    ],
)
def test_peak_levels_are_those_measured_on_real_guns(label, low_db, high_db):
    assert low_db <= level_beside_db(read_guns()[label]) <= high_db


def test_a_longer_barrel_is_quieter_and_more_propellant_louder():
    gun = read_guns()["M16"]
    short = dataclasses.replace(gun, barrel_length_mm=368)
    more = dataclasses.replace(gun, propellant_mass_g=1.9)
    assert level_beside_db(short) > level_beside_db(gun) + 0.5
    assert level_beside_db(more) > level_beside_db(gun) + 0.2


def test_duration_follows_the_cube_root_of_the_energy():
    guns, air = read_guns(), Atmosphere()
    small, large = (compute_usual_muzzle(guns[name]) for name in ("Ruger22", "WinchesterM14"))
    ratio = compute_blast(large, 90, air)[1] / compute_blast(small, 90, air)[1]
    assert ratio == pytest.approx((large.gas_energy_j / small.gas_energy_j) ** (1 / 3))


def test_energy_is_conserved():
    gun = read_guns()["Colt1911"]
    muzzle = compute_usual_muzzle(gun)
    bullet_j = 0.5e-3 * gun.bullet_mass_g * gun.muzzle_velocity_m_s**2
    assert bullet_j + muzzle.gas_energy_j < 0.75 * 4e6 * 1e-3 * gun.propellant_mass_g


def test_the_blast_is_loudest_ahead():
    strengths = [directivity(azimuth) for azimuth in range(0, 181, 15)]
    assert strengths == sorted(strengths, reverse=True)
    assert 20 * np.log10(strengths[0] / strengths[-1]) == pytest.approx(18.2, abs=0.1)
    assert directivity(-30) == directivity(30)


def test_a_load_that_cannot_be():
    with pytest.raises(ValueError, match="cannot drive a bullet"):
        compute_muzzle(read_guns()["M16"], 2000.0, 1.75)
