"""From cartridge and barrel to the muzzle blast.

The gas left in the barrel when the bullet leaves it sets the blast. Its energy is what the
propellant gave, less what the barrel took as heat and what bullet and gas carry as motion. How fast
that energy flows out sets the peak, how much there is sets the duration (`docs/simulation.md`).
"""

import dataclasses
import functools
import tomllib
from importlib import resources

import numpy as np

from shotprint.simulation.air import Atmosphere

GAMMA = 1.24  # ratio of specific heats of propellant gas
PROPELLANT_ENERGY_J_PER_KG = 4.0e6  # heat of explosion of smokeless powder, 3.5 to 4.5 MJ/kg
HEAT_LOSS = 0.25  # share of it that goes into the barrel
MOMENTUM_INDEX = 0.78  # how much stronger the blast is ahead than behind
PEAK_COEFFICIENT = 0.086  # anchored: 9 mm pistol, 1 m beside the muzzle, 160.5 dB
DURATION_COEFFICIENT = 0.5  # anchored: 9 mm pistol, beside the muzzle, 0.33 ms


@dataclasses.dataclass(frozen=True)
class Gun:
    """A gun model with its usual cartridge; the fields are those of ``guns.toml``."""

    label: str
    folder: str
    set_numbers: tuple[int, ...]
    barrel_length_mm: float
    bullet_mass_g: float
    bullet_diameter_mm: float
    bullet_length_mm: float
    muzzle_velocity_m_s: float
    velocity_sd_m_s: float
    propellant_mass_g: float
    case_volume_cm3: float
    drag_distance_m: float
    source: str
    cylinder_gap: bool = False

    @property
    def bore_area_m2(self) -> float:
        return 0.25 * float(np.pi) * (1e-3 * self.bullet_diameter_mm) ** 2

    @property
    def barrel_volume_m3(self) -> float:
        """Room of the gas when the bullet leaves: the barrel and the case."""
        return self.bore_area_m2 * 1e-3 * self.barrel_length_mm + 1e-6 * self.case_volume_cm3


@dataclasses.dataclass(frozen=True)
class Muzzle:
    """The propellant gas at the moment the bullet leaves the barrel.

    Attributes
    ----------
    gas_energy_j : internal energy of the gas
    pressure_pa : its pressure
    outflow_m_s : velocity at the muzzle: the bullet's, or the gas's speed of sound if larger
    energy_flow_w : energy that leaves the muzzle per second, at first
    """

    gas_energy_j: float
    pressure_pa: float
    outflow_m_s: float
    energy_flow_w: float


@functools.cache
def read_guns() -> dict[str, Gun]:
    """Read the shipped guns by label, in the order of the CADRE set numbers."""
    file = resources.files("shotprint.simulation").joinpath("guns.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))["gun"]
    guns = [Gun(**{**table, "set_numbers": tuple(table["set_numbers"])}) for table in tables]
    return {gun.label: gun for gun in guns}


def compute_muzzle(gun: Gun, muzzle_velocity_m_s: float, propellant_mass_g: float) -> Muzzle:
    """Return the state of the gas at the bullet's exit (lumped energy balance, Lagrange gas).

    E_gas = (1 − loss) Q m_c − ½ (m_p + m_c/3) v²;  p = (γ − 1) E_gas / V;
    dE/dt = γ/(γ − 1) p u A (1 + (γ − 1)/2 · M²).

    Raises
    ------
    ValueError
        The propellant cannot drive this bullet at this velocity.
    """
    propellant_kg, bullet_kg = 1e-3 * propellant_mass_g, 1e-3 * gun.bullet_mass_g
    released_j = (1.0 - HEAT_LOSS) * PROPELLANT_ENERGY_J_PER_KG * propellant_kg
    energy_j = released_j - 0.5 * (bullet_kg + propellant_kg / 3.0) * muzzle_velocity_m_s**2
    if energy_j <= 0:
        raise ValueError(
            f"{propellant_mass_g:g} g of propellant cannot drive a bullet of "
            f"{gun.bullet_mass_g:g} g at {muzzle_velocity_m_s:g} m/s"
        )
    pressure_pa = (GAMMA - 1.0) * energy_j / gun.barrel_volume_m3
    sound_m_s = float(np.sqrt(GAMMA * (GAMMA - 1.0) * energy_j / propellant_kg))
    outflow_m_s = max(muzzle_velocity_m_s, sound_m_s)
    mach = outflow_m_s / sound_m_s
    flow_w = GAMMA / (GAMMA - 1.0) * pressure_pa * outflow_m_s * gun.bore_area_m2
    flow_w *= 1.0 + 0.5 * (GAMMA - 1.0) * mach**2
    return Muzzle(energy_j, pressure_pa, outflow_m_s, flow_w)


def directivity(azimuth_deg: float, momentum_index: float = MOMENTUM_INDEX) -> float:
    """Return the blast's strength by angle from the line of fire: μ cos θ + √(1 − μ² sin² θ).

    Smith's moving-charge form, as used by Fansler et al.; 1 + μ ahead, 1 − μ behind.
    """
    angle = np.radians(azimuth_deg)
    return float(
        momentum_index * np.cos(angle) + np.sqrt(1.0 - (momentum_index * np.sin(angle)) ** 2)
    )


def compute_blast(
    muzzle: Muzzle, azimuth_deg: float, atmosphere: Atmosphere
) -> tuple[float, float]:
    """Return the muzzle blast's peak in Pa at 1 m and its positive phase in s.

    The peak follows the length √(dE/dt / (p∞ c)) times the directivity (Fansler), the duration
    the cube root of E/p∞ (Hopkinson, Cranz), longer where the blast is weak, so that the low
    tones go round the muzzle better than the high ones.
    """
    sound_m_s, ambient_pa = atmosphere.sound_speed_m_s, atmosphere.pressure_pa
    length_m = np.sqrt(muzzle.energy_flow_w / (ambient_pa * sound_m_s))
    strength = directivity(azimuth_deg)
    peak_pa = PEAK_COEFFICIENT * ambient_pa * length_m * strength
    scale_s = (muzzle.gas_energy_j / ambient_pa) ** (1.0 / 3.0) / sound_m_s
    return float(peak_pa), float(DURATION_COEFFICIENT * scale_s / np.sqrt(strength))
