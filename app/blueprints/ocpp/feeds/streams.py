"""Server-sent events: one reader of the changes per process tells everybody who looks on.

A stream that is read slowly gets the newest of each thing when it is read again: nothing piles up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from flask import Flask, Response
from flask_babel import gettext

from app import logs
from app.domain_error import DomainError

log = logging.getLogger(__name__)

# Seconds without news after which a stream is sent a comment, so that a dead one is noticed.
KEEP_ALIVE_S = 15.0
# Seconds after which a stream notices that the process is about to end.
LOOK_UP_S = 1.0
# Things that one event tells of at most.
THINGS_PER_EVENT = 500


class TooManyViewers(DomainError):
    """This process serves as many event streams as it can."""

    status_code = 503

    def __init__(self) -> None:
        super().__init__(gettext("too many viewers; try again in a minute"))


class Stream:
    """One open event stream, and what is new since it was last read: thing → JSON."""

    # The name of its events.
    event = "news"
    # Seconds that it lasts: the browser comes again, and is asked again who it is.
    lasts_s = 900.0

    def __init__(self, closing: Callable[[], bool]) -> None:
        # Whether the process is about to end.
        self._closing = closing
        self._ended = False
        self._news: dict[str, str] = {}
        self._changed = threading.Condition()

    def start(self, news: Mapping[str, str]) -> None:
        """How things stood when the stream was asked for; what has been told meanwhile is newer."""
        with self._changed:
            self._news = {**news, **self._news}

    def tell(self, news: Mapping[str, str]) -> None:
        """What there is to read; it takes the place of what was told of the same things."""
        with self._changed:
            self._news.update(news)
            self._changed.notify()

    def end(self) -> None:
        """Nothing more is for whoever reads this."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def written(self, news: Sequence[str]) -> str:
        """What one event carries: a JSON array."""
        return f"[{','.join(news)}]"

    def events(self, news: Mapping[str, str]) -> str:
        """What there is to read, as events."""
        return self.written_event(self.event, self.written(list(news.values())))

    @staticmethod
    def written_event(name: str, text: str) -> str:
        """One event."""
        return f"event: {name}\ndata: {text}\n\n"

    def read(self) -> Iterator[str]:
        """The stream, in the format of server-sent events."""
        now = time.monotonic()
        deadline, silent_since = now + self.lasts_s, now
        yield "retry: 3000\n\n"
        while now < deadline and not self._ended and not self._closing():
            news = self._take()
            now = time.monotonic()
            if news:
                yield self.events(news)
            elif now - silent_since > KEEP_ALIVE_S:
                yield ": still here\n\n"
            else:
                continue
            silent_since = now

    def _take(self) -> dict[str, str]:
        with self._changed:
            if not self._news and not self._ended:
                self._changed.wait(LOOK_UP_S)
            return {thing: self._news.pop(thing) for thing in list(self._news)[:THINGS_PER_EVENT]}


Looker = TypeVar("Looker", bound=Stream)


class Audience(Generic[Looker]):
    """The streams of this process, and the thread that tells them; it lives as long as anybody looks on."""

    name = "streams"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present: set[Looker] = set()
        self._running = False

    def has_room_for(self, stream: Looker, present: set[Looker]) -> bool:
        """Whether one more may look on."""
        raise NotImplementedError

    def follow(self) -> None:
        """Tell whoever is ``present()`` what changes, until the audience is ``idle()``."""
        raise NotImplementedError

    def join(self, app: Flask, stream: Looker) -> None:
        """From now on the stream is told. Raises ``TooManyViewers``."""
        with self._lock:
            if not self.has_room_for(stream, self._present):
                raise TooManyViewers
            self._present.add(stream)
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, args=(app,), name=f"ocpp-{self.name}", daemon=True).start()

    def leave(self, stream: Looker) -> None:
        """The client has gone."""
        with self._lock:
            self._present.discard(stream)

    def present(self) -> list[Looker]:
        """Who looks on."""
        with self._lock:
            return list(self._present)

    def idle(self) -> bool:
        """Whether nobody looks on any more; then this thread ends, and the next stream starts another."""
        with self._lock:
            self._running = bool(self._present)
            return not self._running

    def answer(self, app: Flask, stream: Looker, begin: Callable[[], None]) -> Response:
        """Answer a request with a stream. ``begin`` tells it how things stand, once it has joined."""
        self.join(app, stream)
        try:
            begin()
        except BaseException:  # also what ends a greenlet: its place is another's
            self.leave(stream)
            raise
        response = Response(stream.read(), mimetype="text/event-stream")
        response.call_on_close(lambda: self.leave(stream))
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx would collect them
        return response

    def _run(self, app: Flask) -> None:
        logs.active.domain = "ocpp"
        with app.app_context():
            while True:
                try:
                    return self.follow()
                except Exception:  # a database that is away for a minute must not end the updates
                    log.exception("the updates of %s failed; trying again", self.name)
                    time.sleep(1.0)
                if self.idle():
                    return None
