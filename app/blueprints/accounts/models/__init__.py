"""Tables of accounts: people, their tags, their energy."""

from app.blueprints.accounts.models.energy import Account, Credit, Vehicle
from app.blueprints.accounts.models.people import Address, ApiToken, AuditEntry, User
from app.blueprints.accounts.models.tags import RFID, TagFile, TagImport

__all__ = [
    "RFID",
    "Account",
    "Address",
    "ApiToken",
    "AuditEntry",
    "Credit",
    "TagFile",
    "TagImport",
    "User",
    "Vehicle",
]
