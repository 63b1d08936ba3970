"""Redis between processes: commands, their answers, and what has changed. Who holds whom: ``presence.py``.

Redis down costs commands to other processes and their live updates; charging goes on, and everything resumes
by itself.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import redis

from app.blueprints.ocpp.presence import EVERYBODY, Away, Presence

log = logging.getLogger(__name__)

# A listener tells itself something when nobody else does; one that hears nothing for so long is cut off.
SILENCE_S = 20.0
ECHO = "{}"
# How often who waits for an answer looks whether the other process still lives.
LOOK_UP_S = 2.0
REPLY_EXPIRY_S = 60

Message = dict[str, Any]


class Bus(Presence):
    """One process's end of the bus."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.on_command: Callable[[Message], Message] = lambda _message: {}
        self.on_broadcast: Callable[[str, Message], None] = lambda _topic, _message: None

    def start(self) -> None:
        """Listen, and keep this process's presence alive."""
        super().start()
        threading.Thread(target=self._listen, name="bus listener", daemon=True).start()

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


def _channel(process: str) -> str:
    return f"constellation:to:{process}"
