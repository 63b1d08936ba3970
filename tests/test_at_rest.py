"""Secrets in the database are encrypted under this installation's key."""

from __future__ import annotations

from sqlalchemy.dialects import sqlite

from app.at_rest import EncryptedText

KIND, DIALECT = EncryptedText(), sqlite.dialect()


def test_a_secret_is_stored_encrypted_and_read_again(app):
    with app.app_context():
        stored = KIND.process_bind_param("hunter2 ñ", DIALECT)

        assert "hunter2" not in stored
        assert KIND.process_result_value(stored, DIALECT) == "hunter2 ñ"
        assert KIND.process_bind_param("hunter2 ñ", DIALECT) != stored  # the same secret twice does not show


def test_a_secret_of_another_key_reads_as_none(app):
    with app.app_context():
        stored = KIND.process_bind_param("hunter2", DIALECT)
        app.config["SECRET_KEY"] = "another"

        assert KIND.process_result_value(stored, DIALECT) is None
        assert KIND.process_result_value("nonsense", DIALECT) is None


def test_an_empty_secret_is_none_at_all(app):
    with app.app_context():
        for empty in ("", None):
            assert KIND.process_bind_param(empty, DIALECT) == empty
            assert KIND.process_result_value(empty, DIALECT) == empty
