"""The de-identification profile in force: what is removed, how far the rest is coarsened, and which risk is left.

k = 20, 11 and 5 are conventional limits, not legal ones. Sources: EMA policy 0070 and Health Canada (0.09, k = 11),
CMS cell size 11, 45 CFR 164.514(b)(2), GB/T 39725-2020 (open, controlled and enclave sharing), GB/T 42460-2023.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import yaml

from policies.errors import BadMapping

FOLDER = Path(__file__).resolve().parent.parent / "policies" / "profiles"

Dates = Literal["shift", "month", "year"]
Text = Literal["rewrite", "drop"]
Place = Literal["district", "city", "province"]
Conditions = Literal["full", "category"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "dates": ("shift", "month", "year"),
    "text": ("rewrite", "drop"),
    "place": ("district", "city", "province"),
    "conditions": ("full", "category"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile.

    Attributes:
        name: Its file's name.
        about: For whom, in one line.
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
        sha256: Of the file.
    """

    name: str
    about: str
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
    text_leak: float | None
    sha256: str


def read_profile(path: Path) -> Profile:
    """Return the profile in a YAML file.

    Raises:
        BadMapping: the file cannot be read, lacks a key, has an unknown one or a value out of range.
    """
    try:
        raw = path.read_bytes()
        content = yaml.safe_load(raw)
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        raise BadMapping("the profile file cannot be read as YAML") from None
    if not isinstance(content, dict) or content.pop("schema", None) != "medtrain.profile/1":
        raise BadMapping("the profile is not a medtrain.profile/1 file")
    try:
        profile = Profile(**content, sha256=sha256(raw).hexdigest())
    except TypeError as problem:
        raise BadMapping(f"profile: {str(problem).removeprefix('Profile.__init__() ')}") from None
    _check(profile)
    return profile


def load_profile(name: str) -> Profile:
    """Return a profile of ``policies/profiles`` by name.

    Raises:
        BadMapping: there is none of that name.
    """
    known = {path.stem: path for path in FOLDER.glob("*.yaml")}
    if name not in known:
        raise BadMapping(f"there is no such profile; there are {', '.join(sorted(known))}")
    return read_profile(known[name])


def _check(profile: Profile) -> None:
    def number(value: Any, low: float, high: float, kind: type[float] = int) -> bool:
        return isinstance(value, (int, kind)) and not isinstance(value, bool) and bool(low <= value <= high)

    wrong = [field for field, allowed in _CHOICES.items() if getattr(profile, field) not in allowed]
    ranges = {
        "k": number(profile.k, 1, 1000),
        "mean_risk": number(profile.mean_risk, 0, 1, float),
        "l_diversity": profile.l_diversity is None or number(profile.l_diversity, 1, 100),
        "t_closeness": profile.t_closeness is None or number(profile.t_closeness, 0, 1, float),
        "max_suppressed": number(profile.max_suppressed, 0, 1, float),
        "age_step": number(profile.age_step, 1, 50),
        "age_top": number(profile.age_top, 1, 89),
        "text_leak": profile.text_leak is None or number(profile.text_leak, 0, 1, float),
        "rare_below": number(profile.rare_below, 0, 1000),
        "name": isinstance(profile.name, str),
        "about": isinstance(profile.about, str),
    }
    wrong += [field for field, right in ranges.items() if not right]
    if wrong:
        raise BadMapping(f"profile: value out of range: {', '.join(sorted(wrong))}")
