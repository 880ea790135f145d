"""What is in this column: typed by its name and by sampled values, before anybody maps it.

The answer never lets a column through; only the mapping does. It tells the data officer what an unmapped column
seems to hold, and counts those that look like identifiers. Unknown columns fail closed.
"""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from deid.clean.dates import parse as parse_date
from deid.clean.numbers import parse as parse_number
from deid.identity import digits, resident_number

Kind = Literal[
    "identifier", "quasi-identifier", "sensitive", "code", "number", "date", "free text", "category", "empty"
]
SAMPLE = 200
ENOUGH = 0.8  # share of the sampled values that must have a shape

_NAMES: tuple[tuple[Kind, str], ...] = (
    (
        "identifier",
        (
            r"姓名|身份证|证件号|病案号|住院号|门诊号|病历号|健康卡|医保|手机|电话|邮箱|地址|住址|联系人|单位名称|报告号|标本号"
            r"|^(xm|sfzh|dh|xzz.*|hkdz.*|gzdwjdz|dwdh|lxr.*|jkkh|bah|zyh|patid|patient_nbr|encounter_id)$"
            r"|^(kzr|zrys|zzys|zyys|zrhs|jxys|sxys|bmy|zkys|zkhs)\d?$|医师|医生|检验者|审核者"
            r"|name$|phone|email|address|(^|_)mrn|(^|_)ssn|passport|patient_?id|id_?card"
        ),
    ),
    ("quasi-identifier", r"年龄|性别|民族|职业|籍贯|婚姻|邮编|^(xb|nl|mz|zy|hy|gj|gg|csd)$|^(age|gender|sex|race|zip)"),
    ("date", r"日期|时间|出生|^(csrq|rysj|cysj)$|date|time$|birth"),
    ("sensitive", r"诊断|病史|主诉|检查所见|结论|diag|condition"),
    ("code", r"代码|编码|^(jbdm\d*|.*dm)$|_code$|_id$"),
)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """``cells`` is how many are filled."""

    name: str
    kind: Kind
    cells: int


def profile_columns(table: pl.DataFrame) -> tuple[ColumnProfile, ...]:
    """Return what each column seems to hold, in order."""
    found = []
    for name in table.columns:
        filled = table[name].drop_nulls()
        filled = filled.filter(filled != "")
        found.append(ColumnProfile(name, kind_of(name, filled.head(SAMPLE).to_list()), filled.len()))
    return tuple(found)


def kind_of(name: str, values: list[str]) -> Kind:
    """Return the kind of a column by what its values look like, then its name, then their variety.

    >>> kind_of("x", ["11010519491231002X"] * 3)
    'identifier'
    """
    if not values:
        return "empty"

    def share(check: "re.Pattern[str]") -> float:
        return sum(bool(check.fullmatch(value.strip())) for value in values) / len(values)

    if sum(resident_number(value) is not None for value in values) / len(values) >= 0.2:
        return "identifier"
    if share(_MOBILE) >= ENOUGH or share(_MAIL) >= ENOUGH:
        return "identifier"
    for kind, pattern in _NAMES:
        if re.search(pattern, name.strip(), re.IGNORECASE):
            return kind
    if sum(parse_number(value).number is not None for value in values) / len(values) >= ENOUGH:
        wide = min(len(digits(value)) for value in values) >= 7
        return "identifier" if wide and len(set(values)) > len(values) / 2 else "number"
    if sum(parse_date(value)[0] is not None for value in values) / len(values) >= ENOUGH:
        return "date"
    if sum(len(value) for value in values) / len(values) > 30:
        return "free text"
    if share(_CODE) >= ENOUGH:
        return "code"
    return "category"


_MOBILE = re.compile(r"(?:\+?86)?1[3-9]\d{9}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
_CODE = re.compile(r"[A-Za-z]{1,4}[-.]?\d[\w.]*")
