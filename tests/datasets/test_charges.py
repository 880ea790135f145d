from dataclasses import replace
from decimal import Decimal

import pytest
from dataset_factories import entry
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from datasets.charges import MemoryCharges
from datasets.ledger import NOTHING, Amount, Charge, Event, cap, charge
from policies.errors import BudgetExhausted, Conflict, IllegalTransition, Misuse, NotFound
from policies.states import ChargeState
from policies.thresholds import budget

RULES = budget()
EVENT = Event("gaussian", 1.0, 2.0, 3)  # 1.5 at order 4: four fit under the cap


def one(id_: str = "c-1", run: str = "r-1", tokens: str = "ab", event: Event = EVENT) -> Charge:
    return charge(id_, run, [event], frozenset(tokens), RULES)


@pytest.fixture
def ledger() -> MemoryCharges:
    return MemoryCharges(RULES)


def test_a_reservation_counts_at_once(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    assert ledger.spent("abc") == {"a": one().amount, "b": one().amount, "c": NOTHING}


def test_all_charges_of_a_run_are_admitted_or_none(ledger: MemoryCharges) -> None:
    dear = one("c-2", tokens="c", event=replace(EVENT, steps=100))
    with pytest.raises(BudgetExhausted):
        ledger.reserve([one(), dear], entry())
    assert (ledger.of_run("r-1"), ledger.spent("a")["a"], ledger.entries) == ((), NOTHING, [])


def test_disjoint_patients_of_one_run_pay_their_own_charge_only(ledger: MemoryCharges) -> None:
    cheap = one("c-2", tokens="c", event=replace(EVENT, steps=1))
    ledger.reserve([one(), cheap], entry())
    assert ledger.spent("ac") == {"a": one().amount, "c": cheap.amount}


def test_reservations_stop_at_the_cap(ledger: MemoryCharges) -> None:
    for number in range(4):
        ledger.reserve([one(f"c-{number}", f"r-{number}")], entry())
    with pytest.raises(BudgetExhausted):
        ledger.reserve([one("c-9", "r-9", "bz")], entry())
    assert ledger.spent("z")["z"] == NOTHING


def test_a_reservation_done_twice_charges_once(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    ledger.reserve([one()], entry())
    assert (ledger.spent("a")["a"], len(ledger.entries)) == (one().amount, 1)


@pytest.mark.parametrize("other", [one(run="r-2"), one(tokens="a"), one(event=replace(EVENT, steps=1))])
def test_another_charge_under_a_taken_id_is_a_conflict(ledger: MemoryCharges, other: Charge) -> None:
    ledger.reserve([one()], entry())
    with pytest.raises(Conflict):
        ledger.reserve([other], entry())


def test_a_charge_cannot_begin_as_spent(ledger: MemoryCharges) -> None:
    with pytest.raises(Misuse):
        ledger.reserve([replace(one(), state=ChargeState.SPENT)], entry())


def test_voiding_gives_back_and_spending_does_not(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    ledger.reserve([one("c-2", "r-2")], entry())
    ledger.void("r-1", entry())
    ledger.spend("r-2", entry())
    assert ledger.spent("a")["a"] == one().amount
    assert [c.state for run in ("r-1", "r-2") for c in ledger.of_run(run)] == [ChargeState.VOIDED, ChargeState.SPENT]


def test_spending_and_voiding_twice_change_nothing_more(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    for _ in range(2):
        ledger.void("r-1", entry())
    assert (ledger.spent("a")["a"], len(ledger.entries)) == (NOTHING, 2)


def test_what_is_spent_is_never_given_back(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    ledger.spend("r-1", entry())
    with pytest.raises(IllegalTransition):
        ledger.void("r-1", entry())
    assert ledger.spent("a")["a"] == one().amount


def test_a_voided_run_cannot_be_spent(ledger: MemoryCharges) -> None:
    ledger.reserve([one()], entry())
    ledger.void("r-1", entry())
    with pytest.raises(IllegalTransition):
        ledger.spend("r-1", entry())


def test_a_run_that_reserved_nothing_is_not_found(ledger: MemoryCharges) -> None:
    for step in (ledger.spend, ledger.void):
        with pytest.raises(NotFound):
            step("r-1", entry())


def test_merged_patients_have_their_charges_summed_for_ever(ledger: MemoryCharges) -> None:
    ledger.reserve([one(tokens="a"), one("c-2", tokens="b")], entry())
    ledger.merge("a", "b", entry())
    both = one().amount + one().amount
    assert ledger.spent("ab") == {"a": both, "b": both}


def test_a_merged_patient_pays_for_each_of_his_tokens(ledger: MemoryCharges) -> None:
    ledger.merge("a", "b", entry())
    ledger.merge("b", "c", entry())
    ledger.reserve([one(tokens="bc")], entry())
    assert ledger.spent("a")["a"] == one().amount + one().amount
    ledger.void("r-1", entry())
    assert ledger.spent("a")["a"] == NOTHING


def test_a_merge_may_exceed_the_cap_and_then_nothing_more_is_admitted(ledger: MemoryCharges) -> None:
    for number in range(4):
        ledger.reserve([one(f"c-{number}", f"r-{number}", "ab")], entry())
    ledger.merge("a", "b", entry())
    assert ledger.spent("a")["a"].rho > cap(RULES).rho
    with pytest.raises(BudgetExhausted):
        ledger.reserve([one("c-9", "r-9", "b", replace(EVENT, sigma=100.0))], entry())


def test_one_patient_is_not_merged_with_himself(ledger: MemoryCharges) -> None:
    ledger.merge("a", "b", entry())
    with pytest.raises(Misuse):
        ledger.merge("b", "a", entry())


class Histories(RuleBasedStateMachine):
    """Any history of reservations, spends, voids and merges: sums are those of the charges, and never over the cap."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = MemoryCharges(RULES)
        self.number = 0
        self.whose = {token: token for token in "abcd"}
        self.over: set[str] = set()

    @rule(tokens=st.sets(st.sampled_from("abcd"), min_size=1), steps=st.integers(1, 14))
    def reserve(self, tokens: set[str], steps: int) -> None:
        self.number += 1
        asked = one(f"c-{self.number}", f"r-{self.number}", "".join(tokens), replace(EVENT, steps=steps))
        try:
            self.ledger.reserve([asked], entry())
        except BudgetExhausted:
            self.number -= 1

    @rule(data=st.data(), step=st.sampled_from(["spend", "void"]))
    def decide(self, data: st.DataObject, step: str) -> None:
        run = f"r-{data.draw(st.integers(1, max(1, self.number)))}"
        try:
            getattr(self.ledger, step)(run, entry())
        except (IllegalTransition, NotFound):
            return

    @rule(kept=st.sampled_from("abcd"), gone=st.sampled_from("abcd"))
    def merge(self, kept: str, gone: str) -> None:
        kept, gone = self.whose[kept], self.whose[gone]
        if kept == gone:
            return
        self.ledger.merge(kept, gone, entry())
        self.whose = {token: kept if to == gone else to for token, to in self.whose.items()}
        self.over.add(kept)

    @invariant()
    def sums_are_those_of_the_charges(self) -> None:
        expected = dict.fromkeys(self.whose.values(), Decimal(0))
        for number in range(1, self.number + 1):
            for charged in self.ledger.of_run(f"r-{number}"):
                if charged.state is not ChargeState.VOIDED:
                    for token in charged.tokens:
                        expected[self.whose[token]] += charged.amount.rho
        found = self.ledger.spent("abcd")
        assert found == {token: Amount(expected[self.whose[token]], Decimal(0)) for token in "abcd"}
        assert all(found[token].rho <= cap(RULES).rho for token in "abcd" if self.whose[token] not in self.over)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
