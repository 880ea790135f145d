"""The changes of each dataset, its versions and its words are counted, so that a copy in memory is known to be old."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0300"
branch_labels = None
depends_on = None

OF = {"datasets": "id", "versions": "dataset", "catalogue_terms": "dataset"}
"""Table -> its column that names the dataset."""
COUNT = (
    "insert into catalogue_changes (dataset, changes) values ({row}.{column}, 1) "
    "on conflict (dataset) do update set changes = catalogue_changes.changes + 1"
)


def upgrade() -> None:
    op.create_table(
        "catalogue_changes",
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", name=op.f("pk_catalogue_changes")),
    )
    op.execute("insert into catalogue_changes (dataset, changes) select id, 1 from datasets")
    for table, column in OF.items():
        if op.get_context().dialect.name == "sqlite":
            for verb, row in (("insert", "new"), ("update", "new"), ("delete", "old")):
                op.execute(
                    f"create trigger {table}_changes_{verb} after {verb} on {table} "
                    f"begin {COUNT.format(row=row, column=column)}; end"
                )
            continue
        old, new = (COUNT.format(row=row, column=column) for row in ("old", "new"))
        op.execute(
            f"create function medtrain_changes_{table}() returns trigger language plpgsql as "
            f"$$ begin if tg_op = 'DELETE' then {old}; else {new}; end if; return null; end $$"
        )
        op.execute(
            f"create trigger {table}_changes after insert or update or delete on {table} "
            f"for each row execute function medtrain_changes_{table}()"
        )


def downgrade() -> None:
    for table in OF:
        if op.get_context().dialect.name == "sqlite":
            for verb in ("insert", "update", "delete"):
                op.execute(f"drop trigger {table}_changes_{verb}")
            continue
        op.execute(f"drop trigger {table}_changes on {table}")
        op.execute(f"drop function medtrain_changes_{table}()")
    op.drop_table("catalogue_changes")
