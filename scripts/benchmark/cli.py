"""The command line of ``scripts/bench``."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from scripts.benchmark import crowds, scenarios
from scripts.benchmark.load import raise_file_limit
from scripts.benchmark.processes import StartFailed
from scripts.benchmark.report import Report
from scripts.benchmark.scenarios import Options, Outcome

POSTGRES = "postgresql://postgres@127.0.0.1:5432/"
# What is measured unless ``--only`` is given, with its size.
_SCENARIOS = {
    "rounds": (3, "ours and bare in turn, so often"),
    "idle": (5000, "chargers of the memory test"),
    "storm": (5000, "chargers of the storm"),
    "history": (1_000_000, "transactions of a long history"),
    "readings": (1_000_000, "readings of a long history"),
    "restless": (100, "chargers that drop and return beside others"),
    "fleet": (10_000, "chargers with a meter value a minute each"),
}
_MEASURES: dict[str, Callable[[Options], tuple[str, Outcome]]] = {
    "storm": lambda options: ("storm", scenarios.storm(options)),
    "history": lambda options: ("authorize", scenarios.authorize(options)),
    "readings": lambda options: ("metering", scenarios.metering(options)),
    "restless": lambda options: ("neighbours", crowds.neighbours(options)),
    "fleet": lambda options: ("fleet", crowds.fleet(options)),
}


def main() -> int:
    """Measure, print, and return 1 when a row is missing or a call failed."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _end)
    raise_file_limit()  # inherited by the servers
    report = Report(_options(arguments))
    try:
        _measure(report, arguments)
    except KeyboardInterrupt:
        print("interrupted; what was measured until then:", file=sys.stderr)
        print(report.text())
        return 130
    except StartFailed as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text())
    if arguments.json:
        print(report.json())
    return 0 if report.sound else 1


def _measure(report: Report, arguments: argparse.Namespace) -> None:
    options = report.options
    if arguments.calibrate:
        report.calibration = scenarios.calibrate(options)
        return
    if arguments.kill:
        report.kill = scenarios.kill(options)
        return
    report.rounds.extend(scenarios.rounds(options))
    if options.idle:
        report.idle.extend(scenarios.idle(options))
    for name, measure in _MEASURES.items():
        if getattr(options, name):
            setattr(report, *measure(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--chargers", type=int, default=100, help="chargers under load (100)")
    parser.add_argument("--seconds", type=float, default=15, help="measured per round (15)")
    parser.add_argument("--warmup", type=float, default=3, help="seconds before measuring (3)")
    for name, (default, help) in _SCENARIOS.items():
        parser.add_argument(f"--{name}", type=int, help=f"{help} ({default}; 0 skips)")
    parser.add_argument(
        "--only", action="store_true", help="skip what is not named, as in: --only --fleet 10000"
    )
    parser.add_argument("--drivers", action="store_true", help="each charger's tag has an account to debit")
    parser.add_argument("--processes", type=int, default=1, help="web processes (1; more need REDIS_URL)")
    parser.add_argument("--postgres", nargs="?", const=POSTGRES, metavar="URL", help=f"({POSTGRES})")
    parser.add_argument(
        "--directory", type=Path, default=Path("/var/tmp"), help="for instances; on a real disk"
    )
    parser.add_argument("--profile", action="store_true", help="tell where the rounds' time goes (py-spy)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    parser.add_argument("--kill", action="store_true", help="only kill -9 under load, restart, count rows")
    parser.add_argument(
        "--calibrate", action="store_true", help="only measure the load generator's own limit"
    )
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    for name, (default, _) in _SCENARIOS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, 0 if arguments.only else default)
    names = Options.__dataclass_fields__
    return Options(**{name: value for name, value in vars(arguments).items() if name in names})


def _end(_signal: int, _frame: FrameType | None) -> None:
    # As Ctrl-C, so that the servers and databases are put away on the way out.
    raise KeyboardInterrupt
