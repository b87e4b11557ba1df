"""Sounds, and files of them in real codecs, for the tests of `shotprint.audio`."""

from fractions import Fraction

import av
import numpy as np
import pytest

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 8: "7.1"}


def make_tone(rate_hz, n_channels=1, duration_s=1.0, frequency_hz=1000.0, amplitude=0.25):
    """Return the same tone on every channel, (n_channels, n_samples)."""
    time_s = np.arange(round(rate_hz * duration_s)) / rate_hz
    tone = amplitude * np.sin(2 * np.pi * frequency_hz * time_s)
    return np.tile(tone.astype(np.float32), (n_channels, 1))


def make_noise(n_channels, n_samples, seed=0, amplitude=0.1):
    rng = np.random.default_rng(seed)
    return (amplitude * rng.standard_normal((n_channels, n_samples))).astype(np.float32)


def measure_tone(waveform, rate_hz):
    """Return the frequency and amplitude of the strongest tone in the middle of a waveform."""
    n = len(waveform)
    middle = waveform[n // 4 : 3 * n // 4].astype(np.float64)
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window))
    frequency_hz = np.argmax(spectrum) * rate_hz / len(middle)
    return frequency_hz, np.sqrt(2 * np.mean(middle**2))


def encode(
    path, waveform, rate_hz, codec, *, video=None, options=None, placed=None, bit_rate=192_000
):
    """Write a file with FFmpeg: sound in `codec` (None: none), `video` codec beside it.

    `placed` (seconds) → seconds or None: when the packet of a time is put, None: nowhere.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        picture = container.add_stream(video, rate=10) if video else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = None
        if codec:
            layout = LAYOUTS[len(waveform)]
            try:
                sound = container.add_stream(codec, rate=rate_hz, layout=layout)
            except av.codec.codec.UnknownCodecError:
                pytest.skip(f"this build of PyAV has no encoder {codec}")
            if codec == "libopencore_amrnb":
                sound.bit_rate = 12_200  # as phones record, and its best
            elif codec not in ("flac", "alac"):
                sound.bit_rate = bit_rate
        if picture:
            for i in range(10):
                frame = av.VideoFrame(64, 64, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.pts, frame.time_base = i, Fraction(1, 10)
                container.mux(picture.encode(frame))
            container.mux(picture.encode(None))
        if sound:
            for frame in [*_frames(waveform, rate_hz, sound), None]:
                for packet in sound.encode(frame):
                    if placed is None or _place(packet, placed):
                        container.mux(packet)


def _place(packet, placed):
    """Give a packet its time; tell whether it has one."""
    time_s = placed(float(packet.pts * packet.time_base))
    if time_s is not None:
        packet.pts = packet.dts = round(time_s / packet.time_base)
    return time_s is not None


def _frames(waveform, rate_hz, sound):
    layout = LAYOUTS[len(waveform)]
    whole = av.AudioFrame(format="flt", layout=layout, samples=waveform.shape[1])
    whole.planes[0].update(np.ascontiguousarray(waveform.T).tobytes())
    whole.sample_rate, whole.pts = rate_hz, 0
    resampler = av.AudioResampler(
        format=sound.format,
        layout=layout,
        rate=rate_hz,
        frame_size=sound.codec_context.frame_size or 4096,
    )
    return [*resampler.resample(whole), *resampler.resample(None)]
