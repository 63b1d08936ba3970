"""Why awg refuses."""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import gettext

from app.domain_error import DomainError, NotFound


class BadQuestion(DomainError):
    """Something of the question cannot be understood. ``problems``: field → what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{name}: {sentence}" for name, sentence in problems.items()))


class TooMuchCurrent(NotFound):
    """No cable of the table carries the current."""

    def __init__(self, most: int) -> None:
        super().__init__(
            gettext(
                "No cable carries this current: the most is %(most)s A. Allow more conductors per phase, "
                "or a higher temperature.",
                most=most,
            )
        )


class TooMuchDrop(NotFound):
    """Cables carry the current, but none keeps the voltage."""

    def __init__(self, least: str) -> None:
        super().__init__(
            gettext(
                "Every cable that carries this current loses more voltage than allowed: the least is "
                "%(least)s %%. Allow more drop or more conductors per phase, or shorten the way.",
                least=least,
            )
        )


class EmptyTables(NotFound):
    """There is nothing to choose from."""

    def __init__(self) -> None:
        super().__init__(gettext("the tables are empty: flask awg seed fills them"))
