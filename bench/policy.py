"""How many policy decisions a second: the rules of ``policies/rules``, over every action and role, one core."""

import sys
import time

from policies.access import Action, Context, Kind, Resource, decide, rules
from policies.people import Person, Role

KINDS = {kind.value.lower(): kind for kind in Kind}
ON_PERMIT = ("run.submit", "run.start", "run.checkpoint", "run.release", "extract.prepare")


def questions() -> list[tuple[Person, Action, Resource]]:
    people = [Person(f"u-{role.value}", "ours", frozenset({role})) for role in Role]
    resources = {
        action: Resource(
            Kind.PERMIT if action.value in ON_PERMIT else KINDS.get(action.value.split(".")[0], Kind.PERSON),
            "o-1", org="ours", author="li", state="active", level=3,
        )
        for action in Action
    }  # fmt: skip
    return [(person, action, resources[action]) for action in Action for person in people]


def main(seconds: float = 5.0) -> None:
    loaded, asked = rules(), questions()
    now = Context(now=5, not_before=0, not_after=10)
    for question in asked:
        decide(*question, now, loaded)
    done, began = 0, time.perf_counter()
    cpu = time.process_time()
    while time.perf_counter() - began < seconds:
        for question in asked:
            decide(*question, now, loaded)
        done += len(asked)
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{len(asked)} different questions, {done} decisions: "
        f"{done / wall:,.0f}/s by the clock, {done / used:,.0f}/s of one core"
    )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
