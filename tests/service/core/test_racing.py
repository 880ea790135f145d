"""64 clients that race for the last of the budget, on connections of their own: never more is given than is there."""

import threading

import pytest

from datasets.ledger import Event, cap, charge
from policies.errors import BudgetExhausted
from policies.thresholds import budget
from service.database import engine, wall_clock
from service.repositories.charges import SqlCharges
from service.repositories.place import OnEngine

EVENT = Event("gaussian", 1.0, 5.0, 1)
CLIENTS = 64


def test_64_racing_clients_cannot_overspend(ready_url: str, said) -> None:
    rules = budget()
    one = charge("c", "r", (EVENT,), frozenset({"t"}), rules).amount
    fits = int(cap(rules).rho // one.rho)
    assert 1 < fits < CLIENTS
    results: list[bool] = []
    begin = threading.Barrier(CLIENTS)
    engines = [engine(ready_url) for _ in range(8)]

    def client(number: int) -> None:
        ledger = SqlCharges(OnEngine(engines[number % 8], wall_clock), rules)
        mine = charge(f"c-{number}", f"r-{number}", (EVENT,), frozenset({"t", f"own-{number}"}), rules)
        begin.wait()
        try:
            ledger.reserve([mine], said(object=f"r-{number}"))
        except BudgetExhausted:
            results.append(False)
        else:
            results.append(True)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger = SqlCharges(OnEngine(engines[0], wall_clock), rules)
    spent = ledger.spent(["t"])["t"]
    assert len(results) == CLIENTS
    assert results.count(True) == fits
    assert spent == one.__class__(one.rho * fits, one.delta * fits)
    assert spent.fits(cap(rules))
    with pytest.raises(BudgetExhausted):
        ledger.reserve([charge("late", "late", (EVENT,), frozenset({"t"}), rules)], said(object="late"))
    for made in engines:
        made.dispose()
