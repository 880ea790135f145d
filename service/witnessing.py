"""The facility as a witness of others' logs, and its own log shown to witnesses."""

import hashlib
from typing import Any

import httpx

from policies.access import Action, Kind, Resource
from policies.errors import Misuse, Tampered
from policies.people import Person
from service.acts import seen, system_entry
from service.database import record
from service.facility import Facility
from service.log.witness import Post, Witness, ask

PATIENCE = 10.0  # seconds for one witness


def witness(facility: Facility) -> Witness:
    """Return this facility as a witness of the logs that the settings name.

    Raises:
        Misuse: a log's verifier key in the settings is not one.
    """
    keys = facility.settings.witness_logs.split()
    if not all(key.count("+") >= 2 for key in keys):
        raise Misuse("MEDTRAIN_WITNESS_LOGS: verifier keys (name+id+key), parted by blanks")
    logs = {key.split("+", 1)[0]: key for key in keys}
    name = f"{facility.settings.log_origin}/witness"
    return Witness(facility.settings.home / "witness", name, facility.keystore.signing_key("witness"), logs)


def add_checkpoint(facility: Facility, request: bytes) -> tuple[int, bytes]:
    """Return status and body of the answer to a log that asks to be cosigned; what is cosigned is logged first."""
    status, answer = witness(facility).add_checkpoint(request, int(facility.clock().timestamp()))
    if status == 200:
        digest = hashlib.sha256(request.partition(b"\n\n")[2]).hexdigest()
        record(facility.database, system_entry(facility, "witness.cosign", "checkpoint", digest))
    return status, answer


def ask_all(facility: Facility, person: Person) -> list[dict[str, Any]]:
    """Have the newest checkpoint cosigned by each witness of the settings; return what each of them said.

    Raises:
        Misuse: the settings' list of witnesses is not one.
        Refused: naming the rule.
    """
    parts = facility.settings.witnesses.split()
    if len(parts) % 2:
        raise Misuse("MEDTRAIN_WITNESSES: an address and a verifier key for each witness, parted by blanks")
    seen(facility, person, Action.LOG_VERIFY, Resource(Kind.LOG, "log"), witnesses=len(parts) // 2)
    facility.log.catch_up()
    said = []
    for address, trusted in zip(parts[::2], parts[1::2], strict=True):
        name, problem = trusted.split("+", 1)[0], None
        try:
            ask(facility.log, _posting(address), trusted)
        except (Tampered, httpx.HTTPError) as failed:
            problem = failed.code if isinstance(failed, Tampered) else "unreachable"
        said.append({"witness": name, "cosigned": problem is None, "problem": problem})
    return said


def _posting(address: str) -> Post:
    def post(body: bytes) -> tuple[int, bytes]:
        answer = httpx.post(f"{address.rstrip('/')}/add-checkpoint", content=body, timeout=PATIENCE)
        return answer.status_code, answer.content

    return post
