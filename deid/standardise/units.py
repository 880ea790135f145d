"""Units: what an analyte measures decides what its unit's spelling means; then one target unit for each analyte.

A unit that parses is not a correct unit: as UCUM, ``K/uL`` is kelvin per microlitre. So a spelling is looked up in the
table of the analyte's dimension only, a unit of another dimension is refused, and mass and substance concentrations
are converted through the molar mass, never by guessing from the size of the number.
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

from deid.clean.numbers import parse, shortest
from deid.step import no_rejects, rejects

TABLE = Path(__file__).with_name("analytes.yaml")
LOINC = "2.16.840.1.113883.6.1"
_K = r"(?:k|th|ths|thou|x?10[*^e(]*3\)?)"
_M = r"(?:m|mi|mil|mill|x?10[*^e(]*6\)?)"
_V = r"/?(?:ul|mcl|mm3|mm\^3|cmm|cumm|mmcu)"
_COUNTS: tuple[tuple[re.Pattern[str], float], ...] = (
    (re.compile(rf"{_K}{_V}"), 1e9),
    (re.compile(rf"{_M}{_V}"), 1e12),
    (re.compile(r"(?:g|x?10[*^e(]*9\)?)/l"), 1e9),
    (re.compile(r"(?:t|x?10[*^e(]*12\)?)/l"), 1e12),
    (re.compile(r"x?10\(?\^?3\)?"), 1e9),
    (re.compile(r"/(?:ul|mm3)|个/ul"), 1e6),
    (re.compile(r"/l"), 1.0),
)
_TARGET_COUNTS = {"10*9/L": 1e9, "10*12/L": 1e12}
_CONCENTRATION = {"mass", "substance", "equivalent"}
Problem = Literal["missing-unit", "unknown-unit", "wrong-dimension"]


@dataclass(frozen=True, slots=True)
class Analyte:
    """What is measured. ``unit`` is the target in UCUM; ``low`` and ``high`` are in that unit."""

    name: str
    loinc: str
    unit: str
    dimension: str
    low: float
    high: float
    names: tuple[str, ...]
    molar_mass: float | None = None
    valence: int | None = None
    loinc_others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandardiseUnits:
    """Bring results to their analyte's unit, in the slots of one group.

    Takes ``measurement.value``, ``.unit``, ``.name``, ``.code``; the source's value and unit are kept in
    ``measurement.value_source`` and ``.unit_source``, and ``.operator`` and ``.loinc`` are added. Values that are not
    numbers, and analytes that the table does not have, pass as text. Rows are quarantined with ``missing-unit``,
    ``unknown-unit``, ``wrong-dimension``, ``not-a-number`` or ``implausible-value``.

    Attributes:
        group: The group's ending of the slots, with its ``#``; "" for the only group.
        item, unit: The code and unit that the mapping states for the column, if any.
    """

    group: str = ""
    item: str | None = None
    unit: str | None = None
    name: str = "units"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        def cells(field: str) -> pl.Expr:
            name = f"measurement.{field}{self.group}"
            return pl.col(name) if name in table.columns else pl.lit(None, pl.String)

        source = {"code": cells("code"), "name": cells("name"), "value": cells("value"), "unit": cells("unit")}
        rows = table.select(**source)
        distinct = rows.unique(maintain_order=True)
        results = [self._one(*row) for row in distinct.iter_rows()]
        fields = ("_value", "_unit", "_operator", "_loinc", "_reason")
        found = distinct.with_columns(
            pl.Series(name, [getattr(result, name[1:]) for result in results], pl.String) for name in fields
        )
        rows = rows.join(
            found, on=["code", "name", "value", "unit"], how="left", nulls_equal=True, maintain_order="left"
        )
        ending = self.group
        after = table.with_columns(
            rows["value"].alias(f"measurement.value_source{ending}"),
            rows["unit"].alias(f"measurement.unit_source{ending}"),
            rows["_value"].alias(f"measurement.value{ending}"),
            rows["_unit"].alias(f"measurement.unit{ending}"),
            rows["_operator"].alias(f"measurement.operator{ending}"),
            rows["_loinc"].alias(f"measurement.loinc{ending}"),
        )
        bad = rows.select(pl.col("_reason").alias("reason")).with_columns(table["_row"])
        return after, rejects(bad.filter(pl.col("reason").is_not_null())) if bad.height else no_rejects()

    def _one(self, code: str | None, name: str | None, value: str | None, unit: str | None) -> "_Result":
        if value is None:
            return _Result(None, unit)
        read = parse(value)
        analyte = analyte_of(code, name, self.item)
        written = unit or read.unit or self.unit
        if analyte is None:
            number = shortest(read.number) if read.number is not None and not read.unit else None
            return _Result(number or value, written, read.comparator if number else None)
        if read.number is None:
            return _Result(None, unit, reason="not-a-number")
        converted, problem = convert(read.number, written or "", analyte)
        if problem is not None:
            return _Result(None, unit, reason=problem)
        if not analyte.low <= converted <= analyte.high:
            return _Result(None, unit, reason="implausible-value")
        return _Result(shortest(converted), analyte.unit, read.comparator, analyte.loinc)


@dataclass(frozen=True, slots=True)
class _Result:
    value: str | None = field(repr=False)
    unit: str | None
    operator: str | None = None
    loinc: str | None = None
    reason: str | None = None


@cache
def analytes() -> tuple[Analyte, ...]:
    """Return the table's analytes."""
    raw: dict[str, dict[str, Any]] = _table()["analytes"]
    return tuple(_analyte(name, dict(spec)) for name, spec in raw.items())


def _analyte(name: str, spec: dict[str, Any]) -> Analyte:
    names, others = tuple(spec.pop("names")), tuple(spec.pop("loinc_others", ()))
    return Analyte(name=name, names=names, loinc_others=others, **spec)


def analyte_of(code: str | None, name: str | None, item: str | None = None) -> Analyte | None:
    """Return the analyte by LOINC code, local code, name or the mapping's item; None if it is not in the table."""
    index = _by_name()
    return next((index[key] for text in (code, name, item) if text and (key := fold_name(text)) in index), None)


def convert(value: float, unit: str, analyte: Analyte) -> tuple[float, Problem | None]:
    """Return (value in the analyte's unit, None), or (nan, why not).

    >>> hb = analyte_of(None, "血红蛋白")
    >>> convert(13.2, "g/dL", hb)
    (132.0, None)
    >>> convert(5.0, "mmHg", hb)[1]
    'wrong-dimension'
    """
    spelled = fold_unit(unit)
    if not spelled:
        return float("nan"), "missing-unit"
    if analyte.name == "hba1c" and spelled == "mmol/mol":
        return _tidy(0.09148 * value + 2.152), None  # IFCC to NGSP master equation, Clin Chem 2004;50:166
    own = _factor(analyte.dimension, spelled)
    if own is not None:
        return _tidy(value * own / _target(analyte)), None
    for dimension in _table()["units"]:
        factor = _factor(dimension, spelled)
        if factor is None:
            continue
        bridge = _bridge(dimension, analyte)
        return (
            (float("nan"), "wrong-dimension")
            if bridge is None
            else (_tidy(value * factor * bridge / _target(analyte)), None)
        )
    return float("nan"), "unknown-unit"


def fold_unit(raw: str) -> str:
    """Return a unit's spelling without what does not tell units apart.

    >>> fold_unit(" µｍｏｌ／Ｌ "), fold_unit("×10^9/L")
    ('umol/l', 'x10^9/l')
    """
    text = unicodedata.normalize("NFKC", html.unescape(raw))
    return re.sub(r"\s+", "", text).lower().replace("μ", "u").replace("×", "x").replace("℃", "°c")


def fold_name(raw: str) -> str:
    """Return an analyte's name for comparison: NFKC, upper case, no blanks and brackets."""
    return re.sub(r"[\s()_*]+", "", unicodedata.normalize("NFKC", raw)).upper()


def _factor(dimension: str, spelled: str) -> float | None:
    if dimension == "count":
        return next((factor for pattern, factor in _COUNTS if pattern.fullmatch(spelled)), None)
    factor = _table()["units"][dimension]["factors"].get(spelled)
    return None if factor is None else float(factor)


def _target(analyte: Analyte) -> float:
    if analyte.dimension == "count":
        return _TARGET_COUNTS[analyte.unit]
    factor = _factor(analyte.dimension, fold_unit(analyte.unit))
    assert factor is not None
    return factor


def _bridge(dimension: str, analyte: Analyte) -> float | None:
    """Return how many base units of the analyte's dimension one base unit of another concentration is."""
    if not {dimension, analyte.dimension} <= _CONCENTRATION or analyte.molar_mass is None:
        return None
    moles = {"substance": 1.0, "mass": 1 / analyte.molar_mass, "equivalent": 1 / (analyte.valence or float("inf"))}
    if moles[dimension] == 0.0:
        return None
    return moles[dimension] / moles[analyte.dimension]


def _tidy(value: float) -> float:
    """Cut the noise of binary fractions: 12 significant digits."""
    return float(f"{value:.12g}")


@cache
def _by_name() -> dict[str, Analyte]:
    return {
        fold_name(name): analyte
        for analyte in analytes()
        for name in (*analyte.names, analyte.name, analyte.loinc, *analyte.loinc_others)
    }


@cache
def _table() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(TABLE.read_text("utf-8"))
    return content
