"""Extracts that leave, and incidents: only what a permit says, sealed, marked, for a time; told as the law wants it."""

import base64
import io
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from datasets import sealing
from policies.entry import stamp
from policies.errors import IllegalTransition, Misuse, NotFound, PermitExpired, Refused
from policies.people import Person, Role
from policies.states import ExtractState, IncidentState
from service import extracts, incidents, notices, permits, rounds, staff, withdrawal
from service.database import reading
from service.models import ExtractRow
from tests.service.verbs.small_facility import Small, active_permit, application, clinical, publish

KEY = X25519PrivateKey.generate()
PUBLIC = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
OTHERS = [Person(name, "office", frozenset({Role.COMPLIANCE})) for name in ("ning", "ou")]
TOLD = dict.fromkeys(incidents.FIELDS, "said")


def leaving(small: Small, **changes: Any) -> str:
    """Return a permit under which an extract may leave: reviewed, voted and signed."""
    here = small.facility
    publish(here, dataset="clinic", tables=clinical, data_class="sensitive")
    for person in OTHERS:
        staff.add(here, small.security, person.id, person.org, person.roles)
    asked = application(small.clock, dataset="clinic", delivery="outside", delivery_basis="contract 9", **changes)
    made = permits.create(here, small.lin, asked)["id"]
    permits.submit(here, small.lin, made)
    permits.review(here, small.zhou, made, "hospital", positive=True)
    for person, kind in zip(OTHERS, ("ethics", "privacy"), strict=True):
        permits.review(here, person, made, kind, positive=True)
    for person in (small.wu, small.xu):
        permits.approve(here, person, made)
    permits.sign(here, small.lin, made, "holder")
    assert permits.sign(here, small.zhou, made, "owner")["state"] == "active"
    return str(made)


def opened(small: Small, extract: str) -> pl.DataFrame:
    raw = sealing.open_sealed(extracts.fetch(small.facility, small.lin, extract), KEY, extract)
    return pl.read_csv(io.BytesIO(raw))


def test_data_go_to_the_sandbox_only_unless_a_permit_says_otherwise(small: Small) -> None:
    with pytest.raises(Refused, match="sandbox only"):
        extracts.prepare(small.facility, small.lin, active_permit(small), PUBLIC)
    asked = application(small.clock, delivery="outside", delivery_basis="contract 9")
    made = permits.create(small.facility, small.lin, asked)["id"]
    permits.submit(small.facility, small.lin, made)
    for person in (small.wu, small.xu):
        permits.approve(small.facility, person, made)
    with pytest.raises(Refused, match="owner of the data has not signed"):
        extracts.prepare(small.facility, small.lin, made, PUBLIC)


def test_an_extract_is_marked_sealed_and_made_again_bit_for_bit(both: Small) -> None:
    permit, here = leaving(both), both.facility
    made = extracts.prepare(here, both.lin, permit, PUBLIC, ("glucose", "sex=male"))
    assert extracts.prepare(here, both.lin, permit, PUBLIC, ("glucose", "sex=male"))["sha256"] == made["sha256"]
    rows = opened(both, made["id"])
    assert rows.columns == ["patient", "sex=male", "glucose", "label"] or rows.columns[-1] == "label"
    assert rows.equals(opened(both, made["id"]))
    assert rows.height == 200
    assert not {name for name in rows["patient"].cast(pl.String) if len(name) > 4}
    assert extracts.listing(here, both.lin)[0]["state"] == "delivered"
    assert extracts.listing(here, both.rival) == []
    assert len(extracts.listing(here, both.audit)) == 1
    with pytest.raises(Refused):
        extracts.fetch(here, both.rival, made["id"])


def test_a_leaked_extract_tells_whose_it_was(small: Small) -> None:
    def wide(names: list[str]) -> dict[str, pl.DataFrame]:
        tables = clinical(names)
        values = [3.0 + (n * 37 % 1200) / 100 for n in range(len(names))]
        return {**tables, "measurement": tables["measurement"].with_columns(pl.Series("value_as_number", values))}

    permit = leaving(small)
    publish(small.facility, dataset="clinic", tables=wide, data_class="sensitive")
    made = extracts.prepare(small.facility, small.lin, permit, PUBLIC)
    rows = opened(small, made["id"])
    assert extracts.trace(small.facility, small.wu, rows.select("glucose", "label")) == ["pudong-ai"]
    with pytest.raises(Refused):
        extracts.trace(small.facility, small.lin, rows)


def test_an_extract_ends_with_its_time_with_its_permit_and_with_a_withdrawal(small: Small) -> None:
    here, permit = small.facility, leaving(small)
    made = extracts.prepare(here, small.lin, permit, PUBLIC)["id"]
    small.clock.forward(days=29.9)
    opened(small, made)
    small.clock.forward(days=0.1)
    with pytest.raises((Refused, PermitExpired)):
        extracts.fetch(here, small.lin, made)
    assert rounds.make_rounds(here)["extracts"] == 1
    with reading(here.database) as session:
        assert session.get_one(ExtractRow, made).state in (ExtractState.EXPIRED, ExtractState.SHREDDED)


def test_a_withdrawal_shreds_the_extracts_of_its_datasets(small: Small) -> None:
    here, permit = small.facility, leaving(small, not_after=stamp(small.clock() + timedelta(days=90)))
    made = extracts.prepare(here, small.lin, permit, PUBLIC)["id"]
    from tests.service.verbs.test_rights_verbs import somebody

    he = somebody(small, "clinic")
    done = withdrawal.withdraw(here, small.zhou, {"dataset": "clinic", "pseudonym": he.pseudonym})
    assert done["outcome"]["versions"][0]["extracts"] == [made]
    with pytest.raises(Refused):
        extracts.fetch(here, small.lin, made)


def test_what_is_asked_of_an_extract_is_checked(small: Small) -> None:
    here, permit = small.facility, leaving(small)
    for key, columns in (("short", ()), ("!", ()), (PUBLIC, ("nothing",))):
        with pytest.raises(Misuse):
            extracts.prepare(here, small.lin, permit, key, columns)
    with pytest.raises(NotFound):
        extracts.fetch(here, small.lin, "e-none")
    publish(here, dataset="clinic", tables=clinical, patients=100, data_class="sensitive")
    made = extracts.prepare(here, small.lin, permit, PUBLIC)
    assert made["version"] == 2


def test_an_incident_is_told_as_the_law_wants_it(both: Small) -> None:
    here = both.facility
    staff.freeze(here, both.wu, "leak")
    made = incidents.record(here, both.wu, "leak", ["net"], {"causes": "a stolen laptop"})["id"]
    assert incidents.show(here, both.zhou, made)["frozen"]
    assert [one["kind"] for one in notices.listing(here, both.zhou)] == ["incident"]
    assert "to be filled" in incidents.document(here, both.zhou, made)
    incidents.advance(here, both.security, made, IncidentState.CONTAINED, {})
    with pytest.raises(Misuse, match="article 57"):
        incidents.advance(here, both.wu, made, IncidentState.NOTIFIED, {})
    told = incidents.advance(here, both.wu, made, IncidentState.NOTIFIED, TOLD)
    assert [step["state"] for step in told["steps"]] == ["open", "contained", "notified"]
    text = incidents.document(here, both.zhou, made)
    assert "200" in text
    assert "to be filled" not in text
    assert incidents.advance(here, both.wu, made, IncidentState.CLOSED, {})["state"] == "closed"
    with pytest.raises(IllegalTransition):
        incidents.advance(here, both.wu, made, IncidentState.OPEN, {})
    assert not any(b"laptop" in raw for raw in here.log.export())


def test_a_hospital_lists_its_own_affected_patients_alone(small: Small) -> None:
    publish(small.facility, dataset="theirs", org="other-hospital", patients=7)
    made = incidents.record(small.facility, small.wu, "loss", ["net", "theirs"], {})["id"]
    assert len(incidents.subjects(small.facility, small.zhou, made)) == 200
    assert {one["dataset"] for one in incidents.subjects(small.facility, small.qian, made)} == {"theirs"}
    for who in ("wu", "lin", "audit"):
        with pytest.raises(Refused):
            incidents.subjects(small.facility, small.people[who], made)
    only = incidents.record(small.facility, small.wu, "loss", ["theirs"], {})["id"]
    with pytest.raises(Refused):
        incidents.show(small.facility, small.zhou, only)
    assert len(incidents.listing(small.facility, small.zhou)) == 1
    assert len(incidents.listing(small.facility, small.audit)) == 2


@pytest.mark.parametrize(
    ("kind", "datasets", "told", "error"),
    [("storm", [], {}, Misuse), ("leak", ["none"], {}, NotFound), ("leak", [], {"blame": "x"}, Misuse)],
)
def test_an_incident_that_makes_no_sense_is_not_kept(
    small: Small, kind: str, datasets: list[str], told: Any, error: Any
) -> None:
    with pytest.raises(error):
        incidents.record(small.facility, small.wu, kind, datasets, told)
    with pytest.raises(Refused):
        incidents.record(small.facility, small.zhou, "leak", ["net"], {})
    with pytest.raises(NotFound):
        incidents.show(small.facility, small.wu, "i-none")
