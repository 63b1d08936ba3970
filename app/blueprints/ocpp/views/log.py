"""A charger's log, for staff."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app import access
from app.blueprints.ocpp import dispatch, forms, words
from app.blueprints.ocpp.services import message_log, overview
from app.blueprints.ocpp.views import bp
from app.db import db
from app.domain_error import NotFound

# Messages that the log page shows at a time.
LOG_LENGTH = 200


@bp.get("/log/<charger_id>/")
@access.allow(access.STAFF)
def log(charger_id: str) -> str:
    """The stored exchange with a charger, newest last; it follows the exchange through ``log_news``."""
    seen = _get(charger_id)
    query = forms.search_text(request.args)
    before = forms.whole(request.args, "before", 0, lowest=0, highest=2**62) or None
    newest_id = message_log.newest_id(db.session(), seen.charger)
    messages = message_log.newest(db.session(), seen.charger, query=query, before=before, limit=LOG_LENGTH)
    return render_template(
        "ocpp/log.html", seen=seen, messages=messages, query=query, before=before, words=words,
        after=max([newest_id, *(message.id for message in messages)]),
        has_older=len(messages) == LOG_LENGTH,
    )  # fmt: skip


@bp.get("/log/<charger_id>/news/")
@access.allow(access.STAFF, json=True)
def log_news(charger_id: str) -> ResponseReturnValue:
    """What has been said since the message ``after``."""
    charger = _get(charger_id).charger
    after = forms.whole(request.args, "after", 0, lowest=0, highest=2**62)
    query = forms.search_text(request.args)
    newest_id = message_log.newest_id(db.session(), charger)
    messages = message_log.since(db.session(), charger, after=after, query=query)
    # What does not match the query is not searched again.
    after = messages[-1].id if len(messages) == message_log.LINES else max(newest_id, after)
    return {
        "after": max([after, *(message.id for message in messages)]),
        "messages": [
            {"id": message.id, "html": render_template("ocpp/_message.html", message=message, words=words)}
            for message in messages
        ],
    }


def _get(charger_id: str) -> overview.Overview:
    found = overview.find(db.session(), dispatch.presence(), charger_id)
    if found is None:
        raise NotFound("not found")
    return found
