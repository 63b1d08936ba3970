"""Why there is no backup, or no way back from one."""

from __future__ import annotations

from app.domain_error import DomainError


class BackupFailed(DomainError):
    """The sentence says why, for whoever asked or reads the log."""

    status_code = 500
