"""wire gauges, and their rows

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-26 15:13:58.044958

"""
from alembic import op
import sqlalchemy as sa

from app.blueprints.awg import tables


# revision identifiers, used by Alembic.
revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

SIZES = "awg_size IN ('14', '12', '10', '8', '6', '4', '3', '2', '1', '-1', '-2', '-3', '-4')"
TRADE_SIZES = "trade_size IN ('1/2', '3/4', '1', '1 1/4', '1 1/2', '2', '2 1/2', '3', '3 1/2', '4')"


def upgrade():
    cable_size = op.create_table(
        'cable_size',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('awg_size', sa.String(length=5), nullable=False),
        sa.Column('material', sa.String(length=2), nullable=False),
        sa.Column('line_num', sa.Integer(), nullable=False),
        sa.Column('dia_in', sa.Double(), nullable=False),
        sa.Column('dia_mm', sa.Double(), nullable=False),
        sa.Column('area_kcmil', sa.Double(), nullable=False),
        sa.Column('area_mm2', sa.Double(), nullable=False),
        sa.Column('k_ohm_km', sa.Double(), nullable=False),
        sa.Column('k_ohm_kft', sa.Double(), nullable=False),
        sa.Column('amps_60c', sa.Integer(), nullable=False),
        sa.Column('amps_75c', sa.Integer(), nullable=False),
        sa.Column('amps_90c', sa.Integer(), nullable=False),
        sa.CheckConstraint(SIZES, name=op.f('ck_cable_size_awg_size')),
        sa.CheckConstraint("material IN ('cu', 'al')", name=op.f('ck_cable_size_material')),
        sa.CheckConstraint('amps_60c > 0 AND amps_75c > 0 AND amps_90c > 0', name=op.f('ck_cable_size_amps')),
        sa.CheckConstraint('area_mm2 > 0 AND k_ohm_km > 0', name=op.f('ck_cable_size_measures')),
        sa.CheckConstraint('line_num BETWEEN 1 AND 3', name=op.f('ck_cable_size_line_num')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_cable_size')),
        sa.UniqueConstraint(
            'awg_size', 'material', 'line_num', name=op.f('uq_cable_size_awg_size_material_line_num')
        ),
    )
    conduit_fill = op.create_table(
        'conduit_fill',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('trade_size', sa.String(length=10), nullable=False),
        sa.Column('conduit', sa.String(length=10), nullable=False),
        sa.Column('awg_14', sa.Integer(), nullable=True),
        sa.Column('awg_12', sa.Integer(), nullable=True),
        sa.Column('awg_10', sa.Integer(), nullable=True),
        sa.Column('awg_8', sa.Integer(), nullable=True),
        sa.Column('awg_6', sa.Integer(), nullable=True),
        sa.Column('awg_4', sa.Integer(), nullable=True),
        sa.Column('awg_3', sa.Integer(), nullable=True),
        sa.Column('awg_2', sa.Integer(), nullable=True),
        sa.Column('awg_1', sa.Integer(), nullable=True),
        sa.Column('awg_0', sa.Integer(), nullable=True),
        sa.Column('awg_00', sa.Integer(), nullable=True),
        sa.Column('awg_000', sa.Integer(), nullable=True),
        sa.Column('awg_0000', sa.Integer(), nullable=True),
        sa.CheckConstraint("conduit IN ('emt', 'imc', 'rmc', 'fmc')", name=op.f('ck_conduit_fill_conduit')),
        sa.CheckConstraint(TRADE_SIZES, name=op.f('ck_conduit_fill_trade_size')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_conduit_fill')),
        sa.UniqueConstraint('trade_size', 'conduit', name=op.f('uq_conduit_fill_trade_size_conduit')),
    )
    op.bulk_insert(cable_size, list(tables.cables()))
    op.bulk_insert(conduit_fill, list(tables.conduits()))


def downgrade():
    op.drop_table('conduit_fill')
    op.drop_table('cable_size')
