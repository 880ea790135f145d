"""Feature recipes (``medtrain.recipe/1``): a public, declarative description of how records become numbers.

Nothing is fitted: bounds, vocabularies and what stands for a missing value are written in the recipe, so a patient's
features depend on his own rows and on nobody else's. That is what lets the training mechanism's guarantee be the
guarantee of the whole.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import jsonschema
import polars as pl
import yaml

from policies.canonical import digest
from policies.errors import BadMapping

SCHEMA = "medtrain.recipe/1"
Scan = Callable[[str], pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class Match:
    """Which texts are meant: those equal to one of ``exact``, or beginning with one of ``prefix``."""

    exact: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()


Where = tuple[tuple[str, Match], ...]
Vocabulary = tuple[tuple[str, Match], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature, or one group of columns.

    Attributes:
        name: Its name; a category's columns are ``name=group``, a missing-indicator is ``name:missing``.
        kind: ``number`` (scaled to [-1, 1] and clipped), ``category`` (one-hot), ``count`` of rows (scaled),
            ``exists`` (1 if there is a row), ``sequence`` (the last rows' groups in time) or ``text`` (the characters
            of the last text). Those two give whole numbers, ``length`` of them, for models with an embedding.
        table, where: From which rows; all conditions hold together.
        column: Where the value is; of a text, the first number in it counts.
        take: Which row of several: last, first, max, min, mean; ``any`` marks every group that occurs.
        bounds: Public lower and upper bound of a number or a count.
        scale: ``linear`` or ``log`` (of one plus the distance from the lower bound).
        vocabulary: Groups of a category or a sequence; the first that fits counts. What fits none is no group.
        length: Positions of a sequence or a text; 0 fills what is left at the end.
        buckets: Character ``c`` of a text becomes ``1 + c % buckets``.
        missing: Whether a column says that there was no value. A missing number is 0, the middle.
    """

    name: str
    kind: Literal["number", "category", "count", "exists", "sequence", "text"]
    table: str
    where: Where = ()
    column: str | None = None
    take: Literal["last", "first", "max", "min", "mean", "any"] = "last"
    bounds: tuple[float, float] = (0.0, 1.0)
    scale: Literal["linear", "log"] = "linear"
    vocabulary: Vocabulary = ()
    missing: bool = False
    length: int = 0
    buckets: int = 0

    @property
    def tokens(self) -> int:
        """Return how many whole numbers from 0 a column may hold; 0 where columns are numbers of [-1, 1]."""
        if self.kind == "sequence":
            return len(self.vocabulary) + 1
        return self.buckets + 1 if self.kind == "text" else 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns it becomes."""
        if self.length:
            return tuple(f"{self.name}.{place}" for place in range(self.length))
        names = tuple(f"{self.name}={group}" for group, _ in self.vocabulary) or (self.name,)
        return (*names, f"{self.name}:missing") if self.missing else names


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """Where a survival label's time is written, as a number of days; see ``Label``."""

    table: str
    where: Where
    column: str
    take: Literal["last", "first", "max", "min", "mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What is to be predicted.

    Attributes:
        kind: ``category`` (the first group that fits; a record that fits none is left out), ``exists`` (0 without such
            a row, 1 with one), ``set`` (of every class whether a row fits it), ``number`` (a value with public bounds;
            a record without one is left out) or ``survival`` (time to the first such row, or to being lost from
            sight).
        table, where, column, take: As in a feature.
        classes: Name and texts of each class; for ``exists``, the two names alone.
        bounds: Public lower and upper bound of a number; what lies outside is moved to the bound by the trainer.
        intervals: Public ends of the intervals of ``survival``, in days, rising; what comes later is one more interval.
        time: Where the days of ``survival`` are. Without it they are counted from the record's first day to the row's
            date (a record that begins after it is left out), or to the patient's last visit where there is no such row.
    """

    kind: Literal["category", "exists", "set", "number", "survival"]
    table: str
    where: Where
    column: str | None
    take: Literal["last", "first", "max", "min", "mean"]
    classes: Vocabulary
    bounds: tuple[float, float] = (-1.0, 1.0)
    intervals: tuple[float, ...] = ()
    time: Time | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the label's columns."""
        if self.kind == "set":
            return tuple(f"label{place}" for place in range(len(self.classes)))
        return ("label", "event") if self.kind == "survival" else ("label",)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the label's values, labels or intervals, in order; none for a number."""
        ends = [f"{end:g}" for end in self.intervals]
        spans = [f"{low}-{high}" for low, high in pairwise(ends)]
        return (f"<{ends[0]}", *spans, f">={ends[-1]}") if ends else tuple(name for name, _ in self.classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """At which hospital each patient is: the first group that a row of his fits, in time. Who fits none is left out.

    Attributes:
        table, where, column: As in a feature.
        names: Name and texts of each hospital. Public.
    """

    table: str
    where: Where
    column: str
    names: Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe.

    Attributes:
        name: What permits name it by.
        record: One record for each visit, or for each patient. The unit of privacy is the patient either way.
        records_per_patient: At most so many records of a patient are kept, chosen by a keyed hash.
        label, features: What is predicted from what.
        sites: Hospitals, for averaging over them; None where nobody needs to know.
        digest: SHA-256 of the recipe's canonical JSON.
    """

    name: str
    record: Literal["visit", "patient"]
    records_per_patient: int
    label: Label
    features: tuple[Feature, ...]
    digest: str
    sites: Sites | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all feature columns, in order."""
        return tuple(name for feature in self.features for name in feature.columns)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the label's classes, labels or intervals, in order; none for a number."""
        return self.label.names

    @property
    def tokens(self) -> tuple[int, ...]:
        """Return, of each of ``names``, how many whole numbers it may hold; 0 for a number of [-1, 1]."""
        return tuple(feature.tokens for feature in self.features for _ in feature.columns)


@dataclass(frozen=True, slots=True)
class Features:
    """What a recipe gives.

    Attributes:
        frame: Columns ``patient`` (String), one Float32 column for each of ``names``, in [-1, 1] or whole numbers, and
            ``labels`` (Int64; of a number Float64); rows in an order that depends on patients and visits only.
        names: Feature columns, in order.
        classes: Names of the label's values 0, 1, ...
        labels: Label columns, in order.
        sited: Whether there is a column ``site`` (Int64): the hospital's number.
    """

    frame: pl.DataFrame
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...] = ("label",)
    sited: bool = False


def load(path: Path) -> Recipe:
    """Return the recipe in a YAML file.

    Raises:
        BadMapping: it is not a valid recipe; the message says where.
    """
    try:
        return _read(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadMapping("the recipe is not YAML text") from None


@lru_cache(maxsize=256)  # a facility asks for the same few at every page, estimate and run
def _read(text: str) -> Recipe:
    return parse(yaml.safe_load(text))


def parse(raw: Any) -> Recipe:
    """Return the recipe that JSON types describe.

    Raises:
        BadMapping: it is not a valid recipe; the message says where.
    """
    for problem in sorted(_validator().iter_errors(raw), key=lambda found: found.json_path):
        raise BadMapping(f"the recipe breaks its schema at {problem.json_path} ({problem.validator})")
    recipe = Recipe(
        name=raw["name"],
        record=raw["record"],
        records_per_patient=raw["records_per_patient"],
        label=_label(raw["label"]),
        features=tuple(_feature(one) for one in raw["features"]),
        digest=digest(raw),
        sites=_sites(raw["sites"]) if "sites" in raw else None,
    )
    if len(set(recipe.names)) != len(recipe.names):
        raise BadMapping("two features of the recipe have the same name")
    for feature in recipe.features:
        if feature.bounds[0] >= feature.bounds[1]:
            raise BadMapping(f"feature {feature.name}: the lower bound must be under the upper")
    if recipe.label.bounds[0] >= recipe.label.bounds[1]:
        raise BadMapping("label: the lower bound must be under the upper")
    if list(recipe.label.intervals) != sorted(set(recipe.label.intervals)):
        raise BadMapping("label: the ends of the intervals must rise")
    if recipe.record == "patient" and recipe.records_per_patient != 1:
        raise BadMapping("with one record for each patient, records_per_patient is 1")
    return recipe


def build(recipe: Recipe, scan: Scan, key: bytes) -> Features:
    """Return the features and labels of a version's tables.

    Args:
        recipe: The recipe.
        scan: Table name -> lazy rows, canonical columns.
        key: 32 bytes: chooses, by a keyed hash of patient and visit, which records of a patient are kept.

    Raises:
        BadMapping: a table lacks a column that the recipe names.
    """
    from datasets import features

    return features.build(recipe, scan, key)


def _feature(raw: Mapping[str, Any]) -> Feature:
    given = ("name", "kind", "column", "take", "scale", "missing", "length", "buckets")
    rest = {key: raw[key] for key in given if key in raw}
    return Feature(
        **rest,
        table=raw["from"],
        where=_matches(raw.get("where", {})),
        bounds=_bounds(raw, (0.0, 1.0)),
        vocabulary=_matches(raw.get("vocabulary", {})),
    )


def _label(raw: Mapping[str, Any]) -> Label:
    named = raw.get("names", ["absent", "present"] if raw["kind"] == "exists" else [])
    time = raw.get("time")
    return Label(
        kind=raw["kind"],
        table=raw["from"],
        where=_matches(raw.get("where", {})),
        column=raw.get("column"),
        take=raw.get("take", "last"),
        classes=_matches(raw["classes"]) if "classes" in raw else tuple((name, Match()) for name in named),
        bounds=_bounds(raw, (-1.0, 1.0)),
        intervals=tuple(float(end) for end in raw.get("intervals", ())),
        time=None if time is None else _time(time),
    )


def _sites(raw: Mapping[str, Any]) -> Sites:
    where = _matches(raw.get("where", {}))
    return Sites(table=raw["from"], where=where, column=raw["column"], names=_matches(raw["names"]))


def _time(raw: Mapping[str, Any]) -> Time:
    where = _matches(raw.get("where", {}))
    return Time(table=raw["from"], where=where, column=raw["column"], take=raw.get("take", "last"))


def _bounds(raw: Mapping[str, Any], usual: tuple[float, float]) -> tuple[float, float]:
    low, high = raw.get("bounds", usual)
    return float(low), float(high)


def _matches(raw: Mapping[str, Any]) -> tuple[tuple[str, Match], ...]:
    return tuple(
        (name, Match(prefix=tuple(texts["prefix"])) if isinstance(texts, dict) else Match(exact=tuple(texts)))
        for name, texts in raw.items()
    )


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(
        json.loads(Path(__file__).with_name("recipe.schema.json").read_text("utf-8"))
    )
