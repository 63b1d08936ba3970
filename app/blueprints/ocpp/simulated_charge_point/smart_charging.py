"""Charging profiles: which ones a charge point keeps, and what they allow together (OCPP 1.6, 3.13)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.v16.enums import ChargingProfilePurposeType as Purpose

from .clock import parse_time

Profile = dict[str, Any]  # a ChargingProfile, keys in snake_case

VOLTS = 230
PHASES = 3
# What the charge point gives when no profile says less: 32 A on three phases.
HARDWARE_LIMIT_W = 32.0 * VOLTS * PHASES
RECURRENCE_S = {"Daily": 86_400, "Weekly": 604_800}
# A schedule is computed for a week at most, whatever was asked for.
LONGEST_SCHEDULE_S = 604_800


@dataclass
class InstalledProfile:
    """A charging profile on one connector; 0 is the whole charge point."""

    connector_id: int
    profile: Profile

    def replaces(self, other: "InstalledProfile") -> bool:
        """Whether the other one goes when this one comes: same id, or same place in the stack (C 5.16)."""
        if self.profile["charging_profile_id"] == other.profile["charging_profile_id"]:
            return True
        return self._place == other._place

    @property
    def _place(self) -> tuple[int, str, int]:
        return self.connector_id, self.profile["charging_profile_purpose"], self.profile["stack_level"]

    def matches(
        self, profile_id: int | None, connector_id: int | None, purpose: str | None, stack_level: int | None
    ) -> bool:
        """Whether ClearChargingProfile means this one: the id decides, else every criterion given (C 5.5)."""
        if profile_id is not None:
            return bool(self.profile["charging_profile_id"] == profile_id)
        wanted = (connector_id, purpose, stack_level)
        return all(want is None or want == have for want, have in zip(wanted, self._place, strict=True))


def composite_schedule(
    installed: list[InstalledProfile],
    connector_id: int,
    charging_since: datetime | None,
    duration_s: int,
    unit: str,
) -> dict[str, Any]:
    """The ChargingSchedule that GetCompositeSchedule answers, from now on, in ``unit`` W or A (C 5.7)."""
    now = datetime.now(UTC)
    length_s = min(duration_s, LONGEST_SCHEDULE_S)
    since = charging_since or now
    periods: list[dict[str, Any]] = []
    for offset in sorted({0, *_breaks(installed, now, since, length_s)}):
        watts = _limit_w(installed, connector_id, now + timedelta(seconds=offset), since)
        limit = round(watts if unit == "W" else watts / VOLTS / PHASES, 1)
        if not periods or periods[-1]["limit"] != limit:
            periods.append({"start_period": offset, "limit": limit})
    return {"duration": length_s, "charging_rate_unit": unit, "charging_schedule_period": periods}


def _limit_w(
    installed: list[InstalledProfile], connector_id: int, at: datetime, charging_since: datetime
) -> float:
    """The watts allowed at a moment: the least of the charge point's and the connector's (C 3.13.3)."""
    limits = [
        HARDWARE_LIMIT_W,
        _leading_w(installed, 0, Purpose.charge_point_max_profile, at, charging_since),
    ]
    if connector_id:
        # A TxProfile overrules the default, and a connector's own default that of connector 0.
        for number, purpose in (
            (connector_id, Purpose.tx_profile),
            (connector_id, Purpose.tx_default_profile),
            (0, Purpose.tx_default_profile),
        ):
            limit = _leading_w(installed, number, purpose, at, charging_since)
            if limit is not None:
                limits.append(limit)
                break
    return min(limit for limit in limits if limit is not None)


def _leading_w(
    installed: list[InstalledProfile], connector_id: int, purpose: str, at: datetime, charging_since: datetime
) -> float | None:
    """The limit of the highest stack level that says anything about the moment."""
    stack = [
        one.profile
        for one in installed
        if one.connector_id == connector_id and one.profile["charging_profile_purpose"] == purpose
    ]
    stack.sort(key=lambda profile: int(profile["stack_level"]), reverse=True)
    limits = (_profile_limit_w(profile, at, charging_since) for profile in stack)
    return next((limit for limit in limits if limit is not None), None)


def _profile_limit_w(profile: Profile, at: datetime, charging_since: datetime) -> float | None:
    """What one profile allows at a moment, in watts; None when it is silent about it."""
    if "valid_from" in profile and at < parse_time(profile["valid_from"]):
        return None
    if "valid_to" in profile and at >= parse_time(profile["valid_to"]):
        return None
    schedule = profile["charging_schedule"]
    elapsed_s = (at - _start(profile, at, charging_since)).total_seconds()
    running = [p for p in schedule["charging_schedule_period"] if p["start_period"] <= elapsed_s]
    if not running or elapsed_s >= schedule.get("duration", math.inf):
        return None
    period = max(running, key=lambda p: int(p["start_period"]))
    limit = float(period["limit"])
    is_watts = schedule["charging_rate_unit"] == "W"
    return limit if is_watts else limit * VOLTS * period.get("number_phases", PHASES)


def _start(profile: Profile, at: datetime, charging_since: datetime) -> datetime:
    """When the schedule that holds at a moment began: as written, recurring, or with the charge."""
    written = profile["charging_schedule"].get("start_schedule")
    if profile["charging_profile_kind"] == "Relative" or written is None:
        return charging_since
    start = parse_time(written)
    cycle_s = RECURRENCE_S.get(profile.get("recurrency_kind", ""))
    if profile["charging_profile_kind"] != "Recurring" or cycle_s is None:
        return start
    return at - timedelta(seconds=(at - start).total_seconds() % cycle_s)


def _breaks(
    installed: list[InstalledProfile], now: datetime, charging_since: datetime, length_s: int
) -> Iterator[int]:
    """Whole seconds from now at which the limit may change."""
    for one in installed:
        for offset_s in _changes(one.profile, now, charging_since, length_s):
            if 0 < offset_s < length_s:
                yield math.ceil(offset_s)


def _changes(profile: Profile, now: datetime, charging_since: datetime, length_s: int) -> Iterator[float]:
    """Seconds from now, past ones too: where the profile's validity and its periods begin and end."""
    for key in ("valid_from", "valid_to"):
        if key in profile:
            yield (parse_time(profile[key]) - now).total_seconds()
    schedule = profile["charging_schedule"]
    offsets = [period["start_period"] for period in schedule["charging_schedule_period"]]
    offsets += [schedule["duration"]] if "duration" in schedule else []
    start_s = (_start(profile, now, charging_since) - now).total_seconds()
    cycle_s = RECURRENCE_S.get(profile.get("recurrency_kind", ""), length_s + 1)
    for cycle in range(length_s // cycle_s + 2):
        yield from (start_s + cycle * cycle_s + offset for offset in offsets)


def problem(profile: Profile, stack_levels: int, most_periods: int) -> str | None:
    """Why a profile cannot be installed, None when it can. Raises as parse_time for its times."""
    schedule = profile["charging_schedule"]
    periods = schedule["charging_schedule_period"]
    for text in (profile.get("valid_from"), profile.get("valid_to"), schedule.get("start_schedule")):
        if text is not None:
            parse_time(text)
    if not 0 <= profile["stack_level"] <= stack_levels:
        return "stack level out of range"
    if not 0 < len(periods) <= most_periods or periods[0]["start_period"] != 0:
        return "a schedule starts at 0 and has a bounded number of periods"
    spans = [*(period["start_period"] for period in periods), schedule.get("duration", 0)]
    return None if all(0 <= span < 2**31 for span in spans) else "a time out of range"
