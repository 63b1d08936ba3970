"""Tables as answers to a request: a file that the browser saves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response, send_file

from app.spreadsheets import Row, csv_text, workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def csv_file(name: str, header: Row, lines: Iterable[Row]) -> Response:
    """A CSV file of any length: it goes out while it is read."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(csv_text(header, lines), mimetype="text/csv", headers=headers)


def xlsx_file(
    name: str, header: Row, lines: Iterable[Row], *, title: str = "", widths: Sequence[int] = ()
) -> Response:
    """A workbook with one sheet. The caller sees to it that there are not too many lines."""
    file = workbook(title or name, header, lines, widths)
    return send_file(file, mimetype=XLSX, as_attachment=True, download_name=f"{name}.xlsx")
