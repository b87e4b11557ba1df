"""What a PDF holds, as the programs of poppler-utils say."""

import shutil
import subprocess

import pytest


def run_poppler(*command):
    """Return what a program of poppler-utils says."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} (poppler-utils) is not installed")
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
