"""files of tags: bulk in a table of its own, who confirmed them, and what no longer says the truth

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-27 10:20:41.518263

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

BEFORE = "state IN ('waiting', 'checked', 'bad', 'confirmed', 'applied', 'discarded', 'failed')"
AFTER = "state IN ('waiting', 'checked', 'bad', 'confirmed', 'stale', 'applied', 'discarded', 'failed')"


def upgrade():
    op.create_table(
        'tag_file',
        sa.Column('import_id', sa.Integer(), nullable=False),
        sa.Column('upload', sa.LargeBinary(), nullable=False),
        sa.Column('rows', sa.Text(), nullable=True),
        sa.Column('report', sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(['import_id'], ['tag_import.id'], name=op.f('fk_tag_file_import_id_tag_import')),
        sa.PrimaryKeyConstraint('import_id', name=op.f('pk_tag_file')),
    )
    op.execute(
        'INSERT INTO tag_file (import_id, upload, rows) '
        'SELECT id, upload, rows FROM tag_import WHERE upload IS NOT NULL'
    )
    with op.batch_alter_table('tag_import') as batch_op:
        batch_op.add_column(sa.Column('confirmed_by_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('checked_on', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('attempts', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('notes', sa.JSON(), nullable=False, server_default='[]'))
        batch_op.drop_column('upload')
        batch_op.drop_column('rows')
        batch_op.create_foreign_key(
            batch_op.f('fk_tag_import_confirmed_by_id_user'), 'user', ['confirmed_by_id'], ['id']
        )
        batch_op.drop_constraint(batch_op.f('ck_tag_import_state'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_tag_import_state'), AFTER)
    with op.batch_alter_table('tag_import') as batch_op:
        batch_op.alter_column('attempts', server_default=None)
        batch_op.alter_column('notes', server_default=None)


def downgrade():
    op.execute("UPDATE tag_import SET state = 'discarded' WHERE state = 'stale'")
    with op.batch_alter_table('tag_import') as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_tag_import_state'), type_='check')
        batch_op.create_check_constraint(batch_op.f('ck_tag_import_state'), BEFORE)
        batch_op.drop_constraint(batch_op.f('fk_tag_import_confirmed_by_id_user'), type_='foreignkey')
        batch_op.add_column(sa.Column('upload', sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column('rows', sa.Text(), nullable=True))
        batch_op.drop_column('notes')
        batch_op.drop_column('attempts')
        batch_op.drop_column('checked_on')
        batch_op.drop_column('confirmed_by_id')
    op.execute(
        'UPDATE tag_import SET (upload, rows) = '
        '(SELECT upload, rows FROM tag_file WHERE tag_file.import_id = tag_import.id)'
    )
    op.drop_table('tag_file')
