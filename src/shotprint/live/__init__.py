"""Shots as they happen: of a microphone, of a pipe, of a recording that is played.

A source (`sources`, `microphone`) is read by a thread of its own (`feed`). The session looks at
the sound (`watch`), keeps its time (`clock`), finds and recognises shots (`engine`), and tells
what happens as events; `output` and `screen` show them.
"""

from shotprint.live.engine import LiveEngine
from shotprint.live.pcm import PcmFormat
from shotprint.live.session import HeardShot, Message, Session
from shotprint.live.sources import FileSource, PipeSource, Source

__all__ = [
    "FileSource",
    "HeardShot",
    "LiveEngine",
    "Message",
    "PcmFormat",
    "PipeSource",
    "Session",
    "Source",
]
