"""Human genetic resources: a class of records of their own, told by their first bytes or by the columns of a table.

They come in only under the number of an approval or filing, never for a foreign party (``check_genetic_party``).
Source: Regulations on the Management of Human Genetic Resources (2019), articles 7, 21 and 27; VCF 4.3, SAM 1.6.
"""

import re
import zlib

from deid.mapping import Mapping
from deid.records import Records, Reject, SomeRecords
from deid.transform.declassify import Admission

GENETIC = "genetic-resources"  # the reason of a refusal, and the name of the class in the report
HEAD_BYTES = 8192
_BAM, _CRAM, _GZIP = b"BAM\x01", b"CRAM", b"\x1f\x8b"
_FASTQ = re.compile(rb"@[^\n]+\r?\n[ACGTNacgtn.]{10,}\r?\n\+[^\n]*\r?\n[!-~]+")
_FASTA = re.compile(rb">[^\n]+\r?\n(?:[ACGTNacgtn]{20,}\r?\n){2}")
_SAM = re.compile(rb"@(?:HD\tVN:|SQ\tSN:)")
_VARIANT_COLUMNS = (
    {"chrom", "pos", "ref", "alt"}, {"chr", "start", "ref", "alt"}, {"chromosome", "position", "genotype"},
    {"rsid", "genotype"}, {"gene", "hgvsc"}, {"hugo_symbol", "variant_classification"},
)  # fmt: skip


def is_genetic(head: bytes) -> bool:
    """Return whether a file that begins so holds sequences or variants of a genome.

    >>> is_genetic(b"##fileformat=VCFv4.3"), is_genetic(b"id,name")
    (True, False)
    """
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES)
        except zlib.error:
            return False
    if head.startswith((_BAM, _CRAM, b"##fileformat=VCF", b"##gvf", b"BCF\x02")) or _SAM.match(head):
        return True
    if _FASTQ.match(head) or _FASTA.match(head):
        return True
    first = re.split(rb"[\r\n]", head, maxsplit=1)[0].decode("latin-1").lower()
    names = {name.strip(' "#') for name in re.split(r"[,\t;|]", first)}
    return any(columns <= names for columns in _VARIANT_COLUMNS)


def admit(records: Records, mapping: Mapping, admission: Admission) -> tuple[Records, list[Reject], int]:
    """Return the records that may be read, the files that were held back, and how many genetic files may be read."""
    genetic = [name for name in records.names() if is_genetic(_head(records, name))]
    if admission.genetic_approval or not genetic:
        return records, [], len(genetic)
    held = [Reject(_source(mapping, name), 0, 0, GENETIC, records.read(name)) for name in genetic]
    return SomeRecords(records, tuple(name for name in records.names() if name not in genetic)), held, 0


def _source(mapping: Mapping, name: str) -> str:
    return next((source.name for source in mapping.sources if source.pick((name,))), "none")


def _head(records: Records, name: str) -> bytes:
    with records.open(name) as stream:
        return stream.read(HEAD_BYTES)
