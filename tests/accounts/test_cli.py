"""The commands."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.blueprints.accounts.models import RFID, Account, AuditEntry, User
from app.blueprints.accounts.services import check_password, find_token
from tests.databases import both_databases
from tests.factories import AccountFactory, RFIDFactory, UserFactory


@pytest.fixture
def flask(app, work):
    """Run a command: exit code and output. Sees what factories made."""

    def run(*arguments, **more):
        work.commit()
        found = app.test_cli_runner().invoke(args=arguments, **more)
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exc_info
        work.rollback()
        return found.exit_code, found.output

    return run


@both_databases
def test_a_user_is_created_with_an_account(flask, work):
    assert flask("users", "create", "joe", "--password", "secret of joe") == (0, "User joe created.\n")

    user = check_password(work, "joe", "secret of joe")
    assert user.account is not None
    assert not user.is_staff


def test_staff_are_created(flask, work):
    flask("users", "create", "anna", "--staff", "--password", "secret of anna")

    assert work.scalars(select(User)).one().is_staff


def test_a_password_is_generated_where_nobody_can_be_asked(flask, work):
    code, output = flask("users", "create", "joe")

    password = re.search(r"^Password: (\S{16})$", output, re.M)[1]
    assert code == 0
    assert check_password(work, "joe", password) is not None


@pytest.mark.parametrize("name", ["joe", "a b", "", "x" * 151])
def test_a_user_that_cannot_be_is_one_sentence(flask, name):
    UserFactory(username="joe")

    code, output = flask("users", "create", name, "--password", "secret of joe")

    assert code == 1
    assert re.fullmatch(r"Error: .+\n", output)


@both_databases
def test_a_token_is_printed_once(flask, work):
    UserFactory(username="joe")

    code, output = flask("tokens", "create", "joe")

    assert code == 0
    assert find_token(work, output.strip()).user.username == "joe"


def test_a_token_of_nobody_is_refused(flask):
    assert flask("tokens", "create", "joe") == (1, "Error: there is no user joe\n")


@both_databases
def test_credit_is_added_and_taken_away(flask, work):
    AccountFactory(user__username="joe", credited_wh=0)

    assert flask("accounts", "credit", "joe", "12.5") == (0, "joe has 12.500 kWh.\n")
    assert flask("accounts", "credit", "joe", "-2.25") == (0, "joe has 10.250 kWh.\n")

    assert work.scalars(select(Account)).one().credited_wh == 10_250
    assert [entry.action for entry in work.scalars(select(AuditEntry))] == ["credit", "credit"]


@pytest.mark.parametrize("arguments", [("joe", "ten"), ("joe", "0"), ("joe", "0.001"), ("nobody", "1")])
def test_credit_that_cannot_be_is_one_sentence(flask, work, arguments):
    AccountFactory(user__username="joe", credited_wh=0)

    code, output = flask("accounts", "credit", *arguments)

    assert code == 1
    assert re.fullmatch(r"Error: .+\n", output)
    assert work.scalars(select(Account)).one().credited_wh == 0


def test_a_service_account_is_made_and_unmade(flask, work):
    AccountFactory(user__username="joe")

    assert flask("accounts", "service", "joe") == (0, "joe is a service account.\n")
    assert work.scalars(select(Account)).one().service_account
    assert flask("accounts", "service", "joe", "--off") == (0, "joe is an ordinary account.\n")
    assert not work.scalars(select(Account)).one().service_account
    entry = work.scalars(select(AuditEntry)).first()
    assert (entry.action, entry.details) == ("update", {"service_account": [False, True]})


@pytest.mark.parametrize(
    ("export", "import_"),
    [(("export_rfids",), ("import_rfids",)), (("rfids", "export"), ("rfids", "import"))],
)
@both_databases
def test_tags_go_to_a_file_and_come_back(flask, work, tmp_path, export, import_):
    RFIDFactory(rfid="AAAAAAAA", user__username="joé")
    file = tmp_path / "tags.csv"

    assert flask(*export, str(file)) == (0, "1 tags exported.\n")
    assert file.read_bytes() == "rfid,user,allowed\nAAAAAAAA,joé,True\n".encode()
    work.delete(work.scalars(select(RFID)).one())
    assert flask(*import_, str(file)) == (0, "1 tags imported.\n")
    assert work.scalars(select(RFID)).one().user.username == "joé"


@pytest.mark.parametrize("path", [(), ("-",)])
def test_tags_are_printed_without_a_path(flask, path):
    RFIDFactory(rfid="AAAAAAAA", user__username="joe")

    assert flask("export_rfids", *path) == (0, "rfid,user,allowed\nAAAAAAAA,joe,True\n")


def test_a_file_with_a_bad_line_changes_nothing(flask, work, tmp_path):
    (tmp_path / "tags.csv").write_bytes(b"\xef\xbb\xbfrfid,user,allowed\r\nAAAAAAAA,,True\r\nXYZ,,True\r\n")

    code, output = flask("import_rfids", str(tmp_path / "tags.csv"))

    assert code == 1
    assert "nothing was imported: 1 bad line\n" in output
    assert "line 3: RFID must be 8, 14 or 20 hexadecimal digits" in output
    assert work.scalars(select(RFID)).all() == []


def test_a_file_that_cannot_be_read_is_one_sentence(flask, tmp_path):
    (tmp_path / "latin").write_bytes(b"rfid,user,allowed\n0A0B0C0D,jos\xe9,True\n")

    for path in (tmp_path / "latin", tmp_path / "missing", tmp_path):
        code, output = flask("import_rfids", str(path))
        assert code == 1
        assert re.fullmatch(r"Error: .+\n", output)


def test_a_file_that_cannot_be_written_is_one_sentence(flask, tmp_path):
    code, output = flask("export_rfids", str(tmp_path / "missing" / "tags.csv"))

    assert code == 1
    assert re.fullmatch(r"Error: .+\n", output)
