"""odoo instances

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-26 14:43:58.171378

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'odoo_instance',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('url', sa.String(length=500), nullable=False),
        sa.Column('database', sa.String(length=100), nullable=False),
        sa.Column('username', sa.String(length=200), nullable=False),
        sa.Column('password', sa.Text(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_checked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_ok_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('last_outcome', sa.String(length=20), nullable=False),
        sa.Column('last_fact', sa.String(length=300), nullable=False),
        sa.Column('version', sa.String(length=50), nullable=False),
        sa.Column('leased_by', sa.String(length=100), nullable=False),
        sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_odoo_instance')),
        sa.UniqueConstraint('name', name=op.f('uq_odoo_instance_name')),
    )
    op.create_table(
        'odoo_check',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('instance_id', sa.Integer(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('outcome', sa.String(length=20), nullable=False),
        sa.Column('fact', sa.String(length=300), nullable=False),
        sa.Column('duration_ms', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['instance_id'], ['odoo_instance.id'], name=op.f('fk_odoo_check_instance_id_odoo_instance')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_odoo_check')),
    )
    op.create_index('ix_odoo_check_instance_id_id', 'odoo_check', ['instance_id', 'id'])


def downgrade():
    op.drop_index('ix_odoo_check_instance_id_id', 'odoo_check')
    op.drop_table('odoo_check')
    op.drop_table('odoo_instance')
