"""Draw the pictures of docs/physics.md from the simulation: python docs/pictures/physics.py [DIR].

The same version gives the same pictures. Everything drawn is computed, nothing is recorded.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shotprint.audio.resampling import resample
from shotprint.plots import new_figure, write_figure
from shotprint.plots.figures import add_axes
from shotprint.simulation import (
    Atmosphere,
    Discharge,
    Recorder,
    Site,
    Take,
    draw_individual,
    fire,
    make_site,
    microphone_position,
    propagate,
    read_guns,
    simulate_shot,
)
from shotprint.simulation.shot import direct_sound, find_pulses

Floats = NDArray[np.float64]
IDEAL = Recorder("ideal", "ID", 96000, low_hz=5.0, high_hz=40000.0, overload_db=190.0)
PHONE = Recorder(
    "phone", "PH", 48000, low_hz=60.0, high_hz=17000.0, full_scale_db=128.0, gain_control=True
)
BLUE, RED, GREY = "#0072b2", "#d55e00", "0.35"
WIDTH_IN, LEFT_IN, SIZE = 7.6, 0.95, 9.0


def fire_gun(label: str) -> Discharge:
    rng = np.random.default_rng(1)
    return fire(draw_individual(read_guns()[label], rng), rng)


def stack(titles: list[str], height_in: float = 1.35) -> tuple[Figure, list[Any]]:
    """Return a figure with axes one below the other, a title above each."""
    step_in = height_in + 0.42
    figure = new_figure(LEFT_IN + WIDTH_IN + 0.2, 0.6 + step_in * len(titles))
    axes = []
    for place, title in enumerate(reversed(titles)):
        ax = add_axes(figure, LEFT_IN, 0.55 + place * step_in, WIDTH_IN, height_in)
        ax.set_title(title, loc="left", fontsize=SIZE + 0.5)
        ax.tick_params(labelsize=SIZE - 1)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelbottom=place == 0)
        axes.append(ax)
    return figure, axes[::-1]


def mark(ax: Any, x: float, text: str, height: float) -> None:
    ax.axvline(x, color=RED, linewidth=0.8, linestyle=":")
    ax.text(x, height, f" {text}", color=RED, fontsize=SIZE - 1, transform=ax.get_xaxis_transform())


def draw_arrivals() -> Figure:
    """A rifle whose bullet is faster than sound, a pistol whose bullet is slower."""
    site = Site()
    names = {"M16": "rifle .223, bullet faster than sound", "Glock45": "pistol .45, bullet slower"}
    figure, axes = stack([f"{name}: pressure 20 m away, 30° off" for name in names.values()], 1.6)
    for ax, label in zip(axes, names, strict=True):
        take = Take(IDEAL, site, microphone_position(30, 20.0, 1.5), duration_s=0.3)
        gun = fire_gun(label)
        pulses = find_pulses(gun, take)
        time_ms = np.arange(take.n_samples) / IDEAL.sample_rate_hz * 1000
        ax.plot(time_ms, direct_sound(gun, take, pulses), color="black", linewidth=0.9)
        for pulse in pulses:
            name = pulse.kind if pulse.grazing_sine is None else "off the ground"
            height = {"N-wave": 0.92, "muzzle blast": 0.92}.get(name, 0.06)
            mark(ax, pulse.arrival_s * 1000, name, height)
        ax.set_xlim(35, 70)
        ax.set_ylabel("pressure (Pa)", fontsize=SIZE)
    axes[1].set_xlabel("time after the bullet left the barrel (ms)", fontsize=SIZE)
    return figure


def draw_direction() -> Figure:
    """The muzzle blast of one shot in front, beside and behind."""
    figure, (ax,) = stack(["One shot of a 9 mm pistol, 20 m away, without the ground"], 2.2)
    gun = fire_gun("Glock9")
    angles = {60: ("60° off the line of fire", "black"), 90: ("beside", BLUE), 180: ("behind", RED)}
    for angle_deg, (name, colour) in angles.items():
        take = Take(IDEAL, Site(), microphone_position(angle_deg, 20.0, 1.5), duration_s=0.3)
        pulses = [p for p in find_pulses(gun, take) if p.kind == "muzzle blast"][:1]
        time_ms = np.arange(take.n_samples) / IDEAL.sample_rate_hz * 1000
        pressure = direct_sound(gun, take, pulses)
        level_db = 20 * np.log10(pressure.max() / 2e-5)
        text = f"{name}: {level_db:.0f} dB"
        ax.plot(time_ms - pulses[0].arrival_s * 1000, pressure, color=colour, label=text)
    ax.set_xlim(-0.5, 4)
    ax.legend(frameon=False, fontsize=SIZE)
    ax.set_ylabel("pressure (Pa)", fontsize=SIZE)
    ax.set_xlabel("time after its arrival (ms)", fontsize=SIZE)
    return figure


def draw_air() -> Figure:
    """What the air leaves of a blast: its spectrum, each brought to the same level at 200 Hz."""
    figure, (ax,) = stack(["Spectrum of a 9 mm muzzle blast; spreading (1/r) taken out"], 2.4)
    gun = fire_gun("Glock9")
    take = Take(IDEAL, Site(), microphone_position(90, 1.0, 1.5), duration_s=0.3)
    pulses = [p for p in find_pulses(gun, take) if p.kind == "muzzle blast"][:1]
    near = np.roll(direct_sound(gun, take, pulses), 2000)
    frequency_khz = np.fft.rfftfreq(len(near), 1 / IDEAL.sample_rate_hz) / 1000
    colours = {1: "black", 100: BLUE, 300: "#009e73", 1000: RED}
    for distance_m, colour in colours.items():
        far = distance_m * propagate(near, IDEAL.sample_rate_hz, distance_m, Atmosphere())
        level_db = 20 * np.log10(np.abs(np.fft.rfft(far)) + 1e-12)
        if distance_m == 1:
            top_db = level_db.max()
        ax.plot(frequency_khz, level_db - top_db, color=colour, label=f"{distance_m} m")
    ax.set_xscale("log")
    ax.set_xlim(0.1, 20)
    ax.set_ylim(-80, 3)
    ax.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20], ["0.1", "0.2", "0.5", *"125", "10", "20"])
    ax.legend(frameon=False, fontsize=SIZE, title="distance", title_fontsize=SIZE)
    ax.set_ylabel("level (dB)", fontsize=SIZE)
    ax.set_xlabel("frequency (kHz); 18 °C, 55 % humidity", fontsize=SIZE)
    return figure


def draw_place() -> Figure:
    """The same shot in the open and on a range with banks and trees."""
    rng = np.random.default_rng(4)
    open_field = Site(reverberation_db=-60.0, wind_db=30.0, ambient_db=20.0, hum_db=0.0)
    sites = {
        "open field: the blast, and what is scattered near by": open_field,
        "shooting range: noise that dies away, then echoes of banks and trees": make_site(rng),
    }
    figure, axes = stack(list(sites))
    gun = fire_gun("Glock9")
    for ax, site in zip(axes, sites.values(), strict=True):
        position = microphone_position(90, 20.0, 1.5)
        take = Take(IDEAL, site, position, full_scale_db=140.0, duration_s=1.2, lead_in_s=0.1)
        shot = simulate_shot(gun, take, np.random.default_rng(2))
        plot_decibel(ax, shot.waveform[0], shot.sample_rate_hz)
        ax.set_ylabel("level (dB,\npeak = 0)", fontsize=SIZE)
    axes[-1].set_xlabel("time (s)", fontsize=SIZE)
    return figure


def plot_decibel(ax: Any, waveform: Floats, rate_hz: int) -> None:
    """Draw the level of blocks of 2 ms below the loudest sample."""
    block = rate_hz // 500
    peaks = np.abs(waveform[: len(waveform) // block * block]).reshape(-1, block).max(axis=1)
    level_db = 20 * np.log10(np.maximum(peaks / peaks.max(), 1e-6))
    ax.fill_between(np.arange(len(peaks)) / 500, level_db, -80, color=GREY, linewidth=0, step="mid")
    ax.set_ylim(-70, 3)
    ax.set_xlim(0, 1.1)


def draw_recorders() -> Figure:
    """The same shot on four devices."""
    site, gun = make_site(np.random.default_rng(4)), fire_gun("Glock9")
    position = microphone_position(90, 20.0, 1.5)
    takes: dict[str, Callable[[], tuple[Floats, int]]] = {
        "recorder, level well set": lambda: record(gun, IDEAL, position, site, 134.0),
        "recorder set 16 dB too high: clipped": lambda: record(gun, IDEAL, position, site, 118.0),
        "phone: clipped, then its automatic gain goes down": lambda: record(
            gun, PHONE, position, site, None
        ),
        "the same through a telephone codec (AMR, 12.2 kbit/s, 8 kHz)": lambda: call(
            *record(gun, PHONE, position, site, None)
        ),
    }
    figure, axes = stack([*takes], 1.15)
    for ax, take in zip(axes, takes.values(), strict=True):
        waveform, rate_hz = take()
        ax.plot(np.arange(len(waveform)) / rate_hz * 1000, waveform, color="black", linewidth=0.7)
        ax.set_xlim(155, 200)
        ax.set_ylim(-1.1, 1.1)
        ax.axhline(1, color=RED, linewidth=0.6, linestyle=":")
        ax.axhline(-1, color=RED, linewidth=0.6, linestyle=":")
        ax.set_ylabel("amplitude", fontsize=SIZE)
    axes[-1].set_xlabel("time (ms); dotted: full scale", fontsize=SIZE)
    return figure


def record(
    gun: Discharge, recorder: Recorder, position: Any, site: Site, full_scale_db: float | None
) -> tuple[Floats, int]:
    take = Take(recorder, site, position, full_scale_db, duration_s=1.0, lead_in_s=0.1)
    shot = simulate_shot(gun, take, np.random.default_rng(2))
    return shot.waveform[0], shot.sample_rate_hz


def call(waveform: Floats, rate_hz: int) -> tuple[Floats, int]:
    """Return what FFmpeg's AMR coder leaves of a waveform, at 8 kHz."""
    low = np.clip(resample(waveform.astype(np.float32), rate_hz, 8000), -1, 1)
    file = io.BytesIO()
    with av.open(file, "w", format="amr") as container:
        stream = container.add_stream("libopencore_amrnb", rate=8000, layout="mono")
        stream.bit_rate = 12200
        samples = np.round(low * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    file.seek(0)
    with av.open(file) as container:
        parts = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    heard = np.concatenate(parts).astype(np.float64)
    return heard / (32768 if np.abs(heard).max() > 2 else 1), 8000


PICTURES = {
    "physics-arrivals": draw_arrivals,
    "physics-direction": draw_direction,
    "physics-air": draw_air,
    "physics-place": draw_place,
    "physics-recorders": draw_recorders,
}


def main(folder: Path) -> None:
    for name, draw in PICTURES.items():
        write_figure(draw(), folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
