"""Files for spreadsheet programs: harmless, and made while others have their turn."""

from __future__ import annotations

import io
import threading
from datetime import datetime

import openpyxl
import pytest

from app import spreadsheets


@pytest.mark.parametrize("cell", ["=1+1", "+A1", "-A1", "@SUM(A1)", "-", "=", "+1+1", "-5x", "@"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(cell):
    assert spreadsheets.harmless(cell) == f"'{cell}"
    assert spreadsheets.unshielded(f"'{cell}") == cell


@pytest.mark.parametrize("cell", ["-5", "+5", "-5.25", "joe", "", "'", "a=b", "1E5"])
def test_numbers_and_plain_text_stay_as_they_are(cell):
    assert spreadsheets.harmless(cell) == cell
    assert spreadsheets.unshielded(cell) == cell


def test_csv_comes_in_pieces(monkeypatch):
    monkeypatch.setattr(spreadsheets, "CSV_PIECE", 10)
    lines = [["=x", 1], ["two\nlines", True], ["ñ", None], ["-1", datetime(2026, 1, 31, 8)]]

    pieces = list(spreadsheets.csv_text(["a", "b"], lines))

    assert pieces == ['a,b\n\'=x,1\n"two\nlines",True\n', "ñ,\n-1,2026-01-31 08:00:00\n", ""]


def test_a_workbook_holds_text_as_text_and_no_formula():
    with spreadsheets.workbook("Tags", ["a", "b"], [["007", 7], ["=1+1\x0b", True]], (10,)) as file:
        sheet = openpyxl.load_workbook(io.BytesIO(file.read())).active

    assert sheet.title == "Tags"
    assert list(sheet.values) == [("a", "b"), ("007", 7), ("'=1+1", True)]
    assert {cell.data_type for cell in sheet["A"]} == {"s"}
    assert sheet.freeze_panes == "A2"


def test_others_have_their_turn_while_a_file_is_made(monkeypatch):
    pauses = []
    monkeypatch.setattr(spreadsheets.time, "sleep", pauses.append)
    monkeypatch.setattr(spreadsheets, "SLICE_S", 0)
    monkeypatch.setattr(spreadsheets, "MOST_PAUSES", 1)
    rows = [["x"]] * 30

    for _ in spreadsheets.csv_text(["a"], rows):
        pass
    assert len(pauses) == 30
    spreadsheets.workbook("x", ["a"], rows).close()
    assert len(pauses) == 60
    # A pause of nothing would be none: gevent would not look at any socket.
    assert min(pauses) > 0


def test_one_workbook_is_made_at_a_time():
    inside, most = [0], [0]

    def rows():
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        for _ in range(20):
            yield from [["x"]] * 200
        inside[0] -= 1

    def make():
        spreadsheets.workbook("x", ["a"], rows()).close()

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]
