"""Recordings in, waveforms out: the only part that opens audio.

A file is decoded in blocks (`decoding`: with `libsndfile` or `ffmpeg`, whose timestamps `timeline`
keeps; `ends` tells what was cut off), cleaned of samples that are no numbers, reduced to the
channels asked for (`channels`) and resampled (`resampling`) on the way (`reading`), so that memory
does not grow with its length. `read` joins the blocks, `stream` hands them on; both give the same
samples, and say when the first of them is heard on the clock that a player shows. `finding` lists
the recordings below the paths that a user gave.

Waveforms are float32, full scale −1…1, (n_channels, n_samples). The libraries release the GIL,
and calls share no state: threads may decode at the same time. Every error is one line that
starts with the path of the recording.
"""

from shotprint.audio.channels import select_channels
from shotprint.audio.finding import AUDIO_EXTENSIONS, FoundRecording, find_recordings
from shotprint.audio.reading import (
    Audio,
    Probe,
    probe,
    read,
    require_length,
    require_sound,
    stream,
    write_wav,
)
from shotprint.audio.resampling import Resampler, resample
from shotprint.audio.sources import HeldFile

__all__ = [
    "AUDIO_EXTENSIONS",
    "Audio",
    "FoundRecording",
    "HeldFile",
    "Probe",
    "Resampler",
    "find_recordings",
    "probe",
    "read",
    "require_length",
    "require_sound",
    "resample",
    "select_channels",
    "stream",
    "write_wav",
]
