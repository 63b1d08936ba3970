"""The course of one charge: authorize, start, meter, stop (OCPP 1.6, 3.6 and 4.8)."""

import random

from ocpp.v16 import call
from ocpp.v16.enums import AuthorizationStatus, ChargePointStatus, ReadingContext, Reason

from .clock import happens, timestamp
from .configuration import Configuration
from .connectors import Charge, Connector
from .errors import TAG_MAY_NOT_CHARGE, TAG_REFUSED, CallFailed, ConnectionLost, Trouble
from .smart_charging import PHASES, VOLTS, InstalledProfile, Profile
from .station import Station

UNITS = {
    "Energy.Active.Import.Register": "Wh",
    "Power.Active.Import": "W",
    "Current.Import": "A",
    "Voltage": "V",
    "SoC": "Percent",
}


def begin(
    station: Station, connector: Connector, id_tag: str, *, authorize: bool, profile: Profile | None = None
) -> Charge:
    """Start charging on a free connector. The charge goes on without a connection, as real ones do."""
    charge = station.plug_in(connector, id_tag, authorize=authorize, profile=profile)
    charge.task = station.spawn(_charge(station, connector, charge))
    return charge


def begin_remotely(station: Station, number: int, id_tag: str, profile: Profile | None) -> None:
    """Start what RemoteStartTransaction asked for, unless the connector was taken meanwhile."""
    connector = station.outlet_for(id_tag, number)
    if connector is not None:
        authorize = station.configuration.is_on("AuthorizeRemoteTxRequests")
        begin(station, connector, id_tag, authorize=authorize, profile=profile)


async def _charge(station: Station, connector: Connector, charge: Charge) -> None:
    """Charge one car. Whatever happens, the connector is free afterwards."""
    try:
        if await _is_welcome(station, charge) and await _start(station, connector, charge):
            await _deliver_energy(station, connector, charge)
            await _stop(station, connector, charge)
    except (CallFailed, ConnectionLost) as error:
        _refuse(station, charge, error)
    finally:
        connector.meter_wh = connector.reading_wh
        connector.charge = None
        station.profiles = [one for one in station.profiles if not _belongs(one, charge)]
    await station.settle(connector)


def _belongs(installed: InstalledProfile, charge: Charge) -> bool:
    # OCPP 1.6, 3.13.1: a TxProfile ends with its transaction.
    transaction_id = installed.profile.get("transaction_id")
    return transaction_id is not None and transaction_id == charge.transaction_id


def _refuse(station: Station, charge: Charge, why: Trouble) -> None:
    charge.refusal = str(why)
    station.fail(why)


async def _is_welcome(station: Station, charge: Charge) -> bool:
    """Authorize the id tag where that is asked for; False when it is refused or called off."""
    if charge.authorize and not _is_known(station, charge.id_tag):
        answer = await station.ask(call.Authorize(id_tag=charge.id_tag))
        station.cache[charge.id_tag.upper()] = answer.id_tag_info
        if answer.id_tag_info["status"] != AuthorizationStatus.accepted:
            status = answer.id_tag_info["status"]
            _refuse(station, charge, Trouble(TAG_REFUSED, id_tag=charge.id_tag, status=status))
            return False
    return not charge.ended.is_set()


def _is_known(station: Station, id_tag: str) -> bool:
    """Whether the local list lets the tag in without asking (OCPP 1.6, LocalPreAuthorize)."""
    settings = station.configuration
    if not (settings.is_on("LocalAuthListEnabled") and settings.is_on("LocalPreAuthorize")):
        return False
    status = station.local_list.get(id_tag.upper(), {}).get("status")
    return status is not None and status == str(AuthorizationStatus.accepted)


async def _start(station: Station, connector: Connector, charge: Charge) -> bool:
    """Open the transaction; False when the central system refuses it, or the power goes off before."""
    await station.show(connector, ChargePointStatus.preparing)
    charge.opening = call.StartTransaction(
        connector_id=connector.number,
        id_tag=charge.id_tag,
        meter_start=charge.meter_start_wh,
        timestamp=timestamp(),
        reservation_id=charge.reservation_id,
    )
    if not await station.keep():
        charge.opening = None
        return False
    answer = await station.deliver(charge.opening)
    charge.transaction_id = answer.transaction_id
    status = answer.id_tag_info["status"]
    if status != AuthorizationStatus.accepted:
        _refuse(station, charge, Trouble(TAG_MAY_NOT_CHARGE, id_tag=charge.id_tag, status=status))
        # OCPP 1.6, StopTransactionOnInvalidId: the transaction is there, so it is stopped.
        charge.end(Reason.de_authorized)
        await _stop(station, connector, charge)
        return False
    if charge.profile is not None:
        profile = {**charge.profile, "transaction_id": charge.transaction_id}
        station.profiles.append(InstalledProfile(connector.number, profile))
    return True


async def _deliver_energy(station: Station, connector: Connector, charge: Charge) -> None:
    """Let the meter run, and tell it, until the car is full or somebody ends the charge."""
    charge.start_energy()
    await station.show(connector, ChargePointStatus.charging)
    station.tell(f"charging on connector {connector.number}, transaction {charge.transaction_id}")
    while (left_s := charge.left_s) > 0 and not charge.ended.is_set():
        sample_s = float(station.configuration["MeterValueSampleInterval"]) or left_s
        if await happens(charge.ended, min(left_s, sample_s)) or charge.left_s <= 0:
            break
        try:
            await station.deliver(
                meter_values(connector, station.configuration, ReadingContext.sample_periodic)
            )
        except CallFailed as error:
            station.fail(error)  # one reading less


async def _stop(station: Station, connector: Connector, charge: Charge) -> None:
    """Close the transaction with what the meter says now."""
    charge.stop_energy()
    request = call.StopTransaction(
        meter_stop=connector.reading_wh,
        timestamp=timestamp(),
        transaction_id=charge.transaction_id,
        reason=charge.reason,
        id_tag=charge.id_tag if charge.reason == Reason.local else None,
    )
    await station.deliver(request)
    station.charges_done += charge.refusal is None
    station.tell(
        f"transaction {charge.transaction_id} ended: {charge.energy_wh / 1000:.2f} kWh, {charge.reason}"
    )
    await station.show(connector, ChargePointStatus.finishing)


def meter_values(connector: Connector, settings: Configuration, context: ReadingContext) -> call.MeterValues:
    """What the meter shows now, as far as MeterValuesSampledData asks for it; at least the register."""
    names = [name.strip() for name in settings["MeterValuesSampledData"].split(",") if name]
    readings = _readings(connector)
    samples = [
        {
            "value": readings[name],
            "measurand": name,
            "unit": UNITS[name],
            "context": context,
            "location": "Outlet",
        }
        for name in names or ["Energy.Active.Import.Register"]
    ]
    return call.MeterValues(
        connector_id=connector.number,
        meter_value=[{"timestamp": timestamp(), "sampled_value": samples}],
        transaction_id=connector.charge.transaction_id if connector.charge else None,
    )


def _readings(connector: Connector) -> dict[str, str]:
    """Every measurand's value as text: a battery that goes from 20 to 80 %, and the power that this takes."""
    charge = connector.charge
    power_w = charge.power_w if charge else 0.0
    return {
        "Energy.Active.Import.Register": str(connector.reading_wh),
        "Power.Active.Import": f"{power_w:.1f}",
        "Current.Import": f"{power_w / VOLTS / PHASES:.1f}",
        "Voltage": f"{random.uniform(VOLTS - 2, VOLTS + 2):.1f}",
        "SoC": str(round(20 + 60 * charge.progress) if charge else 20),
    }
