"""The de-identification profile in force: what is removed, how far the rest is coarsened, and which risk is left.

k = 20, 11 and 5 are conventional limits, not legal ones. Sources: EMA policy 0070 and Health Canada (0.09, k = 11),
CMS cell size 11, 45 CFR 164.514(b)(2), GB/T 37964-2019 (steps and techniques), GB/T 39725-2020 (open, controlled and
enclave sharing), GB/T 42460-2023 (grades of effect). Own profiles are YAML files of the same kind; the JSON Schema
beside this module refuses what is misspelt or out of range.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonschema import Draft202012Validator

from deid.mapping import UniqueKeys
from policies.errors import BadMapping

FOLDER = Path(__file__).resolve().parent.parent / "policies" / "profiles"
SCHEMA = Path(__file__).with_suffix(".schema.json")

Dates = Literal["shift", "month", "year"]
Text = Literal["rewrite", "drop"]
Place = Literal["district", "city", "province"]
Conditions = Literal["full", "category"]
Level = Literal["internal", "controlled", "open"]
Operator = Literal["tag", "mask", "pseudonym", "surrogate", "encrypt", "withhold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile.

    Attributes:
        name: Its file's name.
        about: For whom, in one line.
        level: GB/T 39725: ``internal`` (never leaves), ``controlled`` (a named partner), ``open``.
        k: Smallest allowed class of patients with equal quasi-identifiers; 1 turns the measure into a report.
        mean_risk: Largest allowed average prosecutor risk (classes / patients).
        l_diversity, t_closeness: Limits per class for the first diagnosis's category; null only reports.
        max_suppressed: Largest share of patients, in [0, 1], whose quasi-identifiers may be suppressed.
        dates: ``shift`` by the patient's offset; ``month`` shifts, then cuts to the month; ``year`` cuts, no shift.
        age_step: Width of age and birth-year bands, in years.
        age_top: Ages above this are pooled.
        place: Finest place that is published.
        rare_below: A category value held by fewer patients is replaced; 0 keeps all.
        conditions: Full diagnosis codes, or their three-character categories.
        text: Free text is rewritten, or dropped.
        text_leak: Largest upper 95 % bound, in [0, 1], of the detector's measured leak with which free text is
            published at all; null sets no limit.
        operators: Label of the detector, or ``default`` -> what becomes of it in free text.
        images: Options of PS3.15 Annex E beyond the Basic Profile, by name.
        sha256: Of the file.
    """

    name: str
    about: str
    level: Level
    k: int
    mean_risk: float
    l_diversity: int | None
    t_closeness: float | None
    max_suppressed: float
    dates: Dates
    age_step: int
    age_top: int
    place: Place
    rare_below: int
    conditions: Conditions
    text: Text
    operators: Mapping[str, Operator] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    text_leak: float | None
    sha256: str

    def operator(self, label: str) -> Operator:
        """Return what becomes of an identifier of this label in free text."""
        return self.operators.get(label, self.operators.get("default", "tag"))


def read_profile(path: Path) -> Profile:
    """Return the profile in a YAML file.

    Raises:
        BadMapping: the file cannot be read, lacks a key, has an unknown one or a value out of range.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        raise BadMapping("the profile file cannot be read as YAML") from None
    return parse_profile(raw)


def parse_profile(raw: bytes) -> Profile:
    """Return the profile in a YAML text.

    Raises:
        BadMapping: as ``read_profile``.
    """
    try:
        content = yaml.load(raw, Loader=UniqueKeys)  # noqa: S506  # a SafeLoader that also refuses duplicate keys
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise BadMapping("the profile file cannot be read as YAML") from None
    if not isinstance(content, dict) or content.get("schema") != "medtrain.profile/1":
        raise BadMapping("the profile is not a medtrain.profile/1 file")
    if "hash" in (content.get("operators") or {}).values():
        raise BadMapping("profile: an unkeyed hash is no pseudonym and is refused; say pseudonym")
    problems = sorted(_validator().iter_errors(content), key=lambda error: (list(map(str, error.path)), error.message))
    if problems:
        raise BadMapping("profile: " + "; ".join(sorted({_sentence(problem) for problem in problems})))
    content.pop("schema")
    return Profile(**content | {"images": tuple(content.get("images", ()))}, sha256=sha256(raw).hexdigest())


def load_profile(name: str) -> Profile:
    """Return a profile of ``policies/profiles`` by name.

    Raises:
        BadMapping: there is none of that name.
    """
    known = {path.stem: path for path in FOLDER.glob("*.yaml")}
    if name not in known:
        raise BadMapping(f"there is no such profile; there are {', '.join(sorted(known))}")
    return read_profile(known[name])


def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _sentence(problem: Any) -> str:
    """Return what is wrong, without the value."""
    where = "/".join(str(part) for part in problem.path)
    if problem.validator in {"required", "additionalProperties"}:
        return str(problem.message)
    return f"value out of range: {where}"
