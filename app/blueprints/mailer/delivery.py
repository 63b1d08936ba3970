"""The pump: takes what is due, hands it to the mail server, and writes down what came of it.

Only one thing can make a mail go out twice: an end of this process, or of the connection, between the last
line of the mail and its mark. So each mail is marked before the next one is begun.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from typing import Any

from flask import current_app
from flask_babel import gettext
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import leases, mail
from app.blueprints.mailer import letters, smtp
from app.blueprints.mailer.services import sending
from app.clock import utcnow
from app.db import UnitOfWork, db, unit_of_work

log = logging.getLogger(__name__)

# Mails in a row that a server broke off: then it is the server, and all that waits waits.
BREAKS = 3
# Seconds that a mail in hand may still take when this process is told to stop; scripts/run kills after 25.
STOP_S = 15.0
# Seconds for which a database that is away is waited for, to mark a mail that has left.
MARK_S = 900.0
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)

# Set when this process is to end.
stopping = threading.Event()


@dataclass
class Tally:
    """What a round has done."""

    sent: int = 0
    later: int = 0
    failed: int = 0
    # Why the server took no more; empty when all is well.
    trouble: str = ""


class Round:
    """One run over what is due, by way of one connection."""

    def __init__(self, server: smtp.Server, author: Address, *, in_trouble: bool = False) -> None:
        self.server, self.author = server, author
        self.holder = leases.new_holder()
        self.tally = Tally()
        self.connection = smtp.Connection(server)
        self._in_trouble = in_trouble
        self._breaks = 0

    def run(self) -> Tally:
        """Send until nothing is due, the server is in trouble, or this process is to stop."""
        _running.add(self)
        try:
            while not self._is_over() and (mail_ids := self._take()):
                try:
                    self._send(mail_ids)
                finally:
                    self._hand_back(mail_ids)
            if self.tally.trouble:
                self._give_up_the_oldest()
        finally:
            _running.discard(self)
            self.connection.close()
        return self.tally

    def _is_over(self) -> bool:
        return stopping.is_set() or bool(self.tally.trouble)

    def _take(self) -> list[int]:
        with unit_of_work() as work:
            return sending.take(work, self.holder)

    def _send(self, mail_ids: list[int]) -> None:
        for mail_id in mail_ids:
            if self._is_over():
                return
            if (outgoing := self._look(mail_id)) is not None:
                self._send_one(outgoing)

    def _look(self, mail_id: int) -> sending.Outgoing | None:
        """What a mail says, if it may still be sent: of a slow server the last ones are taken anew.

        No transaction stays open while a server is spoken to.
        """
        try:
            return sending.look(db.session(), mail_id, self.holder)
        finally:
            db.session.rollback()

    def _send_one(self, outgoing: sending.Outgoing) -> None:
        try:
            recipient = mail.address_on_the_wire(outgoing.to)
            message = letters.composed(outgoing, self.author)
        except Exception as error:  # whatever the library stumbles over: the mails behind it must go out
            reason = gettext("it cannot be put together: %(error)s", error=error)
            log.exception("mail %d cannot be put together", outgoing.id)
            surely(lambda work: sending.fail(work, outgoing.id, reason))
            self.tally.failed += 1
            return
        try:
            answer = self.connection.deliver(self.author.addr_spec, recipient, message)
        except smtp.Refused as refusal:
            self._fail(outgoing.id, str(refusal))
        except smtp.Later as later:
            self._put_off(outgoing.id, later)
        except smtp.Unavailable as trouble:
            self._give_up(str(trouble), [outgoing.id])
        else:
            self._sent(outgoing.id, answer)

    def _sent(self, mail_id: int, answer: str) -> None:
        self._mark(lambda work: sending.mark_sent(work, mail_id))
        self.tally.sent += 1
        log.info("mail %d is sent: %s", mail_id, answer)

    def _fail(self, mail_id: int, reason: str) -> None:
        self._mark(lambda work: sending.fail(work, mail_id, reason))
        self.tally.failed += 1
        log.warning("mail %d cannot be sent: %s", mail_id, reason)

    def _put_off(self, mail_id: int, later: smtp.Later) -> None:
        self._mark(lambda work: sending.put_off(work, mail_id, str(later)), broke=later.broke)
        self.tally.later += 1
        log.warning("mail %d is tried again later: %s", mail_id, later)
        if self._breaks >= BREAKS and not stopping.is_set():
            self._give_up(str(later), [])

    def _mark(self, mark: Callable[[UnitOfWork], None], *, broke: bool = False) -> None:
        """Write down what came of a mail; a server that answers is well again."""

        def write(work: UnitOfWork) -> None:
            mark(work)
            if self._in_trouble and not broke:
                sending.server_is_well(work)

        surely(write)
        self._breaks = self._breaks + 1 if broke else 0
        self._in_trouble = self._in_trouble and broke

    def _give_up(self, reason: str, mail_ids: list[int]) -> None:
        """The server takes no mail: all that waits waits."""
        self.tally.trouble, name = reason, str(self.server)
        surely(lambda work: sending.server_failed(work, name, reason, mail_ids))
        log.warning("no mail is sent for now: %s", reason)

    def _give_up_the_oldest(self) -> None:
        count = sending.PIECE
        while count == sending.PIECE:
            with unit_of_work() as work:
                count = sending.give_up_piece(work, str(self.server))
            self.tally.failed += count

    def _hand_back(self, mail_ids: list[int]) -> None:
        with suppress(*DATABASE_AWAY), unit_of_work() as work:
            sending.hand_back(work, mail_ids, self.holder)


_running: set[Round] = set()
_turn, _asked = threading.Lock(), threading.Event()


def send_due(*, at_once: bool = False) -> Tally:
    """Send what is due, unless the server is to be left alone for now; ``at_once``: even then.

    One round at a time in this process: it sees what the others were called for.
    """
    tally = Tally()
    _asked.set()
    while _asked.is_set() and _turn.acquire(blocking=False):
        try:
            _asked.clear()
            tally = _round(at_once)
        finally:
            _turn.release()
    return tally


def _round(at_once: bool) -> Tally:
    server = smtp.Server.of(current_app.config)
    if not server.host:
        return Tally()
    trouble = sending.trouble_of(db.session(), str(server))
    in_trouble, paused = trouble is not None, trouble is not None and trouble.next_try_at > utcnow()
    db.session.rollback()
    if paused and not at_once:
        return Tally()
    return Round(server, mail.sender(current_app.config["MAIL_FROM"]), in_trouble=in_trouble).run()


def send_test(to: str) -> str:
    """Send a mail of its own, past the queue; return the server's answer.

    Raises ``BadAddress``, or what ``smtp.Connection.deliver`` raises.
    """
    server, author = smtp.Server.of(current_app.config), mail.sender(current_app.config["MAIL_FROM"])
    texts = gettext("This is a test: mail leaves Constellation."), ""
    outgoing = sending.Outgoing(
        0, mail.address(to), gettext("A test mail"), texts, "", secrets.token_hex(16), utcnow()
    )
    connection = smtp.Connection(server)
    try:
        recipient = mail.address_on_the_wire(outgoing.to)
        return connection.deliver(author.addr_spec, recipient, letters.composed(outgoing, author))
    finally:
        connection.close()


def stop() -> None:
    """Finish the mails in hand, and begin no others. A server that is silent is not waited for."""
    stopping.set()
    timer = threading.Timer(STOP_S, _cut)
    timer.daemon = True
    timer.start()


def _cut() -> None:
    for each in list(_running):
        each.connection.cut()


def surely(write: Callable[[UnitOfWork], Any]) -> Any:
    """Write down what became of a mail, even if the database has to be waited for: the mail has left."""
    began, pause_s = time.monotonic(), 0.5
    while True:
        try:
            with unit_of_work() as work:
                return write(work)
        except DATABASE_AWAY as error:
            waited_s = time.monotonic() - began
            if waited_s > (STOP_S if stopping.is_set() else MARK_S):
                raise
            log.warning("waiting for the database, to mark a mail: %s", type(error).__name__)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 5.0)
