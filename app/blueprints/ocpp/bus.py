"""Redis between processes: who holds which charger, commands and their answers, and what has changed.

Redis down costs commands to other processes and their live updates; charging goes on, and everything resumes by
itself.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis

log = logging.getLogger(__name__)

# A process that has not renewed its presence for this long is dead.
EXPIRY_S = 45
RENEW_S = 15.0
PROCESSES = "constellation:processes"

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Away(Exception):
    """Redis cannot be reached, or nobody answered."""


class Bus:
    """One process's end of the bus."""

    def __init__(self, url: str) -> None:
        self.process = uuid.uuid4().hex
        self._redis = redis.Redis.from_url(
            url, decode_responses=True, socket_connect_timeout=2, socket_timeout=5, health_check_interval=15
        )
        self._listening = redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=2)
        self.on_command: Handler = lambda _message: {}
        self.on_broadcast: Callable[[str, dict[str, Any]], None] = lambda _topic, _message: None
        self.presence: Callable[[], dict[str, str]] = lambda: {}

    def start(self) -> None:
        """Listen, and keep this process's presence alive."""
        threading.Thread(target=self._listen, name="bus listener", daemon=True).start()
        threading.Thread(target=self._renew, name="bus presence", daemon=True).start()

    # Presence

    def arrived(self, charger_id: str, details: str) -> None:
        """This process holds the charger."""
        self._quietly(lambda: self._redis.hset(self._key(self.process), charger_id, details))

    def left(self, charger_id: str) -> None:
        """This process holds it no more."""
        self._quietly(lambda: self._redis.hdel(self._key(self.process), charger_id))

    def everybody(self) -> dict[str, str]:
        """charger_id → details, over all living processes. Raises ``Away``."""
        found: dict[str, str] = {}
        for process in self._processes():
            found.update(self._ask(lambda process=process: self._redis.hgetall(self._key(process))))  # type: ignore[misc]
        return found

    def holder(self, charger_id: str) -> str | None:
        """The process that holds a charger. Raises ``Away``."""
        for process in self._processes():
            if self._ask(lambda process=process: self._redis.hexists(self._key(process), charger_id)):  # type: ignore[misc]
                return process
        return None

    def gone(self) -> None:
        """This process ends."""
        self._quietly(lambda: self._redis.zrem(PROCESSES, self.process))
        self._quietly(lambda: self._redis.delete(self._key(self.process)))

    # Messages

    def request(self, process: str, message: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Ask another process and wait for its answer. Raises ``Away``."""
        reply_to = f"constellation:reply:{uuid.uuid4().hex}"
        text = json.dumps({**message, "reply_to": reply_to})
        if not self._ask(lambda: self._redis.publish(f"constellation:to:{process}", text)):
            raise Away
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            found = self._ask(lambda left=left: self._redis.blpop([reply_to], timeout=max(0.1, min(left, 2.0))))  # type: ignore[misc]
            if found:
                answer: dict[str, Any] = json.loads(found[1])
                return answer
        raise Away

    def broadcast(self, topic: str, message: dict[str, Any]) -> None:
        """Tell every process."""
        text = json.dumps({"topic": topic, "from": self.process, **message})
        self._quietly(lambda: self._redis.publish("constellation:all", text))

    def _listen(self) -> None:
        while True:
            try:
                channel = self._listening.pubsub(ignore_subscribe_messages=True)
                channel.subscribe("constellation:all", f"constellation:to:{self.process}")
                self._announce()
                for message in channel.listen():
                    self._received(message["channel"], json.loads(message["data"]))
            except (redis.RedisError, OSError, ValueError) as error:
                log.warning("the bus is away: %s", error)
                time.sleep(1.0)

    def _received(self, channel: str, message: dict[str, Any]) -> None:
        if channel == "constellation:all":
            if message.get("from") != self.process:
                self.on_broadcast(str(message.get("topic")), message)
            return
        threading.Thread(target=self._serve, args=(message,), daemon=True).start()

    def _serve(self, message: dict[str, Any]) -> None:
        answer = json.dumps(self.on_command(message))
        reply_to = message["reply_to"]
        self._quietly(lambda: self._redis.pipeline().rpush(reply_to, answer).expire(reply_to, 60).execute())

    def _renew(self) -> None:
        while True:
            self._announce()
            time.sleep(RENEW_S)

    def _announce(self) -> None:
        """Say again that we live and whom we hold: also after Redis has forgotten everything."""
        key, present = self._key(self.process), self.presence()
        pipe = self._redis.pipeline().delete(key)
        if present:
            pipe.hset(key, mapping=present)  # type: ignore[arg-type]
        pipe.expire(key, EXPIRY_S).zadd(PROCESSES, {self.process: time.time() + EXPIRY_S})
        pipe.zremrangebyscore(PROCESSES, 0, time.time() - EXPIRY_S)
        self._quietly(pipe.execute)

    def _processes(self) -> list[str]:
        found = self._ask(lambda: self._redis.zrangebyscore(PROCESSES, time.time(), "+inf"))
        return [str(process) for process in found]

    def _ask(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except (redis.RedisError, OSError) as error:
            raise Away from error

    def _quietly(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except (redis.RedisError, OSError) as error:
            log.debug("the bus is away: %s", error)

    @staticmethod
    def _key(process: str) -> str:
        return f"constellation:presence:{process}"
