"""One charger of the load: a non-blocking socket and the next thing it has to say."""

import errno
import json
import re
import select
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from scripts.benchmark import frames
from scripts.benchmark.ledger import Ledger
from scripts.benchmark.messages import ACTIONS, AUTHORIZE, BOOT, BUILDERS, CYCLE, METER, START, STATUS, STOP

_TRANSACTION_ID = re.compile(rb'"transactionId"\s*:\s*(-?\d+)')
# Nothing starts with a NUL: while no answer is due, the short way of reading is shut.
_NOTHING = b"\0"
_NOT_SUPPORTED = '[4,"%s","NotSupported","a load generator",{}]'


class HungUp(Exception):
    """The socket is of no more use; the sentence says why."""


@dataclass
class Pace:
    """What all chargers of a load look at: whether to go on after an answer."""

    issuing: bool = False


class Charger:
    """A charge point that waits for each answer before it asks again.

    ``on_event`` is what to do when epoll reports its socket; it raises HungUp,
    ProtocolError or OSError when the connection is over.
    """

    __slots__ = (
        "_action",
        "_address",
        "_asked_at",
        "_buffer",
        "_cycle",
        "_expected",
        "_ledger",
        "_number",
        "_pace",
        "_path",
        "_poll",
        "_prefix",
        "_sock",
        "_step",
        "busy",
        "charger_id",
        "id_tag",
        "index",
        "message_id",
        "meter_wh",
        "on_event",
        "online",
        "transaction_id",
    )  # fmt: skip

    def __init__(
        self, index: int, address: tuple[str, int], path: str, poll: select.epoll, ledger: Ledger, pace: Pace,
        cycle: Sequence[int] = CYCLE,
    ) -> None:  # fmt: skip
        self._address, self._path, self._cycle = address, path, cycle
        self._poll, self._ledger, self._pace = poll, ledger, pace
        self.index, self.id_tag = index, b"BENCH%d" % index
        self.charger_id = path.rpartition("/")[2].encode()
        # Shaped as the UUIDs that chargers send: 36 characters.
        self._prefix, self._number = b"%08x-0000-4000-8000-" % index, 0
        self.meter_wh, self.transaction_id = 1000 * index, 0
        self._sock: socket.socket | None = None
        self.on_event: Callable[[], None] = self._connected
        self._reset()

    def _reset(self) -> None:
        self._buffer, self._expected, self.message_id = b"", _NOTHING, b""
        self._step, self._action, self._asked_at = -1, BOOT, 0.0
        self.busy = self.online = False

    def connect(self) -> int:
        """Begin to connect; return the descriptor that epoll will report."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        problem = sock.connect_ex(self._address)
        if problem not in (0, errno.EINPROGRESS):
            sock.close()
            raise OSError(problem, errno.errorcode[problem])
        self._sock = sock
        self.on_event = self._connected
        self._poll.register(sock.fileno(), select.EPOLLOUT)
        return sock.fileno()

    def hang_up(self) -> int:
        """Drop the connection without a word, as a power cut does; return the descriptor it had, or -1."""
        if self._sock is None:
            return -1
        descriptor = self._sock.fileno()
        if self.busy:
            self._ledger.lost(self.message_id, self._action)
        self._poll.unregister(descriptor)
        self._sock.close()
        self._sock = None
        self._reset()
        return descriptor

    def proceed(self) -> None:
        """Ask the next thing of the cycle: Authorize, Start, MeterValues …, Stop."""
        self._step = (self._step + 1) % len(self._cycle)
        self._call(self._cycle[self._step])

    def message_ids(self) -> list[str]:
        """Return the ids of all calls so far."""
        return [(self._prefix + b"%012x" % number).decode() for number in range(1, self._number + 1)]

    # What happens on the socket, in order.

    def _connected(self) -> None:
        sock = self._open_socket()
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, errno.errorcode[problem])
        host, port = self._address
        sock.send(frames.upgrade_request(f"{host}:{port}", self._path))
        self._poll.modify(sock.fileno(), select.EPOLLIN)
        self.on_event = self._upgraded

    def _upgraded(self) -> None:
        self._buffer += self._receive()
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        frames.check_upgrade(head)
        self._buffer = rest
        self.on_event = self._readable
        self._call(BOOT)

    def _readable(self) -> None:
        data = self._receive()
        text = None if self._buffer else frames.lone_text(data)
        if text is not None and text.startswith(self._expected):
            self._answered(text)
            return
        self._buffer += data
        while (whole := frames.split_frame(self._buffer)) is not None:
            opcode, payload, self._buffer = whole
            self._frame(opcode, payload)

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.TEXT:
            self._text(payload)
        elif opcode == frames.PING:
            self._send(frames.control_frame(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            raise HungUp(f"closed by the server with {int.from_bytes(payload[:2], 'big') or 'no code'}")

    def _text(self, text: bytes) -> None:
        """Take any message the long way: an answer, an error, a call of the server's."""
        message = json.loads(text)
        if message[0] == 3 and message[1] == self.message_id.decode() and self.busy:
            self._answered(text)
        elif message[0] == 4:
            self._refused(text)
        elif message[0] == 2:
            self._ledger.server_calls += 1
            self._send(frames.text_frame((_NOT_SUPPORTED % message[1]).encode()))
        else:
            self._ledger.errors[f"an answer nobody asked for: {text[:80]!r}"] += 1

    # What follows from an answer.

    def _call(self, action: int) -> None:
        self._number += 1
        self.message_id = message_id = self._prefix + b"%012x" % self._number
        self._expected = b'[3,"%b"' % message_id
        self._action = action
        frame = frames.text_frame(BUILDERS[action](self))
        self.busy = True
        self._asked_at = perf_counter()
        self._send(frame)

    def _answered(self, text: bytes) -> None:
        action = self._action
        self._ledger.answered(action, self._asked_at, perf_counter())
        self.busy = False
        self._expected = _NOTHING
        self._learn(action, text)
        if action == BOOT:
            self._call(STATUS)
            return
        if action == STATUS:
            self.online = True
        if self._pace.issuing:
            self.proceed()

    def _learn(self, action: int, text: bytes) -> None:
        """Keep what the answer tells: the transaction's id, a verdict, what must be in the database."""
        ledger = self._ledger
        if action == METER:
            ledger.transactions[self.transaction_id] += 1
            return
        if action in (BOOT, AUTHORIZE, START) and b'"Accepted"' not in text:
            ledger.errors[f"{ACTIONS[action]} was not Accepted: {text[40:160]!r}"] += 1
        if action == START:
            found = _TRANSACTION_ID.search(text)
            self.transaction_id = int(found[1]) if found else 0
            ledger.started(self.transaction_id)
        elif action == STOP:
            ledger.stopped.add(self.transaction_id)

    def _refused(self, text: bytes) -> None:
        """Count a CALLERROR and begin the cycle anew; one at Boot ends the connection."""
        refusal = json.loads(text)[2:4]
        self._ledger.errors[f"CALLERROR to {ACTIONS[self._action]}: {refusal}"] += 1
        self._ledger.lost(self.message_id, self._action)
        self.busy, self._expected, self._step = False, _NOTHING, -1
        if not self.online:
            raise HungUp(f"{ACTIONS[self._action]} was refused")
        if self._pace.issuing:
            self.proceed()

    def _open_socket(self) -> socket.socket:
        if self._sock is None:
            raise HungUp("not connected")
        return self._sock

    def _receive(self) -> bytes:
        data = self._open_socket().recv(65536)
        if not data:
            raise HungUp("the server hung up without a word")
        return data

    def _send(self, frame: bytes) -> None:
        # One call at a time is open, so the buffer has room unless the server stopped reading.
        if self._open_socket().send(frame) != len(frame):
            raise HungUp("the server stopped reading")
