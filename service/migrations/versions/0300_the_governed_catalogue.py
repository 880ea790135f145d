"""The governed catalogue: measurements, drafts, the search index, notices, patients' rights, incidents"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0300"
down_revision = "0200"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('incidents',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('by', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('open', 'contained', 'notified', 'closed', name='incidentstate', native_enum=False, length=32), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.Column('document', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incidents'))
    )
    with op.batch_alter_table('incidents', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_incidents_at'), ['at'], unique=False)
        batch_op.create_index(batch_op.f('ix_incidents_state'), ['state'], unique=False)

    op.create_table('notices',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('org', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('object', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.Column('document', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices'))
    )
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_notices_org'), ['org'], unique=False)

    op.create_table('objections',
    sa.Column('mark', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('request', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('mark', 'purpose', name=op.f('pk_objections'))
    )
    op.create_table('rights',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('org', sa.String(length=64), nullable=False),
    sa.Column('author', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('state', sa.Enum('received', 'fulfilled', 'refused', name='rightsstate', native_enum=False, length=32), nullable=False),
    sa.Column('created_at', sa.String(length=32), nullable=False),
    sa.Column('due_at', sa.String(length=32), nullable=False),
    sa.Column('document', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rights'))
    )
    with op.batch_alter_table('rights', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rights_due_at'), ['due_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_rights_org'), ['org'], unique=False)
        batch_op.create_index(batch_op.f('ix_rights_state'), ['state'], unique=False)

    op.create_table('tombstones',
    sa.Column('mark', sa.String(length=64), nullable=False),
    sa.Column('org', sa.String(length=64), nullable=False),
    sa.Column('request', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.PrimaryKeyConstraint('mark', 'org', name=op.f('pk_tombstones'))
    )
    op.create_table('catalogue_terms',
    sa.Column('term', sa.String(length=40), nullable=False),
    sa.Column('dataset', sa.String(length=64), nullable=False),
    sa.Column('weight', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['dataset'], ['datasets.id'], name=op.f('fk_catalogue_terms_dataset')),
    sa.PrimaryKeyConstraint('term', 'dataset', name=op.f('pk_catalogue_terms'))
    )
    op.create_table('measurements',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('dataset', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('question', sa.String(length=64), nullable=False),
    sa.Column('org', sa.String(length=64), nullable=False),
    sa.Column('at', sa.String(length=32), nullable=False),
    sa.Column('document', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.ForeignKeyConstraint(['dataset'], ['datasets.id'], name=op.f('fk_measurements_dataset')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_measurements')),
    sa.UniqueConstraint('dataset', 'version', 'kind', 'question', name=op.f('uq_measurements_dataset_version_kind_question'))
    )
    with op.batch_alter_table('measurements', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_measurements_dataset'), ['dataset'], unique=False)
        batch_op.create_index(batch_op.f('ix_measurements_org'), ['org'], unique=False)

    op.create_table('drafts',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('person', sa.String(length=64), nullable=False),
    sa.Column('saved_at', sa.String(length=32), nullable=False),
    sa.Column('answers', sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql'), nullable=False),
    sa.ForeignKeyConstraint(['person'], ['people.id'], name=op.f('fk_drafts_person')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_drafts'))
    )
    with op.batch_alter_table('drafts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_drafts_person'), ['person'], unique=False)
        batch_op.create_index(batch_op.f('ix_drafts_saved_at'), ['saved_at'], unique=False)


def downgrade() -> None:
    with op.batch_alter_table('drafts', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_drafts_saved_at'))
        batch_op.drop_index(batch_op.f('ix_drafts_person'))

    op.drop_table('drafts')
    with op.batch_alter_table('measurements', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_measurements_org'))
        batch_op.drop_index(batch_op.f('ix_measurements_dataset'))

    op.drop_table('measurements')
    op.drop_table('catalogue_terms')
    op.drop_table('tombstones')
    with op.batch_alter_table('rights', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rights_state'))
        batch_op.drop_index(batch_op.f('ix_rights_org'))
        batch_op.drop_index(batch_op.f('ix_rights_due_at'))

    op.drop_table('rights')
    op.drop_table('objections')
    with op.batch_alter_table('notices', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_notices_org'))

    op.drop_table('notices')
    with op.batch_alter_table('incidents', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_incidents_state'))
        batch_op.drop_index(batch_op.f('ix_incidents_at'))

    op.drop_table('incidents')
