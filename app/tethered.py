"""Run a command that gets a signal when the process that started it dies, however it dies.

Started by path, not by name, and without the site packages: it must cost milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; it survives the exec


def main() -> None:
    """Arguments: the signal's number, the parent's process id, the command."""
    number, parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() == int(parent):  # else it died before the tether held
        os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
