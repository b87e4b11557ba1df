"""A service in a process of its own, on a folder that outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


class ServedProcess:
    """`shotprint serve`; `start` it again after `kill`."""

    def __init__(self, folder, *options, host="127.0.0.1") -> None:
        self.folder, self.options, self.host = folder, options, host
        with socket.create_server((host, 0), family=self.family) as free:
            self.port = free.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.port}/"
        self.start()

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def start(self) -> None:
        command = [sys.executable, "-m", "shotprint", "serve", "--host", self.host]
        command += ["--port", str(self.port)]
        options = ["--data", str(self.folder / "data"), "--no-browser", *self.options]
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                command + options, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 60
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "serve.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}api/health", timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self, sent: int = signal.SIGKILL) -> None:
        """Kill the service and its worker."""
        os.killpg(self.process.pid, sent)
        self.process.wait(20)
