"""What the detector's network, its training and its use have to agree on."""

from shotprint.frontends import Frontend

# 12 kHz is what sensors and poor phones give at least; 4 ms steps are far below the 50 ms of the
# fastest automatic fire; a window of 16 ms still separates the lowest bands.
DETECTOR = Frontend(
    name="detector",
    sample_rate_hz=12000,
    n_fft=256,
    win_length=192,
    hop_length=48,
    n_mels=40,
    fmin_hz=60.0,
    fmax_hz=5600.0,
    periodic_window=True,
    mel_scale="slaney",
    preemphasis=0.0,
    log_rule="offset_ln",
    log_floor=1e-9,
)
FRAMES_A_STEP = 4
STEP_SAMPLES = FRAMES_A_STEP * DETECTOR.hop_length
"""Pieces of sound given to the network are whole steps of 16 ms, counted from the beginning."""
