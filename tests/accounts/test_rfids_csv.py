"""Tags out to CSV, and in again."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from sqlalchemy import event, select

from app.blueprints.accounts.errors import BadFile, Overtaken
from app.blueprints.accounts.models import RFID
from app.blueprints.accounts.services import check_tags, export_tags, import_tags, tag_rows, write_tags
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory

CARDS = ("0A0B0C0D", "04A1B2C3D4E5F6", "0123456789ABCDEF0123")


def imported(work, text):
    return import_tags(work, io.StringIO(text, newline=""))


def exported(work):
    out = io.StringIO(newline="")
    export_tags(work, out)
    return out.getvalue()


def refusal(work, text):
    with pytest.raises(BadFile) as refused:
        imported(work, text)
    return {line.number: line.reason for line in refused.value.lines}


def tags(work):
    rows = work.scalars(select(RFID).order_by(RFID.rfid))
    return {tag.rfid: (tag.user.username if tag.user else None, tag.allowed) for tag in rows}


@both_databases
def test_the_export_is_ordered_and_says_true_or_false(work):
    RFIDFactory(rfid="BBBBBBBB", user__username="joe")
    RFIDFactory(rfid="AAAAAAAA", user=None, allowed=False)

    assert exported(work) == "rfid,user,allowed\nAAAAAAAA,,False\nBBBBBBBB,joe,True\n"


@both_databases
def test_what_was_exported_can_be_imported(work):
    for card, name in zip(CARDS, ("joe", "@mary", "-5"), strict=True):
        RFIDFactory(rfid=card, user__username=name)
    text, before = exported(work), tags(work)
    for tag in work.scalars(select(RFID)):
        work.delete(tag)
    work.flush()

    assert imported(work, text) == 3
    assert tags(work) == before


def test_a_name_that_a_spreadsheet_would_run_is_shielded(work):
    RFIDFactory(rfid=CARDS[0], user__username="@SUM")

    assert f"{CARDS[0]},'@SUM,True\n" in exported(work)


def test_a_name_that_is_a_number_is_not(work):
    RFIDFactory(rfid=CARDS[0], user__username="-5")

    assert f"{CARDS[0]},-5,True\n" in exported(work)
    assert imported(work, f"rfid,user,allowed\n{CARDS[0]},'-5,True\n") == 1


@both_databases
def test_a_tag_that_is_no_card_can_come_back_but_not_be_made(work):
    RFIDFactory(rfid="=LOBBY 7", user__username="joe")
    text, before = exported(work), tags(work)

    assert text == "rfid,user,allowed\n'=LOBBY 7,joe,True\n"
    assert imported(work, text) == 1
    assert tags(work) == before
    assert refusal(work, "rfid,user,allowed\nLOBBY 8,joe,True\n") == {
        2: "RFID must be 8, 14 or 20 hexadecimal digits"
    }


@both_databases
def test_an_import_creates_and_changes_by_upper_cased_rfid(work):
    UserFactory(username="joe")
    RFIDFactory(rfid="AAAAAAAA", user__username="mary")

    assert (
        imported(work, "rfid,user,allowed\naaaaaaaa,joe,True\n bbbbbbbb , joe , true \ncccccccc,,False\n")
        == 3
    )

    assert tags(work) == {"AAAAAAAA": ("joe", True), "BBBBBBBB": ("joe", True), "CCCCCCCC": (None, False)}


def test_a_tag_that_is_not_allowed_loses_its_user(work):
    RFIDFactory(rfid="AAAAAAAA", user__username="joe")

    imported(work, "rfid,user,allowed\nAAAAAAAA,joe,False\n")

    assert tags(work) == {"AAAAAAAA": (None, False)}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffrfid,user,allowed\r\n0A0B0C0D,joe,True\r\n",
        "rfid,user,allowed\n\n\n0A0B0C0D,joe,True\n\n ,, \n",
        "\nRFID,User,Allowed\n0a0b0c0d,joe,TRUE",
        'rfid,user,allowed\r"0A0B0C0D","joe","True"\r',
    ],
)
def test_boms_blank_lines_and_every_line_end_are_fine(work, text):
    UserFactory(username="joe")

    assert imported(work, text) == 1
    assert tags(work) == {"0A0B0C0D": ("joe", True)}


def test_every_bad_line_is_named_and_nothing_changes(work):
    RFIDFactory(rfid="AAAAAAAA", user__username="joe")
    before = tags(work)

    reasons = refusal(
        work,
        "rfid,user,allowed\n"  # 1
        "AAAAAAAA,,False\n"  # 2: good
        "XYZ,joe,True\n"  # 3
        "BBBBBBBB,nobody,True\n"  # 4
        "\n"
        "CCCCCCCC,joe,maybe\n"  # 6
        "DDDDDDDD,joe\n"  # 7
        "EEEEEEEE,joe,True,more\n"  # 8
        "aaaaaaaa,joe,True\n"  # 9
        "AAAAAAAAA,joe,True\n"  # 10
        ",joe,True\n",  # 11
    )

    assert reasons == {
        3: "RFID must be 8, 14 or 20 hexadecimal digits",
        4: "there is no user nobody",
        6: "allowed must be True or False",
        7: "there must be 3 columns",
        8: "there must be 3 columns",
        9: "the same tag as in line 2",
        10: "RFID must be 8, 14 or 20 hexadecimal digits",
        11: "RFID must be 8, 14 or 20 hexadecimal digits",
    }
    assert tags(work) == before


@pytest.mark.parametrize("text", ["", "\n\n", "0A0B0C0D,joe,True\n", "rfid,allowed\n", "tag;user;allowed\n"])
def test_a_file_without_the_header_is_refused(work, text):
    (reason,) = refusal(work, text).values()

    assert reason == "the header must be rfid,user,allowed"


@pytest.mark.parametrize(
    "text", ["0A0B0C0D,joe,True\0\n", "0A0B0C0D,\0,True\n", "０A0B0C0D,joe,True\n", "\0"]
)
@both_databases
def test_strange_characters_are_a_bad_line(work, text):
    UserFactory(username="joe")

    assert list(refusal(work, f"rfid,user,allowed\n{text}")) == [2]


def test_what_is_not_csv_is_refused(work):
    assert refusal(work, "rfid,user,allowed\n" + "x" * 200_000 + ",joe,True\n") == {2: "this is not CSV"}


@both_databases
def test_files_of_any_length_are_read_in_batches(work, monkeypatch):
    monkeypatch.setattr(tag_rows, "BATCH", 7)
    UserFactory(username="joe")
    text = "rfid,user,allowed\n" + "".join(f"{n:08X},joe,True\n" for n in range(30))

    assert imported(work, text) == 30
    assert imported(work, text.replace("joe,True", ",False")) == 30
    assert set(tags(work).values()) == {(None, False)}
    assert exported(work).count("\n") == 31


@both_databases
def test_an_import_is_one_statement(work):
    UserFactory(username="joe")
    RFIDFactory(rfid="00000001")
    work.flush()
    statements = []

    def listen(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(work.get_bind(), "before_cursor_execute", listen)
    imported(work, "rfid,user,allowed\n" + "".join(f"{n:08X},joe,True\n" for n in range(100)))
    event.remove(work.get_bind(), "before_cursor_execute", listen)

    assert sum("INTO rfid" in one or "UPDATE rfid" in one for one in statements) == 1


@both_databases
def test_what_others_change_between_looking_and_writing_is_not_overwritten(work):
    UserFactory(username="joe")
    tag = RFIDFactory(rfid="AAAAAAAA", user=None)
    found = check_tags(work, ["rfid,user,allowed\n", "AAAAAAAA,joe,True\n"])
    tag.allowed = False
    work.flush()

    with pytest.raises(Overtaken):
        write_tags(work, found)
    assert tags(work) == {"AAAAAAAA": (None, False)}


@pytest.mark.slow
def test_fifty_thousand_lines_take_little_memory(work):
    UserFactory(username="joe")
    work.flush()
    lines = ["rfid,user,allowed\n", *(f"{n:014X},joe,True\n" for n in range(50_000))]
    tracemalloc.start()

    assert import_tags(work, iter(lines)) == 50_000

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 2**20
