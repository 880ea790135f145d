"""The rule that nothing governed changes without a log entry, on both databases."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.orm import Session

from policies.entry import Entry, decode
from policies.errors import IllegalTransition, MissingLogEntry
from policies.states import PermitState
from service.database import engine, governed_tables, reading, record, unit_of_work, upgrade, work_in
from service.models import Base, Governed, OrganisationRow, PermitRow, PersonRow
from service.models_log import EntryRow, PendingRow

NOW = "2026-01-02T03:04:05.000000Z"


def clock() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entry(**changes: object) -> Entry:
    values = {"at": NOW, "actor": "wang", "action": "organisation.add", "kind": "organisation", "object": "h1"}
    return Entry(**{"decision": "allow", **values, **changes})  # type: ignore[arg-type]  # a factory


def hospital(name: str = "h1") -> OrganisationRow:
    return OrganisationRow(id=name, name="Hospital", kind="hospital")


@pytest.fixture
def database(ready_url: str) -> Iterator[sa.Engine]:
    made = engine(ready_url)
    yield made
    made.dispose()


@pytest.fixture
def filled(database: sa.Engine) -> sa.Engine:
    with unit_of_work(database, clock) as work:
        work.session.add(hospital())
        work.add(entry())
    return database


def count(database: sa.Engine, table: type) -> int:
    with reading(database) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_a_change_and_its_entry_are_committed_together(filled: sa.Engine) -> None:
    with reading(filled) as session:
        assert session.get_one(OrganisationRow, "h1").name == "Hospital"
        assert decode(session.scalars(sa.select(EntryRow)).one().body) == entry()


def test_a_change_without_an_entry_is_not_committed(database: sa.Engine) -> None:
    with pytest.raises(MissingLogEntry, match="organisations"), unit_of_work(database, clock) as work:
        work.session.add(hospital())
    assert count(database, OrganisationRow) == 0


def test_a_changed_row_without_an_entry_is_not_committed(filled: sa.Engine) -> None:
    with pytest.raises(MissingLogEntry), unit_of_work(filled, clock) as work:
        work.session.get_one(OrganisationRow, "h1").name = "Another"
    with reading(filled) as session:
        assert session.get_one(OrganisationRow, "h1").name == "Hospital"


def test_a_deleted_row_without_an_entry_is_not_committed(filled: sa.Engine) -> None:
    with pytest.raises(MissingLogEntry), unit_of_work(filled, clock) as work:
        work.session.delete(work.session.get_one(OrganisationRow, "h1"))
    assert count(filled, OrganisationRow) == 1


BYPASSES = {
    "orm bulk update": sa.update(OrganisationRow).values(name="x"),
    "orm bulk delete": sa.delete(OrganisationRow),
    "core insert": sa.insert(OrganisationRow.__table__).values(id="h2", name="x", kind="hospital"),
    "insert from select": sa.insert(OrganisationRow.__table__).from_select(
        ["id", "name", "kind"], sa.select(sa.literal("h3"), sa.literal("x"), sa.literal("y"))
    ),
    "text": sa.text("UPDATE organisations SET name = 'x'"),
    "quoted text": sa.text("""delete from "organisations" where id = 'h1'"""),
    "text behind a comment": sa.text("/* harmless */ update\n organisations set name = 'x'"),
    "in a common table expression": sa.text(
        "with gone as (select id from organisations) delete from organisations where id in (select id from gone)"
    ),
}


@pytest.mark.parametrize("statement", BYPASSES.values(), ids=BYPASSES.keys())
def test_no_way_of_writing_gets_around_the_rule(filled: sa.Engine, statement: sa.Executable) -> None:
    with pytest.raises(MissingLogEntry), unit_of_work(filled, clock) as work:
        work.session.execute(statement)
    with pytest.raises(MissingLogEntry), filled.begin() as connection:
        connection.execute(statement)
    with Session(filled) as session:
        session.execute(statement)
        with pytest.raises(MissingLogEntry):
            session.commit()
    with reading(filled) as session:
        assert session.scalars(sa.select(OrganisationRow.name)).all() == ["Hospital"]


def test_the_drivers_own_sql_does_not_get_around_the_rule(filled: sa.Engine) -> None:
    with pytest.raises(MissingLogEntry), filled.begin() as connection:
        connection.exec_driver_sql("update organisations set name = 'x'")


def test_an_entry_in_a_savepoint_that_was_undone_does_not_count(database: sa.Engine) -> None:
    with pytest.raises(MissingLogEntry), unit_of_work(database, clock) as work:  # noqa: PT012  # the commit raises
        work.session.add(hospital())
        work.session.flush()
        inner = work.session.begin_nested()
        work.add(entry())
        inner.rollback()
    assert count(database, OrganisationRow) == count(database, EntryRow) == 0


def test_a_change_in_a_savepoint_that_was_undone_needs_no_entry(database: sa.Engine) -> None:
    with unit_of_work(database, clock) as work:
        inner = work.session.begin_nested()
        work.session.add(hospital())
        inner.rollback()
    assert count(database, OrganisationRow) == 0


def test_a_kept_savepoint_counts(database: sa.Engine) -> None:
    with unit_of_work(database, clock) as work:
        with work.session.begin_nested():
            work.session.add(hospital())
        with work.session.begin_nested():
            work.add(entry())
    assert count(database, OrganisationRow) == 1


def test_an_entry_of_the_transaction_before_does_not_count(filled: sa.Engine) -> None:
    record(filled, entry(action="log.search"))
    with pytest.raises(MissingLogEntry), unit_of_work(filled, clock) as work:
        work.session.add(hospital("h2"))


def test_an_error_rolls_back_the_change_and_the_entry(database: sa.Engine) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(database, clock) as work:  # noqa: PT012  # the last line raises
        work.session.add(hospital())
        work.add(entry())
        raise ZeroDivisionError
    assert count(database, OrganisationRow) == count(database, EntryRow) == 0


def test_reading_and_technical_tables_need_no_entry(filled: sa.Engine) -> None:
    with unit_of_work(filled, clock) as work:
        work.session.execute(sa.select(OrganisationRow).with_for_update()).all()
        work.session.execute(sa.text("create table other (id integer)"))
        work.session.execute(sa.text("insert into other values (1)"))
    with filled.begin() as connection:
        assert connection.scalar(sa.text("select count(*) from other")) == 1


def test_what_a_reader_writes_is_not_kept(filled: sa.Engine) -> None:
    with reading(filled) as session:
        session.add(hospital("h2"))
        session.flush()
    assert count(filled, OrganisationRow) == 1


def test_a_reader_does_not_wait_for_a_writer(filled: sa.Engine) -> None:
    with unit_of_work(filled, clock) as work:
        work.session.add(hospital("h2"))
        work.add(entry())
        assert count(filled, OrganisationRow) == 1


def test_work_inside_a_foreign_session_keeps_the_rule(database: sa.Engine) -> None:
    with Session(database) as session:
        work_in(session, clock).session.add(hospital())
        with pytest.raises(MissingLogEntry):
            session.commit()
    with Session(database) as session, session.begin():
        work = work_in(session, clock)
        work.session.add(hospital())
        assert work.add(entry(at=work.now())).id > 0
    assert count(database, OrganisationRow) == 1


def test_an_engine_that_does_not_keep_the_rule_is_refused() -> None:
    with Session(sa.create_engine("sqlite://")) as session, pytest.raises(MissingLogEntry, match="does not check"):
        work_in(session, clock)


def test_every_table_of_the_facility_is_governed_but_the_technical_ones(database: sa.Engine) -> None:
    technical = {
        "idempotency_keys", "drafts", "catalogue_terms", "catalogue_changes", "entries", "pending", "positions",
        "nodes", "head",
    }  # fmt: skip
    assert governed_tables() == set(Base.metadata.tables) - technical
    assert all(issubclass(m.class_, Governed) for m in Base.registry.mappers if m.local_table.name in governed_tables())


@pytest.mark.parametrize("table", ["entries", "positions", "nodes"])
@pytest.mark.parametrize("verb", ["update {} set {} = {}", "delete from {}"])
def test_the_database_itself_refuses_to_change_the_log(filled: sa.Engine, table: str, verb: str) -> None:
    with filled.begin() as connection:
        connection.execute(sa.text("insert into positions (position, entry, leaf) values (0, 1, '')"))
        connection.execute(sa.text("insert into nodes (level, number, hash) values (8, 0, '')"))
    column = {"entries": "actor", "positions": "position", "nodes": "number"}[table]
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), filled.begin() as connection:
        connection.execute(sa.text(verb.format(table, column, column)))


@pytest.mark.parametrize("statement", ["update head set size = -1", "delete from head"])
def test_the_database_itself_refuses_to_shrink_the_log(filled: sa.Engine, statement: str) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="only grows"), filled.begin() as connection:
        connection.execute(sa.text(statement))


def test_the_database_refuses_to_empty_the_log(ready_postgres_url: str) -> None:
    made = engine(ready_postgres_url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), made.begin() as connection:
        connection.execute(sa.text("truncate entries cascade"))
    made.dispose()


def test_every_entry_waits_for_its_place_in_the_tree(filled: sa.Engine) -> None:
    with reading(filled) as session:
        assert session.scalars(sa.select(PendingRow.entry)).all() == session.scalars(sa.select(EntryRow.id)).all()


def permit(**changes: object) -> PermitRow:
    values = {"id": "p1", "org": "aico", "author": "li", "dataset": "d1", "state": PermitState.DRAFT, "document": {}}
    return PermitRow(**{**values, **changes})


def test_a_state_moves_only_along_its_transitions(database: sa.Engine) -> None:
    with unit_of_work(database, clock) as work:
        work.session.add(permit())
        work.add(entry(action="permit.create", kind="permit", object="p1"))
    with (
        pytest.raises(IllegalTransition, match="draft permit cannot become active"),
        unit_of_work(database, clock) as work,
    ):
        work.session.get_one(PermitRow, "p1").state = PermitState.ACTIVE
    with unit_of_work(database, clock) as work:
        row = work.session.get_one(PermitRow, "p1")
        row.state = PermitState.DRAFT  # staying is no step
        row.state = PermitState.SUBMITTED
        work.add(entry(action="permit.submit", kind="permit", object="p1"))
    with reading(database) as session:
        assert session.get_one(PermitRow, "p1").state is PermitState.SUBMITTED


def test_a_row_shows_its_identity_and_nothing_else(filled: sa.Engine) -> None:
    with reading(filled) as session:
        assert repr(session.get_one(OrganisationRow, "h1")) == "OrganisationRow(('h1',))"


def test_an_error_of_the_database_shows_no_values(filled: sa.Engine) -> None:
    person = PersonRow(id="p", org="secret-org", roles=[], active=True, created_at=NOW)
    with pytest.raises(sa.exc.IntegrityError) as caught, unit_of_work(filled, clock) as work:
        work.session.add(person)
    assert "parameters hidden" in str(caught.value)


def test_racing_writers_lose_no_update(database: sa.Engine) -> None:
    with unit_of_work(database, clock) as work:
        work.session.add(OrganisationRow(id="n", name="0", kind="counter"))
        work.add(entry())

    def add() -> None:
        for _ in range(4):
            with unit_of_work(database, clock) as work:
                row = work.session.get_one(OrganisationRow, "n", with_for_update=True)
                row.name = str(int(row.name) + 1)
                work.add(entry())

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(database) as session:
        assert session.get_one(OrganisationRow, "n").name == "32"


def alembic(connection: sa.Connection) -> Config:
    settings = Config()
    settings.set_main_option("script_location", "service/migrations")
    settings.attributes["connection"] = connection
    return settings


def test_the_migrations_make_exactly_the_models(database: sa.Engine) -> None:
    with database.connect() as connection:
        command.check(alembic(connection))


def test_the_migrations_can_be_undone_and_redone(database: sa.Engine) -> None:
    with database.connect() as connection:
        command.downgrade(alembic(connection), "base")
        connection.commit()
    assert set(sa.inspect(database).get_table_names()) == {"alembic_version"}
    upgrade(database)
    assert set(Base.metadata.tables) <= set(sa.inspect(database).get_table_names())


def test_four_processes_starting_at_once_upgrade_once(database_url: str) -> None:
    databases = [engine(database_url) for _ in range(4)]
    threads = [threading.Thread(target=upgrade, args=(made,)) for made in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record(databases[0], entry()) == 1
    for made in databases:
        made.dispose()
