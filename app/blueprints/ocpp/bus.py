"""Redis between processes: who holds which charger, commands and their answers, and what has changed.

Redis down costs commands to other processes and their live updates; charging goes on, and everything resumes
by itself. Nothing here is waited for on a charger's own path: a thread of the bus tells who came and went.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
# A listener tells itself something when nobody else does; one that hears nothing for so long is cut off.
SILENCE_S = 20.0
ECHO = "{}"
FORGET_PROCESS_S = 3600.0
# How often who waits for an answer looks whether the other process still lives.
LOOK_UP_S = 2.0
REPLY_EXPIRY_S = 60

PROCESSES = "constellation:processes"
EVERYBODY = "constellation:all"
# Topic of a broadcast: these chargers are with the sender now; ``chargers`` is charger_id → details.
ARRIVED = "arrived"

Message = dict[str, Any]


class Away(Exception):
    """Redis cannot be reached, or does not know everything again yet."""


class Bus:
    """One process's end of the bus."""

    def __init__(self, url: str) -> None:
        self.process = uuid.uuid4().hex
        # No retries: a command published twice would be carried out twice, and a command must fail at once.
        self._redis = redis.Redis.from_url(
            url, decode_responses=True, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self.on_command: Callable[[Message], Message] = lambda _message: {}
        self.on_broadcast: Callable[[str, Message], None] = lambda _topic, _message: None
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
        """Listen, and keep this process's presence alive."""
        self._keeper = threading.Thread(target=self._keep, name="bus presence", daemon=True)
        self._keeper.start()
        threading.Thread(target=self._listen, name="bus listener", daemon=True).start()

    def close(self, timeout_s: float = 1.0) -> None:
        """This process ends: it holds nobody any more."""
        if self._closed or self._keeper is None:
            return
        self._closed = True
        self._wake.set()
        self._keeper.join(timeout_s)

    # Who holds whom

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

    # Messages

    def request(self, process: str, message: Message) -> Message:
        """Ask another process and wait as long as it works on it: its queue and its clock decide.

        ``{"lost": True}`` when it is not there, empty when it ended meanwhile. Raises ``Away``.
        """
        reply_to = f"constellation:reply:{uuid.uuid4().hex}"
        text = json.dumps({**message, "reply_to": reply_to})
        with self.talk() as client:
            if not client.publish(_channel(process), text):
                self._check_settled()
                return {"lost": True}
            while not (found := client.blpop([reply_to], timeout=LOOK_UP_S)):
                if not client.pubsub_numsub(_channel(process))[0][1]:
                    return {}
        answer: Message = json.loads(found[1])
        return answer

    def broadcast(self, topic: str, message: Message) -> None:
        """Tell every process."""
        text = json.dumps({"topic": topic, "from": self.process, **message})
        with suppress(Away), self.talk() as client:
            client.publish(EVERYBODY, text)

    def _listen(self) -> None:
        while not self._closed:
            try:
                self._follow()
            except (redis.RedisError, OSError) as error:
                self._lose(error)
                time.sleep(1.0)

    def _follow(self) -> None:
        """Receive until the connection ends; then Redis raises."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(EVERYBODY, _channel(self.process))
            self._redis.publish(_channel(self.process), ECHO)
            heard_at = asked_at = time.monotonic()
            while not self._closed:
                message, now = channel.get_message(timeout=1.0), time.monotonic()
                if message is not None:
                    heard_at = now
                    self._return()
                    self._received(message)
                elif now - heard_at > SILENCE_S:
                    raise redis.ConnectionError("Redis is silent")
                elif self._away or now - max(heard_at, asked_at) > SILENCE_S / 4:
                    self._redis.publish(_channel(self.process), ECHO)
                    asked_at = now

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

    def _return(self) -> None:
        """Redis is heard again: tell it whom we hold, and followers that they may have missed something."""
        if not self._away:
            return
        log.warning("the bus is back")
        self._away, self._back_at = False, time.monotonic()
        self._wake.set()
        self.on_gap()

    def _received(self, message: Mapping[str, Any]) -> None:
        try:
            told = json.loads(message["data"])
            if not told:  # the echo
                return
            if message["channel"] != EVERYBODY:
                threading.Thread(target=self._serve, args=(told,), daemon=True).start()
            elif told.get("from") != self.process:
                self.on_broadcast(str(told.get("topic")), told)
        except Exception:  # the listener must outlive any message
            log.exception("a message of the bus could not be handled")

    def _serve(self, message: Message) -> None:
        reply_to = message["reply_to"]
        try:
            answer = json.dumps(self.on_command(message))
        except Exception:  # the asker waits for an answer
            log.exception("a command of another process failed")
            answer = "{}"
        with suppress(Away), self.talk() as client:
            pipe = client.pipeline()
            pipe.rpush(reply_to, answer)
            pipe.expire(reply_to, REPLY_EXPIRY_S)
            pipe.execute()


def _key(process: str) -> str:
    return f"constellation:presence:{process}"


def _channel(process: str) -> str:
    return f"constellation:to:{process}"
