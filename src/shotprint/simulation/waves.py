"""The two pulses of a shot: the muzzle blast and the bullet's N-wave.

Each has its waveform and its Fourier transform in closed form. The simulation works with the
transforms, so that a jump between two samples neither aliases nor snaps to the sampling grid.

Transforms follow P(f) = ∫ p(t) exp(−2πi f t) dt, in Pa·s, with the pulse starting at t = 0.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.simulation.air import Atmosphere, Floats

Spectrum = NDArray[np.complex128]


def muzzle_blast(
    time_s: ArrayLike, peak_pa: float, positive_phase_s: float, decay: float = 1.0
) -> Floats:
    """Return the modified Friedlander wave p₀ (1 − t/t₊) exp(−b t/t₊), zero before t = 0.

    Parameters
    ----------
    decay : b; 1 is Friedlander's own wave, whose positive and negative impulses cancel
    """
    t = np.asarray(time_s, dtype=np.float64) / positive_phase_s
    after = np.maximum(t, 0.0)
    return np.where(t >= 0, peak_pa * (1.0 - after) * np.exp(-decay * after), 0.0)


def muzzle_blast_spectrum(
    frequency_hz: ArrayLike, peak_pa: float, positive_phase_s: float, decay: float = 1.0
) -> Spectrum:
    """Return the Fourier transform of `muzzle_blast` in Pa·s: p₀ (1/z − 1/(t₊ z²)).

    Here z = b/t₊ + 2πi f.
    """
    inverse = 1.0 / (decay / positive_phase_s + 2j * np.pi * np.asarray(frequency_hz))
    return np.asarray(peak_pa * inverse * (1.0 - inverse / positive_phase_s))


def blast_impulse_pa_s(peak_pa: float, positive_phase_s: float, decay: float = 1.0) -> float:
    """Return the impulse of the positive phase: p₀ t₊ (1/b − (1 − exp(−b))/b²)."""
    return peak_pa * positive_phase_s * float(1.0 / decay + np.expm1(-decay) / decay**2)


def n_wave(time_s: ArrayLike, peak_pa: float, duration_s: float) -> Floats:
    """Return the N-wave p₀ (1 − 2t/T) for 0 ≤ t ≤ T, zero elsewhere."""
    t = np.asarray(time_s, dtype=np.float64) / duration_s
    return np.where((t >= 0) & (t <= 1), peak_pa * (1.0 - 2.0 * t), 0.0)


def n_wave_spectrum(frequency_hz: ArrayLike, peak_pa: float, duration_s: float) -> Spectrum:
    """Return the Fourier transform of `n_wave` in Pa·s: i T p₀ j₁(x) exp(−ix), x = π f T."""
    x = np.pi * np.asarray(frequency_hz, dtype=np.float64) * duration_s
    far = np.where(x > 1e-2, x, 1.0)
    bessel = np.where(x > 1e-2, np.sin(far) / far**2 - np.cos(far) / far, x / 3.0)
    return np.asarray(1j * duration_s * peak_pa * bessel * np.exp(-1j * x))


@dataclasses.dataclass(frozen=True)
class BulletRay:
    """Where the bullet's shock that reaches a microphone left the trajectory, and when it comes.

    Attributes
    ----------
    emission_m : distance from the muzzle along the trajectory
    mach : the bullet's Mach number there
    arrival_s : time at the microphone, counted from the bullet's exit
    path_m : length of the ray
    """

    emission_m: float
    mach: float
    arrival_s: float
    path_m: float


def find_bullet_ray(
    along_m: float,
    miss_m: float,
    muzzle_velocity_m_s: float,
    drag_distance_m: float,
    sound_speed_m_s: float,
    range_m: float = np.inf,
) -> BulletRay | None:
    """Find the Mach ray from a straight trajectory to a point; None where no shock is heard.

    The bullet slows down as v(x) = v₀ exp(−x/x_d), i.e. its drag coefficient is constant. The
    ray leaves at the angle arccos(1/M) to the trajectory, so its foot x solves
    x = along − miss / √(M(x)² − 1); it must lie between the muzzle and the backstop.

    Parameters
    ----------
    along_m, miss_m : position of the point along the trajectory and distance from it
    drag_distance_m : x_d, the flight in which the velocity falls to 1/e
    range_m : where the bullet is stopped
    """

    def excess(x: float) -> float:
        mach_squared = (muzzle_velocity_m_s / sound_speed_m_s * np.exp(-x / drag_distance_m)) ** 2
        if mach_squared <= 1.0:
            return float(np.inf)
        return x + miss_m / float(np.sqrt(mach_squared - 1.0)) - along_m

    low, high = 0.0, min(range_m, along_m)
    if high <= 0 or excess(low) > 0 or excess(high) < 0:
        return None
    for _ in range(60):  # excess grows with x: bisection to less than a micrometre
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) <= 0 else (low, middle)
    mach = muzzle_velocity_m_s / sound_speed_m_s * float(np.exp(-low / drag_distance_m))
    flight_s = drag_distance_m / muzzle_velocity_m_s * float(np.expm1(low / drag_distance_m))
    path_m = float(np.hypot(along_m - low, miss_m))
    return BulletRay(low, mach, flight_s + path_m / sound_speed_m_s, path_m)


def whitham(
    mach: float,
    miss_m: float,
    bullet_diameter_m: float,
    bullet_length_m: float,
    atmosphere: Atmosphere,
) -> tuple[float, float]:
    """Return peak pressure in Pa and duration in s of a bullet's N-wave, far from the bullet.

    p₀ = 0.53 p∞ (M² − 1)^(1/8) d / (r^(3/4) l^(1/4)) and
    T = 1.82 M r^(1/4) d / (c (M² − 1)^(3/8) l^(1/4)).

    Source: G. B. Whitham, "The flow pattern of a supersonic projectile", Comm. Pure Appl.
    Math. 5 (1952), with the constants commonly used for bullets.

    Parameters
    ----------
    mach : > 1
    miss_m : r, distance from the trajectory
    """
    if not mach > 1.0:
        raise ValueError(f"a bullet at Mach {mach:g} makes no N-wave; the Mach number must be > 1")
    slenderness = bullet_diameter_m / bullet_length_m**0.25
    excess = mach**2 - 1.0
    peak_pa = 0.53 * atmosphere.pressure_pa * excess**0.125 * slenderness / miss_m**0.75
    duration_s = 1.82 * mach * miss_m**0.25 * slenderness
    return peak_pa, duration_s / (atmosphere.sound_speed_m_s * excess**0.375)
