"""Files of tags as people send them: what they say, what is wrong, and what must not hurt the worker."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import date

import openpyxl
import pytest

from app.blueprints.accounts.services import tag_files, workbooks
from app.blueprints.accounts.services.tag_lines import TagLine

HEADER = ("rfid", "user", "allowed")
MOST = 1000


def read(upload, most=MOST):
    """Good lines as (rfid, user, allowed), bad ones as number → (kind, value), and the notes."""
    notes = []
    found = list(tag_files.read_upload(upload, most, notes))
    good = [line[1:] for line in found if isinstance(line, TagLine)]
    bad = {line.number: (line.kind, line.value) for line in found if not isinstance(line, TagLine)}
    return good, bad, notes


def kinds(upload, most=MOST):
    """Number → kind of the bad lines."""
    return {number: kind for number, (kind, _) in read(upload, most)[1].items()}


def book(*rows, header=HEADER, edit=lambda sheet: None):
    """A workbook with one sheet."""
    made = openpyxl.Workbook()
    for row in (header, *rows):
        made.active.append(row)
    edit(made.active)
    return saved(made)


def saved(made):
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def part(upload, name, content):
    """The same workbook with one part of it replaced."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(upload)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for known in old.namelist():
            if known != name:
                new.writestr(known, old.read(known))
        new.writestr(name, content)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
XMLNS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def sheet_xml(rows):
    return f'<worksheet xmlns="{XMLNS}"><sheetData>{rows}</sheetData></worksheet>'


def row_xml(number, *cells):
    texts = "".join(
        f'<c r="{chr(65 + n)}{number}" t="inlineStr"><is><t>{text}</t></is></c>'
        for n, text in enumerate(cells)
    )
    return f'<row r="{number}">{texts}</row>'


# CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_csv_is_read_as_spreadsheets_write_it(delimiter, encoding):
    text = 'rfid,user,allowed\r\n0a0b0c0d,josé,VERDADERO\r\n"04A1B2C3D4E5F6",,FALSO\r\n'

    good, bad, notes = read(text.replace(",", delimiter).encode(encoding))

    assert good == [("0A0B0C0D", "josé", True), ("04A1B2C3D4E5F6", "", False)]
    assert bad == {}
    assert notes == ([("windows", "")] if encoding == "cp1252" else [])


def test_a_name_is_the_same_however_its_accents_are_composed():
    good, _, _ = read("rfid,user,allowed\n0A0B0C0D,jose\u0301,True\n".encode())

    assert good == [("0A0B0C0D", "josé", True)]


def test_empty_cells_at_the_end_are_left_away():
    good, bad, _ = read(b"rfid;user;allowed;;\n0A0B0C0D;joe;True;;\n0A0B0C0E;;True;;x\n")

    assert good == [("0A0B0C0D", "joe", True)]
    assert bad == {3: ("columns", "3")}


def test_what_a_spreadsheet_did_to_an_id_is_said_not_guessed():
    lines = ["1234567,,True", "4112233445566,,True", "1.23E+20,,True", "1,2E+07"]
    found = tag_files.read_csv(["rfid,user,allowed\n", *(f"{line}\n" for line in lines[:3])])

    assert [line.not_a_card().kind for line in found] == ["zeros", "zeros", "number"]


@pytest.mark.parametrize(
    ("upload", "kind"),
    [
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\x00", "binary"),
        (b"rfid,user,allowed\n\x81\x8d", "binary"),
        (b"\x89PNG\r\n\x1a\n\xff\x00", "binary"),
        ("rfid,user,allowed\n".encode("utf-16"), "utf-16"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "old workbook"),
        (b"PK\x03\x04 and nothing else", "workbook"),
        (b"PK", "workbook"),
    ],
)
def test_what_is_no_file_of_tags_is_one_sentence(upload, kind):
    assert kinds(upload) == {0: kind}


@pytest.mark.parametrize(
    "upload",
    [b"\n" * 100_000, b"," * 4_000_000, b"rfid;user,allowed\n", b"x" * 4_000_000, b'"' + b"\n" * 50_000],
)
def test_a_csv_without_the_header_is_one_sentence(upload):
    assert set(kinds(upload).values()) <= {"header", "csv"}


def test_a_line_with_very_many_columns_is_a_bad_line():
    assert kinds(b"rfid,user,allowed\n" + b"x," * 1_000_000 + b"\n0A0B0C0D,,True\n") == {2: "columns"}


def test_a_nul_is_a_bad_line():
    assert kinds(b"rfid,user,allowed\n0A0B0C0D,jo\0e,True\n\0,,True\n0A0B0C0E,,\0\n") == {
        2: "user",
        3: "rfid",
        4: "allowed",
    }


def test_a_file_has_no_more_lines_than_it_may():
    lines = b"".join(b"%08X,,True\n" % number for number in range(11))

    assert kinds(b"rfid,user,allowed\n" + lines, most=11) == {}
    assert kinds(b"rfid,user,allowed\n" + lines, most=10) == {0: "too many"}


def test_progress_is_told():
    told = []
    lines = b"".join(b"%08X,,True\n" % number for number in range(1200))

    list(tag_files.read_upload(b"rfid,user,allowed\n" + lines, 2000, [], lambda *word: told.append(word)))

    assert told == [(1201, 500), (1201, 1000)]


# XLSX


def test_a_workbook_is_read():
    upload = book(
        ("0a0b0c0d", "joe", True),
        (None, None, None),
        ("04A1B2C3D4E5F6", None, False),
        ("0B0B0B0B", " '@mary ", "true"),
        ("0B0B0B0C", "joe", "maybe"),
        ("0B0B0B0D", "joe", True, "more"),
        header=(" RFID", "User", "ALLOWED "),
    )

    good, bad, notes = read(upload)

    assert good == [("0A0B0C0D", "joe", True), ("04A1B2C3D4E5F6", "", False), ("0B0B0B0B", "@mary", True)]
    assert bad == {6: ("allowed", ""), 7: ("columns", "3")}
    assert notes == []


def test_a_cell_that_is_no_text_may_have_lost_something():
    upload = book(
        (12345678, "joe", True),
        (1234567.0, "joe", True),
        (4.11223344556678e19, "joe", True),
        ("0A0B0C0D", 7, True),
        (date(2026, 3, 1), "joe", True),
        ("=UPPER(B2)", "joe", True),
        ("0A0B0C0E", "joe", 1),
    )

    _, bad, _ = read(upload)

    assert bad == {
        2: ("number", "12345678"),
        3: ("number", "1234567"),
        4: ("number", "4.11223344556678e+19"),
        5: ("number", "7"),
        6: ("date", "2026-03-01 00:00:00"),
        7: ("formula", "=UPPER(B2)"),
        8: ("allowed", ""),
    }


def test_merged_cells_are_named():
    upload = book(
        ("0A0B0C0D", "joe", True),
        ("0A0B0C0E", "", True),
        edit=lambda sheet: (sheet.merge_cells("B2:B3"), sheet.merge_cells("F2:G9")),
    )

    assert read(upload)[1] == {2: ("merged", "B2:B3")}


def test_of_several_sheets_the_one_with_tags_is_read():
    made = openpyxl.Workbook()
    made.active.append(("Notes of ours",))
    tags = made.create_sheet("Tags")
    for row in ((), HEADER, ("0A0B0C0D", "joe", True)):
        tags.append(row)

    assert read(saved(made)) == ([("0A0B0C0D", "joe", True)], {}, [("sheet", "Tags")])

    made.create_sheet("More").append(HEADER)
    assert read(saved(made))[1] == {0: ("sheets", "Tags, More")}


def test_a_workbook_without_the_header_is_one_sentence():
    for upload in (book(header=("id", "user", "allowed")), book(header=(*HEADER, "more")), book(header=())):
        assert kinds(upload) == {1: "header"}


def test_a_workbook_has_no_more_lines_than_it_may():
    rows = [(f"{number:08X}", None, True) for number in range(11)]

    assert kinds(book(*rows), most=11) == {}
    assert kinds(book(*rows), most=10) == {0: "too many"}


def test_the_size_that_a_sheet_claims_does_not_matter():
    rows = row_xml(1, *HEADER) + row_xml(2, "0A0B0C0D", "joe", "True")
    claimed = sheet_xml(rows).replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')

    assert read(part(book(), SHEET, claimed))[0] == [("0A0B0C0D", "joe", True)]
    too_small = claimed.replace("A1:XFD1048576", "A1")
    assert read(part(book(), SHEET, too_small))[0] == [("0A0B0C0D", "joe", True)]


@pytest.mark.parametrize(
    ("xml", "kinds_of_it"),
    [
        # A hundred megabytes of nothing in a hundred kilobytes.
        (lambda: sheet_xml(" " * 100_000_000), {"too large"}),
        # A row of very many cells, which is held in memory whole.
        (
            lambda: sheet_xml(row_xml(1, *HEADER) + '<row r="2">' + "<c/>" * 2_000_000 + "</row>"),
            {"too large"},
        ),
        # Rows far down.
        (lambda: sheet_xml(row_xml(1, *HEADER) + row_xml(10**12, "0A0B0C0D", "", "True")), set()),
        (lambda: "<!DOCTYPE x [" + bomb() + "]><worksheet>&h;</worksheet>", {"workbook", "too large"}),
        (lambda: "<worksheet", {"workbook"}),
    ],
    ids=["zip bomb", "wide row", "far row", "entities", "no XML"],
)
def test_a_workbook_that_is_made_to_hurt_is_one_sentence(xml, kinds_of_it, monkeypatch):
    monkeypatch.setattr(workbooks, "MEMORY", 100 * 2**20)
    upload = part(book(), SHEET, xml())
    assert len(upload) < 4_000_000

    good, bad, _ = read(upload)
    assert good == []
    assert len(bad) <= 1
    assert {kind for kind, _ in bad.values()} <= kinds_of_it


def bomb():
    """Entities that expand to a billion laughs."""
    return '<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )


def test_a_zip_that_says_less_than_it_holds_is_one_sentence(monkeypatch):
    monkeypatch.setattr(workbooks, "MEMORY", 80 * 2**20)
    upload = bytearray(part(book(), SHEET, " " * 120_000_000))
    # The directory at the end says how large each part is.
    at = upload.rindex(SHEET.encode()) - 46 + 24
    upload[at : at + 4] = (1000).to_bytes(4, "little")

    assert set(kinds(bytes(upload)).values()) <= {"too large", "workbook", "header"}


def test_a_reader_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(workbooks, "CPU_S", 0)

    assert kinds(book(*((f"{n:08X}", None, True) for n in range(900)))) == {0: "too large"}


def test_a_reader_that_nobody_listens_to_ends():
    before = children()
    lines = tag_files.read_upload(book(*((f"{n:08X}", None, True) for n in range(900))), MOST, [])
    next(lines)
    lines.close()

    assert children() == before


def children():
    ours = subprocess.run(["ps", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return ours.count(workbooks.READER)


def test_the_reader_needs_nothing_of_ours():
    code = f"import runpy, sys; runpy.run_path({workbooks.READER!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert not {"app", "flask", "sqlalchemy"} & set(loaded.stdout.split())
