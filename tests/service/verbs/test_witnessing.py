"""One facility's log cosigned by another facility over HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aics_tlog.checkpoint import WitnessPolicy, verify_checkpoint
from aics_tlog.note import parse_note, parse_vkey

from policies.errors import Misuse, Refused
from service import witnessing
from service.api.app import create_app
from service.cli.connection import Answered, Connection
from service.facility import Facility, opened
from service.serving import server
from service.settings import read
from tests.service.verbs.small_facility import Small


def settled(facility: Facility, **changes: str) -> Facility:
    """Return the facility under other settings."""
    return replace(facility, settings=facility.settings.model_copy(update=changes))


@pytest.fixture
def elsewhere(small: Small, tmp_path: Path) -> Iterator[tuple[str, Facility]]:
    """Yield the address and the facility of a second instance that watches the small one's log."""
    settings = read(
        home=tmp_path / "two", log_origin="two.example/log", witness_logs=small.facility.log.vkey, log_interval=1.0
    )
    with opened(settings) as facility:
        heard, listens = [], threading.Event()
        running = server(
            facility, host="127.0.0.1", port=0, ready=lambda address: (heard.append(address), listens.set())
        )
        thread = threading.Thread(target=running.run)
        thread.start()
        assert listens.wait(60)
        yield f"{heard[0].rstrip('/')}/api/v1/witness", facility
        running.should_exit = True
        thread.join()


def test_a_second_facility_cosigns_the_log_over_http_and_refuses_what_it_does_not_watch(
    small: Small, elsewhere: tuple[str, Facility]
) -> None:
    address, other = elsewhere
    with pytest.raises(Answered, match="no witness"):
        Connection(small.tokens["audit"], app=create_app(small.facility)).fetch("/log/checkpoint/cosigned")
    said = httpx.get(address).json()
    assert said == {"vkey": witnessing.witness(other).vkey, "logs": [small.facility.log.origin]}
    wrong = said["vkey"].replace("two.example", "six.example", 1)
    here = settled(small.facility, witnesses=f"{address} {said['vkey']} {address} {wrong} http://127.0.0.1:1 {wrong}")
    audit = Connection(small.tokens["audit"], app=create_app(here))
    for _ in range(2):
        told = audit.post("/log/cosignatures", {})["items"]
        assert [one["cosigned"] for one in told] == [True, False, False]
        assert told[2]["problem"] == "unreachable"
    note = audit.fetch("/log/checkpoint/cosigned").decode()
    policy = WitnessPolicy(1, (parse_vkey(said["vkey"]),))
    assert verify_checkpoint(parse_note(note), parse_vkey(here.log.vkey), policy=policy).ok
    again = httpx.post(f"{address}/add-checkpoint", content=b"old 1\n\n" + note.encode())
    assert (again.status_code, again.headers["content-type"].split(";")[0]) == (409, "text/x.tlog.size")
    assert httpx.post(f"{address}/add-checkpoint", content=bytes(1 << 17)).status_code == 400
    with pytest.raises(Refused):
        witnessing.ask_all(here, small.lin)


@pytest.mark.parametrize("wrong", ["http://only-an-address", "a b c"])
def test_settings_that_name_no_witness_or_no_log_are_refused(small: Small, wrong: str) -> None:
    with pytest.raises(Misuse, match="MEDTRAIN_WITNESSES"):
        witnessing.ask_all(settled(small.facility, witnesses=wrong), small.audit)
    with pytest.raises(Misuse, match="MEDTRAIN_WITNESS_LOGS"):
        witnessing.witness(settled(small.facility, witness_logs=wrong))
