"""What a simulated charge point is told before it starts: where to connect, how to charge."""

import base64
import math
import random
from dataclasses import dataclass, field
from urllib.parse import quote, unquote


@dataclass
class SimulatorConfig:
    """Where the charge point connects and how its car charges (contract §5).

    Times are seconds and may be fractions; energy is kWh. A charge takes between ``kwh_min`` and ``kwh_max``,
    however short ``duration`` is, unless ``power_kw`` is given: then it takes what that power delivers in
    ``duration``, and the other two do not count. With ``autostart`` off it charges only when the
    central system says so, and stays connected until it is stopped. ``connect_attempts`` bounds the tries for
    the very first connection (None: for ever). Raises ValueError for what no charge point can do.
    """

    host: str = "127.0.0.1"
    ws_port: int = 8000
    rfid: str = "FFFFFFFF"
    cp_path: str = "SIM1/"
    duration: float = 600
    kwh_min: float = 30
    kwh_max: float = 60
    interval: float = 5
    pre_charge_delay: float = 0
    repeat: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    power_kw: float | None = None
    connectors: int = 1
    autostart: bool = True
    connect_attempts: int | None = None
    # The pause before the first reconnection; it doubles from there, up to a minute.
    reconnect_pause: float = 1.0
    # How long an answer of the central system may take.
    call_timeout: float = 30

    def __post_init__(self) -> None:
        """Refuse numbers that would only fail later, somewhere less clear."""
        times = (self.duration, self.pre_charge_delay, self.reconnect_pause)
        if not all(math.isfinite(time) and time >= 0 for time in times):
            raise ValueError("duration, pre_charge_delay and reconnect_pause are seconds, zero or more")
        if not (math.isfinite(self.interval) and self.interval > 0):
            raise ValueError("interval is a number of seconds above zero")
        if not 0 <= self.kwh_min <= self.kwh_max < math.inf:
            raise ValueError("kwh_min and kwh_max are zero or more, and kwh_min is not the larger")
        if self.power_kw is not None and not 0 < self.power_kw < math.inf:
            raise ValueError("power_kw is a number of kilowatts above zero")
        if not 1 <= self.ws_port <= 65535:
            raise ValueError("ws_port is a port number, 1 to 65535")
        if self.connectors < 1:
            raise ValueError("a charge point has at least one connector")
        if not self.charge_point_id:
            raise ValueError("cp_path ends in the charge point's id")

    @property
    def charge_point_id(self) -> str:
        """The id in ``cp_path``."""
        return charge_point_id(self.cp_path)

    @property
    def url(self) -> str:
        """The address to connect to; what is percent-encoded already stays as it is."""
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"ws://{host}:{self.ws_port}/{quote(self.cp_path.lstrip('/'), safe='/:@%~')}"

    def energy_kwh(self) -> float:
        """What the next charge is to take."""
        if self.power_kw is not None:
            return self.power_kw * self.duration / 3600
        return random.uniform(self.kwh_min, self.kwh_max)

    def headers(self, password: str | None) -> dict[str, str]:
        """HTTP Basic authentication (security whitepaper, profile 1); the name is the id unless given."""
        if self.username is None and not password:
            return {}
        credentials = f"{self.username or self.charge_point_id}:{password or ''}"
        return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


def charge_point_id(cp_path: str) -> str:
    """The id in the path that a charge point connects to: its last part, percent-decoded (OCPP-J, 3.1.1)."""
    return unquote(cp_path.strip("/").rpartition("/")[2])
