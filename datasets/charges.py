"""Where charges live: reserve, spend, void, and merge two tokens that turn out to be one patient."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from datasets.ledger import NOTHING, Amount, Charge, check_admission, move, together
from policies.entry import Entry
from policies.errors import Conflict, Misuse, NotFound
from policies.states import ChargeState
from policies.thresholds import Budget


class Charges(Protocol):
    """The ledger. Every write takes the log entry it belongs to and is one transaction.

    Reservations are serialised: of two that fit alone but not together, one is refused. Every method may be repeated
    after a crash and then changes nothing.
    """

    def reserve(self, charges: Sequence[Charge], entry: Entry) -> None: ...
    def spend(self, run: str, entry: Entry) -> None: ...
    def void(self, run: str, entry: Entry) -> None: ...
    def merge(self, kept: str, gone: str, entry: Entry) -> None: ...
    def of_run(self, run: str) -> tuple[Charge, ...]: ...
    def spent(self, tokens: Iterable[str]) -> dict[str, Amount]: ...


class MemoryCharges:
    """The ledger in memory, for tests; the same contract tests run on this and on the database's."""

    def __init__(self, rules: Budget) -> None:
        self._rules = rules
        self._charges: dict[str, Charge] = {}
        self._sums: dict[str, Amount] = {}
        self._merged: dict[str, str] = {}
        self.entries: list[Entry] = []

    def reserve(self, charges: Sequence[Charge], entry: Entry) -> None:
        """Admit all of ``charges`` or none: the events of one run may hit different patients.

        Raises:
            BudgetExhausted: a patient could not bear them.
            Conflict: an id is taken by another charge.
        """
        new = []
        for charge in charges:
            old = self._charges.get(charge.id)
            if old is None:
                new.append(charge)
            elif (old.run, old.events, old.tokens) != (charge.run, charge.events, charge.tokens):
                raise Conflict("a charge of this id exists and is another one")
        if any(charge.state is not ChargeState.RESERVED for charge in new):
            raise Misuse("a charge begins as reserved")
        if not new:
            return
        asked = together(new, self._resolve)
        check_admission(self._sums, asked, self._rules)
        self._sums |= {token: self._sums.get(token, NOTHING) + amount for token, amount in asked.items()}
        self._charges |= {charge.id: charge for charge in new}
        self.entries.append(entry)

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

        A run that saw both records charged each of them; the sum counts both. That is not a group-privacy bound for
        that run: what the certificate claims is relative to the linkage of the version it trained on.

        Raises:
            Misuse: the tokens are, or have become, the same.
        """
        kept, gone = self._resolve(kept), self._resolve(gone)
        if kept == gone:
            raise Misuse("the two tokens are one patient already")
        self._sums[kept] = self._sums.get(kept, NOTHING) + self._sums.pop(gone, NOTHING)
        self._merged[gone] = kept
        self.entries.append(entry)

    def of_run(self, run: str) -> tuple[Charge, ...]:
        """Return the charges of a run, by id."""
        return tuple(self._charges[key] for key in sorted(self._charges) if self._charges[key].run == run)

    def spent(self, tokens: Iterable[str]) -> dict[str, Amount]:
        """Return what each token's patient has reserved and spent."""
        return {token: self._sums.get(self._resolve(token), NOTHING) for token in tokens}

    def _move(self, run: str, state: ChargeState, entry: Entry) -> None:
        charges = self.of_run(run)
        if not charges:
            raise NotFound("this run reserved no budget")
        moved = [move(charge, state) for charge in charges]
        if tuple(moved) == charges:
            return
        if state is ChargeState.VOIDED:
            given_back = together((old for old in charges if old.state is ChargeState.RESERVED), self._resolve)
            self._sums |= {token: self._sums[token] - amount for token, amount in given_back.items()}
        self._charges |= {charge.id: charge for charge in moved}
        self.entries.append(entry)

    def _resolve(self, token: str) -> str:
        while token in self._merged:
            token = self._merged[token]
        return token
