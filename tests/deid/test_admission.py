"""What is refused at intake: state secrets, military units, genomes; and how it comes back."""

import gzip
from pathlib import Path

import pytest

from deid.genetic import is_genetic
from deid.mapping import Mapping
from deid.pipeline import process
from deid.policy import Profile
from deid.records import MemoryRecords
from deid.streaming import stream
from deid.transform.declassify import Admission, fingerprint, restricted, restrictions
from policies.errors import BadMapping, Misuse
from tests.deid.small_network import KEYS, files, note

VCF = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n1\t1\t.\tA\tG\n"
APPROVAL = "国科遗办2024CJ0123"
SECRET = "机密★10年\n" + note(0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("机密★10年\n门诊记录", "classified"),
        ("【绝密★长期】\n会诊单", "classified"),
        ("密级：秘密\n出院记录", "classified"),
        ("秘 密\n转诊单", "classified"),
        ("患者系96604部队战士", "military-unit"),
        ("解放军第三〇一医院转入", "military-unit"),
        ("随第五十四集团军驻训时受伤", "military-unit"),
        ("在某军事设施内跌倒", "restricted-term"),
        ("请为患者保守秘密，注意机密性", None),
        ("部队转业后在家务农", None),
        ("分泌物较前增多", None),
    ],
)
def test_restricted_documents_are_told_by_mark_unit_or_term(text: str, reason: str | None) -> None:
    assert restricted(text) == reason


def test_a_declassified_document_comes_back_under_its_originators_reference(mapping: Mapping, enclave: Profile) -> None:
    records = MemoryRecords(files(notes=[SECRET, "机密★10年\n" + note(1)]))
    refused = process(records, mapping, enclave, KEYS, project="p")
    assert refused.report.as_dict()["secrecy"] == {"classified": 2}
    admission = Admission({fingerprint(SECRET): "〔2024〕17号"})
    back = process(records, mapping, enclave, KEYS, project="p", admission=admission)
    assert (back.report.as_dict()["secrecy"], back.tables["note"].height) == ({"classified": 1}, 1)


@pytest.mark.parametrize("wrong", [{"declassified": {"x": "because"}}, {"genetic_approval": "yes"}])
def test_a_reference_or_approval_without_a_number_is_refused(wrong: dict) -> None:
    with pytest.raises(Misuse):
        Admission(**wrong)


@pytest.mark.parametrize(
    ("head", "genetic"),
    [
        (VCF, True),
        (gzip.compress(VCF, mtime=0), True),
        (gzip.compress(b"BAM\x01" + bytes(100), mtime=0), True),
        (b"CRAM\x03", True),
        (b"@HD\tVN:1.6\n", True),
        (b"@r1\nACGTACGTACGTAC\n+\nIIIIIIIIIIIIII\n", True),
        (b">chr1\nACGTACGTACGTACGTACGTAC\nACGTACGTACGTACGTACGTAC\n", True),
        (b"Chrom,Pos,Ref,Alt,sample\n", True),
        (b'"rsid"\t"genotype"\n', True),
        (b"BAH,XM,chrom\n", False),
        (b"\x1f\x8bbroken", False),
        ("基因检测：EGFR L858R".encode(), False),
        (b"", False),
    ],
)
def test_genomes_are_told_by_their_first_bytes(head: bytes, genetic: bool) -> None:
    assert is_genetic(head) is genetic


def test_genomes_are_held_back_without_an_approval_and_a_class_of_their_own_with_one(
    mapping: Mapping, enclave: Profile, tmp_path: Path
) -> None:
    records = MemoryRecords(files() | {"a/variants.csv": b"chrom,pos,ref,alt\n1,1,A,G\n", "z/x.vcf": VCF})
    held = process(records, mapping, enclave, KEYS, project="p").report.as_dict()
    assert (held["secrecy"], held["classes"]) == ({"genetic-resources": 2}, [])
    assert held["totals"]["rows_in"] == sum(held["totals"][n] for n in ("accepted", "repaired", "quarantined"))
    streamed = stream(records, mapping, enclave, KEYS, project="p", out=tmp_path, size=0)
    assert streamed.report.as_dict() == held
    allowed = MemoryRecords(files() | {"z/x.vcf": VCF})
    told = process(allowed, mapping, enclave, KEYS, project="p", admission=Admission(genetic_approval=APPROVAL))
    assert told.report.as_dict()["classes"] == ["genetic-resources"]


@pytest.mark.parametrize("text", ["schema: x", "[", "schema: medtrain.restricted/1"])
def test_a_wrong_list_of_restrictions_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text, "utf-8")
    with pytest.raises(BadMapping):
        restrictions(tmp_path / "r.yaml")
