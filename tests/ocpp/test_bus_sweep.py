"""What web processes that were killed leave behind in Redis."""

from __future__ import annotations

import time

import pytest
import redis

from app.blueprints.ocpp.bus import Bus
from app.blueprints.ocpp.presence import PROCESSES


@pytest.mark.redis
def test_the_presence_of_dead_processes_is_swept(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.zadd(PROCESSES, {"living": time.time(), "dead": time.time(), "older": 1.0})
        client.hset("constellation:presence:living", mapping={"CP1": "2026-01-01T00:00:00+00:00 192.0.2.1"})
        bus = Bus(redis_url)
        assert bus.sweep() == 2
        assert client.zrange(PROCESSES, 0, -1) == [b"living"]
        assert bus.sweep() == 0


def test_without_redis_nothing_is_swept() -> None:
    assert Bus("redis://127.0.0.1:1/0").sweep() == 0
