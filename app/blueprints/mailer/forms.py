"""What a request to the mailer must hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.blueprints.mailer.errors import (
    BadContext,
    BadTemplateId,
    IncompleteMail,
    IncompleteTemplate,
    NotText,
)


@dataclass(frozen=True)
class TemplateDraft:
    """A template as somebody sends it."""

    name: str
    subject: str
    body: str
    html: str

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> TemplateDraft:
        """Read ``name``, ``subject``, ``body`` and ``html``. Raises ``IncompleteTemplate`` or ``NotText``."""
        if any(given.get(name) in (None, "") for name in ("name", "subject", "body")):
            raise IncompleteTemplate
        fields = {name: given.get(name) or "" for name in ("name", "subject", "body", "html")}
        for name, value in fields.items():
            if not isinstance(value, str):
                raise NotText(name)
        return cls(**fields)


@dataclass(frozen=True)
class MailOrder:
    """Which template goes to whom, and what fills it in."""

    to: Any
    template_id: int
    context: dict[str, str]

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> MailOrder:
        """Read ``to``, ``template_id`` and ``context``.

        Raises ``IncompleteMail``, ``BadTemplateId`` or ``BadContext``. Whether ``to`` is an address, the
        queue decides.
        """
        if any(given.get(name) in (None, "") for name in ("to", "template_id")):
            raise IncompleteMail
        told = given["template_id"]
        if isinstance(told, bool) or not re.fullmatch(r"-?[0-9]{1,20}", str(told).strip(), re.ASCII):
            raise BadTemplateId
        return cls(given["to"], int(told), context(given.get("context")))


def context(given: Any) -> dict[str, str]:
    """Values by name; numbers become text. A form sends JSON text. Raises ``BadContext``."""
    if isinstance(given, str) and given:
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            raise BadContext from None
    given = given or {}
    if not isinstance(given, dict) or not all(_is_plain(value) for value in given.values()):
        raise BadContext
    return {str(name): str(value) for name, value in given.items()}


def mail_id(text: str) -> int:
    """The number of a mail; of none where it is no number."""
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) else 0


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
