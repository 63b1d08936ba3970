"""nodes and subscriptions

Revision ID: 0002
Revises: 0001
Create Date: 2026-11-23 06:35:21.854419

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        'node',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('hostname', sa.String(length=253), nullable=False),
        sa.Column('address', sa.String(length=45), nullable=False),
        sa.Column('port', sa.Integer(), nullable=False),
        sa.Column('last_seen', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint('port BETWEEN 1 AND 65535', name=op.f('ck_node_port')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_node')),
        sa.UniqueConstraint('hostname', name=op.f('uq_node_hostname')),
    )
    op.create_table(
        'product',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('renewal_period', sa.Integer(), nullable=False),
        sa.CheckConstraint('renewal_period BETWEEN 1 AND 36500', name=op.f('ck_product_renewal_period')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_product')),
    )
    op.create_table(
        'subscription',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('product_id', sa.Integer(), nullable=False),
        sa.Column('start_date', sa.Date(), nullable=False),
        sa.Column('next_renewal', sa.Date(), nullable=False),
        sa.CheckConstraint('next_renewal > start_date', name=op.f('ck_subscription_renews_later')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_subscription_account_id_account')),
        sa.ForeignKeyConstraint(['product_id'], ['product.id'], name=op.f('fk_subscription_product_id_product')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_subscription')),
    )
    with op.batch_alter_table('subscription') as batch_op:
        batch_op.create_index(batch_op.f('ix_subscription_account_id'), ['account_id'])
        batch_op.create_index(batch_op.f('ix_subscription_next_renewal'), ['next_renewal'])
        batch_op.create_index(batch_op.f('ix_subscription_product_id'), ['product_id'])


def downgrade():
    with op.batch_alter_table('subscription') as batch_op:
        batch_op.drop_index(batch_op.f('ix_subscription_product_id'))
        batch_op.drop_index(batch_op.f('ix_subscription_next_renewal'))
        batch_op.drop_index(batch_op.f('ix_subscription_account_id'))
    op.drop_table('subscription')
    op.drop_table('product')
    op.drop_table('node')
