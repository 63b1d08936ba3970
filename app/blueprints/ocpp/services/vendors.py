"""DataTransfer (OCPP 1.6, 4.3): a handler per vendor and message id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.blueprints.ocpp.rows import ChargerRow
from app.blueprints.ocpp.work import Work

# (status, data) for the vendor's data; status is a DataTransferStatus.
Handler = Callable[[Work, ChargerRow, Any], tuple[str, str | None]]

_handlers: dict[str, dict[str, Handler]] = {}


def register(vendor_id: str, message_id: str = "") -> Callable[[Handler], Handler]:
    """Serve a vendor's message; without a message id, every message that has no handler of its own."""

    def decorate(handler: Handler) -> Handler:
        _handlers.setdefault(vendor_id, {})[message_id] = handler
        return handler

    return decorate


def receive(
    work: Work, charger: ChargerRow, vendor_id: str, message_id: str, data: Any
) -> tuple[str, str | None]:
    """What the vendor's handler answers, UnknownVendorId or UnknownMessageId."""
    messages = _handlers.get(vendor_id)
    if messages is None:
        return "UnknownVendorId", None
    handler = messages.get(message_id) or messages.get("")
    return handler(work, charger, data) if handler else ("UnknownMessageId", None)
