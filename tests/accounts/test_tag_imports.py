"""Files of tags in the admin: sent, checked by the worker, looked at, confirmed, written: all or nothing."""

from __future__ import annotations

import csv
import html
import io
import re
import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from app import leases
from app.blueprints.accounts import tasks
from app.blueprints.accounts.models import RFID, AuditEntry, TagFile, TagImport, User
from app.blueprints.accounts.services import create_user, tag_imports, tag_rows, users
from app.clock import utcnow
from app.db import db, unit_of_work
from tests.accounts.desk import csv_of
from tests.accounts.screens import messages
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory

SCREEN = "/admin/tag-imports"


def send(browser, content, name="tags.csv"):
    """Send a file; the number of the import."""
    data = {"file": (io.BytesIO(content), name)}
    answer = browser.submit(f"{SCREEN}/new/", data, content_type="multipart/form-data")
    assert answer.status_code == 302, messages(answer)
    return int(answer.location.rpartition("=")[2])


def checked(browser, content, name="tags.csv"):
    """Send a file and have it checked."""
    id = send(browser, content, name)
    assert tasks.read_tag_file(id)
    return id


def page(browser, id):
    return html.unescape(browser.get(f"{SCREEN}/details/?id={id}").text)


def decide(browser, id, what, seen=None):
    """Press a button of the page as it is now, or as it was."""
    found = re.search(r'name="seen" value="([^"]*)"', seen or page(browser, id))
    data = {"id": id, "seen": found[1] if found else ""}
    return messages(browser.submit(f"{SCREEN}/{what}/", data, follow_redirects=True))


def imported(browser, content):
    """Send, check, confirm and write a file."""
    id = checked(browser, content)
    decide(browser, id, "confirm")
    assert tasks.apply_tag_file(id)
    return id


def row(work, id):
    return work.get(TagImport, id, populate_existing=True)


def tags(work):
    work.expire_all()
    rows = work.scalars(select(RFID).order_by(RFID.rfid))
    return {tag.rfid: (tag.user.username if tag.user else None, tag.allowed) for tag in rows}


def trail(work):
    entries = work.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(entry.username, entry.action, entry.subject) for entry in entries]


@pytest.fixture
def joe(work):
    """A driver with a tag."""
    return RFIDFactory(rfid="AAAAAAAA", user__username="joe").user


FILE = csv_of([("AAAAAAAA", "", False), ("BBBBBBBB", "joe", True), ("CCCCCCCC", "", True)])
BEFORE = {"AAAAAAAA": ("joe", True)}
AFTER = {"AAAAAAAA": (None, False), "BBBBBBBB": ("joe", True), "CCCCCCCC": (None, True)}


@both_databases
def test_nothing_changes_until_staff_confirm_what_they_have_seen(staff, work, joe):
    id = checked(staff, FILE, "march.csv")

    assert tags(work) == BEFORE
    shown = page(staff, id)
    assert "Import 3 tags" in shown
    assert re.search(r"AAAAAAAA.*?joe, allowed.*?nobody, not allowed", shown, re.S)
    assert re.search(r"BBBBBBBB.*?no such tag.*?joe, allowed", shown, re.S)

    decide(staff, id, "confirm")
    assert tags(work) == BEFORE
    assert tasks.apply_tag_file(id)
    assert tags(work) == AFTER
    assert "All of it has been imported." in page(staff, id)


@both_databases
def test_the_trail_says_who_sent_confirmed_and_imported_what(staff, work, joe):
    id = imported(staff, FILE)

    assert trail(work) == [
        ("staff", "send", "tag_import"),
        ("staff", "confirm", "tag_import"),
        ("staff", "import", "tag_import"),
    ]
    entry = work.scalars(select(AuditEntry).where(AuditEntry.action == "import")).one()
    assert entry.subject_id == str(id)
    assert entry.details == {"file": "tags.csv", "created": 2, "changed": 1, "unchanged": 0}


@both_databases
def test_the_file_is_wiped_when_it_is_applied_or_discarded(staff, work, joe):
    first = imported(staff, FILE)
    second = checked(staff, FILE)
    (kept,) = work.scalars(select(TagFile)).all()
    assert (kept.import_id, kept.upload) == (second, FILE)
    decide(staff, second, "discard")

    assert work.scalars(select(TagFile)).all() == []
    for id, state in ((first, "applied"), (second, "discarded")):
        assert row(work, id).state == state
        assert row(work, id).finished_on is not None


@both_databases
def test_all_of_a_file_is_written_in_one_statement(app, staff, work):
    work.add_all(User(username=f"driver{n}") for n in range(10))
    id = checked(staff, csv_of((f"{n:08X}", f"driver{n % 10}", True) for n in range(6000)))
    decide(staff, id, "confirm")
    statements = []

    def listen(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", listen)
    tasks.apply_tag_file(id)
    event.remove(db.engine, "before_cursor_execute", listen)

    assert len([one for one in statements if re.search(r"(INSERT INTO|UPDATE|DELETE FROM) rfid", one)]) == 1
    assert len(tags(work)) == 6000


@both_databases
def test_a_tag_keeps_what_the_file_does_not_name(staff, work, joe):
    tag = work.scalars(select(RFID)).one()
    tag.parent, tag.expires_at = "GROUP", utcnow() + timedelta(days=1)
    work.commit()
    before = (tag.id, tag.parent, tag.expires_at, tag.added_on)

    imported(staff, csv_of([("aaaaaaaa", "", True)]))

    work.refresh(tag)
    assert (tag.id, tag.parent, tag.expires_at, tag.added_on) == before
    assert tag.user is None


BAD = b"rfid,user,allowed\nAAAAAAAA,,False\nXYZ,joe,True\nBBBBBBBB,nobody,True\nAAAAAAAA,joe,True\n"


@both_databases
def test_a_file_with_a_bad_line_cannot_be_confirmed(staff, work, joe):
    id = checked(staff, BAD)

    shown = page(staff, id)
    assert "/confirm/" not in shown
    assert re.search(r"<td>3</td><td[^>]*>RFID must be", shown)
    assert re.search(r"<td>4</td><td[^>]*>there is no user nobody", shown)
    assert re.search(r"<td>5</td><td[^>]*>the same tag as in line 2", shown)
    assert "look again" in decide(staff, id, "confirm")
    assert not tasks.apply_tag_file(id)
    assert tags(work) == BEFORE


def test_every_bad_line_is_counted_and_can_be_downloaded(staff, work):
    id = checked(staff, b"rfid,user,allowed\n" + b"XYZ,=1+1,True\n" * 1234)

    assert row(work, id).bad == 1234
    assert "The first 100 of 1,234." in page(staff, id)
    lines = list(csv.reader(io.StringIO(staff.get(f"{SCREEN}/problems/?id={id}").text)))
    assert lines[0] == ["line", "reason"]
    assert [int(number) for number, _ in lines[1:]] == list(range(2, 1236))
    assert {reason for _, reason in lines[1:]} == {"there is no user =1+1"}


def test_reasons_are_in_the_language_of_whoever_reads_them(staff, work):
    id = checked(staff, BAD)
    spanish = {"Accept-Language": "es"}

    for address in (f"{SCREEN}/details/?id={id}", f"{SCREEN}/problems/?id={id}"):
        assert "no existe el usuario nobody" in staff.get(address, headers=spanish).text
        assert "there is no user" in staff.get(address).text


def test_when_the_cause_is_gone_a_bad_file_can_be_checked_again(staff, work, joe):
    id = checked(staff, csv_of([("BBBBBBBB", "mary", True)]))
    assert row(work, id).state == "bad"
    UserFactory(username="mary")

    decide(staff, id, "check-again")
    assert tasks.read_tag_file(id)

    assert row(work, id).state == "checked"
    assert page(staff, id).count("there is no user") == 0


def test_a_file_of_what_is_so_already_cannot_be_confirmed(staff, work, joe):
    id = checked(staff, csv_of([("AAAAAAAA", "joe", True)]))

    assert "there is nothing to import" in page(staff, id)
    assert "/confirm/" not in page(staff, id)
    assert "look again" in decide(staff, id, "confirm")
    assert row(work, id).state == "checked"


def changed_by_hand(work):
    work.scalars(select(RFID)).one().allowed = False


def deleted_by_hand(work):
    work.delete(work.scalars(select(RFID)).one())


def made_by_hand(work):
    RFIDFactory(rfid="CCCCCCCC", user=None)


def renamed(work):
    work.scalars(select(User).where(User.username == "joe")).one().username = "joseph"


def renamed_and_replaced(work):
    renamed(work)
    work.flush()
    UserFactory(username="joe")


@pytest.mark.parametrize(
    "meanwhile", [changed_by_hand, deleted_by_hand, made_by_hand, renamed, renamed_and_replaced]
)
@both_databases
def test_when_the_preview_is_no_longer_true_nothing_is_written(staff, work, joe, meanwhile):
    id = checked(staff, FILE)
    decide(staff, id, "confirm")
    meanwhile(work)
    work.commit()
    before = tags(work)

    assert not tasks.apply_tag_file(id)

    assert tags(work) == before
    assert row(work, id).state == "stale"
    assert "others have changed 1 of the tags or users in it" in page(staff, id)
    assert "import" not in [action for _, action, _ in trail(work)]


@both_databases
def test_an_edit_that_is_under_way_is_waited_for_and_not_overwritten(app, staff, work, joe):
    id = checked(staff, FILE)
    decide(staff, id, "confirm")
    work.commit()
    edited, may_end, wrote = threading.Event(), threading.Event(), []

    def edit():
        with app.app_context(), unit_of_work() as other:
            other.scalars(select(RFID)).one().allowed = False
            other.flush()
            edited.set()
            may_end.wait(10)

    def write():
        with app.app_context():
            wrote.append(tasks.apply_tag_file(id))

    editing, writing = threading.Thread(target=edit), threading.Thread(target=write)
    editing.start()
    edited.wait(10)
    writing.start()
    writing.join(0.3)
    assert wrote == []
    may_end.set()
    editing.join()
    writing.join()

    assert wrote == [False]
    assert row(work, id).state == "stale"
    assert tags(work) == {"AAAAAAAA": (None, False)}


@both_databases
def test_what_was_overtaken_is_checked_again_and_then_written(staff, work, joe):
    id = checked(staff, FILE)
    decide(staff, id, "confirm")
    deleted_by_hand(work)
    work.commit()
    tasks.apply_tag_file(id)

    decide(staff, id, "check-again")
    assert tasks.read_tag_file(id)
    assert (row(work, id).created, row(work, id).changed) == (3, 0)
    decide(staff, id, "confirm")
    assert tasks.apply_tag_file(id)

    assert tags(work) == AFTER


def test_only_what_somebody_has_seen_can_be_confirmed(staff, work, joe):
    id = checked(staff, FILE)
    seen = page(staff, id)
    deleted_by_hand(work)
    decide(staff, id, "check-again")
    tasks.read_tag_file(id)

    assert "look again" in decide(staff, id, "confirm", seen)
    for nonsense in ('name="seen" value=""', 'name="seen" value="x"', 'name="seen" value="0001-01-01"'):
        assert "look again" in decide(staff, id, "confirm", nonsense)
    assert row(work, id).state == "checked"


@both_databases
def test_of_two_files_that_change_the_same_the_second_is_shown_again(staff, work, joe):
    first, second = checked(staff, FILE), checked(staff, FILE)
    for id in (first, second):
        decide(staff, id, "confirm")

    assert tasks.apply_tag_file(first)
    assert not tasks.apply_tag_file(second)

    assert row(work, second).state == "stale"
    decide(staff, second, "check-again")
    tasks.read_tag_file(second)
    assert "there is nothing to import" in page(staff, second)


@both_databases
def test_confirmed_twice_is_written_once(staff, work, joe):
    id = checked(staff, FILE)
    seen = page(staff, id)

    assert decide(staff, id, "confirm", seen) == ""
    assert "look again" in decide(staff, id, "confirm", seen)
    assert tasks.apply_tag_file(id)
    assert not tasks.apply_tag_file(id)
    assert "look again" in decide(staff, id, "confirm", seen)

    assert [action for _, action, _ in trail(work)].count("import") == 1


@both_databases
def test_workers_that_are_rung_at_once_write_once(app, staff, work, joe):
    id = checked(staff, FILE)
    decide(staff, id, "confirm")
    wrote = []

    def run():
        with app.app_context():
            wrote.append(tasks.apply_tag_file(id))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(wrote) == [False, False, False, True]
    assert tags(work) == AFTER


def test_another_member_of_staff_may_confirm(app, staff, work, joe):
    id = checked(staff, FILE)
    other = app.test_client().log_in(create_user(work, "other", is_staff=True))

    decide(other, id, "confirm")
    assert tasks.apply_tag_file(id)

    assert trail(work)[-1] == ("other", "import", "tag_import")
    assert "sent by staff" in page(staff, id)
    assert "confirmed by other" in page(staff, id)


@both_databases
def test_what_somebody_confirmed_who_was_locked_since_is_not_written(app, staff, work, joe):
    id = checked(staff, FILE)
    other = create_user(work, "other", is_staff=True)
    decide(app.test_client().log_in(other), id, "confirm")
    users.lock(other)
    work.commit()

    assert not tasks.apply_tag_file(id)

    assert tags(work) == BEFORE
    assert row(work, id).state == "checked"
    assert "other, who confirmed it, may no longer do so" in page(staff, id)
    decide(staff, id, "confirm")
    assert "may no longer do so" not in page(staff, id)
    assert tasks.apply_tag_file(id)


@pytest.mark.parametrize("state", ["waiting", "checked", "bad", "confirmed", "stale", "failed"])
def test_what_has_not_been_applied_can_be_discarded(staff, work, joe, state):
    id = send(staff, FILE)
    row(work, id).state = state

    assert "No tag has been changed" in decide(staff, id, "discard")

    assert not tasks.read_tag_file(id)
    assert not tasks.apply_tag_file(id)
    assert tags(work) == BEFORE
    assert trail(work)[-1] == ("staff", "discard", "tag_import")


@pytest.mark.parametrize("state", ["applied", "discarded"])
def test_what_is_finished_stays_so(staff, work, joe, state):
    id = send(staff, FILE)
    row(work, id).state = state

    for what in ("discard", "confirm", "check-again"):
        assert "look again" in decide(staff, id, what)
    assert row(work, id).state == state
    for button in ("/discard/", "/confirm/", "/check-again/"):
        assert button not in page(staff, id)


@both_databases
def test_a_worker_whose_file_is_discarded_lets_go(staff, work, joe):
    id, holder = send(staff, FILE), leases.new_holder()
    with unit_of_work() as other:
        assert tag_imports.take(other, id, "waiting", holder)

    decide(staff, id, "discard")

    with unit_of_work() as other:
        assert not tag_imports.tell_progress(other, id, holder, 1200, 500)
        assert not tag_imports.store(other, id, holder, tag_imports.Result.of(tag_rows.Findings(), []))
    assert row(work, id).state == "discarded"


@both_databases
def test_a_worker_that_was_slow_finds_another_at_work_and_stores_nothing(app, staff, work, joe, monkeypatch):
    monkeypatch.setattr(tasks, "WORD_EVERY_S", 0)
    monkeypatch.setattr(tag_imports, "LEASE_S", -1)  # over at once
    id = send(staff, csv_of((f"{n:08X}", "", True) for n in range(1000)))
    found = []

    def run():
        with app.app_context():
            found.append(tasks.read_tag_file(id))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found.count(True) == 1
    assert (row(work, id).state, row(work, id).created) == ("checked", 1000)


@both_databases
def test_a_file_is_one_workers_until_its_lease_runs_out(staff, work, joe):
    id = send(staff, FILE)
    with unit_of_work() as other:
        assert tag_imports.take(other, id, "waiting", "a worker that dies")

    assert not tasks.read_tag_file(id)
    assert tasks.find_tag_files() == 0
    with unit_of_work() as other:
        other.get(TagImport, id).leased_until = utcnow() - timedelta(seconds=1)
    assert tasks.find_tag_files() == 1

    assert row(work, id).state == "checked"


def test_what_nobody_rang_for_is_found(staff, work, joe):
    first, second = send(staff, FILE), checked(staff, csv_of([("DDDDDDDD", "", True)]))
    decide(staff, second, "confirm")
    work.get(TagImport, first).leased_until = utcnow() + timedelta(days=1000)  # by a clock that ran ahead
    work.commit()

    assert tasks.find_tag_files() == 2

    assert row(work, first).state == "checked"
    assert row(work, second).state == "applied"


@both_databases
def test_one_files_trouble_is_not_the_others(staff, work, joe, caplog):
    broken, other = checked(staff, FILE), send(staff, FILE)
    decide(staff, broken, "confirm")
    work.get(TagFile, broken).rows = "no JSON"
    work.commit()

    assert tasks.find_tag_files() == 2

    assert row(work, other).state == "checked"
    assert row(work, broken).state == "confirmed"
    assert f"file of tags {broken}" in caplog.text


@both_databases
def test_what_cannot_be_quoted_whole_is_quoted_in_part(staff, work):
    id = checked(staff, b"rfid,user,allowed\n0A0B0C0D,jo\0e,True\n0A0B0C0E," + b"x" * 100_000 + b",True\n")

    assert "there is no user " + "x" * 100 + "<" in staff.get(f"{SCREEN}/details/?id={id}").text
    assert len(staff.get(f"{SCREEN}/problems/?id={id}").text) < 300


def test_a_file_that_workers_die_of_fails_at_last(staff, work, joe):
    id = send(staff, FILE)
    for _ in range(tag_imports.MOST_ATTEMPTS):
        with unit_of_work() as other:
            assert tag_imports.take(other, id, "waiting", "a worker that dies")
            other.get(TagImport, id).leased_until = utcnow() - timedelta(seconds=1)

    assert not tasks.read_tag_file(id)

    assert row(work, id).state == "failed"
    assert "the worker stopped several times" in page(staff, id)
    decide(staff, id, "check-again")
    assert tasks.read_tag_file(id)
    assert row(work, id).state == "checked"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "choose a file that is not empty"),
        ({"file": "not a file"}, "choose a file that is not empty"),
        ({"file": (io.BytesIO(), "")}, "choose a file that is not empty"),
        ({"file": (io.BytesIO(b""), "empty.csv")}, "choose a file that is not empty"),
        ({"file": (io.BytesIO(b"x" * 4_000_001), "big.csv")}, "a file may have 4 MB at most"),
    ],
    ids=["nothing", "text", "no name", "empty", "large"],
)
def test_what_cannot_be_sent_is_said_next_to_the_field(staff, work, data, sentence):
    answer = staff.submit(f"{SCREEN}/new/", data, content_type="multipart/form-data")

    assert answer.status_code == 200
    assert re.search(rf'invalid-feedback">\s*<ul[^>]*>\s*<li>{sentence}', answer.text)
    assert work.scalars(select(TagImport)).all() == []


def test_what_is_larger_than_any_request_may_be_is_one_sentence(staff, work):
    data = {"file": (io.BytesIO(b"x" * 34_000_000), "huge.csv")}
    answer = staff.submit(f"{SCREEN}/new/", data, content_type="multipart/form-data")

    assert answer.status_code == 413
    assert "This is too large: 32 MB at most." in answer.text


def test_the_name_of_a_file_is_shown_without_folders_and_escaped(staff, work):
    id = send(staff, FILE, "of/mine/<script>x\x07.csv")

    assert row(work, id).filename == "<script>x.csv"
    for address in (f"{SCREEN}/", f"{SCREEN}/details/?id={id}", "/admin/audit/"):
        assert "&lt;script&gt;x.csv" in staff.get(address).text


def test_the_page_says_how_far_the_worker_is(staff, work):
    id = send(staff, FILE)
    assert "Waiting for the worker" in page(staff, id)
    assert '<noscript><meta http-equiv="refresh"' in page(staff, id)

    with unit_of_work() as other:
        tag_imports.take(other, id, "waiting", "me")
    assert "The worker has begun" in page(staff, id)
    with unit_of_work() as other:
        assert tag_imports.tell_progress(other, id, "me", 1000, 500)
    assert "500 of about 1,000 lines" in page(staff, id)
    told = staff.get(f"{SCREEN}/progress/?id={id}").json
    assert told == {
        "state": "waiting",
        "text": "500 of about 1,000 lines have been read …",
        "lines": 1000,
        "done": 500,
    }

    decide(staff, id, "discard")
    assert "refresh" not in page(staff, id)


@pytest.mark.parametrize("path", ["progress/", "problems/", "progress/?id=77", "problems/?id=x"])
def test_a_file_that_is_not_there_is_not_found(staff, path):
    assert staff.get(f"{SCREEN}/{path}").status_code == 404


@pytest.mark.parametrize("what", ["confirm", "discard", "check-again"])
def test_a_decision_on_a_file_that_is_not_there_is_one_sentence(staff, what):
    answer = staff.submit(f"{SCREEN}/{what}/", {"id": "77"}, follow_redirects=True)

    assert "not found" in messages(answer)


@both_databases
def test_old_files_are_forgotten_and_what_waits_is_not(staff, work, joe, monkeypatch):
    monkeypatch.setattr(tag_imports, "PIECE", 2)
    old = utcnow() - tasks.KEPT - timedelta(days=1)
    states = ("applied", "discarded", "bad", "checked", "stale", "waiting", "confirmed")
    for state in states:
        for created_on in (old, utcnow()):
            made = TagImport(created_by_id=joe.id, created_on=created_on, state=state)
            work.add(made)
            work.flush()
            work.add(TagFile(import_id=made.id, upload=b"x"))
    work.commit()

    assert tasks.tidy_tag_files() == 5

    left = work.execute(select(TagImport.state, TagImport.created_on))
    assert sorted(state for state, created_on in left if created_on == old) == ["confirmed", "waiting"]
    for column in (TagImport.id, TagFile.import_id):
        assert len(work.scalars(select(column)).all()) == len(states) + 2


def test_the_trail_does_not_hold_files(staff, work):
    send(staff, FILE)

    entry = work.scalars(select(AuditEntry)).one()
    assert entry.details == {"file": "tags.csv", "bytes": len(FILE)}
