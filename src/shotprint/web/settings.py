"""How the service runs."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shotprint.decisions import LEVEL
from shotprint.errors import ShotprintError

if TYPE_CHECKING:
    from shotprint.report import ReportSettings

MIN_TOKEN = 16


@dataclass(frozen=True)
class ServiceSettings:
    """How the service runs.

    Attributes
    ----------
    folder : of the database, the recordings and what is made of them
    host, port : where it listens
    model : None: the shipped one
    allowed : folders below which recordings may be named by their path
    token : what requests must show; None: nobody is asked
    tls_cert, tls_key : certificate and its key
    behind_proxy : a proxy in front of it encrypts
    names : host names by which it may be called besides its own
    max_queue : recordings that may wait
    max_upload_mb : of one recording
    timeout_s, memory_mb : what one recording may take
    request_s : in which a request must be there, an upload longer where it comes fast enough
    keep_days : uploads that no case holds are deleted after so long; 0: never
    level : probability from which something is stated
    report : what its reports have of the laboratory's own; None: nothing
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8765
    model: Path | None = None
    allowed: tuple[Path, ...] = ()
    token: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    names: tuple[str, ...] = ()
    max_queue: int = 100
    max_upload_mb: int = 2048
    timeout_s: float = 1800.0
    memory_mb: int = 4096
    request_s: float = 60.0
    keep_days: float = 0.0
    level: float = LEVEL
    report: "ReportSettings | None" = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ShotprintError("found one of --tls-cert and --tls-key; give both or neither")
        if self.token is not None and len(self.token) < MIN_TOKEN:
            raise ShotprintError(
                f"the token has {len(self.token)} characters, expected {MIN_TOKEN} or more; make "
                'one with: python -c "import secrets; print(secrets.token_urlsafe())"'
            )
        if self.is_local:
            return
        if self.token is None:
            raise ShotprintError(
                f"{self.host} can be reached by others, and no token is set; give --token-file, "
                "or listen on 127.0.0.1"
            )
        if self.tls_cert is None and not self.behind_proxy:
            raise ShotprintError(
                f"{self.host} can be reached by others, and nothing encrypts; give --tls-cert and "
                "--tls-key, or --behind-proxy where a proxy does"
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
