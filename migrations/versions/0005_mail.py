"""mail: templates, the queue, the server's trouble

Revision ID: 0005
Revises: 0004
Create Date: 2026-12-01 15:00:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

WAITS = {
    'sqlite_where': sa.text('next_try_at IS NOT NULL'),
    'postgresql_where': sa.text('next_try_at IS NOT NULL'),
}


def upgrade():
    op.create_table(
        'email_template',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('body', sa.Text(), nullable=False),
        sa.Column('html', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_email_template')),
        sa.UniqueConstraint('name', name=op.f('uq_email_template_name')),
    )
    op.create_table(
        'mail_server_trouble',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('server', sa.String(length=300), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.CheckConstraint('id = 1', name=op.f('ck_mail_server_trouble_one')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_server_trouble')),
    )
    op.create_table(
        'queued_email',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('to', sa.String(length=320), nullable=False),
        sa.Column('template', sa.String(length=100), nullable=False),
        sa.Column('context', sa.JSON(), nullable=False),
        sa.Column('language', sa.String(length=5), nullable=False),
        sa.Column('subject', sa.String(length=255), nullable=False),
        sa.Column('body', sa.Text(), nullable=False),
        sa.Column('html', sa.Text(), nullable=False),
        sa.Column('private', sa.Boolean(), nullable=False),
        sa.Column('secret_text', sa.Text(), nullable=True),
        sa.Column('message_key', sa.String(length=32), nullable=False),
        sa.Column('queued_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('last_error', sa.Text(), nullable=False),
        sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('next_try_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('leased_by', sa.String(length=100), nullable=False),
        sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'failed', 'cancelled')", name=op.f('ck_queued_email_state')
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_try_at IS NOT NULL)", name=op.f('ck_queued_email_waits_until')
        ),
        sa.CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name=op.f('ck_queued_email_sent')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_queued_email')),
        sa.UniqueConstraint('message_key', name=op.f('uq_queued_email_message_key')),
    )
    op.create_index('ix_queued_email_due', 'queued_email', ['next_try_at', 'id'], **WAITS)
    op.create_index('ix_queued_email_state', 'queued_email', ['state', 'id'])


def downgrade():
    op.drop_table('queued_email')
    op.drop_table('mail_server_trouble')
    op.drop_table('email_template')
