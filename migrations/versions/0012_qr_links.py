"""QR links, and the one of each charger

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-26 17:50:10.114205

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'qr_link',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('value', sa.String(length=2000), nullable=False),
        sa.Column('image', sa.String(length=80), nullable=False),
        sa.Column('created_on', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('length(value) > 0', name=op.f('ck_qr_link_value')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_qr_link')),
        sa.UniqueConstraint('image', name=op.f('uq_qr_link_image')),
        sa.UniqueConstraint('value', name=op.f('uq_qr_link_value')),
    )
    with op.batch_alter_table('charger') as batch_op:
        batch_op.add_column(sa.Column('qr_id', sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f('ix_charger_qr_id'), ['qr_id'])
        batch_op.create_foreign_key(batch_op.f('fk_charger_qr_id_qr_link'), 'qr_link', ['qr_id'], ['id'])


def downgrade():
    with op.batch_alter_table('charger') as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_charger_qr_id_qr_link'), type_='foreignkey')
        batch_op.drop_index(batch_op.f('ix_charger_qr_id'))
        batch_op.drop_column('qr_id')
    op.drop_table('qr_link')
