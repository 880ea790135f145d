"""The mapping: which files a source has, and where each of its columns goes.

One YAML file is one reviewed version, identified by its SHA-256. It is declarative: no code, no templates. Its JSON
Schema (``mapping.schema.json``) refuses unknown keys; the checks here refuse targets that do not exist.
"""

import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from policies.errors import BadMapping

SCHEMA = Path(__file__).with_suffix(".schema.json")
DROP = "drop"

TARGETS: dict[str, frozenset[str]] = {
    "person": frozenset(
        {
            "name",
            "id_card",
            "phone",
            "address",
            "birth_date",
            "sex",
            "mrn",
            "insurance",
            "contact_name",
            "contact_phone",
            "email",
            "employer",
            "age",
            "race",
            "profession",
            "staff",
        }
    ),
    "visit": frozenset({"id", "start", "end", "type", "department", "admission_source", "discharge_to"}),
    "condition": frozenset({"code", "name", "date", "type"}),
    "measurement": frozenset({"code", "name", "value", "unit", "date", "range", "specimen"}),
    "drug": frozenset({"code", "name", "start", "end", "quantity", "unit", "route"}),
    "observation": frozenset({"code", "name", "value", "unit", "date"}),
    "note": frozenset({"text", "title", "date"}),
    "image": frozenset({"bytes", "modality", "body_part", "date"}),
}
IDENTITY = frozenset(
    {
        "name",
        "id_card",
        "phone",
        "address",
        "birth_date",
        "mrn",
        "insurance",
        "contact_name",
        "contact_phone",
        "email",
        "employer",
        "staff",
    }
)
TABLES: dict[str, frozenset[str]] = {
    "csv": frozenset({"row"}),
    "tsv": frozenset({"row"}),
    "xlsx": frozenset({"row"}),
    "parquet": frozenset({"row"}),
    "notes": frozenset({"note"}),
    "hl7v2": frozenset({"patient", "visit", "observation"}),
    "fhir": frozenset({"patient", "encounter", "observation", "condition"}),
    "dicom": frozenset({"image"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Where one column of a source goes.

    Attributes:
        name: The column's name in the source.
        to: ``"entity.field"``, or ``"drop"``.
        group: Columns of one entity with the same group make one row; ``item`` columns have a group of their own.
        item: The code of what a wide column holds (``observation.value`` and ``measurement.value`` only).
        kind: ``"number"`` or ``"category"`` for values.
        unit: The unit of every value of a wide column.
        system, version: The code system the values belong to, by OID or name.
        pattern: A regular expression; its first group is the value.
        order: The order of numeric dates, or ``"auto"``: inferred once for the column.
        values: (source value, target value); a value that is not listed is handled as ``otherwise`` says.
        otherwise: ``"keep"``, ``"null"`` or ``"quarantine"``.
    """

    name: str
    to: str
    group: str = ""
    item: str | None = None
    kind: str = "category"
    unit: str | None = None
    system: str | None = None
    version: str | None = None
    pattern: str | None = None
    order: str = "auto"
    values: tuple[tuple[str, str], ...] = ()
    otherwise: str = "keep"

    @property
    def entity(self) -> str:
        return self.to.partition(".")[0]

    @property
    def field(self) -> str:
        return self.to.partition(".")[2]


@dataclass(frozen=True, slots=True)
class Table:
    """One of the tables a reader gives.

    Attributes:
        key: Columns that identify a row: rows with the same key that contradict each other are all quarantined.
        order: Columns whose numeric order stands in for time where a source has no dates.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one kind from one hospital.

    Attributes:
        files: Glob patterns over the records' names.
        encoding: ``"auto"``, or a declared encoding that is tried first.
        missing: Cell texts that mean "no value", beside the empty cell.
    """

    name: str
    hospital: str
    format: str
    files: tuple[str, ...]
    tables: tuple[Table, ...]
    encoding: str = "auto"
    delimiter: str | None = None
    missing: tuple[str, ...] = ()

    def pick(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names that belong to this source, in their given order."""
        return tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in self.files))

    def table(self, name: str) -> Table:
        """Return the mapping of one of the reader's tables; one without columns where nothing is mapped."""
        return next((table for table in self.tables if table.name == name), Table(name, ()))


@dataclass(frozen=True, slots=True)
class Mapping:
    """All sources of one submission, and the hash of the file that says so."""

    name: str
    sources: tuple[Source, ...]
    sha256: str


def load_mapping(path: Path) -> Mapping:
    """Return the mapping in a YAML file.

    Raises:
        BadMapping: the file cannot be read, has an unknown key or names a target that does not exist.
    """
    try:
        return parse_mapping(path.read_bytes())
    except OSError:
        raise BadMapping("the mapping file cannot be read") from None


def parse_mapping(text: str | bytes) -> Mapping:
    """Return the mapping in a YAML text.

    Raises:
        BadMapping: not YAML, an unknown key, or a target that does not exist; the message says where.
    """
    raw = text.encode() if isinstance(text, str) else text
    try:
        content = yaml.load(raw, Loader=UniqueKeys)  # noqa: S506  # a SafeLoader that also refuses duplicate keys
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise BadMapping("the mapping is not valid YAML") from None
    validator = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    problem = min(
        validator.iter_errors(content), key=lambda error: (list(map(str, error.path)), error.message), default=None
    )
    if problem is not None:
        where = "/".join(str(part) for part in problem.path) or "top level"
        raise BadMapping(f"mapping, {where}: {problem.message}")
    sources = tuple(_source(raw_source) for raw_source in content["sources"])
    if len({source.name for source in sources}) != len(sources):
        raise BadMapping("mapping: two sources have the same name")
    return Mapping(content["name"], sources, sha256(raw).hexdigest())


class UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, refusing a key that is written twice: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            raise yaml.YAMLError("duplicate key")
        return found


def _source(raw: dict[str, Any]) -> Source:
    tables = tuple(_table(raw, name, content) for name, content in raw["tables"].items())
    return Source(
        name=raw["name"],
        hospital=raw["hospital"],
        format=raw["format"],
        files=tuple(raw["files"]),
        tables=tables,
        encoding=raw.get("encoding", "auto"),
        delimiter=raw.get("delimiter"),
        missing=tuple(raw.get("missing", ())),
    )


def _table(source: dict[str, Any], name: str, raw: dict[str, Any]) -> Table:
    where = f"mapping, source {source['name']}, table {name}"
    if name not in TABLES[source["format"]]:
        known = ", ".join(sorted(TABLES[source["format"]]))
        raise BadMapping(f"{where}: a {source['format']} source gives {known}")
    columns = tuple(_column(where, column, spec) for column, specs in raw["columns"].items() for spec in _listed(specs))
    seen = [(c.to, c.group, c.item) for c in columns if c.to != DROP and c.field != "staff" and not c.pattern]
    if len(set(seen)) != len(seen):
        raise BadMapping(f"{where}: two columns go to the same target; give them different groups")
    named = set(raw["columns"])
    key, order = tuple(raw.get("key", ())), tuple(raw.get("order", ()))
    if not named.issuperset(key + order):
        raise BadMapping(f"{where}: key and order must name mapped columns")
    return Table(name, columns, key, order)


def _column(where: str, name: str, raw: dict[str, Any]) -> Column:
    column = Column(
        name=name,
        to=raw["to"],
        group=raw.get("group", raw.get("item", "")),
        item=raw.get("item"),
        kind=raw.get("kind", "category"),
        unit=raw.get("unit"),
        system=raw.get("system"),
        version=raw.get("version"),
        pattern=raw.get("pattern"),
        order=raw.get("order", "auto"),
        values=tuple((str(a), str(b)) for a, b in raw.get("values", {}).items()),
        otherwise=raw.get("otherwise", "keep"),
    )
    if column.to != DROP and column.field not in TARGETS.get(column.entity, ()):
        raise BadMapping(f"{where}, column {name}: there is no target {column.to}")
    if column.item is not None and column.to not in {"observation.value", "measurement.value"}:
        raise BadMapping(f"{where}, column {name}: only an observation or measurement value has an item")
    if column.pattern is not None and _groups(column.pattern) != 1:
        raise BadMapping(f"{where}, column {name}: a pattern is a regular expression with exactly one group")
    return column


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return -1


def _listed(specs: Any) -> list[Any]:
    """A column may go to several targets; ``drop`` may be written as the bare word."""
    listed = specs if isinstance(specs, list) else [specs]
    return [{"to": spec} if isinstance(spec, str) else spec for spec in listed]
