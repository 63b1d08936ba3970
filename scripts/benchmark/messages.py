"""What a charger says: prebuilt OCPP 1.6 calls, filled in by ``%`` because a JSON encoder would cost more."""

import time
from collections.abc import Callable
from typing import Protocol

ACTIONS = (
    "BootNotification", "StatusNotification", "Authorize",
    "StartTransaction", "MeterValues", "StopTransaction",
)  # fmt: skip
BOOT, STATUS, AUTHORIZE, START, METER, STOP = range(len(ACTIONS))

METER_VALUES_PER_SESSION = 10
SAMPLES_PER_METER_VALUES = 3
# What a charger repeats for ever once it has booted.
CYCLE = (AUTHORIZE, START, *[METER] * METER_VALUES_PER_SESSION, STOP)

_BOOT = (
    b'[2,"%b","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"B-22",'
    b'"chargePointSerialNumber":"%b","firmwareVersion":"1.0.0"}]'
)
_STATUS = (
    b'[2,"%b","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
    b'"timestamp":"%b"}]'
)
_AUTHORIZE = b'[2,"%b","Authorize",{"idTag":"%b"}]'
_START = b'[2,"%b","StartTransaction",{"connectorId":1,"idTag":"%b","meterStart":%d,"timestamp":"%b"}]'
_METER = (
    b'[2,"%b","MeterValues",{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%b","sampledValue":['
    b'{"value":"%d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
    b'{"value":"%d","measurand":"Power.Active.Import","unit":"W"},'
    b'{"value":"%d.5","measurand":"Voltage","unit":"V"}]}]}]'
)
_STOP = (
    b'[2,"%b","StopTransaction",{"idTag":"%b","meterStop":%d,"timestamp":"%b","transactionId":%d,'
    b'"reason":"Local"}]'
)


class Speaker(Protocol):
    """What a message needs to know about the charger that sends it."""

    message_id: bytes
    charger_id: bytes
    id_tag: bytes
    meter_wh: int
    transaction_id: int


class Clock:
    """The time of day as OCPP writes it, to the millisecond; the date part is made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._prefix = b""

    def text(self) -> bytes:
        """Return now as ``2025-01-31T12:00:00.123Z``."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return b"%b.%03dZ" % (self._prefix, int((now - second) * 1000))


_now = Clock().text


def _boot(charger: Speaker) -> bytes:
    return _BOOT % (charger.message_id, charger.charger_id)


def _status(charger: Speaker) -> bytes:
    return _STATUS % (charger.message_id, _now())


def _authorize(charger: Speaker) -> bytes:
    return _AUTHORIZE % (charger.message_id, charger.id_tag)


def _start(charger: Speaker) -> bytes:
    # A start is recognised as a retry by its meter and its time (E4): the meter moves on before each new one.
    charger.meter_wh += 1
    return _START % (charger.message_id, charger.id_tag, charger.meter_wh, _now())


def _meter(charger: Speaker) -> bytes:
    charger.meter_wh += 60
    power_w = 7000 + charger.meter_wh % 400
    voltage = 230 + power_w % 5
    return _METER % (charger.message_id, charger.transaction_id, _now(), charger.meter_wh, power_w, voltage)


def _stop(charger: Speaker) -> bytes:
    return _STOP % (charger.message_id, charger.id_tag, charger.meter_wh, _now(), charger.transaction_id)


# Indexed by action.
BUILDERS: tuple[Callable[[Speaker], bytes], ...] = (_boot, _status, _authorize, _start, _meter, _stop)
