"""The truth about a generated network: every identifier, who is who, and what was spoiled."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from policies.errors import BadInput

SCHEMA = "medtrain.demo-truth/1"
ISOLATION_DAYS = 400  # more than any patient's date offset, so that no shifted date can equal an isolated one


class Scope(StrEnum):
    """Where finding the value proves a leak."""

    EVERYWHERE = "everywhere"  # unique enough to be searched in any byte that the facility puts out
    OWN_NOTES = "own-notes"  # proves something only in the notes of the same patient: dates, ages, short names
    NOWHERE = "nowhere"  # an identifier, but too short or too common for its presence to prove anything


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier of one person.

    Attributes:
        kind: Label of the detector (NAME, PHONE, …) or UID.
        person: Number of the person from 0, or -1 for staff.
        files: Where it stands, relative to the records folder.
        layer: The detector layer that alone can find it in a note; "" where several can, or outside notes.
    """

    kind: str
    value: str
    person: int
    files: tuple[str, ...]
    layer: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Spoiled:
    """One value or row that was made dirty on purpose. ``position`` counts rows, messages or resources from 1."""

    file: str
    position: int
    field: str
    how: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row, message, resource or file of a person."""

    file: str
    position: int


@dataclass(frozen=True, slots=True)
class Individual:
    """One person: all records that are his, whether he has the outcome, and text that marks his notes.

    Attributes:
        outcome: Type 2 diabetes stands on his front page.
        fingerprints: Clinical text, one for each of his notes, that no other note contains and no de-identifier
            may remove. It tells whose note a de-identified note is, without any key.
    """

    number: int
    outcome: bool
    records: tuple[Record, ...]
    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything a test may know about a generated network."""

    patients: int
    seed: int
    identifiers: tuple[Identifier, ...]
    people: tuple[Individual, ...]
    spoiled: tuple[Spoiled, ...]

    def write(self, path: Path) -> None:
        """Write the truth as JSON. It holds every identifier in clear: keep it beside the records it describes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"schema": SCHEMA} | asdict(self), ensure_ascii=False, indent=None, separators=(",", ":"))
        path.write_bytes(text.encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the truth in a file that ``write`` made.

        Raises:
            BadInput: the file is not a truth file.
        """
        raw: dict[str, Any] = json.loads(path.read_bytes())
        if raw.get("schema") != SCHEMA:
            raise BadInput(f"{path.name} is not a {SCHEMA} file")
        return cls(
            patients=raw["patients"],
            seed=raw["seed"],
            identifiers=tuple(
                Identifier(**{**row, "files": tuple(row["files"]), "scope": Scope(row["scope"])})
                for row in raw["identifiers"]
            ),
            people=tuple(
                Individual(
                    row["number"],
                    row["outcome"],
                    tuple(Record(**record) for record in row["records"]),
                    tuple(row["fingerprints"]),
                )
                for row in raw["people"]
            ),
            spoiled=tuple(Spoiled(**row) for row in raw["spoiled"]),
        )


@dataclass(slots=True)
class Book:
    """Collects the truth while the records are written."""

    _files: dict[tuple[str, str, int, str, Scope], dict[str, None]] = field(default_factory=dict)
    _days: dict[int, dict[date, None]] = field(default_factory=dict)
    _dated: dict[tuple[int, date, str, str], dict[str, None]] = field(default_factory=dict)
    _records: dict[int, list[Record]] = field(default_factory=dict)
    _prints: dict[int, list[str]] = field(default_factory=dict)
    _spoiled: list[Spoiled] = field(default_factory=list)

    def identifier(
        self, kind: str, value: str, person: int, file: str, *, layer: str = "", scope: Scope | None = None
    ) -> None:
        """Note an identifier; an empty value is none."""
        if value:
            where = _scope(kind, value) if scope is None else scope
            self._files.setdefault((kind, value, person, layer, where), {})[file] = None

    def day(self, value: str, day: date, person: int, file: str, layer: str = "") -> None:
        """Note a full date in a note; whether it proves a leak is decided when all his dates are known."""
        self._days.setdefault(person, {})[day] = None
        self._dated.setdefault((person, day, value, layer), {})[file] = None

    def record(self, person: int, file: str, position: int) -> None:
        """Note that a row, message, resource or file is this person's."""
        self._records.setdefault(person, []).append(Record(file, position))

    def fingerprint(self, person: int, text: str) -> None:
        """Note the clinical text that marks one of his notes."""
        self._prints.setdefault(person, []).append(text)

    def spoiled(self, file: str, position: int, field: str, how: str) -> None:
        """Note what was made dirty."""
        self._spoiled.append(Spoiled(file, position, field, how))

    def close(self, *, patients: int, seed: int, outcomes: Iterable[bool]) -> Truth:
        """Return the truth."""
        for (person, day, value, layer), files in self._dated.items():
            alone = all(other == day or abs((other - day).days) > ISOLATION_DAYS for other in self._days[person])
            scope = Scope.OWN_NOTES if alone else Scope.NOWHERE
            self._files.setdefault(("DATE", value, person, layer, scope), {}).update(files)
        return Truth(
            patients=patients,
            seed=seed,
            identifiers=tuple(
                Identifier(kind, value, person, tuple(files), layer, scope)
                for (kind, value, person, layer, scope), files in self._files.items()
            ),
            people=tuple(
                Individual(n, outcome, tuple(self._records.get(n, ())), tuple(self._prints.get(n, ())))
                for n, outcome in enumerate(outcomes)
            ),
            spoiled=tuple(self._spoiled),
        )


_SHORTEST = {"NAME": 3, "ORG": 6, "HOSPITAL": 6, "ADDRESS": 8}  # code points; shorter ones occur by chance
_NEVER_ALONE = frozenset({"DATE", "AGE90"})


def _scope(kind: str, value: str) -> Scope:
    if kind in _NEVER_ALONE:
        return Scope.OWN_NOTES
    if kind in _SHORTEST:
        return Scope.EVERYWHERE if len(value) >= _SHORTEST[kind] else Scope.OWN_NOTES
    return Scope.EVERYWHERE if len(value) >= 7 else Scope.NOWHERE
