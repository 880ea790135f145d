"""The certificate: what it says, and that nothing about a release can be changed without being seen."""

import copy
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file

from policies.envelope import seal, unseal
from policies.errors import BadInput, Conflict, Misuse, Tampered
from training_sandbox import certificate, provenance, release
from training_sandbox.jail.tiers import Tier


def flip(path: Path, position: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)


def reissue(folder: Path, made: SimpleNamespace, said: dict, **changes: object) -> None:
    """Sign another predicate over the same files, with a log entry and receipt that fit."""
    files = release.Package({name: (folder / name).read_bytes() for name in release.SUBJECTS})
    envelope = certificate.issue({**said, **changes}, files.subjects(), made.CERTIFIER)
    replace_envelope(folder, made, envelope)


def replace_envelope(folder: Path, made: SimpleNamespace, envelope: bytes) -> None:
    entry, receipt = made.logged(envelope)
    for name, raw in ((release.CERTIFICATE, envelope), (release.ENTRY, entry), (release.RECEIPT, receipt)):
        (folder / name).write_bytes(raw)


def test_an_untouched_release_verifies(released: Path, trust: Path, said: dict) -> None:
    verdict = certificate.verify(released, trust).as_dict()
    assert verdict["verified"] is True
    assert verdict["epsilon"]["pld"] == pytest.approx(said["privacy"]["training"]["pld"])
    assert (verdict["run"], verdict["tier"], verdict["log_size"]) == ("r-1", "T2", 5)


@pytest.mark.parametrize("name", release.FILES)
@pytest.mark.parametrize("where", [0.0, 0.37, 0.8, 1.0])
def test_one_flipped_bit_in_any_file_is_tampering(released: Path, trust: Path, name: str, where: float) -> None:
    path = released / name
    flip(path, min(int(where * path.stat().st_size), path.stat().st_size - 1))
    with pytest.raises(Tampered) as caught:
        certificate.verify(released, trust)
    assert caught.value.exit_code == 4


def test_every_single_byte_of_the_model_and_the_receipt_counts(released: Path, trust: Path) -> None:
    for name in (release.MODEL, release.RECEIPT):
        intact = (released / name).read_bytes()
        for position in range(len(intact)):
            flip(released / name, position)
            with pytest.raises(Tampered):
                certificate.verify(released, trust)
            (released / name).write_bytes(intact)


def test_a_missing_or_an_extra_file_is_tampering(released: Path, trust: Path) -> None:
    (released / "notes.txt").touch()
    with pytest.raises(Tampered, match="exactly"):
        certificate.verify(released, trust)
    (released / "notes.txt").unlink()
    (released / release.RECEIPT).unlink()
    with pytest.raises(Tampered, match="exactly"):
        certificate.verify(released, trust)


def test_a_link_instead_of_a_file_is_tampering(released: Path, trust: Path, tmp_path: Path) -> None:
    shutil.move(released / release.MODEL, tmp_path / "model")
    (released / release.MODEL).symlink_to(tmp_path / "model")
    with pytest.raises(Tampered, match="plain file"):
        certificate.verify(released, trust)


def test_a_release_that_brings_its_own_keys_proves_nothing(released: Path, trust: Path) -> None:
    shutil.copy(trust, released / "trust.json")
    with pytest.raises(Misuse, match="prove nothing"):
        certificate.verify(released, released / "trust.json")


def test_another_signer_is_not_believed(released: Path, trust: Path, said: dict, made: SimpleNamespace) -> None:
    files = release.Package({name: (released / name).read_bytes() for name in release.SUBJECTS})
    replace_envelope(released, made, certificate.issue(said, files.subjects(), made.MANIFESTER))
    with pytest.raises(Tampered, match="trusted key"):
        certificate.verify(released, trust)


def test_a_certificate_that_understates_epsilon_is_refused_even_if_signed(
    released: Path, trust: Path, said: dict, made: SimpleNamespace
) -> None:
    stated = {**said["privacy"]["training"], "pld": said["privacy"]["training"]["pld"] / 2}
    reissue(released, made, said, privacy={**said["privacy"], "training": stated})
    with pytest.raises(Tampered, match="epsilon"):
        certificate.verify(released, trust)


def test_a_certificate_with_less_noise_than_it_accounts_for_is_refused(
    released: Path, trust: Path, said: dict, made: SimpleNamespace
) -> None:
    reissue(released, made, said, plan={**said["plan"], "noise_multiplier": 1.0})
    with pytest.raises(Tampered, match="epsilon"):
        certificate.verify(released, trust)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"plan": {"sampling_rate": 0.5, "cap": 1000}}, "not a privacy plan"),
        ({"privacy": {"steps_logged": 19}}, "other steps"),
        ({"digests": {"model": "0" * 64}}, "another model"),
        ({"sandbox": {"tier": "T9"}}, "malformed"),
        ({"data": {"version": 0}}, "malformed"),
    ],
)
def test_a_signed_certificate_that_contradicts_itself_is_refused(
    released: Path, trust: Path, said: dict, made: SimpleNamespace, changes: dict, sentence: str
) -> None:
    reissue(released, made, said, **{name: {**said[name], **part} for name, part in changes.items()})
    with pytest.raises(Tampered, match=sentence):
        certificate.verify(released, trust)


def test_a_signed_statement_of_another_kind_is_no_certificate(
    released: Path, trust: Path, made: SimpleNamespace
) -> None:
    payload = unseal((released / release.CERTIFICATE).read_bytes(), made.CERTIFIER.public_key())
    replace_envelope(released, made, seal({**payload, "predicateType": "medtrain.manifest/1"}, made.CERTIFIER))
    with pytest.raises(Tampered, match="does not hold a certificate"):
        certificate.verify(released, trust)


def test_a_log_entry_about_another_certificate_is_refused(released: Path, trust: Path, made: SimpleNamespace) -> None:
    entry, receipt = made.logged((released / release.CERTIFICATE).read_bytes(), certificate="0" * 64)
    (released / release.ENTRY).write_bytes(entry)
    (released / release.RECEIPT).write_bytes(receipt)
    with pytest.raises(Tampered, match="another certificate"):
        certificate.verify(released, trust)


@pytest.mark.parametrize("damage", ["header", "graph"])
def test_a_certified_model_that_is_not_canonical_is_refused(
    released: Path, trust: Path, said: dict, made: SimpleNamespace, damage: str
) -> None:
    if damage == "graph":
        (released / release.MODEL).write_bytes(b"no model")
    else:
        (released / release.MODEL).write_bytes(made.weights(-0.0))
    digest = release.Package({n: (released / n).read_bytes() for n in release.SUBJECTS}).subjects()[release.MODEL]
    reissue(released, made, said, digests={**said["digests"], "model": digest})
    with pytest.raises(Tampered, match=r"canonical form|does not fit the graph"):
        certificate.verify(released, trust)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schema":"medtrain.trust/1"}',
        b'{"schema":"medtrain.trust/1","certificate_key":"!","checkpoint_key":"a","manifest_key":"AA=="}',
        b'{"schema":"medtrain.trust/1","certificate_key":"AA==","checkpoint_key":"a","manifest_key":"AA=="}',
    ],
)
def test_a_broken_trust_file_is_bad_input(released: Path, trust: Path, raw: bytes) -> None:
    trust.write_bytes(raw)
    with pytest.raises(BadInput, match=r"medtrain\.trust/1"):
        certificate.verify(released, trust)


def test_the_certificate_says_what_a_reader_needs(said: dict) -> None:
    assert said["plan"]["unit"] == "patient"
    assert said["plan"]["relation"] == "add-or-remove-one"
    assert said["data"]["linkage_recall"] == 0.98
    assert "ChaCha20" in said["privacy"]["generator"]
    assert said["privacy"]["accountants"].keys() == {"pld", "prv", "rdp"}
    assert any("relative to the published dataset version" in caveat for caveat in said["caveats"])
    assert any("loating point" in caveat for caveat in said["caveats"])
    assert (
        said["privacy"]["training"]["pld"] <= said["privacy"]["training"]["prv"] <= said["privacy"]["training"]["rdp"]
    )


def test_two_approvals_of_one_person_make_no_certificate(ran: tuple, vetted: object, made: SimpleNamespace) -> None:
    with pytest.raises(Misuse, match="different people"):
        made.predicate_of(*ran, vetted, approvals=(made.PEOPLE[0], made.PEOPLE[0]))


def test_a_single_approval_makes_no_certificate(ran: tuple, vetted: object, made: SimpleNamespace) -> None:
    with pytest.raises(Misuse, match="approvals is malformed"):
        made.predicate_of(*ran, vetted, approvals=made.PEOPLE[:1])


def test_the_tier_in_the_certificate_is_the_one_the_job_ran_in(said: dict) -> None:
    assert said["sandbox"]["tier"] == Tier.T2.value
    assert said["sandbox"]["probe"]["findings"][0]["escaped"] == []


def test_a_release_is_never_changed(released: Path, ran: tuple, vetted: object, made: SimpleNamespace) -> None:
    files = release.package(vetted, made.GRAPH, made.GRAPH.to_json(), ran[0], epsilon=1.0)
    with pytest.raises(Conflict, match="never changed"):
        release.write(released, files, b"", b"", b"")


def test_a_release_interrupted_half_way_is_written_again(tmp_path: Path, ran: tuple, vetted: object, made) -> None:
    (tmp_path / ".half.part").mkdir()
    (tmp_path / ".half.part" / release.MODEL).write_bytes(b"half")
    files = release.package(vetted, made.GRAPH, made.GRAPH.to_json(), ran[0], epsilon=1.0)
    release.write(tmp_path / "half", files, b"e", b"n", b"r")
    assert (tmp_path / "half" / release.MODEL).read_bytes() == vetted.model
    assert sorted(path.name for path in (tmp_path / "half").iterdir()) == sorted(release.FILES)


def test_a_package_takes_the_graph_of_its_job_only(ran: tuple, vetted: object, made: SimpleNamespace) -> None:
    with pytest.raises(Misuse, match="graph"):
        release.package(vetted, made.GRAPH, made.GRAPH.to_json() + b" ", ran[0], epsilon=1.0)
    with pytest.raises(Misuse, match="made of"):
        release.Package({"model.pkl": b""})


def test_the_released_model_loads_with_plain_safetensors(released: Path, made: SimpleNamespace) -> None:
    found = load_file(released / release.MODEL)
    assert {name: value.shape for name, value in found.items()} == {t.name: t.shape for t in made.GRAPH.parameters}


def test_the_loading_example_of_the_readme_runs(released: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    code = (released / release.README).read_text("utf-8").split("```python\n")[1].split("```")[0]
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 10
    import torch

    class Head(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 2)

        def forward(self, x):
            return self.head(x)

    monkeypatch.chdir(released)
    monkeypatch.setitem(__import__("sys").modules, "my_models", SimpleNamespace(make_model=Head))
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "torch.Size([1, 2])\n"


def test_the_example_runs_where_nothing_of_the_facility_is_installed(released: Path, tmp_path: Path) -> None:
    """Plain torch and safetensors: no server package and no client can be imported, none is needed."""
    code = (released / release.README).read_text("utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "my_models.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.head = torch.nn.Linear(3, 2)\n"
        "    def forward(self, x):\n"
        "        return self.head(x)\n"
        "make_model = Model\n"
    )
    site = [path for path in sys.path if path.endswith("site-packages")]
    program = f"""
import importlib.util, sys
sys.path += {[*site, str(tmp_path)]!r}
for name in ("service", "policies", "training_sandbox", "datasets", "deid", "medtrain_client"):
    assert importlib.util.find_spec(name) is None, name
{code}"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=released, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "torch.Size([1, 2])\n"), done.stderr


def test_the_model_card_repeats_the_figures(released: Path, ran: tuple) -> None:
    card = json.loads((released / release.CARD).read_bytes())
    assert card["features"] == list(ran[0].features)
    assert card["figures"]["charged"]["auc"] is not None
    assert "demonstration" in card["figures_note"]


def test_the_provenance_names_what_the_model_was_made_of(released: Path, trust: Path, ran: tuple) -> None:
    found = certificate.verify(released, trust).as_dict()["provenance"]
    parts = {one["name"]: one["digest"]["sha256"] for one in found["buildDefinition"]["resolvedDependencies"]}
    lock = Path(certificate.__file__).parents[1] / "requirements.lock"
    assert parts["requirements.lock"] == sha256(lock.read_bytes()).hexdigest()
    assert parts["installed-distributions"] == provenance.environment()["installed-distributions"]
    assert {name: parts[name] for name, _ in ran[0].files} == dict(ran[0].files)
    assert found["runDetails"]["metadata"]["invocationId"] == ran[0].run


@pytest.mark.parametrize("what", ["run", "permit", "graph.json", "dataset-manifest"])
def test_a_provenance_of_something_else_is_refused(said: dict, what: str) -> None:
    wrong = copy.deepcopy(said)
    definition = wrong["provenance"]["buildDefinition"]
    if what == "run":
        wrong["provenance"]["runDetails"]["metadata"]["invocationId"] = "r-2"
    elif what == "permit":
        definition["externalParameters"]["permit"] = "permit-2"
    else:
        part = next(one for one in definition["resolvedDependencies"] if one["name"] == what)
        part["digest"]["sha256"] = "0" * 64
    provenance.check(said)
    with pytest.raises(Tampered, match="provenance names another"):
        provenance.check(wrong)


def test_without_a_lock_beside_the_program_the_installed_wheels_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(provenance, "LOCK", tmp_path / "absent")
    assert set(provenance.environment.__wrapped__()) == {"installed-distributions"}


def test_a_certificate_of_before_has_no_provenance(
    released: Path, trust: Path, said: dict, made: SimpleNamespace
) -> None:
    older = {name: value for name, value in said.items() if name != "provenance"}
    reissue(released, made, older)
    assert certificate.verify(released, trust).as_dict()["provenance"] is None
