from itertools import product
from pathlib import Path

import pytest

from policies import states
from policies.errors import IllegalTransition
from policies.states import PermitState, RunState, VersionState, check_transition

KINDS = tuple(states.TRANSITIONS)


def test_every_state_of_every_kind_is_a_key_and_every_target_a_state() -> None:
    for kind in KINDS:
        assert set(states.TRANSITIONS[kind]) == set(kind)
        assert all(type(t) is kind for targets in states.TRANSITIONS[kind].values() for t in targets)


def test_no_kind_is_forgotten() -> None:
    named = {value for value in vars(states).values() if isinstance(value, type) and value.__name__.endswith("State")}
    assert named == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_just_the_listed_steps_are_allowed(kind: type) -> None:
    for now, wanted in product(kind, kind):
        if wanted in states.TRANSITIONS[kind][now]:
            check_transition(now, wanted)
        else:
            with pytest.raises(IllegalTransition, match=now.value):
                check_transition(now, wanted)


def test_states_of_two_kinds_with_one_word_are_told_apart() -> None:
    check_transition(VersionState.DRAFT, VersionState.PUBLISHED)
    check_transition(PermitState.DRAFT, PermitState.SUBMITTED)
    with pytest.raises(IllegalTransition):
        check_transition(PermitState.SUBMITTED, RunState.REFUSED)


def test_the_diagrams_in_the_docs_are_current() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "states.md"
    assert page.read_text("utf-8") == states.diagrams()
