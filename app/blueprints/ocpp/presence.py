"""Who holds which charger, in Redis: what each process says of itself, and whether it still lives.

Nothing here is waited for on a charger's own path: a thread tells who came and went.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

# A process that has not renewed its presence for this long is dead.
EXPIRY_S = 40
RENEW_S = 10.0
# After Redis was away, what it knows is incomplete for so long.
SETTLE_S = 5.0
FORGET_PROCESS_S = 3600.0

PROCESSES = "constellation:processes"
EVERYBODY = "constellation:all"
# Topic of a broadcast: these chargers are with the sender now; ``chargers`` is charger_id → details.
ARRIVED = "arrived"


class Away(Exception):
    """Redis cannot be reached, or does not know everything again yet."""


class Presence:
    """One process's word of whom it holds, and what the others say."""

    def __init__(self, url: str) -> None:
        self.process = uuid.uuid4().hex
        # No retries: a command published twice would be carried out twice, and a command must fail at once.
        self._redis = redis.Redis.from_url(
            url, decode_responses=True, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        # What others told may have been missed.
        self.on_gap: Callable[[], None] = lambda: None
        # Whom this process holds, and a text that says since when and from where; None: it holds it no more.
        self.present: Callable[[], Collection[str]] = list
        self.details: Callable[[str], str | None] = lambda _charger_id: None
        self._changed: deque[str] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._keeper: threading.Thread | None = None
        # Known to be away: nobody waits for it again before the listener has heard it.
        self._away = False
        self._back_at = float("-inf")
        self._living: set[str] = set()

    def start(self) -> None:
        """Keep this process's presence alive."""
        self._keeper = threading.Thread(target=self._keep, name="bus presence", daemon=True)
        self._keeper.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """This process ends: it holds nobody any more."""
        if self._closed or self._keeper is None:
            return
        self._closed = True
        self._wake.set()
        self._keeper.join(timeout_s)

    def changed(self, charger_id: str) -> None:
        """This process holds the charger now, or holds it no more; the others are told soon."""
        self._changed.append(charger_id)
        self._wake.set()

    def elsewhere(self) -> dict[str, dict[str, str]]:
        """Process → (charger_id → details), over the other living processes. Raises ``Away``."""
        return self._ask_each(lambda pipe, key: pipe.hgetall(key))

    def holders(self, charger_id: str) -> dict[str, str]:
        """Process → details, of the other processes that hold a charger. Raises ``Away``."""
        found = self._ask_each(lambda pipe, key: pipe.hget(key, charger_id))
        if not found:
            self._check_settled()
        return found

    def held_elsewhere(self, charger_ids: Sequence[str]) -> set[str]:
        """Those of some chargers that another living process holds. Raises ``Away``."""
        found = self._ask_each(lambda pipe, key: pipe.hmget(key, charger_ids))
        return {
            charger_id
            for answers in found.values()
            for charger_id, details in zip(charger_ids, answers, strict=True)
            if details is not None
        }

    def _check_settled(self) -> None:
        if self._away or time.monotonic() - self._back_at < SETTLE_S:
            raise Away

    def _ask_each(self, question: Callable[[Any, str], Any]) -> dict[str, Any]:
        with self.talk() as client:
            known = map(str, client.zrange(PROCESSES, 0, -1))
            others = [process for process in known if process != self.process]
            pipe = client.pipeline(transaction=False)
            for process in others:
                question(pipe, _key(process))
            answers = pipe.execute()
        return {process: answer for process, answer in zip(others, answers, strict=True) if answer}

    def _keep(self) -> None:
        """Tell at once who came and went, now and then that we live, and after a gap everything."""
        known, looked_at = False, time.monotonic()
        while not self._closed:
            try:
                self._tell(whole=not known)
                known = True
                if time.monotonic() - looked_at > RENEW_S:
                    looked_at = time.monotonic()
                    self._look_for_the_dead()
            except Away:
                known = False
            self._wake.wait(RENEW_S)
            self._wake.clear()
        self._leave()

    def _tell(self, whole: bool) -> None:
        """Write for those that changed, or for all, whether we hold them now."""
        changed = {self._changed.popleft() for _ in range(len(self._changed))}
        if whole or not self._write(changed):
            self._write(self.present(), anew=True)

    def _write(self, charger_ids: Collection[str], anew: bool = False) -> bool:
        """Write whether we hold these chargers, now. Return whether Redis knew of any that we hold."""
        here = {id: text for id in charger_ids if (text := self.details(id)) is not None}
        key = _key(self.process)
        with self.talk() as client:
            pipe = client.pipeline()
            pipe.expire(key, EXPIRY_S)
            if anew:
                pipe.delete(key)
            elif gone := [id for id in charger_ids if id not in here]:
                pipe.hdel(key, *gone)
            if here:
                pipe.hset(key, mapping=here)  # type: ignore[arg-type]
                pipe.expire(key, EXPIRY_S)
                told = {"topic": ARRIVED, "from": self.process, "chargers": here}
                pipe.publish(EVERYBODY, json.dumps(told))
            pipe.zadd(PROCESSES, {self.process: time.time()})
            pipe.zremrangebyscore(PROCESSES, 0, time.time() - FORGET_PROCESS_S)
            return bool(pipe.execute()[0])

    def _leave(self) -> None:
        with suppress(Away), self.talk() as client:
            pipe = client.pipeline()
            pipe.delete(_key(self.process))
            pipe.zrem(PROCESSES, self.process)
            pipe.execute()

    def _look_for_the_dead(self) -> None:
        """A process that was killed tells nobody: its chargers' pages must be told that something changed."""
        living = set(self._ask_each(lambda pipe, key: pipe.exists(key)))
        gone, self._living = self._living - living, living
        if gone:
            self.on_gap()

    def sweep(self) -> int:
        """Forget processes that died without a word; return how many. None while Redis is away."""
        with suppress(Away), self.talk() as client:
            known = list(map(str, client.zrange(PROCESSES, 0, -1)))
            pipe = client.pipeline(transaction=False)
            for process in known:
                pipe.exists(_key(process))
            dead = [process for process, lives in zip(known, pipe.execute(), strict=True) if not lives]
            return int(client.zrem(PROCESSES, *dead)) if dead else 0
        return 0

    # Redis, and whether it is there

    @contextmanager
    def talk(self) -> Iterator[redis.Redis]:
        """Redis, unless it is known to be away. Raises ``Away``, also for what goes wrong inside."""
        if self._away:
            raise Away
        try:
            yield self._redis
        except (redis.RedisError, OSError) as error:
            if not isinstance(error, redis.ResponseError):
                self._lose(error)
            raise Away from error

    def _lose(self, error: Exception) -> None:
        if self._keeper is not None and not self._away:  # else nobody would notice that it is back
            log.warning("the bus is away: %s", error)
            self._away = True


def _key(process: str) -> str:
    return f"constellation:presence:{process}"
