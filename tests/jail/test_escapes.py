"""The escape suite: 94 numbered ways out, each with its expected answer or the reason why it is not tried here."""

from pathlib import Path

import pytest

from training_sandbox.jail import probe as probing
from training_sandbox.jail.attempts import ATTEMPTS, Attempt
from training_sandbox.jail.tiers import Tier

ROOT = Path(__file__).parents[2]

# Attempts that are made outside of one process's view: number -> the test that makes them.
ELSEWHERE = {
    5: "tests/jail/test_collect.py::test_a_link_is_refused",
    10: "tests/jail/test_collect.py::test_anything_but_a_plain_file_is_refused",
    12: "tests/jail/test_collect.py::test_a_file_that_grows_while_it_is_read_is_refused",
    13: "tests/jail/test_collect.py::test_an_odd_name_is_refused",
    14: "tests/jail/test_collect.py::test_only_bytes_are_collected",
    44: "tests/jail/test_run.py::test_a_call_of_the_x32_interface_kills",
    63: "tests/jail/test_run.py::test_a_fork_bomb_ends_at_the_cap",
    64: "tests/jail/test_run.py::test_a_memory_bomb_dies_alone",
    65: "tests/jail/test_run.py::test_sleeping_for_ever_ends_at_the_wall_clock",
    66: "tests/jail/test_run.py::test_spinning_gets_its_share_of_the_processor",
    67: "tests/jail/test_run.py::test_a_daemon_does_not_survive_its_job",
    68: "tests/jail/test_run.py::test_ignoring_signals_does_not_help",
    70: "tests/jail/test_run.py::test_a_flood_of_words_is_cut_off",
    71: "tests/jail/test_run.py::test_a_memory_bomb_dies_alone",
    72: "tests/jail/test_run.py::test_an_exit_code_carries_one_bit",
    79: "tests/release/test_egress.py::test_a_model_file_with_room_for_a_message_is_refused",
    80: "tests/release/test_egress.py::test_a_model_file_with_room_for_a_message_is_refused",
    91: "tests/release/test_audit.py::test_swapped_missing_and_additional_steps_are_refused",
    93: "tests/release/test_egress.py::test_a_result_with_room_for_a_message_is_refused",
}
GRAPH = "answered by the graph reader, which has tests of its own (tests/training)"
CORE = "answered by the training core, which has tests of its own (tests/training)"
NOT_HERE = {
    16: "accepted: page-cache timing needs a shared writable file; the jail shares none",
    23: "accepted: mountinfo of the own process is readable in T2; it names folders of the host, which hold no secret",
    27: "accepted: processor instructions that identify the machine cannot be forbidden to a process",
    73: "no reader for .pt2 archives exists on this side: partners send graph.json, packed on their own machine",
    74: "no reader for .pt2 archives exists on this side",
    75: "no reader for .pt2 archives exists on this side",
    76: "no reader for .pt2 archives exists on this side",
    77: "no reader for .pt2 archives exists on this side",
    78: GRAPH,
    81: GRAPH,
    82: GRAPH,
    83: GRAPH,
    84: GRAPH,
    85: GRAPH,
    86: "impossible by construction: no partner code runs beside the trainer",
    87: CORE,
    88: CORE,
    89: CORE,
    90: "answered by the ledger, which has tests of its own (tests/datasets)",
    92: "the audit with canary patients is not built yet",
    94: "needs a GPU and two tenants; the trainer uses the processor only so far",
}


@pytest.fixture(scope="session")
def found() -> dict[Tier, dict[int, tuple[str, ...]] | str]:
    """Return the answers of both tiers, or why a tier cannot be built here."""
    answers: dict[Tier, dict[int, tuple[str, ...]] | str] = {}
    for tier in (Tier.T2, Tier.T1):
        try:
            answers[tier] = probing.answers(tier)
        except probing.MedtrainError as problem:
            answers[tier] = str(problem)
    return answers


@pytest.mark.parametrize("tier", [Tier.T2, Tier.T1])
@pytest.mark.parametrize(
    "attempt", ATTEMPTS, ids=lambda attempt: f"{attempt.number:02}-{attempt.what.replace(' ', '-')}"
)
def test_an_attempt_gets_the_expected_answer(found: dict, attempt: Attempt, tier: Tier) -> None:
    if isinstance(found[tier], str):
        pytest.skip(f"this machine has no {tier.value}: {found[tier]}")
    expected = attempt.t2 if tier is Tier.T2 else attempt.t1
    assert set(found[tier][attempt.number]) <= expected


@pytest.mark.parametrize("number", sorted(NOT_HERE))
def test_an_attempt_that_is_not_made_here_has_a_reason(number: int) -> None:
    pytest.skip(f"{number}: {NOT_HERE[number]}")


def test_all_ninety_four_attempts_are_accounted_for_once() -> None:
    numbers = [*(attempt.number for attempt in ATTEMPTS), *ELSEWHERE, *NOT_HERE]
    assert sorted(numbers) == list(range(1, 95))


@pytest.mark.parametrize("where", sorted(set(ELSEWHERE.values())))
def test_an_attempt_made_elsewhere_has_its_test(where: str) -> None:
    path, name = where.split("::")
    assert f"def {name}(" in (ROOT / path).read_text("utf-8")


def test_every_machine_of_ours_has_at_least_the_fallback(found: dict) -> None:
    assert not all(isinstance(answers, str) for answers in found.values()), found


LEAKS_WITHOUT_A_JAIL = (1, 15, 17, 21, 22, 26, 29, 46, 48, 53, 54, 55, 59)


def test_the_attempts_have_teeth() -> None:
    loose = probing.answers(Tier.T0, LEAKS_WITHOUT_A_JAIL)
    by_number = {attempt.number: attempt for attempt in ATTEMPTS}
    caught = [n for n, words in loose.items() if not set(words) <= by_number[n].t2]
    assert set(caught) >= {1, 15, 17, 53, 54, 59}
