"""The main job, end to end, played by four people who act only through HTTP. Killed and played again, it goes on.

Officer Zhou hands in records and accepts what was made of them; partner Lin applies for a permit, packs a model and
trains it; Wu and Xu of compliance decide. A second process verifies what partner Lin receives.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from policies.entry import stamp
from policies.errors import MedtrainError
from service import holding, jobs, serving
from service.cli.connection import Connection
from service.cli.submission import mapping_text
from service.cli.submission import pack as pack_records
from service.demo import partner
from service.demo.network import generate
from service.demo.scenes import Scene, scene_for
from service.facility import Facility, opened
from service.identity import TOKEN_FILE
from service.settings import read

CAST = {
    "officer-zhou": ("shdc", ["data-officer"]),
    "partner-lin": ("pudong-ai", ["partner"]),
    "compliance-wu": ("shdc-compliance", ["compliance"]),
    "compliance-xu": ("shdc-compliance", ["compliance"]),
}
SEED = 20
LIFETIME = timedelta(days=365)

Say = Callable[[str], None]


class StoryFailed(MedtrainError):
    """A step of the demonstration did not end as it must."""

    code = "demo-failed"


def play(*, records: Path | None, fast: bool, epsilon: str, say: Say) -> dict[str, Any]:
    """Return what happened, as JSON values: see ``service.demo.told``."""
    scene = scene_for(records, fast=fast)
    settings = read()
    stage = settings.home / "demo" / scene.dataset
    stage.mkdir(mode=0o700, parents=True, exist_ok=True)
    began = time.monotonic()
    with opened(settings) as facility, holding.held(settings.home), listening(facility) as url:
        people = cast(facility, url, stage.parent)
        checkpoint = _once(stage / "checkpoint", lambda: people["compliance-wu"].fetch("/log/checkpoint"))
        source = records or _network(stage, scene, say)
        submission, report = hand_in(people["officer-zhou"], scene, source, say)
        version = people["officer-zhou"].get(f"/datasets/{scene.dataset}/versions/{submission['version']}")
        permit = permit_for(people, scene, epsilon, facility, say)
        run = train(people["partner-lin"], scene, permit, epsilon, stage, say)
        release = let_out(people, run, stage, say)
        verified = verify_elsewhere(release, _once(stage / "trust.json", lambda: people["partner-lin"].fetch("/trust")))
        log = people["compliance-wu"].post("/log/verification", {"since": checkpoint.decode()})
    return {
        "dataset": scene.dataset,
        "data_class": "demonstration",
        "version": version,
        "report": report,
        "permit": permit["id"],
        "run": run["id"],
        "certificate": verified,
        "log": {key: log[key] for key in log if key != "checkpoint"},
        "release": str(release),
        "home": str(settings.home),
        "seconds": round(time.monotonic() - began, 1),
    }


@contextmanager
def listening(facility: Facility) -> Iterator[str]:
    """Yield the address of a server in this process; it dies with the process, whatever kills that."""
    ready: SimpleQueue[str] = SimpleQueue()
    jobs.start(facility)
    server = serving.server(facility, host="127.0.0.1", port=0, ready=ready.put)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield ready.get(timeout=60)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        jobs.stop(patience_seconds=10)


def cast(facility: Facility, url: str, stage: Path) -> dict[str, Connection]:
    """Return the four people's connections; whoever is missing is added by the security-admin."""
    admin = Connection((facility.settings.home / TOKEN_FILE).read_text("utf-8").strip(), server=url)
    known = {one["id"] for one in admin.get("/people")["items"]}
    connections = {}
    for person, (org, roles) in CAST.items():
        path = stage / f"{person}.token"
        if not path.is_file():
            if person in known:
                token = admin.post(f"/people/{person}/tokens")["token"]
            else:
                token = admin.post("/people", {"id": person, "org": org, "roles": roles})["token"]
            _write(path, token.encode())
        connections[person] = Connection(path.read_text("utf-8").strip(), server=url)
    return connections


def hand_in(officer: Connection, scene: Scene, source: Path, say: Say) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (submission, report) of the records, handed in, processed and accepted."""
    body = {
        "dataset": scene.dataset,
        "mapping": mapping_text(scene.mapping),
        "profile": "cn_enclave",
        "data_class": "demonstration",
        "declared_patients": scene.declared_patients,
    }
    found = officer.post("/submissions", body, key=f"demo-{scene.dataset}")
    path = f"/submissions/{found['id']}"
    if found["state"] == "received":
        say("officer-zhou hands in the records")
        archive = pack_records(source)
        headers = {"Content-SHA256": hashlib.sha256(archive).hexdigest(), "Content-Type": "application/zip"}
        officer.ask("PUT", f"{path}/archive", content=archive, headers=headers)
    if found["state"] not in ("accepted", "needs-review"):
        say("the records are cleaned, de-identified and standardised")
        officer.post(f"{path}/processing")
    found = _until(officer, path, ("needs-review", "accepted"), ("rejected",))
    report = officer.get(f"{path}/report")
    if found["state"] == "needs-review":
        say("officer-zhou reads the report and accepts")
        found = officer.post(f"{path}/acceptance")
    return found, report


def permit_for(
    people: Mapping[str, Connection], scene: Scene, epsilon: str, facility: Facility, say: Say
) -> dict[str, Any]:
    """Return the partner's permit, applied for and approved by two people."""
    lin, stage = people["partner-lin"], facility.settings.home / "demo" / scene.dataset
    ends = _once(stage / "permit-ends", lambda: stamp(facility.clock() + LIFETIME).encode()).decode()
    body = {
        "dataset": scene.dataset,
        "recipe": scene.recipe,
        "purpose": "DUO:0000042",
        "legal_basis": "demonstration: synthetic or public data",
        "ethics": "demonstration-1",
        "epsilon": epsilon,
        "delta": "0.00001",
        "runs": 1,
        "not_after": ends,
    }
    permit: dict[str, Any] = lin.post("/permits", body, key=f"demo-{scene.dataset}-{epsilon}")
    path = f"/permits/{permit['id']}"
    if permit["state"] == "draft":
        say("partner-lin applies for a permit")
        permit = lin.post(f"{path}/submission")
    for name in ("compliance-wu", "compliance-xu"):
        if permit["state"] == "submitted" and name not in permit["approvals"]:
            say(f"{name} approves it")
            permit = people[name].post(f"{path}/approvals")
    return permit


def train(lin: Connection, scene: Scene, permit: dict[str, Any], epsilon: str, stage: Path, say: Say) -> dict[str, Any]:
    """Return the partner's run, which awaits its release or has had it."""
    folder = stage / "partner"
    folder.mkdir(exist_ok=True)
    recipe = lin.get(f"/recipes/{scene.recipe}")
    if not (folder / "packed" / "pack.json").is_file():
        say("partner-lin packs a model with medtrain-client, in an environment without the server")
    packed = partner.pack(folder, scene, len(recipe["features"]))
    files = {name: (name, (packed / name).read_bytes()) for name in ("graph.json", "init.safetensors")}
    spec = json.dumps({"permit": permit["id"], "epsilon": epsilon, "training": scene.training})
    run = lin.post("/runs", files=files, data={"spec": spec}, key=f"demo-{scene.dataset}-{epsilon}")
    if run["state"] not in ("awaiting-release", "released"):
        say("the model is trained in the jail, under differential privacy")
    return _until(lin, f"/runs/{run['id']}", ("awaiting-release", "released"), ("refused", "failed", "cancelled"))


def let_out(people: Mapping[str, Connection], run: dict[str, Any], stage: Path, say: Say) -> Path:
    """Return the folder of the release, approved by two people and fetched by the partner."""
    path = f"/releases/{run['id']}"
    for name in ("compliance-wu", "compliance-xu"):
        release = people[name].get(path)
        if release["state"] == "awaiting-release" and name not in release["approvals"]:
            say(f"{name} approves the release")
            people[name].post(f"{path}/approvals")
    folder, mark = stage / "release", stage / "release.run"  # of which run: played with another epsilon it is another
    if not mark.is_file() or mark.read_text("utf-8") != run["id"]:
        say("partner-lin fetches the model and its certificate")
        lin = people["partner-lin"]
        part = stage / "release.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name in lin.get(f"{path}/files")["items"]:
            (part / name).write_bytes(lin.fetch(f"{path}/files/{name}"))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        mark.write_text(run["id"], "utf-8")
    return folder


def verify_elsewhere(release: Path, trust: bytes) -> dict[str, Any]:
    """Return what a second process finds: it has the release and the facility's public keys, nothing else.

    Raises:
        StoryFailed: the release does not verify.
    """
    path = release.parent / "trust.json"
    assert path.read_bytes() == trust
    said = subprocess.run(  # noqa: S603  # our own interpreter and program
        [sys.executable, "-m", "service.cli.main", "verify", str(release), "--trust", str(path), "--json"],
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode != 0:
        raise StoryFailed(f"the release does not verify: {said.stderr.strip()}")
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def _network(stage: Path, scene: Scene, say: Say) -> Path:
    """Return the folder of the bundled network's records, drawn once."""
    folder = stage / "network"
    if not folder.is_dir():
        say(f"three invented hospitals with {scene.patients} patients are drawn")
        part = stage / "network.part"
        shutil.rmtree(part, ignore_errors=True)
        generate(part, patients=scene.patients, seed=SEED)
        part.rename(folder)
    return folder / "records"


def _until(person: Connection, path: str, wanted: tuple[str, ...], ended: tuple[str, ...]) -> dict[str, Any]:
    """Return the object once it is in a wanted state.

    Raises:
        StoryFailed: it ended otherwise.
    """
    while True:
        found: dict[str, Any] = person.get(path)
        if found["state"] in wanted:
            return found
        if found["state"] in ended:
            raise StoryFailed(f"it ended as {found['state']}: {found.get('code')}: {found.get('reason', '')}")
        time.sleep(0.3)


def _once(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of a file that is made once, whole."""
    if not path.is_file():
        _write(path, make())
    return path.read_bytes()


def _write(path: Path, raw: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_bytes(raw)
    part.rename(path)
