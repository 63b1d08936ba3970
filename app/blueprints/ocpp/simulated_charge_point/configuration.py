"""The configuration keys of a simulated charge point: what may be read, what may be changed, and to what."""

from collections.abc import Callable
from dataclasses import dataclass

from ocpp.v16.enums import ConfigurationStatus

Check = Callable[[str], bool]

MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC")


@dataclass
class Setting:
    """One configuration key. ``check`` says which values it takes; None makes it read-only."""

    key: str
    value: str
    check: Check | None = None
    reboot_required: bool = False
    secret: bool = False


def _is_count(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 10 and int(value) < 2**31


def _is_switch(value: str) -> bool:
    return value.lower() in ("true", "false")


def _is_measurands(value: str) -> bool:
    return not value or all(name.strip() in MEASURANDS for name in value.split(","))


def _is_key(value: str) -> bool:
    # Security whitepaper, AuthorizationKey: at least 16, at most 40 characters.
    return 16 <= len(value) <= 40


def _settings(connectors: int, interval_s: float) -> list[Setting]:
    """The keys of OCPP 1.6, chapter 9, and of the security whitepaper that this charge point knows."""
    return [
        Setting("AllowOfflineTxForUnknownId", "false"),
        Setting("AuthorizationCacheEnabled", "true", _is_switch),
        Setting("AuthorizeRemoteTxRequests", "false", _is_switch),
        Setting("ClockAlignedDataInterval", "0"),
        Setting("ConnectionTimeOut", "60", _is_count),
        Setting("ConnectorPhaseRotation", "0.RST,1.RST"),
        Setting("GetConfigurationMaxKeys", "50"),
        Setting("HeartbeatInterval", "300", _is_count),
        Setting("LightIntensity", "100", _is_count),
        Setting("LocalAuthorizeOffline", "false", _is_switch),
        Setting("LocalPreAuthorize", "false", _is_switch),
        Setting("MeterValuesAlignedData", ""),
        Setting("MeterValuesSampledData", ",".join(MEASURANDS), _is_measurands),
        Setting("MeterValueSampleInterval", f"{interval_s:.10g}", _is_count),
        Setting("NumberOfConnectors", str(connectors)),
        Setting("ResetRetries", "0", _is_count),
        Setting("StopTransactionOnEVSideDisconnect", "true"),
        Setting("StopTransactionOnInvalidId", "true"),
        Setting("StopTxnAlignedData", ""),
        Setting("StopTxnSampledData", ""),
        Setting(
            "SupportedFeatureProfiles",
            "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        ),
        Setting("TransactionMessageAttempts", "3", _is_count),
        Setting("TransactionMessageRetryInterval", "2", _is_count),
        Setting("UnlockConnectorOnEVSideDisconnect", "true"),
        # Used for the next connection, hence the reboot.
        Setting("WebSocketPingInterval", "20", _is_count, reboot_required=True),
        Setting("LocalAuthListEnabled", "true", _is_switch),
        Setting("LocalAuthListMaxLength", "1000"),
        Setting("SendLocalListMaxLength", "500"),
        Setting("ReserveConnectorZeroSupported", "false"),
        Setting("ChargeProfileMaxStackLevel", "10"),
        Setting("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
        Setting("ChargingScheduleMaxPeriods", "100"),
        Setting("MaxChargingProfilesInstalled", "20"),
        Setting("CertificateStoreMaxLength", "10"),
        Setting("CpoName", "Simulated", lambda value: 0 < len(value) <= 50),
        Setting("SecurityProfile", "1"),
        Setting("AuthorizationKey", "", _is_key, secret=True),
    ]


class Configuration:
    """The values behind GetConfiguration and ChangeConfiguration; keys compare without case (CiString50)."""

    def __init__(self, connectors: int, interval_s: float) -> None:
        self._settings = {setting.key.lower(): setting for setting in _settings(connectors, interval_s)}

    def __getitem__(self, key: str) -> str:
        return self._settings[key.lower()].value

    def __setitem__(self, key: str, value: str) -> None:
        """Set a value from inside, read-only or not."""
        self._settings[key.lower()].value = value

    def is_on(self, key: str) -> bool:
        """Read a switch."""
        return self[key].lower() == "true"

    def change(self, key: str, value: str) -> ConfigurationStatus:
        """Set a value as the central system may (OCPP 1.6, 5.3)."""
        setting = self._settings.get(key.lower())
        if setting is None:
            return ConfigurationStatus.not_supported
        if setting.check is None or not setting.check(value):
            return ConfigurationStatus.rejected
        setting.value = value
        return (
            ConfigurationStatus.reboot_required if setting.reboot_required else ConfigurationStatus.accepted
        )

    def listing(self, keys: list[str]) -> tuple[list[dict[str, object]], list[str]]:
        """What GetConfiguration answers: known keys as KeyValue objects, and unknown ones; none = all."""
        wanted = keys or list(self._settings)
        known = [self._settings[key.lower()] for key in wanted if key.lower() in self._settings]
        unknown = [key for key in wanted if key.lower() not in self._settings]
        return [_key_value(setting) for setting in known], unknown


def _key_value(setting: Setting) -> dict[str, object]:
    shown = {"key": setting.key, "readonly": setting.check is None}
    # Security whitepaper: AuthorizationKey is write-only.
    return shown if setting.secret else {**shown, "value": setting.value}
