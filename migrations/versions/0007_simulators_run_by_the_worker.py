"""simulators run by the worker

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-26 16:20:00.000000

"""
from alembic import op
import sqlalchemy as sa

from app.at_rest import EncryptedText


# revision identifiers, used by Alembic.
revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

STATES = (
    "state IN ('waiting', 'stopped', 'connecting', 'booting', 'available', 'charging', 'offline', 'stopping', "
    "'finished', 'failed')"
)
CHECKS = {
    'wanted': "wanted IN ('running', 'stopped')",
    'state': STATES,
    'times': 'duration_s > 0 AND interval_s > 0 AND pre_charge_delay_s >= 0',
    'power_kw': 'power_kw > 0',
    'kwh': '(kwh_min IS NULL) = (kwh_max IS NULL) AND kwh_min >= 0 AND kwh_min <= kwh_max',
    'connectors': 'connectors BETWEEN 1 AND 20',
}
# Those that every row must have, and what rows from before get.
NEEDED = {
    'autostart': (sa.Boolean(), sa.true()),
    'connectors': (sa.Integer(), '1'),
    'duration_s': (sa.Integer(), '600'),
    'interval_s': (sa.Integer(), '5'),
    'pre_charge_delay_s': (sa.Integer(), '0'),
    'power_kw': (sa.Numeric(precision=6, scale=2), '11'),
    'wanted': (sa.String(length=10), 'stopped'),
    'run': (sa.Integer(), '0'),
    'state': (sa.String(length=12), 'stopped'),
    'last_error': (sa.Text(), ''),
    'last_error_facts': (sa.JSON(), '{}'),
    'energy_wh': (sa.BigInteger(), '0'),
    'charges': (sa.Integer(), '0'),
    'memory': (sa.JSON(), '{}'),
    'leased_by': (sa.String(length=100), ''),
}
OPTIONAL = {
    'kwh_min': sa.Numeric(precision=7, scale=2),
    'kwh_max': sa.Numeric(precision=7, scale=2),
    'since': sa.DateTime(timezone=True),
    'last_error_at': sa.DateTime(timezone=True),
    'transaction_id': sa.Integer(),
    'leased_until': sa.DateTime(timezone=True),
}


def upgrade():
    with op.batch_alter_table('simulator') as batch_op:
        for name, (kind, default) in NEEDED.items():
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        for name, kind in OPTIONAL.items():
            batch_op.add_column(sa.Column(name, kind, nullable=True))
        batch_op.alter_column('password', existing_type=sa.String(length=100), type_=sa.Text(), existing_nullable=False)
        for name, rule in CHECKS.items():
            batch_op.create_check_constraint(batch_op.f(f'ck_simulator_{name}'), rule)
    with op.batch_alter_table('simulator') as batch_op:
        for name, (kind, _default) in NEEDED.items():
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
    _rewrite_passwords(EncryptedText().process_bind_param)


def downgrade():
    _rewrite_passwords(EncryptedText().process_result_value)
    with op.batch_alter_table('simulator') as batch_op:
        for name in CHECKS:
            batch_op.drop_constraint(batch_op.f(f'ck_simulator_{name}'), type_='check')
        batch_op.alter_column('password', existing_type=sa.Text(), type_=sa.String(length=100), existing_nullable=False)
        for name in (*OPTIONAL, *NEEDED):
            batch_op.drop_column(name)


def _rewrite_passwords(rewritten):
    """Encrypt them under this installation's SECRET_KEY, or decrypt them; one of another key is lost."""
    table = sa.table('simulator', sa.column('id', sa.Integer), sa.column('password', sa.Text))
    connection = op.get_bind()
    for id, password in connection.execute(sa.select(table.c.id, table.c.password).where(table.c.password != '')).all():
        changed = rewritten(password, connection.dialect) or ''
        connection.execute(table.update().where(table.c.id == id).values(password=changed))
