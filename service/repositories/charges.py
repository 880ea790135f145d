"""The privacy-budget ledger in the database.

Reservations, voids and merges take turns, on SQLite by its one write lock and on PostgreSQL by an advisory lock, so
that two which fit alone but not together are never both admitted. Sums are whole numbers.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from datasets.ledger import NOTHING, Amount, Charge, Event, check_admission, move, together
from policies.entry import Entry
from policies.errors import Conflict, Misuse, NotFound
from policies.states import ChargeState
from policies.thresholds import Budget
from service.models import BalanceRow, ChargeMemberRow, ChargeRow, MergedTokenRow
from service.repositories.place import Place, batches, inserting, take_turns

CHARGED, VOIDED = "charged", "voided"
"""Facts of the log entries with which charges begin and are given back."""

LEDGER = 0x6C656467  # the ledger's turn: any fixed number


class SqlCharges:
    """Implements ``datasets.charges.Charges``."""

    def __init__(self, place: Place, rules: Budget) -> None:
        self._place, self._rules = place, rules

    def reserve(self, charges: Sequence[Charge], entry: Entry) -> None:
        """Admit all of ``charges`` or none: the events of one run may hit different patients.

        Raises:
            BudgetExhausted: a patient could not bear them.
            Conflict: an id is taken by another charge.
            Misuse: a charge does not begin as reserved.
        """
        with self._place.writing() as work:
            take_turns(work.session, LEDGER)
            new = [charge for charge in charges if not _known(work.session, charge)]
            if any(charge.state is not ChargeState.RESERVED for charge in new):
                raise Misuse("a charge begins as reserved")
            if not new:
                return
            kept = _kept(work.session, {token for charge in new for token in charge.tokens})
            asked = together(new, lambda token: kept.get(token, token))
            check_admission(_sums(work.session, asked), asked, self._rules)
            for charge in new:
                _insert(work.session, charge, entry.at)
            add_balances(work.session, asked)
            work.add(replace(entry, facts={**entry.facts, CHARGED: tuple(map(_said, new))}))

    def spend(self, run: str, entry: Entry) -> None:
        """Mark the charges of a run as spent, before the worker gets its data key. There is no way back.

        Raises:
            NotFound: the run reserved nothing.
            IllegalTransition: a charge of it was voided.
        """
        self._move(run, ChargeState.SPENT, entry)

    def void(self, run: str, entry: Entry) -> None:
        """Give back what a run reserved, which is possible only before it is spent.

        Raises:
            NotFound: the run reserved nothing.
            IllegalTransition: a charge of it is spent.
        """
        self._move(run, ChargeState.VOIDED, entry)

    def merge(self, kept: str, gone: str, entry: Entry) -> None:
        """Sum the charges of two tokens that turn out to be one patient. He may then be over the cap, and stays there.

        Raises:
            Misuse: the tokens are, or have become, the same.
        """
        with self._place.writing() as work:
            take_turns(work.session, LEDGER)
            known = _kept(work.session, (kept, gone))
            kept, gone = known.get(kept, kept), known.get(gone, gone)
            if kept == gone:
                raise Misuse("the two tokens are one patient already")
            add_balances(work.session, {kept: _sums(work.session, (gone,)).get(gone, NOTHING)})
            work.session.execute(sa.delete(BalanceRow).where(BalanceRow.token == gone))
            work.session.execute(sa.update(MergedTokenRow).where(MergedTokenRow.kept == gone).values(kept=kept))
            work.session.add(MergedTokenRow(gone=gone, kept=kept))
            work.add(entry)

    def of_run(self, run: str) -> tuple[Charge, ...]:
        """Return the charges of a run, by id."""
        with self._place.reading() as session:
            return _of_run(session, run)

    def spent(self, tokens: Iterable[str]) -> dict[str, Amount]:
        """Return what each token's patient has reserved and spent."""
        wanted = list(tokens)
        with self._place.reading() as session:
            kept = _kept(session, wanted)
            sums = _sums(session, {kept.get(token, token) for token in wanted})
            return {token: sums.get(kept.get(token, token), NOTHING) for token in wanted}

    def _move(self, run: str, state: ChargeState, entry: Entry) -> None:
        with self._place.writing() as work:
            take_turns(work.session, LEDGER)
            charges = _of_run(work.session, run)
            if not charges:
                raise NotFound("this run reserved no budget")
            changed = [old for old in charges if move(old, state) is not old]
            if not changed:
                return
            for old in changed:
                work.session.get_one(ChargeRow, old.id).state = state
            if state is ChargeState.VOIDED:
                kept = _kept(work.session, {token for charge in changed for token in charge.tokens})
                back = together(changed, lambda token: kept.get(token, token))
                add_balances(work.session, {token: NOTHING - amount for token, amount in back.items()})
                entry = replace(entry, facts={**entry.facts, VOIDED: tuple(old.id for old in changed)})
            work.add(entry)


def _known(session: Session, charge: Charge) -> bool:
    """Return whether the charge is there already; the same step done twice charges once."""
    row = session.get(ChargeRow, charge.id)
    if row is None:
        return False
    old = _charge(session, row)
    if (old.run, old.events, old.tokens) != (charge.run, charge.events, charge.tokens):
        raise Conflict("a charge of this id exists and is another one")
    return True


def _insert(session: Session, charge: Charge, at: str) -> None:
    rho, delta = charge.amount.units()
    session.add(
        ChargeRow(
            id=charge.id,
            run=charge.run,
            state=charge.state,
            rho=rho,
            delta=delta,
            vector=[str(value) for value in charge.vector],
            events=[event.as_dict() for event in charge.events],
            at=at,
        )
    )
    session.flush()
    session.execute(
        sa.insert(ChargeMemberRow), [{"charge": charge.id, "token": token} for token in sorted(charge.tokens)]
    )


def crowd(tokens: Iterable[str]) -> str:
    """Return the hash by which the log speaks of a set of patients. Tokens are keyed, so it cannot be guessed."""
    return hashlib.sha256("\n".join(sorted(tokens)).encode()).hexdigest()


def _said(charge: Charge) -> str:
    """Return what the log keeps of a charge, so that a restored backup can be charged again."""
    rho, delta = charge.amount.units()
    return f"{charge.id}:{rho}:{delta}:{crowd(charge.tokens)}"


def add_balances(session: Session, amounts: Mapping[str, Amount]) -> None:
    """Add to the balances, which the caller's turn protects."""
    rows = [{"token": token, "rho": (u := amounts[token].units())[0], "delta": u[1]} for token in sorted(amounts)]
    for some in batches(rows):
        fresh = inserting(session, BalanceRow).values(some)
        sums = {"rho": BalanceRow.rho + fresh.excluded.rho, "delta": BalanceRow.delta + fresh.excluded.delta}
        session.execute(fresh.on_conflict_do_update(index_elements=["token"], set_=sums))


def _sums(session: Session, tokens: Iterable[str]) -> dict[str, Amount]:
    found: dict[str, Amount] = {}
    for some in batches(tokens):
        wanted = sa.select(BalanceRow.token, BalanceRow.rho, BalanceRow.delta).where(BalanceRow.token.in_(some))
        found |= {token: Amount.of_units(rho, delta) for token, rho, delta in session.execute(wanted)}
    return found


def _kept(session: Session, tokens: Iterable[str]) -> dict[str, str]:
    """Return the merged ones among the tokens, each with the token of its patient."""
    found: dict[str, str] = {}
    for some in batches(tokens):
        wanted = sa.select(MergedTokenRow.gone, MergedTokenRow.kept).where(MergedTokenRow.gone.in_(some))
        found |= {row.gone: row.kept for row in session.execute(wanted)}
    return found


def _of_run(session: Session, run: str) -> tuple[Charge, ...]:
    rows = session.scalars(sa.select(ChargeRow).where(ChargeRow.run == run)).all()
    return tuple(_charge(session, row) for row in sorted(rows, key=lambda row: row.id))


def _charge(session: Session, row: ChargeRow) -> Charge:
    tokens = session.scalars(sa.select(ChargeMemberRow.token).where(ChargeMemberRow.charge == row.id))
    return Charge(
        id=row.id,
        run=row.run,
        events=tuple(Event(**event) for event in row.events),
        tokens=frozenset(tokens),
        vector=tuple(Decimal(value) for value in row.vector),
        amount=Amount.of_units(row.rho, row.delta),
        state=row.state,
    )
