"""One shot, heard by one recorder.

`draw_individual` picks one physical gun, `fire` one shot of it, `simulate_shot` records that shot.
The same `Discharge` given to several recorders is the same physical shot.
"""

import dataclasses

import numpy as np

from shotprint.simulation.air import Floats
from shotprint.simulation.guns import Gun, Muzzle, compute_blast, compute_muzzle
from shotprint.simulation.recorders import Recorder, band_response, digitise
from shotprint.simulation.site import (
    Site,
    air_response,
    background_spectrum,
    ground_reflection,
    late_response,
)
from shotprint.simulation.waves import (
    Spectrum,
    find_bullet_ray,
    muzzle_blast_spectrum,
    n_wave_spectrum,
    whitham,
)

JET_RATE_HZ = 96000.0
JET_SAMPLES = 1024
BEFORE_ONSET_S = 0.004


@dataclasses.dataclass(frozen=True)
class Individual:
    """One physical gun of a model; velocity and propellant of `gun` are its own.

    Attributes
    ----------
    decay : of its Friedlander wave
    level_db : its blast over the model's
    jet_db : level of the turbulent gas jet under the blast's peak
    gap_strength : blast from the cylinder gap over the one from the muzzle
    """

    gun: Gun
    decay: float = 1.0
    level_db: float = 0.0
    jet_db: float = -20.0
    gap_strength: float = 0.0


@dataclasses.dataclass(frozen=True)
class Discharge:
    """One physical shot: what leaves the gun, whoever records it."""

    individual: Individual
    muzzle: Muzzle
    muzzle_velocity_m_s: float
    decay: float
    level_db: float
    jet: Floats  # (JET_SAMPLES,) noise of the gas jet for a blast of peak 1, at JET_RATE_HZ


@dataclasses.dataclass(frozen=True)
class Take:
    """How a shot is recorded.

    Attributes
    ----------
    microphone_m : x, y, z; see `site`
    full_scale_db : the level that the operator set; None for a recorder that has its own
    pointing_deg : how far a stereo pair is turned away from the muzzle
    lead_in_s : time from the recording's start to the bullet's exit
    """

    recorder: Recorder
    site: Site
    microphone_m: tuple[float, float, float]
    full_scale_db: float | None = None
    pointing_deg: float = 0.0
    duration_s: float = 1.2
    lead_in_s: float = 0.25

    @property
    def n_samples(self) -> int:
        return round(self.duration_s * self.recorder.sample_rate_hz)


@dataclasses.dataclass(frozen=True)
class Pulse:
    """One part of a shot on one path to the microphone.

    Attributes
    ----------
    kind : "muzzle blast", "cylinder gap" or "N-wave"
    arrival_s : counted from the bullet's exit
    path_m : length of the path through the air
    peak_pa, duration_s : at the microphone, but for absorption and ground; duration of the
        positive phase for blasts, of the whole wave for the N-wave
    grazing_sine : sine of the angle to the ground where it bounces off; None: direct
    """

    kind: str
    arrival_s: float
    path_m: float
    peak_pa: float
    duration_s: float
    grazing_sine: float | None


@dataclasses.dataclass(frozen=True)
class Shot:
    """A recorded shot and the truth about it; times in seconds of the recording.

    Attributes
    ----------
    waveform : (n_channels, n_samples) float32, −1 … 1
    onset_s : first arrival of any part of the shot
    peak_db : peak of the undistorted sound at the microphone, dB SPL
    clipped : share of the samples at full scale
    """

    waveform: Floats
    sample_rate_hz: int
    onset_s: float
    muzzle_blast_arrival_s: float
    ground_arrival_s: float
    n_wave_arrival_s: float | None
    n_wave_peak_pa: float | None
    n_wave_duration_s: float | None
    muzzle_velocity_m_s: float
    peak_db: float
    clipped: float


def draw_individual(gun: Gun, rng: np.random.Generator) -> Individual:
    """Draw one physical gun: velocity ±1 %, propellant ±2 %, blast ±0.7 dB, decay ±8 %."""
    velocity, propellant, decay = rng.normal(1.0, (0.01, 0.02, 0.08))
    level_db, jet_db = rng.normal((0.0, -20.0), (0.7, 3.0))
    gap = rng.uniform(0.2, 0.4)
    own = dataclasses.replace(
        gun,
        muzzle_velocity_m_s=gun.muzzle_velocity_m_s * float(velocity),
        propellant_mass_g=gun.propellant_mass_g * float(propellant),
    )
    gap_strength = float(gap) if gun.cylinder_gap else 0.0
    return Individual(own, float(decay), float(level_db), float(jet_db), gap_strength)


def fire(individual: Individual, rng: np.random.Generator) -> Discharge:
    """Fire one shot: velocity by the load's own spread, propellant ±1.5 %, blast ±1 dB."""
    gun = individual.gun
    velocity = gun.muzzle_velocity_m_s + gun.velocity_sd_m_s * float(rng.standard_normal())
    propellant_g = gun.propellant_mass_g * float(rng.normal(1.0, 0.015))
    muzzle = compute_muzzle(gun, velocity, propellant_g)
    decay = individual.decay * float(rng.normal(1.0, 0.04))
    level_db = individual.level_db + float(rng.normal(0.0, 1.0))
    jet = _draw_jet(gun, muzzle, individual.jet_db, rng)
    return Discharge(individual, muzzle, velocity, decay, level_db, jet)


def _draw_jet(gun: Gun, muzzle: Muzzle, jet_db: float, rng: np.random.Generator) -> Floats:
    """Noise of the emptying barrel: around Strouhal number 0.2 of the expanded jet.

    Width of the jet: a third of the bore times √(p/p∞), after the Mach disc of a free jet
    (Ashkenas and Sherman 1966). It dies away in the time that gas takes through the barrel,
    twice over.
    """
    width_m = 0.33e-3 * gun.bullet_diameter_mm * np.sqrt(muzzle.pressure_pa / 101325.0)
    centre_hz = 0.2 * muzzle.outflow_m_s / width_m
    emptying_s = 2.0 * gun.barrel_volume_m3 / (gun.bore_area_m2 * muzzle.outflow_m_s)
    time = np.arange(JET_SAMPLES) / JET_RATE_HZ
    noise = rng.standard_normal(JET_SAMPLES) * np.exp(-time / emptying_s)
    ratio = 1j * np.fft.rfftfreq(JET_SAMPLES, 1.0 / JET_RATE_HZ) / centre_hz
    band = np.fft.irfft(np.fft.rfft(noise) * 2.0 * ratio / (1.0 + ratio) ** 2, JET_SAMPLES)
    return np.asarray(10.0 ** (jet_db / 20.0) * band * np.minimum(time / 1e-4, 1.0))


def find_pulses(discharge: Discharge, take: Take) -> list[Pulse]:
    """Return the parts of a shot that reach the microphone, directly and off the ground."""
    x, y, z = take.microphone_m
    height_m = take.site.muzzle_height_m
    pulses = []
    for below_m, sine_of in ((height_m - z, False), (height_m + z, True)):  # microphone, its image
        point = (x, float(np.hypot(y, below_m)))
        for pulse in (
            _find_blast(discharge, take.site, *point),
            _find_gap(discharge, take.site, *point),
            _find_n_wave(discharge, take.site, *point),
        ):
            if pulse:
                sine = below_m / pulse.path_m if sine_of else None
                pulses.append(dataclasses.replace(pulse, grazing_sine=sine))
    return pulses


def _find_blast(discharge: Discharge, site: Site, along_m: float, aside_m: float) -> Pulse:
    azimuth_deg = float(np.degrees(np.arctan2(aside_m, along_m)))
    peak_pa, phase_s = compute_blast(discharge.muzzle, azimuth_deg, site.atmosphere)
    path_m = max(float(np.hypot(along_m, aside_m)), 0.3)
    peak_pa *= 10.0 ** (discharge.level_db / 20.0) / path_m
    arrival_s = path_m / site.atmosphere.sound_speed_m_s
    return Pulse("muzzle blast", arrival_s, path_m, peak_pa, phase_s, None)


def _find_gap(discharge: Discharge, site: Site, along_m: float, aside_m: float) -> Pulse | None:
    """A revolver's gap blows sideways, a barrel's length behind and before the muzzle."""
    strength = discharge.individual.gap_strength
    if not strength:
        return None
    barrel_m = 1e-3 * discharge.individual.gun.barrel_length_mm
    path_m = max(float(np.hypot(along_m + barrel_m, aside_m)), 0.3)
    beside_pa, phase_s = compute_blast(discharge.muzzle, 90.0, site.atmosphere)
    sideways = 0.2 + 0.8 * aside_m / path_m
    peak_pa = strength * sideways * beside_pa * 10.0 ** (discharge.level_db / 20.0) / path_m
    passed_s = 2.0 * barrel_m / discharge.muzzle_velocity_m_s  # mean speed in the barrel: v/2
    arrival_s = path_m / site.atmosphere.sound_speed_m_s - passed_s
    return Pulse("cylinder gap", arrival_s, path_m, peak_pa, 0.5 * phase_s, None)


def _find_n_wave(discharge: Discharge, site: Site, along_m: float, miss_m: float) -> Pulse | None:
    gun, sound_m_s = discharge.individual.gun, site.atmosphere.sound_speed_m_s
    flight = (discharge.muzzle_velocity_m_s, gun.drag_distance_m, sound_m_s, site.range_m)
    ray = find_bullet_ray(along_m, miss_m, *flight)
    if ray is None:
        return None
    size_m = (1e-3 * gun.bullet_diameter_mm, 1e-3 * gun.bullet_length_mm)
    peak_pa, duration_s = whitham(ray.mach, max(miss_m, 0.1), *size_m, site.atmosphere)
    return Pulse("N-wave", ray.arrival_s, ray.path_m, peak_pa, duration_s, None)


def direct_sound(discharge: Discharge, take: Take, pulses: list[Pulse]) -> Floats:
    """Return all pulses at the microphone in Pa, band-limited at half the sample rate.

    Built as spectra on a window just long enough for all pulses, so that every arrival falls
    where it belongs between the samples.

    Returns
    -------
    (n_samples,) of the take; sample 0 is the bullet's exit, what lies before stands at the end
    """
    rate = take.recorder.sample_rate_hz
    times = [pulse.arrival_s for pulse in pulses]
    start = int(np.floor((min(times) - BEFORE_ONSET_S) * rate))
    n_window = 1 << int(np.ceil(np.log2((max(times) - min(times) + 0.04) * rate)))
    frequency = np.fft.rfftfreq(n_window, 1.0 / rate)
    spectrum = np.zeros(len(frequency), np.complex128)
    for pulse in pulses:
        delay_s = pulse.arrival_s - start / rate
        part = _pulse_spectrum(discharge, pulse, frequency)
        part *= air_response(frequency, pulse.path_m, take.site.atmosphere, delay_s)
        if pulse.grazing_sine is not None:
            resistivity = take.site.ground_flow_resistivity
            part *= ground_reflection(frequency, pulse.grazing_sine, resistivity)
        spectrum += part
    window = np.fft.irfft(spectrum * _antialias(frequency, rate), n_window) * rate
    pressure = np.zeros(take.n_samples)
    pressure[np.arange(start, start + n_window) % take.n_samples] = window
    return pressure


def _pulse_spectrum(discharge: Discharge, pulse: Pulse, frequency_hz: Floats) -> Spectrum:
    if pulse.kind == "N-wave":
        return n_wave_spectrum(frequency_hz, pulse.peak_pa, pulse.duration_s)
    shape = (pulse.peak_pa, pulse.duration_s, discharge.decay)
    spectrum = muzzle_blast_spectrum(frequency_hz, *shape)
    if pulse.kind == "muzzle blast":
        n_jet = round(JET_RATE_HZ / float(frequency_hz[1]))  # same steps in frequency
        jet = np.fft.rfft(discharge.jet, n_jet)[: len(frequency_hz)]  # ends at 48 kHz
        spectrum[: len(jet)] += pulse.peak_pa / JET_RATE_HZ * jet
    return spectrum


def _antialias(frequency_hz: Floats, sample_rate_hz: float) -> Floats:
    """1 up to 0.4 of the sample rate, then a raised cosine down to 0 at half of it."""
    place = np.clip((frequency_hz / sample_rate_hz - 0.4) / 0.1, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * place)))


def draw_late_spectra(take: Take, rng: np.random.Generator) -> Spectrum:
    """Draw the site's late response for each channel of a take, as the rest of its length holds.

    Returns
    -------
    (n_channels, n_samples // 2 + 1)
    """
    rate, n_samples = take.recorder.sample_rate_hz, take.n_samples
    n_after = n_samples - round(take.lead_in_s * rate)
    responses = [
        late_response(take.site, take.microphone_m, rate, n_after, rng)
        for _ in range(take.recorder.n_channels)
    ]
    return np.fft.rfft(np.array(responses), n_samples)


def mix_pressure(
    discharge: Discharge, take: Take, direct: Floats, late: Spectrum, rng: np.random.Generator
) -> Floats:
    """Return direct and late sound and background in Pa, through the recorder's band.

    Returns
    -------
    (n_channels, n_samples); the bullet's exit is at the take's lead-in
    """
    recorder, n_samples = take.recorder, take.n_samples
    frequency = np.fft.rfftfreq(n_samples, 1.0 / recorder.sample_rate_hz)
    peak_pa, phase_s = compute_blast(discharge.muzzle, 90.0, take.site.atmosphere)
    peak_pa *= 10.0 ** (discharge.level_db / 20.0) * recorder.sample_rate_hz
    beside = muzzle_blast_spectrum(frequency, peak_pa, phase_s, discharge.decay)
    heard = np.fft.rfft(direct)
    gains = _pair_gains(recorder.n_channels, take.pointing_deg)
    channels = np.empty((recorder.n_channels, n_samples))
    for channel, gain in enumerate(gains.tolist()):
        spectrum = background_spectrum(n_samples, recorder.sample_rate_hz, take.site, rng)
        spectrum += late[channel] * beside
        spectrum += gain * heard
        spectrum *= band_response(n_samples, recorder)
        channels[channel] = np.fft.irfft(spectrum, n_samples)
    return np.roll(channels, round(take.lead_in_s * recorder.sample_rate_hz), axis=1)


def simulate_shot(
    discharge: Discharge, take: Take, rng: np.random.Generator, late: Spectrum | None = None
) -> Shot:
    """Record a shot.

    Parameters
    ----------
    rng : of this recording: background, recorder noise, and the late response if none is given
    late : from `draw_late_spectra` of a take with the same recorder, length and at least this
        lead-in, so that many shots share one site
    """
    rate = take.recorder.sample_rate_hz
    pulses = find_pulses(discharge, take)
    direct = direct_sound(discharge, take, pulses)
    pressure = mix_pressure(
        discharge, take, direct, draw_late_spectra(take, rng) if late is None else late, rng
    )
    waveform = digitise(pressure, take.recorder, rng, take.full_scale_db)
    heard = {(pulse.kind, pulse.grazing_sine is None): pulse for pulse in pulses}
    n_wave = heard.get(("N-wave", True))
    exit_s = round(take.lead_in_s * rate) / rate
    return Shot(
        waveform=waveform,
        sample_rate_hz=rate,
        onset_s=exit_s + min(pulse.arrival_s for pulse in pulses),
        muzzle_blast_arrival_s=exit_s + heard["muzzle blast", True].arrival_s,
        ground_arrival_s=exit_s + heard["muzzle blast", False].arrival_s,
        n_wave_arrival_s=exit_s + n_wave.arrival_s if n_wave else None,
        n_wave_peak_pa=n_wave.peak_pa if n_wave else None,
        n_wave_duration_s=n_wave.duration_s if n_wave else None,
        muzzle_velocity_m_s=discharge.muzzle_velocity_m_s,
        peak_db=float(20.0 * np.log10(np.abs(pressure).max() / 2e-5)),
        clipped=float(np.mean(np.abs(waveform) >= 1.0)),
    )


def _pair_gains(n_channels: int, pointing_deg: float) -> Floats:
    """Gains of a crossed pair of cardioids (±45°) for sound from `pointing_deg`, or 1 for mono."""
    if n_channels == 1:
        return np.ones(1)
    angles = np.radians(pointing_deg + np.array([45.0, -45.0]))
    return np.asarray((1.0 + np.cos(angles)) / (1.0 + np.cos(np.pi / 4.0)))
