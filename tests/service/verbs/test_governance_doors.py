"""The governed catalogue over HTTP, on the console's pages and on the command line: each door leads to its verb."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from typer.testing import CliRunner

from policies.errors import Misuse
from service import jobs
from service.api.app import create_app
from service.cli import connection, main
from service.console import drawing
from tests.service.verbs.small_facility import Small, active_permit, application, clinical, publish
from tests.service.verbs.test_rights_verbs import somebody

PRIVATE = X25519PrivateKey.generate()
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
SAME = {"sec-fetch-site": "same-origin"}


class Doors:
    """A browser, or a program, in this process: it keeps its cookies and follows where it is sent."""

    def __init__(self, app: Any) -> None:
        self.app, self.cookies = app, httpx.Cookies()

    def request(self, method: str, path: str, *, follow_redirects: bool = True, **sent: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://here", cookies=self.cookies, follow_redirects=follow_redirects
            ) as client:
                answer = await client.request(method, path, **sent)
                self.cookies = client.cookies
                return answer

        return asyncio.run(go())

    def get(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("POST", path, **sent)

    def delete(self, path: str, **sent: Any) -> httpx.Response:
        return self.request("DELETE", path, **sent)


@pytest.fixture
def doors(small: Small) -> Doors:
    publish(small.facility, dataset="clinic", tables=clinical)
    return Doors(create_app(small.facility))


def ask(doors: Doors, small: Small, who: str, method: str, path: str, body: Any = None) -> Any:
    answer = doors.request(method, f"/api/v1{path}", headers=small.bearer(who), json=body)
    assert answer.is_success, (path, answer.text)
    return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text


def test_the_api_leads_to_every_verb_of_the_catalogue(doors: Doors, small: Small) -> None:
    def one(*asked: Any) -> Any:
        return ask(doors, small, *asked)

    one("zhou", "PUT", "/datasets/clinic/description", {"about": {"title_zh": "糖尿病"}})
    assert [found["id"] for found in one("lin", "GET", "/search?q=糖尿病")["items"]] == ["clinic"]
    assert one("lin", "POST", "/fit", {"purpose": "DUO:0000042"})["items"][0]["fits"]
    assert one("zhou", "POST", "/datasets/clinic/statistics") == one("lin", "GET", "/datasets/clinic/statistics")
    made = one("zhou", "POST", "/datasets/clinic/preview?recipe=demo-diabetes")
    assert one("lin", "GET", "/datasets/clinic/preview?recipe=demo-diabetes") == made
    assert one("lin", "GET", "/datasets/clinic/preview.csv?recipe=demo-diabetes") == made["csv"]
    assert one("lin", "POST", "/datasets/clinic/counts", {"cohort": []})["kind"] == "count"
    assert one("lin", "GET", "/datasets/clinic/card")["name"] == "clinic"
    assert one("zhou", "GET", "/datasets/clinic/lineage")["entity"]
    assert one("zhou", "GET", "/datasets/clinic/lineage?form=openlineage")["items"]
    assert one("zhou", "GET", "/datasets/clinic/assessment?language=en").startswith("# Impact")
    assert one("zhou", "GET", "/use")["org"] == "shdc"
    assert one("zhou", "GET", "/datasets/clinic/handles")["items"]
    assert doors.get("/api/v1/register").json() == {"items": []}


def test_the_api_leads_to_every_verb_of_rights_and_incidents(doors: Doors, small: Small) -> None:
    def one(*asked: Any) -> Any:
        return ask(doors, small, *asked)

    he, two = somebody(small, "clinic"), [somebody(small, "clinic", place) for place in (1, 2)]
    who = {"dataset": "clinic", "pseudonym": he.pseudonym}
    filed = [one("zhou", "POST", "/rights", {"kind": kind, "who": who})["id"] for kind in ("access", "withdrawal")]
    one("zhou", "POST", f"/rights/{filed[0]}/refusal", {"reason": "asked before"})
    assert one("zhou", "POST", f"/rights/{filed[1]}/fulfilment")["state"] == "fulfilled"
    assert one("zhou", "GET", f"/rights/{filed[1]}/receipt")["payload"]
    assert one("zhou", "GET", f"/rights/{filed[1]}")["outcome"]["versions"]
    assert len(one("wu", "GET", "/rights")["items"]) == 2
    merged = {"kept": two[0].pseudonym, "gone": two[1].pseudonym}
    assert one("zhou", "POST", "/datasets/clinic/merges", merged)["version"] == 3
    made = one("wu", "POST", "/incidents", {"kind": "leak", "datasets": ["clinic"]})["id"]
    assert one("zhou", "GET", f"/incidents/{made}/subjects")["items"]
    assert one("zhou", "GET", f"/incidents/{made}/notification").startswith("#")
    assert one("wu", "POST", f"/incidents/{made}/steps", {"state": "contained"})["state"] == "contained"
    assert one("wu", "GET", f"/incidents/{made}")["id"] == one("wu", "GET", "/incidents")["items"][0]["id"]
    assert one("zhou", "POST", "/departure", {"confirm": "shdc"})["datasets"]


def test_the_api_leads_to_every_step_of_a_permit(doors: Doors, small: Small) -> None:
    def one(*asked: Any) -> Any:
        return ask(doors, small, *asked)

    typed = {"answers": application(small.clock, dataset="clinic")}
    draft = one("lin", "POST", "/permits/drafts", {"answers": {}})["id"]
    one("lin", "PUT", f"/permits/drafts/{draft}", typed)
    assert one("lin", "GET", f"/permits/drafts/{draft}")["answers"]["dataset"] == "clinic"
    assert len(one("lin", "GET", "/permits/drafts")["items"]) == 1
    made = one("lin", "POST", f"/permits/drafts/{draft}/submission")["id"]
    spare = one("lin", "POST", "/permits/drafts", {"answers": {}})["id"]
    assert doors.delete(f"/api/v1/permits/drafts/{spare}", headers=small.bearer("lin")).status_code == 204
    path = f"/permits/{made}"
    assert one("lin", "GET", f"{path}/precheck")["items"]
    assert one("wu", "POST", f"{path}/return", {"reason": "say more"})["state"] == "returned"
    assert one("lin", "PATCH", path, {"answers": {"justification": "needed"}})["justification"] == "needed"
    one("lin", "POST", f"{path}/submission")
    one("wu", "POST", f"{path}/approvals", {"conditions": ["publish"]})
    assert one("xu", "POST", f"{path}/approvals")["state"] == "active"
    assert one("lin", "GET", f"{path}/document")["signatures"]
    later = {"not_after": application(small.clock)["not_after"]}
    assert one("lin", "POST", f"{path}/renewal", later)["renews"] == made
    assert one("lin", "POST", f"{path}/closure", {"statement": "done"})["state"] == "closed"
    assert one("lin", "GET", "/permits/notices")["items"] == []
    for closed, body in (
        (f"{path}/reviews", {"kind": "ethics", "positive": True}),
        (f"{path}/signatures", {"party": "holder"}),
        (f"{path}/conflicts", None),
        ("/extracts", {"permit": made, "recipient": PUBLIC}),
    ):
        answer = doors.post(f"/api/v1{closed}", headers=small.bearer("lin"), json=body)
        assert answer.status_code in (400, 403, 409), answer.text
    assert one("lin", "GET", "/extracts")["items"] == []
    assert doors.get("/api/v1/extracts/e-none/content", headers=small.bearer("lin")).status_code == 404


class Pages:
    """Somebody at the console."""

    def __init__(self, doors: Doors, small: Small, who: str) -> None:
        self._doors = doors
        doors.cookies.clear()
        signed = doors.post("/sign-in", data={"token": small.tokens[who]}, headers=SAME, follow_redirects=False)
        assert signed.status_code == 303, signed.text

    def get(self, path: str, language: str = "zh") -> str:
        answer = self._doors.get(path, headers={"accept-language": language})
        assert answer.status_code == 200, (path, answer.text)
        return answer.text

    def post(self, path: str, **data: Any) -> str:
        answer = self._doors.post(path, data=data, headers=SAME | {"accept-language": "zh"})
        assert answer.status_code == 200, (path, answer.text)
        return answer.text


def test_an_officer_finds_his_way_on_the_console(doors: Doors, small: Small) -> None:
    he, page = somebody(small, "clinic"), Pages(doors, small, "zhou")
    assert "clinic" in page.get("/find?q=clinic&purpose=DUO:0000042")
    assert "clinic" in page.get("/find?format=csv")
    assert "尚未发布" in page.get("/datasets/clinic/figures")
    assert "patients" in page.post("/datasets/clinic/figures")
    assert "影响评估" in page.get("/datasets/clinic/assessment")
    assert "患者权利" in page.get("/rights")
    shown = page.post("/rights", kind="withdrawal", dataset="clinic", pseudonym=he.pseudonym)
    made = shown.split("/rights/")[2].split("/")[0].split('"')[0]
    assert "回执" in page.post(f"/rights/{made}/fulfilment")
    other = page.post("/rights", kind="access", dataset="clinic", pseudonym=somebody(small, "clinic").pseudonym)
    refused = other.split('action="/rights/')[1].split("/")[0]
    assert "asked before" in page.post(f"/rights/{refused}/refusal", reason="asked before")
    assert "clinic" in page.get("/use")
    assert "通知" in page.get("/permits/notices")


def test_compliance_records_an_incident_on_the_console(doors: Doors, small: Small) -> None:
    page = Pages(doors, small, "wu")
    assert "安全事件" in page.get("/incidents")
    shown = page.post("/incidents", kind="leak", dataset=["clinic"], causes="a stolen laptop")
    made = shown.split("/api/v1/incidents/")[1].split("/")[0]
    assert "stolen" in page.post(f"/incidents/{made}", state="contained", contact="office")
    officer = Pages(doors, small, "zhou")
    assert "pseudonym" in officer.get(f"/incidents/{made}/subjects")


def test_an_application_takes_its_course_on_the_console(doors: Doors, small: Small) -> None:
    from service import permits

    publish(small.facility, dataset="real", data_class="sensitive")
    asked = application(small.clock, dataset="real")
    made = permits.create(small.facility, small.lin, asked)["id"]
    permits.submit(small.facility, small.lin, made)
    path = f"/permits/{made}"
    page = Pages(doors, small, "zhou")
    assert "数据所属医院" in page.get(f"{path}/course")
    page.post(f"{path}/reviews", kind="hospital", verdict="positive", note="")
    page = Pages(doors, small, "wu")
    assert "利益冲突" in page.get(f"{path}/course")
    page.post(f"{path}/reviews", kind="ethics", verdict="positive")
    page.post(f"{path}/conflict")
    page = Pages(doors, small, "xu")
    page.post(f"{path}/return", reason="say more")
    short = permits.create(small.facility, small.lin, application(small.clock))["id"]
    permits.submit(small.facility, small.lin, short)
    page.post(f"/permits/{short}/vote", condition="publish")
    page = Pages(doors, small, "wu")
    page.post(f"/permits/{short}/vote")
    page = Pages(doors, small, "lin")
    assert "publish" in page.post(f"/permits/{short}/closure", statement="done")
    answer = doors.post(f"/permits/{short}/signature", data={"party": "holder"}, headers=SAME)
    assert answer.status_code == 409


def test_a_partner_names_controller_and_countries_on_the_form(doors: Doors, small: Small) -> None:
    page = Pages(doors, small, "lin")
    assert 'value="pudong-ai"' in page.get("/permits/new")
    given = {
        "dataset": "clinic", "recipe": "demo-diabetes", "purpose": "DUO:0000042", "legal_basis": "contract",
        "ethics": "e-1", "epsilon": "1", "runs": "1", "not_after": "2026-04-01", "controller": "parent",
        "controller_country": "CH", "access_country": "CN", "justification": "needed",
    }  # fmt: skip
    assert "parent (CH)" in page.post("/permits/new", **given, step="check")
    assert "parent" in page.post("/permits/new", **given, step="send")
    wrong = doors.post("/permits/new", data={**given, "access_country": "xx"}, headers=SAME)
    assert wrong.status_code == 422
    (permit,) = small.facility.permits.all()
    assert (permit.controller, permit.controller_country, permit.justification) == ("parent", "CH", "needed")


def test_what_is_typed_into_an_application_is_kept_and_found_again(doors: Doors, small: Small) -> None:
    page = Pages(doors, small, "lin")
    shown = page.post("/permits/new/draft", dataset="clinic", legal_basis="half a sen")
    draft = shown.split('value="')[1].split('"')[0]
    page.post("/permits/new/draft", dataset="clinic", legal_basis="half a sentence", draft=draft)
    assert f"/permits/new?draft={draft}" in page.get("/permits/new")
    again = page.get(f"/permits/new?draft={draft}")
    assert 'value="half a sentence"' in again
    assert 'hx-post="/permits/new/draft"' in again
    given = {
        "dataset": "clinic", "recipe": "demo-diabetes", "purpose": "DUO:0000042", "legal_basis": "a whole one",
        "ethics": "e-1", "epsilon": "1", "runs": "1", "not_after": "2026-04-01", "draft": draft,
    }  # fmt: skip
    assert f'name="draft" value="{draft}"' in page.post("/permits/new", **given, step="check")
    page.post("/permits/new", **given, step="send")
    assert [permit.legal_basis for permit in small.facility.permits.all()] == ["a whole one"]
    assert doors.get(f"/permits/new?draft={draft}").status_code == 404
    other = page.post("/permits/new/draft", dataset="net").split('value="')[1].split('"')[0]
    assert other not in page.post("/permits/new/draft/removal", draft=other)
    Pages(doors, small, "zhou")
    assert doors.post("/permits/new/draft", data={"dataset": "net"}, headers=SAME).status_code == 403


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_new_page_is_drawn_in_both_languages(doors: Doors, small: Small, language: str) -> None:
    drawing.environment(language)
    permit = active_permit(small)
    page = Pages(doors, small, "audit")
    for path in ("/find", "/rights", "/incidents", "/permits/notices", f"/permits/{permit}/course", "/register"):
        assert page.get(path, language)


@pytest.fixture
def terminal(small: Small, doors: Doors, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return how to run one command as somebody, against the application in this process."""
    app = doors.app

    def run(who: str, *arguments: str) -> Any:
        monkeypatch.setattr(connection, "holder", lambda _home: None, raising=False)
        from contextlib import contextmanager

        @contextmanager
        def connected(*_: Any) -> Iterator[connection.Connection]:
            yield connection.Connection(small.tokens[who], app=app)

        from service.cli import dataset, extract, incident, permit, rights

        for module in (dataset, extract, incident, permit, rights):
            monkeypatch.setattr(module, "connect", connected)
        done = CliRunner().invoke(main.app, list(arguments))
        if done.exception is not None:
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_the_command_line_leads_to_the_catalogue(terminal: Any, small: Small, tmp_path: Path) -> None:
    (tmp_path / "about.yaml").write_text("title_zh: 糖尿病\nkeywords: [diabetes]\n", "utf-8")
    terminal("zhou", "dataset", "describe", "clinic", str(tmp_path / "about.yaml"))
    assert "clinic" in terminal("lin", "dataset", "search", "糖尿病")
    assert "True" in terminal("lin", "dataset", "fit", "DUO:0000042")
    assert json.loads(terminal("zhou", "dataset", "statistics", "clinic", "--release", "--json"))["figures"]
    terminal("zhou", "dataset", "preview", "clinic", "--recipe", "demo-diabetes", "--release")
    terminal("lin", "dataset", "preview", "clinic", "--recipe", "demo-diabetes", "--out", str(tmp_path / "p.csv"))
    assert (tmp_path / "p.csv").read_text().startswith("age")
    terminal("lin", "dataset", "count", "clinic", "[]")
    assert json.loads(terminal("lin", "dataset", "card", "clinic"))["name"] == "clinic"
    assert json.loads(terminal("zhou", "dataset", "lineage", "clinic"))["used"]
    assert "影响评估" in terminal("zhou", "dataset", "assess", "clinic")
    assert json.loads(terminal("zhou", "dataset", "use"))["org"] == "shdc"


def test_the_command_line_leads_to_rights_and_incidents(terminal: Any, small: Small, tmp_path: Path) -> None:
    who = [json.dumps({"dataset": "clinic", "pseudonym": somebody(small, "clinic", n).pseudonym}) for n in range(4)]
    terminal("zhou", "dataset", "withdraw-patient", who[0], "--receipt", str(tmp_path / "receipt.json"))
    assert (tmp_path / "receipt.json").is_file()
    made = json.loads(terminal("zhou", "rights", "file", "access", who[1], "--json"))["id"]
    assert made in terminal("zhou", "rights", "list")
    terminal("zhou", "rights", "fulfil", made)
    assert "fulfilled" in terminal("zhou", "rights", "show", made)
    other = json.loads(terminal("zhou", "rights", "file", "withdrawal", who[2], "--json"))["id"]
    terminal("zhou", "rights", "refuse", other, "asked before")
    third = json.loads(terminal("zhou", "rights", "file", "withdrawal", who[2], "--json"))["id"]
    terminal("zhou", "rights", "fulfil", third)
    terminal("zhou", "rights", "receipt", third, str(tmp_path / "second.json"))
    left = [somebody(small, "clinic", n).pseudonym for n in (0, 1)]
    terminal("zhou", "dataset", "merge-patients", "clinic", *left)
    incident = json.loads(terminal("wu", "incident", "record", "leak", "--dataset", "clinic", "--json"))["id"]
    terminal("wu", "incident", "advance", incident, "contained", "--told", "contact=office")
    assert incident in terminal("wu", "incident", "list")
    assert "clinic" in terminal("zhou", "incident", "subjects", incident)
    assert "office" in terminal("zhou", "incident", "notification", incident)
    parcel, key = tmp_path / "parcel", tmp_path / "key"
    terminal("zhou", "dataset", "take-out", PUBLIC, str(parcel), "--form", "parquet")
    opening = ("dataset", "open-parcel", str(parcel), str(tmp_path / "own"), "shdc", "--key", str(key))
    key.write_text("no key")
    with pytest.raises(Misuse):
        terminal("zhou", *opening)
    key.write_text(base64.b64encode(PRIVATE.private_bytes_raw()).decode())
    assert "clinic/person.parquet" in terminal("zhou", *opening)
    assert "clinic" in terminal("zhou", "dataset", "leave", "shdc", "--json")


def test_the_command_line_leads_to_every_step_of_a_permit(terminal: Any, small: Small) -> None:
    asked = application(small.clock, dataset="clinic")
    made = json.loads(
        terminal(
            "lin", "permit", "request", "--dataset", "clinic", "--recipe", "demo-diabetes", "--purpose", "DUO:0000042",
            "--legal-basis", "contract", "--ethics", "e-1", "--epsilon", "1", "--not-after", asked["not_after"],
            "--undertakes", "DUO:0000019", "--json",
        )
    )["id"]  # fmt: skip
    assert "passed" not in terminal("lin", "permit", "precheck", made)
    terminal("wu", "permit", "return", made, "say more")
    with pytest.raises(connection.Answered):
        terminal("wu", "permit", "judge", made, "--kind", "ethics", "--negative")
    with pytest.raises(connection.Answered):
        terminal("lin", "permit", "sign", made, "--party", "holder")
    permit = active_permit(small)
    terminal("lin", "permit", "renew", permit, asked["not_after"])
    terminal("lin", "permit", "close", permit, "done")
    assert terminal("lin", "permit", "notices").startswith("at")
    with pytest.raises(connection.Answered):
        terminal("lin", "extract", "prepare", permit, PUBLIC)
    with pytest.raises(connection.Answered):
        terminal("lin", "extract", "fetch", "e-none", "/dev/null")
    assert terminal("lin", "extract", "list").startswith("id")


@pytest.mark.parametrize("command", [("dataset", "count", "clinic", "{"), ("rights", "file", "access", "{")])
def test_what_is_no_json_is_a_usage_error(terminal: Any, command: tuple[str, ...]) -> None:
    from policies.errors import Misuse

    with pytest.raises(Misuse):
        terminal("lin", *command)


def test_jobs_refuse_what_was_stopped_meanwhile(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    from policies.states import RunState
    from service import runs
    from tests.service.verbs.small_facility import model
    from tests.service.verbs.test_run_verbs import move, spec

    run = str(runs.submit(small.facility, small.lin, spec(active_permit(small)), *model())["id"])
    move(small, run, RunState.PREPARING, RunState.TRAINING, RunState.AUDITING, RunState.REFUSED)
    from sqlalchemy.orm import Session

    with Session(small.facility.database) as session:
        monkeypatch.setattr(jobs._running, "facility", small.facility, raising=False)
        monkeypatch.setattr(jobs, "_session", lambda: session)
        assert jobs._await_release(run, {}) == "refused"
        assert jobs._fail_run(run, "late") == "refused"
