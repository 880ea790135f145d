"""PostgreSQL: entries are queued for their place by one statement for all rows, so that appends in bulk stay fast."""

from alembic import op

revision = "0200"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("drop trigger entries_queue on entries")
    op.execute(
        "create or replace function medtrain_queue() returns trigger language plpgsql as "
        "$$ begin insert into pending (entry) select id from fresh; return null; end $$"
    )
    op.execute(
        "create trigger entries_queue after insert on entries referencing new table as fresh "
        "for each statement execute function medtrain_queue()"
    )


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("drop trigger entries_queue on entries")
    op.execute(
        "create or replace function medtrain_queue() returns trigger language plpgsql as "
        "$$ begin insert into pending (entry) values (new.id); return null; end $$"
    )
    op.execute(
        "create trigger entries_queue after insert on entries for each row execute function medtrain_queue()"
    )
