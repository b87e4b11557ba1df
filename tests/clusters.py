"""A real S3 server and a real Ray on this machine."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MOTO = Path(sys.prefix, "s3", "bin", "moto_server")  # on its own: see the Makefile


@contextlib.contextmanager
def serve_s3() -> Iterator[str]:
    """Give the URL of an S3 server; an empty text where none is installed."""
    if not MOTO.exists():
        yield ""
        return
    server = subprocess.Popen(
        [MOTO, "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        assert server.stderr is not None
        line = next(line for line in server.stderr if b"Running on" in line).decode()
        yield line.split()[-1]
    finally:
        server.kill()
        server.communicate()


@contextlib.contextmanager
def start_ray(s3: str) -> Iterator[str]:
    """Start a Ray of two cores, and give its address; its processes know the S3 server."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
            patch.setenv(f"AWS_{name}", "testing")
        patch.setenv("AWS_ENDPOINT_URL", s3)
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=80 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        try:
            yield ray.get_runtime_context().gcs_address
        finally:
            ray.shutdown()
