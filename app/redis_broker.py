"""The Redis broker: kombu's own, for a worker that goes on when Redis is lost.

What a worker has received, and not acknowledged yet, kombu wants to give back, or to acknowledge, over the
very connection that has just broken; and ends the worker when that fails. A bell that is lost is rung again.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis as kombu_redis

log = logging.getLogger(__name__)


class QoS(kombu_redis.QoS):
    """What has been delivered and not acknowledged."""

    def restore_unacked(self, client: Any = None) -> Any:
        """Give it back, if Redis is there to take it."""
        try:
            return super().restore_unacked(client)
        except Exception as error:  # what a connection raises that has been taken apart already
            log.warning("%d messages could not be given back to Redis: %s", len(self._delivered), error)
            self._delivered.clear()
            return None

    def ack(self, delivery_tag: Any) -> None:
        """Acknowledge, unless the connection that delivered it is gone."""
        if not self.channel.closed:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Give back, unless the connection that delivered it is gone."""
        if not self.channel.closed:
            super().reject(delivery_tag, requeue=requeue)


class Channel(kombu_redis.Channel):
    """A channel that remembers deliveries so."""

    QoS = QoS


class Transport(kombu_redis.Transport):
    """The transport that a broker setting names: ``app.redis_broker:Transport``."""

    Channel = Channel
