"""Records of processing and assessment cannot be deleted before three years are over; the database itself refuses.

PIPL article 56 asks for three years. The access log is append-only anyway (0002). By the database's own clock: the
facility's may be set. A record's moment cannot be set back, which would make it look old. A permit is never deleted.
"""

from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

MOMENTS = {
    "submissions": "created_at",
    "versions": "created_at",
    "extracts": "created_at",
    "runs": "created_at",
    "releases": "created_at",
    "approvals": "at",
    "charges": "at",
    "rights": "created_at",
    "incidents": "at",
    "freezes": "at",
}


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        for table, moment in MOMENTS.items():
            op.execute(
                f"create trigger {table}_kept before delete on {table} "
                f"when old.{moment} > strftime('%Y-%m-%dT%H:%M:%S', 'now', '-3 years') "
                f"begin select raise(abort, '{table} are kept for three years'); end"
            )
            op.execute(
                f"create trigger {table}_dated before update of {moment} on {table} when new.{moment} < old.{moment} "
                f"begin select raise(abort, '{table} cannot be dated back'); end"
            )
        op.execute(
            "create trigger permits_kept before delete on permits begin select raise(abort, 'permits are kept'); end"
        )
        return
    op.execute(
        "create function medtrain_keep() returns trigger language plpgsql as $$ begin "
        "if tg_op = 'UPDATE' then "
        "if to_jsonb(new) ->> tg_argv[0] < to_jsonb(old) ->> tg_argv[0] then "
        "raise exception '% cannot be dated back', tg_table_name; end if; return new; end if; "
        "if tg_op = 'TRUNCATE' or tg_nargs = 0 or to_jsonb(old) ->> tg_argv[0] > "
        "to_char((now() at time zone 'UTC') - interval '3 years', 'YYYY-MM-DD\"T\"HH24:MI:SS') then "
        "raise exception '% are kept for three years', tg_table_name; end if; return old; end $$"
    )
    for table, dated in {**MOMENTS, "permits": ""}.items():
        named = f"'{dated}'" if dated else ""
        verbs = f"delete or update of {dated}" if dated else "delete"
        op.execute(
            f"create trigger {table}_kept before {verbs} on {table} for each row execute function medtrain_keep({named})"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function medtrain_keep()"
        )


def downgrade() -> None:
    for table in (*MOMENTS, "permits"):
        if op.get_context().dialect.name == "sqlite":
            op.execute(f"drop trigger {table}_kept")
            op.execute(f"drop trigger if exists {table}_dated")
        else:
            op.execute(f"drop trigger {table}_kept on {table}")
            op.execute(f"drop trigger {table}_no_truncate on {table}")
    if op.get_context().dialect.name == "postgresql":
        op.execute("drop function medtrain_keep()")
