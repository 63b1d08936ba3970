"""drivers, cars and files of tags

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-26 14:16:02.826174

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

STATES = "state IN ('waiting', 'checked', 'bad', 'confirmed', 'applied', 'discarded', 'failed')"
RUNNING = {
    'sqlite_where': sa.text('stopped_at IS NULL'),
    'postgresql_where': sa.text('stopped_at IS NULL'),
}


def upgrade():
    op.create_table(
        'address',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('street', sa.String(length=255), nullable=False),
        sa.Column('number', sa.String(length=20), nullable=False),
        sa.Column('municipality', sa.String(length=100), nullable=False),
        sa.Column('state', sa.String(length=2), nullable=False),
        sa.Column('postal_code', sa.String(length=10), nullable=False),
        sa.CheckConstraint("state IN ('CO', 'NL')", name=op.f('ck_address_state')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_address')),
    )
    op.create_table(
        'tag_import',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('created_by_id', sa.Integer(), nullable=False),
        sa.Column('created_on', sa.DateTime(timezone=True), nullable=False),
        sa.Column('finished_on', sa.DateTime(timezone=True), nullable=True),
        sa.Column('filename', sa.String(length=255), nullable=False),
        sa.Column('upload', sa.LargeBinary(), nullable=True),
        sa.Column('rows', sa.Text(), nullable=True),
        sa.Column('state', sa.String(length=10), nullable=False),
        sa.Column('lines', sa.Integer(), nullable=False),
        sa.Column('done', sa.Integer(), nullable=False),
        sa.Column('created', sa.Integer(), nullable=False),
        sa.Column('changed', sa.Integer(), nullable=False),
        sa.Column('unchanged', sa.Integer(), nullable=False),
        sa.Column('bad', sa.Integer(), nullable=False),
        sa.Column('problems', sa.JSON(), nullable=False),
        sa.Column('sample', sa.JSON(), nullable=False),
        sa.Column('leased_by', sa.String(length=100), nullable=False),
        sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(STATES, name=op.f('ck_tag_import_state')),
        sa.ForeignKeyConstraint(['created_by_id'], ['user.id'], name=op.f('fk_tag_import_created_by_id_user')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_tag_import')),
    )
    op.create_table(
        'vehicle',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('account_id', sa.Integer(), nullable=False),
        sa.Column('brand', sa.String(length=100), nullable=False),
        sa.Column('model', sa.String(length=100), nullable=False),
        sa.Column('vin', sa.String(length=17), nullable=False),
        sa.CheckConstraint('length(vin) = 17', name=op.f('ck_vehicle_vin')),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_vehicle_account_id_account')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_vehicle')),
        sa.UniqueConstraint('vin', name=op.f('uq_vehicle_vin')),
    )
    op.create_index(op.f('ix_vehicle_account_id'), 'vehicle', ['account_id'])
    op.create_index('ix_transaction_running_account', 'charge_transaction', ['account_id'], **RUNNING)
    with op.batch_alter_table('credit') as batch_op:
        batch_op.add_column(sa.Column('form_key', sa.String(length=36), nullable=True))
        batch_op.create_unique_constraint(batch_op.f('uq_credit_form_key'), ['form_key'])
    with op.batch_alter_table('user') as batch_op:
        batch_op.add_column(sa.Column('language', sa.String(length=5), nullable=False, server_default=''))
        batch_op.add_column(sa.Column('address_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('last_login', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_user_address_id_address'), 'address', ['address_id'], ['id'])
    with op.batch_alter_table('user') as batch_op:
        batch_op.alter_column('language', server_default=None)


def downgrade():
    with op.batch_alter_table('user') as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_user_address_id_address'), type_='foreignkey')
        batch_op.drop_column('last_login')
        batch_op.drop_column('address_id')
        batch_op.drop_column('language')
    with op.batch_alter_table('credit') as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_credit_form_key'), type_='unique')
        batch_op.drop_column('form_key')
    op.drop_index('ix_transaction_running_account', 'charge_transaction')
    op.drop_table('vehicle')
    op.drop_table('tag_import')
    op.drop_table('address')
