"""Group commit of stand-alone entries: durable for each caller, one transaction for all who wait."""

import threading

import pytest
import sqlalchemy as sa

from policies.canonical import canonical
from policies.entry import decode
from service import appender as appending
from service.appender import Appender
from service.database import appender, engine, reading, record
from service.models_log import EntryRow, PendingRow


def bodies(core: sa.Engine) -> dict[int, bytes]:
    with reading(core) as session:
        return dict(session.execute(sa.select(EntryRow.id, EntryRow.body)).all())


def test_an_appended_entry_is_there_under_its_id_and_waits_for_its_place(core, said) -> None:
    first, second = record(core, said(object="a")), record(core, said(object="b", permit="p-1"))
    assert {number: decode(body).object for number, body in bodies(core).items()} == {first: "a", second: "b"}
    with reading(core) as session:
        assert set(session.scalars(sa.select(PendingRow.entry))) == {first, second}
        row = session.get_one(EntryRow, second)
    assert [row.at, row.actor, row.action, row.kind, row.object, row.permit, row.decision] == [
        said().at, "wang", "thing.do", "thing", "b", "p-1", "allow",
    ]  # fmt: skip


def test_callers_at_the_same_time_share_transactions_and_each_has_an_id_of_his_own(core, said, monkeypatch) -> None:
    batches: list[int] = []
    name = "_to_sqlite" if core.dialect.name == "sqlite" else "_to_postgresql"
    write = getattr(appending, name)
    monkeypatch.setattr(appending, name, lambda core, rows: (batches.append(len(rows)), write(core, rows))[1])
    ids: dict[str, int] = {}

    def call(who: int) -> None:
        for turn in range(5):
            ids[f"{who}-{turn}"] = record(core, said(object=f"{who}-{turn}"))

    threads = [threading.Thread(target=call, args=(who,)) for who in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {decode(body).object: number for number, body in bodies(core).items()} == ids
    assert sum(batches) == 120
    assert len(batches) < 120


def test_a_failed_transaction_is_told_to_everybody_who_shared_it(core, said, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    for name in ("_to_sqlite", "_to_postgresql"):
        monkeypatch.setattr(appending, name, fail)
    with pytest.raises(OSError, match="full"):
        record(core, said())
    monkeypatch.undo()
    assert record(core, said())
    assert len(bodies(core)) == 1


def test_a_write_that_the_database_refuses_leaves_nothing_and_the_next_one_goes_through(
    core, said, monkeypatch
) -> None:
    write = appending._to_sqlite if core.dialect.name == "sqlite" else appending._to_postgresql
    with pytest.raises(Exception, match=r"(?i)null"):
        write(core, [(said().at, "wang", "thing.do", "thing", None, None, "allow", b"{}")])
    assert bodies(core) == {}
    assert record(core, said())


def test_entries_written_with_a_change_and_entries_on_their_own_never_share_a_number(core, said) -> None:
    from service.database import unit_of_work

    with unit_of_work(core) as work:
        work.add(said(object="with"))
    record(core, said(object="alone"))
    with unit_of_work(core) as work:
        work.add(said(object="with-too"))
    assert sorted(decode(body).object for body in bodies(core).values()) == ["alone", "with", "with-too"]


def test_a_turn_holds_appends_back_and_they_go_on_in_order(core, said) -> None:
    done: list[int] = []
    with appender(core).turn():
        thread = threading.Thread(target=lambda: done.append(record(core, said())))
        thread.start()
        thread.join(0.1)
        assert done == []
    thread.join()
    assert len(done) == 1


def test_those_before_a_turn_are_written_before_it_and_those_behind_after(monkeypatch) -> None:
    seen: list[list[str]] = []
    started, go = threading.Event(), threading.Event()

    def write(_core: object, rows: list[tuple[str, ...]]) -> range:
        seen.append([row[4] for row in rows])
        started.set()
        go.wait(5)
        return range(len(rows))

    monkeypatch.setattr(appending, "_to_sqlite", write)
    line, core = Appender(), engine("sqlite://")
    from policies.entry import Entry

    def add(name: str) -> threading.Thread:
        entry = Entry("2026-01-02T03:04:05Z", "wang", "thing.do", "thing", name, "allow")
        thread = threading.Thread(target=line.append, args=(core, entry))
        before = len(line._queue)
        thread.start()
        while started.is_set() and len(line._queue) == before:
            pass
        return thread

    def turn() -> None:
        with line.turn():
            seen.append(["turn"])

    threads = [add("one")]
    started.wait(5)
    threads += [add("two")]
    holder = threading.Thread(target=turn)
    holder.start()
    while len(line._queue) < 2:
        pass
    threads += [add("three"), holder]
    go.set()
    for thread in threads:
        thread.join(5)
    assert seen == [["one"], ["two"], ["turn"], ["three"]]
    core.dispose()


def test_an_entry_has_the_bytes_of_the_general_canonical_form(said) -> None:
    one = said(permit="p-1", policies=("a", "b"), facts={"z": 1, "a": ("x", "y"), "b": True, "k": -(2**53) + 1})
    assert one.encode() == canonical(one.as_dict())
