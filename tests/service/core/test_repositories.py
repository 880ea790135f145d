"""One contract for the repositories in memory and in the database, on SQLite and on PostgreSQL."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlalchemy as sa

from datasets.charges import MemoryCharges
from datasets.keys import MemoryWrappedKeys, WrappedKey
from datasets.ledger import NOTHING, Event, cap, charge
from datasets.permits import MemoryPermits, Permit
from datasets.versions import DataClass, Dataset, DatasetVersion, MemoryDatasets, MemoryVersions
from policies.errors import BudgetExhausted, Conflict, IllegalTransition, Misuse, NotFound
from policies.states import ChargeState, PermitState, VersionState
from policies.thresholds import budget
from service.database import engine, reading, unit_of_work, work_in
from service.models import PatientRow
from service.models_log import EntryRow
from service.repositories.charges import SqlCharges
from service.repositories.keys import SqlWrappedKeys
from service.repositories.patients import put_patients
from service.repositories.permits import SqlPermits
from service.repositories.place import InWork, OnEngine
from service.repositories.versions import SqlDatasets, SqlVersions

RULES = budget()
AT = "2026-01-02T03:04:05.000000Z"


class Stores:
    def __init__(self, keys, datasets, versions, permits, charges) -> None:
        self.keys, self.datasets, self.versions, self.permits, self.charges = keys, datasets, versions, permits, charges


def sql(place) -> Stores:
    return Stores(
        SqlWrappedKeys(place), SqlDatasets(place), SqlVersions(place), SqlPermits(place), SqlCharges(place, RULES)
    )


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def stores(request, fixed):
    if request.param == "memory":
        yield Stores(MemoryWrappedKeys(), MemoryDatasets(), MemoryVersions(), MemoryPermits(), MemoryCharges(RULES))
        return
    made = engine(request.getfixturevalue(f"ready_{'sqlite' if request.param == 'sqlite' else 'postgres'}_url"))
    yield sql(OnEngine(made, fixed))
    made.dispose()


def key(name: str, **changes) -> WrappedKey:
    return replace(WrappedKey(name * 64, "d1", 1, b"wrapped", AT), **changes)


def test_a_wrapped_key_is_kept_replaced_and_destroyed(stores, said) -> None:
    stores.keys.put([key("b"), key("a"), key("c", scope="d2")], said())
    assert stores.keys.of("d1") == (key("a"), key("b"))
    stores.keys.put([key("a", generation=2, wrapped=b"rewrapped")], said())
    assert stores.keys.get("a" * 64) == key("a", generation=2, wrapped=b"rewrapped")
    stores.keys.delete(["a" * 64, "f" * 64], said())
    assert stores.keys.get("a" * 64) is None
    assert stores.keys.of("d1") == (key("b"),)


def dataset(**changes) -> Dataset:
    return replace(Dataset("d1", "A title", "hospital", DataClass.DEMONSTRATION, frozenset({"DUO:0000042"})), **changes)


def test_a_dataset_keeps_its_owner_and_class(stores, said) -> None:
    with pytest.raises(NotFound):
        stores.datasets.get("d1")
    stores.datasets.put(dataset(), said())
    stores.datasets.put(dataset(title="Another", purposes=frozenset()), said())
    stores.datasets.put(dataset(id="d0"), said())
    assert stores.datasets.get("d1") == dataset(title="Another", purposes=frozenset())
    assert [found.id for found in stores.datasets.all()] == ["d0", "d1"]
    for changed in (dataset(owner_org="x"), dataset(data_class=DataClass.SENSITIVE)):
        with pytest.raises(Conflict):
            stores.datasets.put(changed, said())


def version(**changes) -> DatasetVersion:
    return replace(DatasetVersion("d1", 1, VersionState.DRAFT, "f" * 64, "li"), **changes)


def test_a_version_changes_its_state_only(stores, said) -> None:
    stores.datasets.put(dataset(), said())
    with pytest.raises(NotFound):
        stores.versions.get("d1", 1)
    stores.versions.put(version(), said())
    stores.versions.put(version(), said())
    stores.versions.put(version(number=2), said())
    stores.versions.put(version(state=VersionState.PUBLISHED), said())
    assert stores.versions.of("d1") == (version(state=VersionState.PUBLISHED), version(number=2))
    assert stores.versions.get("d1", 1).state is VersionState.PUBLISHED
    with pytest.raises(Conflict):
        stores.versions.put(version(digest="0" * 64, state=VersionState.PUBLISHED), said())
    with pytest.raises(IllegalTransition):
        stores.versions.put(version(), said())


def permit(**changes) -> Permit:
    values = {
        "id": "p-1", "holder_org": "aico", "people": frozenset({"li"}), "purpose": "DUO:0000042",
        "legal_basis": "contract 7", "ethics": "e-1", "controller": "aico", "dataset": "d1", "versions": (1, None),
        "recipes": ("r",),
        "epsilon": Decimal("3.5"), "delta": Decimal("1e-6"), "runs": 3, "author": "li",
        "not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2026, 7, 1, tzinfo=UTC),
    }  # fmt: skip
    return Permit(**{**values, **changes})


def test_a_permit_is_read_as_it_was_written_and_its_terms_stand(stores, said) -> None:
    with pytest.raises(NotFound):
        stores.permits.get("p-1")
    stores.permits.put(permit(), said())
    stores.permits.put(permit(id="p-0"), said())
    stores.permits.put(permit(id="p-2", holder_org="other"), said())
    stores.permits.put(permit(epsilon=Decimal("3.6")), said())
    submitted = permit(epsilon=Decimal("3.6"), state=PermitState.SUBMITTED)
    stores.permits.put(submitted, said())
    assert stores.permits.get("p-1") == submitted
    assert [found.id for found in stores.permits.of("aico")] == ["p-0", "p-1"]
    with pytest.raises(Conflict):
        stores.permits.put(replace(submitted, runs=99), said())
    with pytest.raises(IllegalTransition):
        stores.permits.put(replace(submitted, state=PermitState.ACTIVE), said())


def test_every_permit_can_be_listed(core, fixed, said) -> None:
    permits = SqlPermits(OnEngine(core, fixed))
    for name in ("p-2", "p-1"):
        permits.put(permit(id=name, holder_org=name), said())
    assert [found.id for found in permits.all()] == ["p-1", "p-2"]


EVENT = Event("poisson-gaussian", 0.01, 1.0, 100)


def cost(name: str, tokens: str = "ab", run: str = "r-1", event: Event = EVENT):
    return charge(name, run, (event,), frozenset(tokens), RULES)


BIG = Event("gaussian", 1.0, (2.0 / float(cap(RULES).rho * Decimal("0.4"))) ** 0.5, 1)  # 40 % of the cap


def test_a_charge_is_reserved_once_and_summed(stores, said) -> None:
    one = cost("c-1")
    stores.charges.reserve([one], said())
    stores.charges.reserve([one], said())
    stores.charges.reserve([cost("c-2", "bc")], said())
    assert stores.charges.spent("abcd") == {
        "a": one.amount, "b": one.amount + one.amount, "c": one.amount, "d": NOTHING
    }  # fmt: skip
    assert stores.charges.of_run("r-1") == (one, cost("c-2", "bc"))
    with pytest.raises(Conflict):
        stores.charges.reserve([cost("c-1", "x")], said())
    with pytest.raises(Misuse):
        stores.charges.reserve([replace(cost("c-9"), state=ChargeState.SPENT)], said())


def test_a_charge_is_spent_or_voided_never_both(stores, said) -> None:
    stores.charges.reserve([cost("c-1")], said())
    stores.charges.reserve([cost("c-2", run="r-2")], said())
    for _ in range(2):
        stores.charges.spend("r-1", said())
        stores.charges.void("r-2", said())
    assert stores.charges.spent("a") == {"a": cost("c-1").amount}
    assert stores.charges.of_run("r-2")[0].state is ChargeState.VOIDED
    with pytest.raises(IllegalTransition):
        stores.charges.void("r-1", said())
    with pytest.raises(IllegalTransition):
        stores.charges.spend("r-2", said())
    for act in (stores.charges.spend, stores.charges.void):
        with pytest.raises(NotFound):
            act("r-9", said())


def test_what_does_not_fit_is_refused_as_a_whole(stores, said) -> None:
    stores.charges.reserve([cost("c-1", "a", event=BIG)], said())
    with pytest.raises(BudgetExhausted):
        stores.charges.reserve(
            [cost("c-2", "b", event=BIG), cost("c-3", "ab", "r-2", BIG), cost("c-4", "a", "r-2", BIG)], said()
        )
    assert stores.charges.spent("ab") == {"a": cost("x", event=BIG).amount, "b": NOTHING}
    assert stores.charges.of_run("r-2") == ()


def test_merged_patients_have_one_budget(stores, said) -> None:
    stores.charges.reserve([cost("c-1", "a", event=BIG), cost("c-2", "b", "r-2", BIG), cost("c-3", "c", "r-3")], said())
    stores.charges.merge("a", "b", said())
    stores.charges.merge("c", "a", said())
    both = cost("x", event=BIG).amount
    assert stores.charges.spent("abc") == dict.fromkeys("abc", both + both + cost("x").amount)
    with pytest.raises(BudgetExhausted):
        stores.charges.reserve([cost("c-4", "b", "r-4", BIG)], said())
    with pytest.raises(Misuse):
        stores.charges.merge("b", "c", said())
    stores.charges.void("r-2", said())
    assert stores.charges.spent("a") == {"a": both + cost("x").amount}


def test_sixteen_racing_reservations_never_overspend(ready_url, fixed, said) -> None:
    databases = [engine(ready_url) for _ in range(4)]
    admitted, refused, wrong = [], [], []

    def reserve(number: int) -> None:
        charges = SqlCharges(OnEngine(databases[number % 4], fixed), RULES)
        try:
            charges.reserve([cost(f"c-{number}", "ab", f"r-{number}", BIG)], said())
            admitted.append(number)
        except BudgetExhausted:
            refused.append(number)
        except Exception as problem:
            wrong.append(problem)

    threads = [threading.Thread(target=reserve, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, len(admitted), len(refused)) == ([], 2, 14)
    assert SqlCharges(OnEngine(databases[0], fixed), RULES).spent("a")["a"].fits(cap(RULES))
    with reading(databases[0]) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(EntryRow)) == 2
    for made in databases:
        made.dispose()


def test_a_charge_of_many_patients_fits_into_statements(core, fixed, said) -> None:
    charges, many = SqlCharges(OnEngine(core, fixed), RULES), frozenset(f"t{n}" for n in range(12_000))
    charges.reserve([replace(cost("c-1"), tokens=many)], said())
    assert len(charges.spent(many)) == 12_000
    assert charges.of_run("r-1")[0].tokens == many


def test_several_repositories_share_one_transaction(core, fixed, said) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(core, fixed) as work:  # noqa: PT012  # the last line raises
        inside = sql(InWork(work))
        inside.datasets.put(dataset(), said())
        inside.charges.reserve([cost("c-1")], said())
        assert inside.charges.spent("a") == {"a": cost("c-1").amount}
        raise ZeroDivisionError
    outside = sql(OnEngine(core, fixed))
    assert outside.datasets.all() == ()
    assert outside.charges.spent("a") == {"a": NOTHING}
    with unit_of_work(core, fixed) as work:
        sql(InWork(work_in(work.session, fixed))).datasets.put(dataset(), said())
    assert outside.datasets.all() == (dataset(),)


def test_patients_of_a_project_are_written_over_what_was_there(ready_url, said) -> None:
    database = engine(ready_url)
    entry = said()
    for names in ([("p1", "t1"), ("p2", "t2")], [("p2", "t3"), *((f"q{n}", f"u{n}") for n in range(6_000))]):
        with unit_of_work(database) as work:
            put_patients(work.session, "d", names)
            work.add(entry)
    with reading(database) as session:
        found = dict(session.execute(sa.select(PatientRow.pseudonym, PatientRow.token)).all())
    assert (len(found), found["p1"], found["p2"]) == (6_002, "t1", "t3")
    database.dispose()
