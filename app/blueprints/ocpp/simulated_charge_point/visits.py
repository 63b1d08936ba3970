"""The cars that come to a charge point by themselves: one, or one after the other."""

import asyncio

from .charging import begin
from .connectors import Charge
from .station import Station


class Visits:
    """Cars on connector 1. One that charges while the connection is lost is seen through on the next."""

    def __init__(self, station: Station) -> None:
        self.station = station
        # Why the last one could not charge.
        self.refusal: str | None = None
        self._charge: Charge | None = None

    def forget(self) -> None:
        """The charge point boots anew: whatever charged has been ended."""
        self._charge = None

    async def receive(self) -> None:
        """Charge once, or again and again."""
        config = self.station.config
        while True:
            await asyncio.sleep(config.pre_charge_delay)
            await self._charge_once()
            if not config.repeat:
                return
            await asyncio.sleep(config.interval)

    async def _charge_once(self) -> None:
        charge = self._charge
        if charge is None or charge.transaction_id is None:
            charge = self._charge = await self._charge_on_first()
        if charge.task:
            await asyncio.wait({charge.task})
        self.refusal, self._charge = charge.refusal, None

    async def _charge_on_first(self) -> Charge:
        """The charge that is on connector 1, else a new one, as soon as it is in service and not reserved."""
        config, first = self.station.config, self.station.connectors[1]
        while first.charge is None:
            if outlet := self.station.outlet_for(config.rfid, 1):
                return begin(self.station, outlet, config.rfid, authorize=True)
            await asyncio.sleep(config.interval)
        return first.charge
