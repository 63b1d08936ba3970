"""Chargers that disturb: a crowd that drops and returns together, and one that reconnects in a tight loop.

    python -m scripts.benchmark.restless PORT COUNT

It goes on until its standard input is closed, and then prints how often the crowd and the one came in.
"""

import select
import subprocess
import sys
import threading

from scripts.benchmark.load import Load
from scripts.benchmark.messages import BOOT

# How long the crowd stays each time.
_STAY_S = 0.5


def main() -> None:
    """Disturb the server on this port until told to end."""
    port, count = map(int, sys.argv[1:])
    ended = threading.Event()
    with Load(port, count, path="/restless/CROWD-") as crowd, Load(port, 1, path="/restless/LOOP-") as loop:
        threads = [
            threading.Thread(target=_come_and_go, args=(load, stay_s, ended))
            for load, stay_s in ((crowd, _STAY_S), (loop, 0.0))
        ]
        for thread in threads:
            thread.start()
        select.select([sys.stdin], [], [])
        ended.set()
        for thread in threads:
            thread.join()
        print(crowd.ledger.acknowledged[BOOT], loop.ledger.acknowledged[BOOT])


def finish(process: "subprocess.Popen[str]") -> tuple[int, int]:
    """Tell the crowd to end; return how often its chargers, and the one in the loop, came in."""
    told, _ = process.communicate("end\n", timeout=60)
    returned, looped = map(int, told.split())
    return returned, looped


def _come_and_go(load: Load, stay_s: float, ended: threading.Event) -> None:
    while not ended.is_set():
        load.connect(timeout_s=30, together=None)
        load.idle(stay_s)
        load.drop()


if __name__ == "__main__":
    main()
