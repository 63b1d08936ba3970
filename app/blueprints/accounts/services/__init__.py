"""What can be done with users, tokens, credit and tags.

One module each; the names that other domains and the first start use are here.
"""

from app.blueprints.accounts.services.credit import add_credit, get_account, set_service
from app.blueprints.accounts.services.rfids import check_tags, export_tags, import_tags, write_tags
from app.blueprints.accounts.services.tokens import create_token, find_token, revoke_token
from app.blueprints.accounts.services.users import (
    FirstRun,
    check_password,
    create_user,
    find_user,
    first_run,
    get_user,
    set_password,
)

__all__ = [
    "FirstRun",
    "add_credit",
    "check_password",
    "check_tags",
    "create_token",
    "create_user",
    "export_tags",
    "find_token",
    "find_user",
    "first_run",
    "get_account",
    "get_user",
    "import_tags",
    "revoke_token",
    "set_password",
    "set_service",
    "write_tags",
]
