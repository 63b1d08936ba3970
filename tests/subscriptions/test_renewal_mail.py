"""The mail that tells of a renewal: queued with it, in the reader's language, if there is a template."""

from __future__ import annotations

import logging
from datetime import date

import pytest
from sqlalchemy import select

from app.blueprints.mailer.models import QueuedEmail
from app.blueprints.mailer.services import templates
from app.blueprints.subscriptions import services
from app.db import unit_of_work
from tests.databases import both_databases
from tests.factories import SubscriptionFactory, TemplateFactory

TODAY = date(2026, 2, 1)
EVERYTHING = "{username} {product} {start_date} {next_renewal} {renewal_period} {balance_kwh}"


@pytest.fixture
def subscribe(work):
    """A subscription that is due on the day, of a user with these columns."""

    def make(email="ann@example.com", **user):
        user = {f"account__user__{name}": value for name, value in (user | {"email": email}).items()}
        return SubscriptionFactory(start_date=date(2026, 1, 2), product__name="Night rate", **user)

    return make


def renewed(work):
    """What is told of the renewals of the day."""
    work.commit()
    with unit_of_work() as work:
        assert services.renew_piece(work, TODAY, "en")
    return work.scalars(select(QueuedEmail).order_by(QueuedEmail.id)).all()


@both_databases
def test_a_renewal_is_told_in_the_readers_language(work, subscribe):
    TemplateFactory(name="renewal", subject="{product}", body=EVERYTHING)
    TemplateFactory(name="renewal.es", subject="Renovación de {product}", body=EVERYTHING)
    for name, language in (("ann", ""), ("bea", "es"), ("eve", "en")):
        subscribe(f"{name}@example.com", username=name, language=language)

    ann, bea, eve = renewed(work)

    assert (ann.to, ann.subject, ann.template, ann.language) == (
        "ann@example.com",
        "Night rate",
        "renewal",
        "en",
    )
    assert ann.body == "ann Night rate January 2, 2026 March 3, 2026 30 100"
    assert (bea.subject, bea.language) == ("Renovación de Night rate", "es")
    assert bea.body == "bea Night rate 2 de enero de 2026 3 de marzo de 2026 30 100"
    assert eve.template == "renewal"


@both_databases
def test_without_a_template_an_address_or_a_user_who_may_log_in_nobody_is_told(work, subscribe):
    subscribe()
    assert renewed(work) == []
    TemplateFactory(name="renewal", body="b", subject="s")
    subscribe("")
    subscribe(is_active=False)

    assert renewed(work) == []


def test_an_address_that_is_none_keeps_nothing_from_being_renewed(work, subscribe, caplog):
    caplog.set_level(logging.WARNING)
    TemplateFactory(name="renewal", body="b", subject="s")
    first, second = subscribe("nonsense"), subscribe()

    assert [row.to for row in renewed(work)] == ["ann@example.com"]
    assert first.next_renewal == second.next_renewal == date(2026, 3, 3)
    assert f"no mail about the renewal of subscription {first.id}" in caplog.text


def test_nobody_is_told_of_a_renewal_that_did_not_happen(work, subscribe):
    TemplateFactory(name="renewal", body="b", subject="s")
    subscribe()
    work.commit()
    assert len(services.renew_piece(work, TODAY)) == 1
    work.rollback()

    assert work.scalars(select(QueuedEmail)).all() == []


def test_every_placeholder_that_is_promised_is_there(work, subscribe):
    asked = "".join(f"{{{name}}}" for name in templates.known_placeholders("renewal"))
    templates.save_template(work, name="renewal", subject="s", body=asked)
    subscribe()

    assert len(renewed(work)) == 1
