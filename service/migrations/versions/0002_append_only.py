"""The access log: append-only by the database itself, every entry queued for its place in the tree, and the empty tree."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing, RFC 6962 2.1
TABLES = ("entries", "positions", "nodes")


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for table in TABLES:
            op.execute(f"drop trigger {table}_no_update")
            op.execute(f"drop trigger {table}_no_delete")
        op.execute("drop trigger head_only_grows")
        op.execute("drop trigger head_stays")
        op.execute("drop trigger entries_queue")
    else:
        for table in TABLES:
            op.execute(f"drop trigger {table}_append_only on {table}")
            op.execute(f"drop trigger {table}_no_truncate on {table}")
        op.execute("drop trigger head_only_grows on head")
        op.execute("drop trigger entries_queue on entries")
        op.execute("drop function medtrain_refuse()")
        op.execute("drop function medtrain_grow()")
        op.execute("drop function medtrain_queue()")
    op.execute("delete from head")


def _upgrade_sqlite() -> None:
    op.execute(f"insert into head (id, size, frontier, root) values (1, 0, x'', x'{EMPTY}')")
    for table in TABLES:
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger {table}_no_{verb} before {verb} on {table} "
                f"begin select raise(abort, '{table} is append-only'); end"
            )
    op.execute(
        "create trigger head_only_grows before update on head when new.size < old.size or new.id <> old.id "
        "begin select raise(abort, 'the log only grows'); end"
    )
    op.execute("create trigger head_stays before delete on head begin select raise(abort, 'the log only grows'); end")
    op.execute(
        "create trigger entries_queue after insert on entries begin insert into pending (entry) values (new.id); end"
    )


def _upgrade_postgresql() -> None:
    op.execute(f"insert into head (id, size, frontier, root) values (1, 0, '', decode('{EMPTY}', 'hex'))")
    op.execute(
        "create function medtrain_refuse() returns trigger language plpgsql as "
        "$$ begin raise exception '% is append-only', tg_table_name; end $$"
    )
    op.execute(
        "create function medtrain_grow() returns trigger language plpgsql as "
        "$$ begin if tg_op = 'DELETE' or new.size < old.size or new.id <> old.id "
        "then raise exception 'the log only grows'; end if; return new; end $$"
    )
    op.execute(
        "create function medtrain_queue() returns trigger language plpgsql as "
        "$$ begin insert into pending (entry) values (new.id); return null; end $$"
    )
    for table in TABLES:
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function medtrain_refuse()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function medtrain_refuse()"
        )
    op.execute(
        "create trigger head_only_grows before update or delete on head for each row execute function medtrain_grow()"
    )
    op.execute(
        "create trigger entries_queue after insert on entries for each row execute function medtrain_queue()"
    )
