"""What a trigger and the sequencer copy from entries is not looked up there again, row by row.

Entries are never deleted, so the foreign keys of ``pending`` and ``positions`` had nothing to guard but these two, and
``medtrain log verify`` compares all three tables. SQLite cannot drop a constraint: the two tables are made again.
"""

from alembic import op

revision = "0070"
down_revision = "0080"
branch_labels = None
depends_on = None

KEY = ", constraint fk_{}_entry foreign key (entry) references entries (id)"
TABLES = {
    "pending": "entry integer not null, constraint pk_pending primary key (entry)",
    "positions": "position bigint not null, entry integer not null, leaf blob not null, "
    "constraint pk_positions primary key (position), constraint uq_positions_entry unique (entry)",
}


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _remade("")
    else:
        for table in TABLES:
            op.drop_constraint(f"fk_{table}_entry", table, type_="foreignkey")


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _remade(KEY)
    else:
        for table in TABLES:
            op.create_foreign_key(f"fk_{table}_entry", table, "entries", ["entry"], ["id"])


def _remade(key: str) -> None:
    op.execute("drop trigger entries_queue")
    for table, columns in TABLES.items():
        op.execute(f"create table fresh_{table} ({columns}{key.format(table)})")
        op.execute(f"insert into fresh_{table} select * from {table}")  # noqa: S608  # constants
        op.execute(f"drop table {table}")
        op.execute(f"alter table fresh_{table} rename to {table}")
    for verb in ("update", "delete"):  # they went with their table
        op.execute(
            f"create trigger positions_no_{verb} before {verb} on positions "
            "begin select raise(abort, 'positions is append-only'); end"
        )
    op.execute(
        "create trigger entries_queue after insert on entries begin insert into pending (entry) values (new.id); end"
    )
