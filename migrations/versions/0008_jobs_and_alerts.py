"""jobs and alerts

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-27 09:12:00.000000

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


OPEN = {
    'sqlite_where': sa.text('ended_at IS NULL'),
    'postgresql_where': sa.text('ended_at IS NULL'),
}


def upgrade():
    op.create_table(
        'job',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('task', sa.String(length=100), nullable=False),
        sa.Column('queue', sa.String(length=40), nullable=False),
        sa.Column('schedule', sa.String(length=100), nullable=False),
        sa.Column('done_until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('seconds', sa.Double(), nullable=False),
        sa.Column('ok', sa.Boolean(), nullable=True),
        sa.Column('outcome', sa.Text(), nullable=False),
        sa.Column('succeeded_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('failure', sa.Text(), nullable=False),
        sa.Column('successes', sa.Integer(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('total_seconds', sa.Double(), nullable=False),
        sa.Column('leased_by', sa.String(length=100), nullable=False),
        sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_job')),
        sa.UniqueConstraint('task', name=op.f('uq_job_task')),
    )
    op.create_table(
        'job_run',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('job_id', sa.Integer(), nullable=False),
        sa.Column('worker', sa.String(length=100), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seconds', sa.Double(), nullable=False),
        sa.Column('ok', sa.Boolean(), nullable=False),
        sa.Column('outcome', sa.Text(), nullable=False),
        sa.Column('times', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(['job_id'], ['job.id'], name=op.f('fk_job_run_job_id_job')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_job_run')),
    )
    op.create_index('ix_job_run_job', 'job_run', ['job_id', 'id'])
    op.create_table(
        'work_process',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('name', sa.String(length=100), nullable=False),
        sa.Column('kind', sa.String(length=10), nullable=False),
        sa.Column('host', sa.String(length=100), nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('queues', sa.String(length=200), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('alive_until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('doing', sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_work_process')),
        sa.UniqueConstraint('name', name=op.f('uq_work_process_name')),
    )
    op.create_table(
        'alert',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('key', sa.String(length=300), nullable=False),
        sa.Column('kind', sa.String(length=10), nullable=False),
        sa.Column('charger_id', sa.Integer(), nullable=True),
        sa.Column('connector_id', sa.Integer(), nullable=True),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('noticed_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('times', sa.Integer(), nullable=False),
        sa.Column('detail', sa.Text(), nullable=False),
        sa.Column('mailed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('acknowledged_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('acknowledged_by_id', sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('silent', 'fault', 'disk')", name=op.f('ck_alert_kind')),
        sa.ForeignKeyConstraint(
            ['acknowledged_by_id'], ['user.id'], name=op.f('fk_alert_acknowledged_by_id_user')
        ),
        sa.ForeignKeyConstraint(['charger_id'], ['charger.id'], name=op.f('fk_alert_charger_id_charger')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_alert')),
    )
    op.create_index('ix_alert_charger', 'alert', ['charger_id', 'id'])
    op.create_index('ix_alert_key', 'alert', ['key', 'id'])
    op.create_index('uq_alert_open', 'alert', ['key'], unique=True, **OPEN)


def downgrade():
    op.drop_table('alert')
    op.drop_table('work_process')
    op.drop_table('job_run')
    op.drop_table('job')
