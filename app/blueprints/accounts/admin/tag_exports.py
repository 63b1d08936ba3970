"""The RFID tags of the staff's list as a file: CSV or XLSX, of what the list shows or of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from flask import Response, current_app, request
from flask_admin import expose
from flask_babel import format_decimal, gettext

from app import downloads
from app.blueprints.accounts.services import rfids
from app.db import db
from app.domain_error import DomainError, NotFound

# Tags of a workbook: one of 50,000 takes the web process some two seconds' work, in slices.
MOST_IN_WORKBOOK = 100_000
WIDTHS = (24, 30)


class TooManyTags(DomainError):
    """More tags than a workbook should be made of."""

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "XLSX holds %(most)s tags at most: export CSV, or fewer tags",
                most=format_decimal(MOST_IN_WORKBOOK),
            )
        )


class TagExports:
    """The part of the tags' screen that exports."""

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> Response:
        """Send the tags that the list's search and filters choose, ordered by rfid."""
        if export_type not in ("csv", "xlsx"):
            raise NotFound("not found")
        count, lines = self._chosen()
        tags = _tags(current_app.app_context, lines)
        if export_type == "csv":
            return downloads.csv_file("rfids", rfids.HEADER, tags)
        if count > MOST_IN_WORKBOOK:
            raise TooManyTags
        db.session.remove()  # nobody keeps a database connection while the workbook is made
        return downloads.xlsx_file("rfids", rfids.HEADER, tags, title="RFID", widths=WIDTHS)

    def _chosen(self) -> tuple[int, rfids.Lines]:
        """How many tags the list's search and filters choose, and the question that finds them."""
        view: Any = self
        search, filters = request.args.get("search"), view._get_list_filter_args()
        count, query = view.get_list(None, None, False, search, filters, execute=False, page_size=False)
        return count, rfids.as_lines(query.enable_eagerloads(False).statement)


def _tags(
    context: Callable[[], AbstractContextManager[Any]], lines: rfids.Lines
) -> Iterator[tuple[str, str, bool]]:
    """Every line, read in pieces; no database connection is kept between them."""
    after = ""
    while True:
        with context():
            piece = rfids.piece(db.session(), lines, after)
            db.session.remove()
        if not piece:
            return
        yield from piece
        after = piece[-1][0]
