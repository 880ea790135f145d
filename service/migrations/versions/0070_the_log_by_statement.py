"""PostgreSQL: what a trigger and the sequencer copy from entries is not looked up there again, row by row.

Entries are never deleted, so the foreign keys of ``pending`` and ``positions`` had nothing to guard but these two, and
``medtrain log verify`` compares all three tables.
"""

from alembic import op

revision = "0070"
down_revision = "0300"
branch_labels = None
depends_on = None

TABLES = ("pending", "positions")


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.drop_constraint(f"fk_{table}_entry", table, type_="foreignkey")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.create_foreign_key(f"fk_{table}_entry", table, "entries", ["entry"], ["id"])
