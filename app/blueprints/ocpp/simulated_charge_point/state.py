"""The states of a simulator, as people see them."""

from enum import StrEnum

# Said of one that is wanted and has nobody yet to run it.
WAITING = "waiting"


class SimulatorState(StrEnum):
    """What a simulator is doing, in one word."""

    stopped = "stopped"
    connecting = "connecting"
    booting = "booting"
    available = "available"
    charging = "charging"
    offline = "offline"
    stopping = "stopping"
    finished = "finished"
    failed = "failed"
