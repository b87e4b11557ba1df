"""Microphones, through PortAudio (the extra ``live``)."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.live.sources import Block

BLOCK_S = 0.02


class Microphone:
    """A sound card's input.

    Parameters
    ----------
    device : number or a part of the name; None: the system's default
    sample_rate_hz : None: the device's own
    """

    is_live, can_wait = True, False

    def __init__(
        self, device: int | str | None, sample_rate_hz: int | None, n_channels: int
    ) -> None:
        self._portaudio = _import_portaudio()
        try:
            facts = self._portaudio.query_devices(device, "input")
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise ShotprintError(
                f"no microphone {'' if device is None else device} ({_tell(error)}); "
                "see shotprint listen --list-devices"
            ) from None
        self.name = str(facts["name"])
        self._device, self._n_channels = device, n_channels
        self._rate_hz = sample_rate_hz or round(facts["default_samplerate"])

    def blocks(self) -> Iterator[Block]:
        """Yield 20 ms at a time, until it is unplugged (ShotprintError)."""
        rate_hz, n_channels = self._rate_hz, self._n_channels
        text = f"{self.name}: {rate_hz} Hz, {n_channels} channel{'s' * (n_channels > 1)}"
        try:
            with self._portaudio.InputStream(
                samplerate=rate_hz, channels=n_channels, device=self._device, dtype="float32"
            ) as stream:
                while True:
                    samples, is_overflown = stream.read(round(BLOCK_S * rate_hz))
                    remark = "the sound card was not emptied in time" if is_overflown else ""
                    waveform = np.ascontiguousarray(samples.T)
                    yield Block(waveform, rate_hz, text, time.monotonic(), remark=remark)
        except self._portaudio.PortAudioError as error:
            raise ShotprintError(f"{self.name} gives no sound ({_tell(error)})") from None


def list_microphones() -> str:
    """Return a line for each input: number, name, channels, rate."""
    portaudio = _import_portaudio()
    lines = [
        f"{number}  {facts['name']}  {facts['max_input_channels']} channels  "
        f"{facts['default_samplerate']:.0f} Hz"
        for number, facts in enumerate(portaudio.query_devices())
        if facts["max_input_channels"] > 0
    ]
    if not lines:
        raise ShotprintError("no microphone was found; plug one in, or pipe sound in")
    return "\n".join(lines)


def _import_portaudio() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("live", "listening to a microphone") from None
    except OSError:
        raise ShotprintError(
            "the PortAudio library is not on this machine; install it (on Debian and Ubuntu: "
            "apt-get install libportaudio2), or pipe sound in: ffmpeg … | shotprint listen -"
        ) from None
    return sounddevice


def _tell(error: Exception) -> str:
    return " ".join(str(error).split())
