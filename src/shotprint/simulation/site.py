"""The site: ground, echoes, reverberation and background noise, shared by every gun.

Coordinates in metres: the muzzle stands at x = y = 0, x points down-range, z up from the ground.
"""

import dataclasses

import numpy as np

from shotprint.simulation.air import Atmosphere, Floats, air_absorption_db_per_m
from shotprint.simulation.guns import directivity
from shotprint.simulation.waves import Spectrum

DEFAULT_ATMOSPHERE = Atmosphere()
REFLECTION_SPREAD_S = 0.012  # an echo from rough ground or trees arrives over this time
BACKGROUND_HZ = 12000.0  # above, the background drowns in any recorder's own noise
SCATTER_STRENGTH = 0.4  # what the ground around scatters to the microphone, over the direct sound


@dataclasses.dataclass(frozen=True)
class Reflector:
    """Something that throws the blast back: a berm, a wall, a row of trees."""

    x_m: float
    y_m: float
    strength: float


@dataclasses.dataclass(frozen=True)
class Site:
    """Where all shots of a set are fired.

    Attributes
    ----------
    ground_flow_resistivity : of the ground, kPa·s/m²: snow 20, grass 200, road 20,000
    range_m : distance from the muzzle to the backstop that ends the bullet's flight
    reverberation_s : time in which the late sound falls by 60 dB, below 500 Hz, around 1.5 kHz
        and above 4 kHz
    reverberation_db : energy of the late sound over that of the direct one 20 m beside the muzzle
    wind_db, ambient_db : median levels of wind at the microphone and of ambient sound, dB SPL
    hum_hz, hum_db : mains frequency and its level, expressed as sound, dB SPL
    """

    atmosphere: Atmosphere = DEFAULT_ATMOSPHERE
    muzzle_height_m: float = 1.5
    ground_flow_resistivity: float = 200.0
    range_m: float = 100.0
    reflectors: tuple[Reflector, ...] = ()
    reverberation_s: tuple[float, float, float] = (1.1, 0.8, 0.4)
    reverberation_db: float = -7.0
    wind_db: float = 66.0
    ambient_db: float = 52.0
    hum_hz: float = 60.0
    hum_db: float = 45.0


def make_site(rng: np.random.Generator) -> Site:
    """Draw an outdoor range: a berm down-range, tree rows on both sides, something behind."""
    reflectors = (
        Reflector(rng.uniform(90, 110), rng.uniform(-15, 15), rng.uniform(0.3, 0.5)),
        Reflector(rng.uniform(0, 50), rng.uniform(45, 80), rng.uniform(0.1, 0.3)),
        Reflector(rng.uniform(0, 50), rng.uniform(-80, -45), rng.uniform(0.1, 0.3)),
        Reflector(rng.uniform(-45, -25), rng.uniform(-20, 20), rng.uniform(0.15, 0.4)),
    )
    weather = Atmosphere(float(rng.uniform(12, 25)), float(rng.uniform(40, 70)), 101.325)
    slow, middle, fast = rng.uniform(0.9, 1.3), rng.uniform(0.6, 0.9), rng.uniform(0.3, 0.5)
    return Site(
        atmosphere=weather,
        ground_flow_resistivity=float(rng.uniform(150, 400)),
        reflectors=reflectors,
        reverberation_s=(float(slow), float(middle), float(fast)),
    )


def air_response(
    frequency_hz: Floats, path_m: float, atmosphere: Atmosphere, delay_s: float = 0.0
) -> Spectrum:
    """Return the frequency response of `path_m` of air: absorption and a delay, no spreading.

    The absorption has no phase: the slight dispersion that goes with it is left out, so a shock
    is rounded alike before and after its arrival.
    """
    weather = (atmosphere.temperature_c, atmosphere.humidity_percent, atmosphere.pressure_kpa)
    loss_db = path_m * air_absorption_db_per_m(frequency_hz, *weather)
    phase = 2j * np.pi * delay_s * frequency_hz
    return np.asarray(np.exp(-np.log(10.0) / 20.0 * loss_db - phase))


def propagate(
    waveform: Floats, sample_rate_hz: float, distance_m: float, atmosphere: Atmosphere
) -> Floats:
    """Carry a sound known at 1 m from its source to `distance_m`: 1/r and the air's absorption.

    The travel time is left out.

    Parameters
    ----------
    waveform : (…, n_samples)
    distance_m : ≥ 1
    """
    n = waveform.shape[-1]
    frequency = np.fft.rfftfreq(2 * n, 1.0 / sample_rate_hz)  # zeros behind: no wrapping
    spectrum = np.fft.rfft(waveform, 2 * n) * air_response(frequency, distance_m - 1.0, atmosphere)
    return np.asarray(np.fft.irfft(spectrum, 2 * n)[..., :n] / distance_m)


def ground_reflection(
    frequency_hz: Floats, grazing_sine: float, flow_resistivity: float
) -> Spectrum:
    """Return the plane-wave reflection coefficient of porous ground (Delany and Bazley 1970).

    Z/ρc = 1 + 9.08 (f/σ)^−0.75 − 11.9 i (f/σ)^−0.73, R = (Z sin φ − 1)/(Z sin φ + 1), with f in Hz
    and σ in kPa·s/m². The ground wave of spherical spreading is left out.

    Parameters
    ----------
    grazing_sine : sin φ, sine of the angle between ray and ground
    """
    ratio = np.maximum(frequency_hz, 1.0) / flow_resistivity
    impedance = 1.0 + 9.08 * ratio**-0.75 - 11.9j * ratio**-0.73
    return np.asarray((impedance * grazing_sine - 1.0) / (impedance * grazing_sine + 1.0))


def late_response(
    site: Site,
    microphone_m: tuple[float, float, float],
    sample_rate_hz: float,
    n_samples: int,
    rng: np.random.Generator,
) -> Floats:
    """Draw the site's echoes and reverberation at a microphone, per unit source at 1 m.

    To be convolved with the blast as it is 1 m beside the muzzle. Time 0 is the bullet's exit;
    the last 30 ms fade to zero, so that a circular convolution does not wrap.

    Returns
    -------
    (n_samples,)
    """
    x, y, _ = microphone_m
    distance = max(float(np.hypot(x, y)), 1.0)
    response = _draw_tail(site, distance, sample_rate_hz, n_samples, rng)
    _add_burst(response, SCATTER_STRENGTH / distance, distance, site, sample_rate_hz, rng)
    for reflector in site.reflectors:
        out = float(np.hypot(reflector.x_m, reflector.y_m))
        path = out + float(np.hypot(reflector.x_m - x, reflector.y_m - y))
        azimuth = float(np.degrees(np.arctan2(reflector.y_m, reflector.x_m)))
        gain = reflector.strength * directivity(azimuth) / directivity(90.0) / path
        _add_burst(response, gain, path, site, sample_rate_hz, rng)
    n_fade = min(round(0.03 * sample_rate_hz), n_samples)
    response[n_samples - n_fade :] *= np.linspace(1.0, 0.0, n_fade)
    return response


def _add_burst(
    response: Floats,
    gain: float,
    path_m: float,
    site: Site,
    sample_rate_hz: float,
    rng: np.random.Generator,
) -> None:
    """Add a rough reflector's answer to `response`: noise of energy gain², dying away, dull."""
    start = round(path_m / site.atmosphere.sound_speed_m_s * sample_rate_hz)
    time = np.arange(round(6 * REFLECTION_SPREAD_S * sample_rate_hz)) / sample_rate_hz
    noise = rng.standard_normal(len(time)) * np.exp(-time / REFLECTION_SPREAD_S)
    noise /= np.sqrt(np.sum(noise**2))
    dullness = 1.0 + 1j * np.fft.rfftfreq(len(noise), 1.0 / sample_rate_hz) / 2500.0
    burst = np.fft.irfft(np.fft.rfft(noise) / dullness, len(noise))[: max(len(response) - start, 0)]
    response[start : start + len(burst)] += gain * burst


def _draw_tail(
    site: Site, distance_m: float, sample_rate_hz: float, n_samples: int, rng: np.random.Generator
) -> Floats:
    """Noise that dies away in three bands, from the arrival of the direct sound on."""
    frequency = np.fft.rfftfreq(n_samples, 1.0 / sample_rate_hz)
    noise = np.fft.rfft(rng.standard_normal(n_samples))
    low = 1.0 / (1.0 + (frequency / 500.0) ** 4)
    high = 1.0 - 1.0 / (1.0 + (frequency / 4000.0) ** 4)
    time = np.arange(n_samples) / sample_rate_hz - distance_m / site.atmosphere.sound_speed_m_s
    rise = np.where(time > 0, 1.0 - np.exp(-np.maximum(time, 0.0) / 0.015), 0.0)
    tail = np.zeros(n_samples)
    for weight, decay_s in zip((low, 1.0 - low - high, high), site.reverberation_s, strict=True):
        band = np.fft.irfft(noise * weight, n_samples)
        tail += band * np.exp(-np.log(1e3) / decay_s * np.maximum(time, 0.0))
    tail *= rise
    energy = 10.0 ** (site.reverberation_db / 10.0) / 20.0**2
    return np.asarray(tail * np.sqrt(energy / np.sum(tail**2)))


def background_noise(
    n_samples: int, sample_rate_hz: float, site: Site, rng: np.random.Generator
) -> Floats:
    """Draw wind, ambient sound and hum in Pa, (n_samples,); see `background_spectrum`."""
    return np.fft.irfft(background_spectrum(n_samples, sample_rate_hz, site, rng), n_samples)


def background_spectrum(
    n_samples: int, sample_rate_hz: float, site: Site, rng: np.random.Generator
) -> Spectrum:
    """Draw ``rfft`` of the background: wind ~ f⁻², ambient ~ f⁻¹ (power, above 20 Hz), hum.

    Levels vary from call to call: wind ±6 dB, ambient ±3 dB, hum ±6 dB (standard deviations).

    Returns
    -------
    (n_samples // 2 + 1,)
    """
    step_hz = sample_rate_hz / n_samples
    wind_db, ambient_db, hum_db = rng.normal(
        (site.wind_db, site.ambient_db, site.hum_db), (6.0, 3.0, 6.0)
    )
    frequency = step_hz * np.arange(int(min(BACKGROUND_HZ, 0.5 * sample_rate_hz) / step_hz))
    falling = 1.0 / np.maximum(frequency, 20.0)
    wind = 20.0 * _level_to_power(wind_db) * falling**2  # integrates to the level above 20 Hz
    ambient = _level_to_power(ambient_db) / np.log(BACKGROUND_HZ / 20.0) * falling
    lines = rng.standard_normal(2 * len(frequency)).view(np.complex128)
    lines *= np.sqrt(step_hz * (wind + ambient))
    lines[0] = 0.0
    for harmonic, phase in zip((1, 2, 3, 5), rng.uniform(0.0, 2.0 * np.pi, 4), strict=True):
        amplitude = np.sqrt(2.0 * _level_to_power(hum_db)) / harmonic
        lines[round(harmonic * site.hum_hz / step_hz)] += amplitude * np.exp(1j * phase)
    spectrum = np.zeros(n_samples // 2 + 1, np.complex128)
    spectrum[: len(lines)] = 0.5 * n_samples * lines
    return spectrum


def _level_to_power(level_db: float) -> float:
    return float((2e-5 * 10.0 ** (level_db / 20.0)) ** 2)


def microphone_position(
    azimuth_deg: float, distance_m: float, height_m: float
) -> tuple[float, float, float]:
    """Return x, y, z of a microphone; azimuth 0 is down-range, 180 behind the shooter."""
    angle = np.radians(azimuth_deg)
    return float(distance_m * np.cos(angle)), float(distance_m * np.sin(angle)), height_m
