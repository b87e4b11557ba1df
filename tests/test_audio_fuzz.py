"""Damaged files of every format give sound or one line, and nothing else."""

import contextlib
import os

import pytest

import fuzzing
from shotprint import audio


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    return fuzzing.make_seeds(tmp_path_factory.mktemp("seeds"))


@contextlib.contextmanager
def watch_stderr(path):
    """Send what libraries write to stderr, past Python, to a file."""
    kept = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@pytest.mark.parametrize("name", fuzzing.NAMES)
def test_the_seeds_are_sound(contents, tmp_path, name):
    (tmp_path / name).write_bytes(contents[name])
    found = audio.read(tmp_path / name)
    assert found.duration_s == pytest.approx(0.5, abs=0.08)
    assert found.warnings == ()


@pytest.mark.parametrize("tens", range(40))
def test_damage_gives_sound_or_one_line(contents, tmp_path, tens):
    with watch_stderr(tmp_path / "stderr"):
        for case in range(20 * tens, 20 * (tens + 1)):
            name, content = fuzzing.make_case(contents, case)
            (tmp_path / name).write_bytes(content)
            fuzzing.judge_reading(tmp_path / name, case)
    assert (tmp_path / "stderr").read_bytes() == b""
