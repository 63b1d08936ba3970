"""Staff screens: users, tokens, tags, accounts, the credit ledger, cars and the audit trail."""

from __future__ import annotations

from flask_babel import lazy_gettext

from app.admin_base import StaffView
from app.blueprints.accounts.admin.accounts import AccountAdmin
from app.blueprints.accounts.admin.audit import AuditAdmin
from app.blueprints.accounts.admin.credit import CreditAdmin
from app.blueprints.accounts.admin.rfids import RfidAdmin
from app.blueprints.accounts.admin.tag_imports import TagImportAdmin
from app.blueprints.accounts.admin.tokens import TokenAdmin
from app.blueprints.accounts.admin.users import UserAdmin
from app.blueprints.accounts.admin.vehicles import VehicleAdmin
from app.blueprints.accounts.models import (
    RFID,
    Account,
    ApiToken,
    AuditEntry,
    Credit,
    TagImport,
    User,
    Vehicle,
)
from app.db import db

CATEGORY = lazy_gettext("Accounts")


def views() -> list[StaffView]:
    """Fresh instances, in the order of the menu."""
    return [
        UserAdmin(User, db, lazy_gettext("Users"), CATEGORY, "admin_user", "users"),
        RfidAdmin(RFID, db, lazy_gettext("RFID tags"), CATEGORY, "admin_rfid", "rfids"),
        TagImportAdmin(
            TagImport, db, lazy_gettext("Files of tags"), CATEGORY, "admin_tag_import", "tag-imports"
        ),
        AccountAdmin(Account, db, lazy_gettext("Energy accounts"), CATEGORY, "admin_account", "accounts"),
        CreditAdmin(Credit, db, lazy_gettext("Credits"), CATEGORY, "admin_credit", "credits"),
        VehicleAdmin(Vehicle, db, lazy_gettext("Vehicles"), CATEGORY, "admin_vehicle", "vehicles"),
        TokenAdmin(ApiToken, db, lazy_gettext("API tokens"), CATEGORY, "admin_token", "tokens"),
        AuditAdmin(AuditEntry, db, lazy_gettext("Audit trail"), CATEGORY, "admin_audit", "audit"),
    ]
