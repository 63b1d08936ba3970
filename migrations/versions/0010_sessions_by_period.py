"""sessions of an account by time

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-26 15:10:00.000000

"""
from alembic import op


# revision identifiers, used by Alembic.
revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade():
    op.create_index(
        'ix_transaction_account_started', 'charge_transaction', ['account_id', 'started_at', 'id']
    )


def downgrade():
    op.drop_index('ix_transaction_account_started', 'charge_transaction')
