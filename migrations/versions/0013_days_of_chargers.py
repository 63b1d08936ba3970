"""what each charger delivered on each day, and the configuration that it told

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-26 18:00:00.000000

"""
from collections import defaultdict
from datetime import UTC, datetime

from alembic import op
from flask import current_app
import sqlalchemy as sa

from app.clock import day_of


# revision identifiers, used by Alembic.
revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'charger_day',
        sa.Column('charger_id', sa.Integer(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('energy_wh', sa.BigInteger(), nullable=False),
        sa.Column('sessions', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['charger_id'], ['charger.id'], name=op.f('fk_charger_day_charger_id_charger')),
        sa.PrimaryKeyConstraint('charger_id', 'day', name=op.f('pk_charger_day')),
    )
    op.create_index('ix_charger_day_day', 'charger_day', ['day'])
    with op.batch_alter_table('charger') as batch_op:
        batch_op.add_column(sa.Column('reported_config', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('reported_config_at', sa.DateTime(timezone=True), nullable=True))
    _sum_up()


def downgrade():
    with op.batch_alter_table('charger') as batch_op:
        batch_op.drop_column('reported_config_at')
        batch_op.drop_column('reported_config')
    op.drop_index('ix_charger_day_day', 'charger_day')
    op.drop_table('charger_day')


def _sum_up():
    """Book what has been delivered so far, as far as transactions tell when: on the day that each began."""
    connection, zone = op.get_bind(), current_app.config['TIME_ZONE']
    transaction = sa.table(
        'charge_transaction', sa.column('id'), sa.column('charger_id'), sa.column('energy_wh'),
        sa.column('refused'), sa.column('started_at', sa.DateTime(timezone=True)),
    )
    days, last = defaultdict(lambda: [0, 0]), 0
    while True:
        chosen = sa.select(transaction).where(transaction.c.id > last).order_by(transaction.c.id).limit(10_000)
        rows = connection.execute(chosen).all()
        if not rows:
            break
        for row in rows:
            day = days[row.charger_id, day_of(_aware(row.started_at), zone)]
            day[0] += row.energy_wh
            day[1] += not row.refused
        last = rows[-1].id
    table = sa.table(
        'charger_day', sa.column('charger_id'), sa.column('day', sa.Date()), sa.column('energy_wh'),
        sa.column('sessions'),
    )
    if days:
        op.bulk_insert(table, [
            {'charger_id': charger, 'day': day, 'energy_wh': energy_wh, 'sessions': sessions}
            for (charger, day), (energy_wh, sessions) in days.items()
        ])


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
