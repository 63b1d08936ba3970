"""Where the time of a server goes, by what py-spy sees in its processes, a hundred times a second."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.benchmark.processes import Server, StartFailed

_SHOWN = 20
# A frame, as in "commit (app/blueprints/ocpp/journal.py)".
_FRAME = re.compile(r"(\S+) \((.+?)(?::\d+)?\)$")


def tool() -> str:
    """Return the path of py-spy. Raises StartFailed when it is not installed."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise StartFailed("--profile needs py-spy: .venv/bin/pip install py-spy")
    return found


@contextmanager
def watching(server: Server, seconds: float, spent: Counter[str]) -> Iterator[None]:
    """Sample all processes of the server while the block runs, ``seconds`` long; add what is found."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(pid) for pid in server.pids]
        options = ["--rate", "100", "--nonblocking", "--function", "--format", "raw"]
        watchers = [
            subprocess.Popen(
                [tool(), "record", *options, "-d", str(int(seconds)), "-o", str(file), "-p", file.name],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for file in files
        ]  # fmt: skip
        yield
        for watcher in watchers:
            watcher.wait(60)
        for file in filter(Path.exists, files):
            spent.update(places(file.read_text().splitlines()))


def table(spent: Counter[str]) -> list[str]:
    """Return the places that took most, each with its share of what was seen at work."""
    total = spent.total() or 1
    lines = [f"{count / total:7.1%}  {place}" for place, count in spent.most_common(_SHOWN)]
    return ["where the server's time goes:", *lines] if spent else []


def places(stacks: Iterable[str]) -> Counter[str]:
    """Book each stack of py-spy's raw format on the innermost function of ours, and on what that called."""
    found: Counter[str] = Counter()
    for stack in stacks:
        frames, _, count = stack.rpartition(" ")
        found[_place(frames.split(";"))] += int(count)
    return found


def _place(frames: list[str]) -> str:
    called = ""
    for frame in reversed(frames):
        match = _FRAME.match(frame)
        if match is None:
            continue
        function, file = match.groups()
        if "app/" in file and "site-packages" not in file:
            return f"{file[file.index('app/') :]} {function}{called and f' → {called}'}"
        library = re.search(r"site-packages/([^/]+)|python[\d.]+/([^/]+)", file)
        name = (library and (library[1] or library[2])) or file
        called = f"{name.removesuffix('.py')}"
    return called or "the interpreter"
