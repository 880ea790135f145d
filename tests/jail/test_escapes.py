"""The escape suite: 94 numbered ways out, each with its expected answer or the reason why it is not tried here."""

from pathlib import Path

import pytest

from training_sandbox.jail import probe as probing
from training_sandbox.jail.attempts import ATTEMPTS, Attempt
from training_sandbox.jail.tiers import Tier

ROOT = Path(__file__).parents[2]

_RUN, _COLLECT, _MODEL = "tests/jail/test_run.py", "tests/jail/test_collect.py", "tests/jail/test_model_escapes.py"
_PRIVACY, _EGRESS, _GPU = "tests/jail/test_privacy_escapes.py", "tests/release/test_egress.py", "tests/jail/test_gpu.py"

# Attempts that are made outside of one process's view: number -> (attempt, expected answer, the test that makes it).
ELSEWHERE = {
    5: ("link in the output to the input", "refused", f"{_COLLECT}::test_a_link_is_refused"),
    10: ("pipe, socket, device in the output", "refused", f"{_COLLECT}::test_anything_but_a_plain_file_is_refused"),
    12: ("output swapped while read", "refused", f"{_COLLECT}::test_a_file_that_grows_while_it_is_read_is_refused"),
    13: ("odd output names", "refused unnamed", f"{_COLLECT}::test_an_odd_name_is_refused"),
    14: ("attributes, times, modes of outputs", "bytes only", f"{_COLLECT}::test_only_bytes_are_collected"),
    44: ("call of the x32 interface", "killed", f"{_RUN}::test_a_call_of_the_x32_interface_kills"),
    63: ("fork bomb", "EAGAIN at the cap", f"{_RUN}::test_a_fork_bomb_ends_at_the_cap"),
    64: ("memory bomb", "killed, alone", f"{_RUN}::test_a_memory_bomb_dies_alone"),
    65: ("sleep for ever", "killed at the clock", f"{_RUN}::test_sleeping_for_ever_ends_at_the_wall_clock"),
    66: ("spin", "its quota", f"{_RUN}::test_spinning_gets_its_share_of_the_processor"),
    67: ("daemon", "dies with its job", f"{_RUN}::test_a_daemon_does_not_survive_its_job"),
    68: ("ignore signals", "killed", f"{_RUN}::test_ignoring_signals_does_not_help"),
    70: ("flood of words", "cut off", f"{_RUN}::test_a_flood_of_words_is_cut_off"),
    71: ("memory pressure on the trusted side", "own cgroup", f"{_RUN}::test_a_memory_bomb_dies_alone"),
    72: ("exit code as a channel", "one bit", f"{_RUN}::test_an_exit_code_carries_one_bit"),
    73: (
        ".pt2 with a pickled weight",
        "not run, MT-IR",
        f"{_MODEL}::test_a_file_that_runs_code_in_torch_does_nothing_here",
    ),
    74: (
        ".pt2 with pickled sample inputs",
        "not run",
        f"{_MODEL}::test_a_file_that_runs_code_in_torch_does_nothing_here",
    ),
    75: (".pt2 with an expression", "not run", f"{_MODEL}::test_a_file_that_runs_code_in_torch_does_nothing_here"),
    76: ("native library, custom object", "MT-IR", f"{_MODEL}::test_an_archive_is_no_model"),
    77: ("archives with tricks", "MT-IR", f"{_MODEL}::test_an_archive_is_no_model"),
    78: ("JSON with tricks", "MT-IR", f"{_MODEL}::test_json_that_is_not_strict_is_refused"),
    79: ("safetensors with lies", "MT-SHAPE", f"{_MODEL}::test_a_weight_file_with_a_trick_is_refused"),
    80: ("safetensors with room", "refused", f"{_MODEL}::test_a_weight_file_with_a_trick_is_refused"),
    81: ("operations off the list", "MT-OP", f"{_MODEL}::test_an_operation_off_the_list_is_refused"),
    82: (
        "expand to terabytes, a million nodes",
        "MT-SIZE",
        f"{_MODEL}::test_a_small_file_that_asks_for_terabytes_is_refused_before_anything_is_made",
    ),
    83: ("NaN and denormal weights", "MT-NAN, flushed", f"{_MODEL}::test_a_weight_that_is_not_finite_is_refused"),
    84: ("buffers, constants, writes in place", "MT-IR", f"{_MODEL}::test_a_graph_has_no_room_for_state_or_constants"),
    85: ("embedding index out of range", "clamped", f"{_MODEL}::test_an_index_out_of_range_makes_no_error"),
    86: ("replace noise or optimiser", "no code", f"{_MODEL}::test_nothing_of_a_partner_runs_beside_the_trainer"),
    87: ("mix records", "no effect", f"{_PRIVACY}::test_what_one_record_gives_does_not_change_with_another"),
    88: ("one huge record", "at most the clip", f"{_MODEL}::test_one_record_moves_the_sum_by_at_most_the_clip"),
    89: (
        "explosion as a membership bit",
        "no stop",
        f"{_PRIVACY}::test_a_run_whose_numbers_explode_takes_its_steps_like_any_other",
    ),
    90: (
        "resubmit 1,000 times",
        "budget-exhausted",
        f"{_PRIVACY}::test_the_same_job_a_thousand_times_ends_at_the_budget",
    ),
    91: (
        "account for other steps than were made",
        "audit-failed",
        "tests/release/test_audit.py::test_swapped_missing_and_additional_steps_are_refused",
    ),
    92: (
        "canaries",
        "bound below the claim",
        f"{_PRIVACY}::test_the_lower_bound_of_the_canary_audit_stays_below_the_claim",
    ),
    93: ("message in the result", "tampered", f"{_EGRESS}::test_a_result_with_room_for_a_message_is_refused"),
}
NOT_HERE = {
    27: "accepted risk: instructions that identify the processor cannot be forbidden to a process",
    94: f"needs a GPU and two tenants; the code's own rules are tested in {_GPU}; not measured on a GPU",
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


@pytest.mark.parametrize("where", sorted({where for _, _, where in ELSEWHERE.values()}))
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
