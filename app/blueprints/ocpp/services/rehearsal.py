"""What a charger would be told of a tag or an account if it asked now; nothing is started or written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.orm import joinedload, selectinload

from app.blueprints.accounts.models import RFID, Account, User
from app.blueprints.ocpp.models import Charger
from app.blueprints.ocpp.rows import ChargerRow, TagRow
from app.blueprints.ocpp.services import authorization, transactions
from app.blueprints.ocpp.services.authorization import Verdict
from app.blueprints.ocpp.terms import Needs, Settings
from app.blueprints.ocpp.work import Work
from app.db import UnitOfWork

# Where no charger is chosen: one that asks for a tag, and that staff have accepted.
ANY = ChargerRow(id=0, charger_id="", require_rfid=True, registration_status="Accepted", last_seen=None)


@dataclass(frozen=True)
class Trial:
    """A tag, or an account that has none, and what would come of it."""

    id_tag: str
    # Nobody's; or nobody knows whose.
    owner: User | None
    verdict: Verdict

    @property
    def account(self) -> Account | None:
        """What it would charge on."""
        return self.owner.account if self.owner else None


def tried(
    work: UnitOfWork,
    connection: Connection,
    charger: Charger | None,
    *,
    tags: Iterable[str],
    accounts: Sequence[int],
) -> list[Trial]:
    """Try tags, known or not, and the tags of accounts; of an account without any, one that is made up.

    ``connection`` is for this alone: what is read is locked until it ends, as at a start.
    """
    candidates = dict.fromkeys([*_of_tags(work, tags), *_of_accounts(work, accounts)])
    rules = Work(connection, Settings())
    # At once, so that rows are locked in the order in which the journal locks them.
    id = charger.id if charger else None
    rules.prefetch([Needs(charger=id, running=True)])
    rules.prefetch([Needs(id_tag=id_tag) for id_tag, _ in candidates])
    where = rules.charger(id) if id is not None else ANY
    return [_tried(rules, where, id_tag, owner) for id_tag, owner in candidates]


def _of_tags(work: UnitOfWork, tags: Iterable[str]) -> Iterator[tuple[str, User | None]]:
    wanted = list(dict.fromkeys(map(authorization.normalized, tags)))
    known = select(RFID).where(RFID.rfid.in_(wanted)).options(joinedload(RFID.user).joinedload(User.account))
    owners = {tag.rfid: tag.user for tag in work.scalars(known)}
    return ((id_tag, owners.get(id_tag)) for id_tag in wanted)


def _of_accounts(work: UnitOfWork, ids: Sequence[int]) -> Iterator[tuple[str, User | None]]:
    chosen = select(User).join(User.account).where(Account.id.in_(ids)).order_by(User.username)
    for user in work.scalars(chosen.options(joinedload(User.account), selectinload(User.rfids))):
        tags = sorted(tag.rfid for tag in user.rfids)
        yield from ((id_tag, user) for id_tag in tags or [""])


def _tried(rules: Work, where: ChargerRow, id_tag: str, owner: User | None) -> Trial:
    if id_tag or owner is None:
        return Trial(id_tag, owner, transactions.decide(rules, where, 0, id_tag))
    made_up = _made_up(owner)
    rules.suppose(made_up)
    return Trial("", owner, transactions.decide(rules, where, 0, made_up.id_tag))


def _made_up(owner: User) -> TagRow:
    """A tag in good order for somebody who has none; no real one has small letters."""
    account = owner.account
    return TagRow(
        id_tag=f"of user {owner.id}",
        allowed=True,
        expires_at=None,
        parent=None,
        user_id=owner.id,
        user_active=owner.is_active,
        account_id=account.id if account else None,
        service_account=account is not None and account.service_account,
        balance_wh=account.balance_wh if account else 0,
    )
