"""Mail as every domain sends it: a letter goes into the queue in the sender's own unit of work.

The mailer, which has the queue, registers ``queue``: domains that it stands on must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.db import UnitOfWork


@dataclass(frozen=True)
class Letter:
    """What somebody is to be told.

    ``subject`` and ``body`` are what is sent while staff have made no template of the name ``template`` (for
    one language alone: ``<template>.<language>``). Their placeholders, ``{name}``, are those of ``context``.
    """

    to: str
    template: str
    subject: str
    body: str
    context: Mapping[str, str] = field(default_factory=dict)
    language: str = ""
    # It carries a secret, such as a link that logs in: shown to nobody, and wiped once it is sent.
    private: bool = False


def _nobody(work: UnitOfWork, letter: Letter) -> int:
    raise RuntimeError("no mailer has been set up")


# Queue a letter; return its number in the queue. Raises a DomainError for an address that is none.
queue: Callable[[UnitOfWork, Letter], int] = _nobody
