"""The report of one run of the pipeline: counts only, as JSON and as a page that stands alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

SCHEMA = "medtrain.deid-report/1"
HELD = frozenset({"classified", "military-unit", "restricted-term", "genetic-resources"})  # told to the secrecy officer
_STYLE = (
    "body{font:16px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}td.n{text-align:right;"
    "font-variant-numeric:tabular-nums}caption{text-align:left;color:#555}h2{margin-top:2rem}"
)


@dataclass(frozen=True, slots=True)
class SourceCount:
    """Rows of one table of one source. ``rows`` = ``accepted`` + ``repaired`` + ``quarantined``."""

    source: str
    table: str
    rows: int
    accepted: int
    repaired: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Report:
    """What happened. Every value is a count, a rate, a digest or a word of the mapping or profile.

    Attributes:
        units: Source -> (input units counted before parsing, units refused by the reader).
        reasons: Reason -> rows and units quarantined for it.
        identifiers: Label -> identifiers found in free text.
        free_text: The detector's measured bound of the leak, the profile's limit, and why free text is withheld, if so.
        structured: Target -> cells of direct identifiers that were replaced or removed.
        scrubbed: Label -> cells of other columns emptied because an identifier stood in them.
        classes: Classes of data that need more than a profile: ``genetic-resources``.
        columns: What each column seems to hold and what happened to it.
        messages: Source -> messages or resources written out; ``withheld:`` and a reason -> those that were not.
    """

    mapping: str
    mapping_sha256: str
    profile: str
    profile_sha256: str
    units: Mapping[str, tuple[int, int]]
    sources: Sequence[SourceCount]
    steps: Sequence[Mapping[str, Any]]
    reasons: Mapping[str, int]
    strangers: int
    classes: Sequence[str]
    columns: Sequence[Mapping[str, Any]]
    identifiers: Mapping[str, int]
    free_text: Mapping[str, Any]
    structured: Mapping[str, int]
    scrubbed: Mapping[str, int]
    pooled: int
    unit_spellings: Mapping[str, int]
    linkage: Mapping[str, int]
    risk: Mapping[str, Any]
    searched: int
    tables: Mapping[str, int]
    messages: Mapping[str, int] = field(default_factory=dict)

    def totals(self) -> dict[str, int]:
        """Return rows in, accepted, repaired and quarantined; units that a reader refused count as rows."""
        refused = sum(rejected for _, rejected in self.units.values())
        return {
            "rows_in": sum(one.rows for one in self.sources) + refused,
            "accepted": sum(one.accepted for one in self.sources),
            "repaired": sum(one.repaired for one in self.sources),
            "quarantined": sum(one.quarantined for one in self.sources) + refused,
        }

    def _free_text(self) -> Iterable[tuple[str, Any]]:
        return ((name, "–" if value in (None, "") else value) for name, value in self.free_text.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "schema": SCHEMA,
            "mapping": {"name": self.mapping, "sha256": self.mapping_sha256},
            "profile": {"name": self.profile, "sha256": self.profile_sha256},
            "totals": self.totals(),
            "units": {name: {"counted": n, "refused": bad} for name, (n, bad) in sorted(self.units.items())},
            "sources": [asdict(one) for one in self.sources],
            "steps": [dict(step) for step in self.steps],
            "quarantined": dict(sorted(self.reasons.items())),
            "files_without_source": self.strangers,
            "classes": list(self.classes),
            "secrecy": {reason: n for reason, n in sorted(self.reasons.items()) if reason in HELD},
            "columns": [dict(column) for column in self.columns],
            "identifiers": {
                "free_text": dict(sorted(self.identifiers.items())),
                "structured": dict(sorted(self.structured.items())),
                "other_cells": dict(sorted(self.scrubbed.items())),
            },
            "free_text": dict(self.free_text),
            "rare_values_pooled": self.pooled,
            "unit_spellings": dict(sorted(self.unit_spellings.items())),
            "linkage": dict(sorted(self.linkage.items())),
            "risk": dict(self.risk),
            "second_look": {"texts_searched": self.searched, "identifiers_found": 0},
            "tables": dict(sorted(self.tables.items())),
            "messages": dict(sorted(self.messages.items())),
        }

    def html(self) -> str:
        """Return a page without scripts or anything to load."""
        d = self.as_dict()
        risk = self.risk
        sections = [
            _table("Rows", "行数", ("", "rows"), d["totals"].items()),
            _table(
                "Sources", "来源", ("source", "table", "rows", "accepted", "repaired", "quarantined"),
                (asdict(one).values() for one in self.sources),
            ),
            _table("Quarantined, by reason", "隔离原因", ("reason", "rows"), d["quarantined"].items()),
            _table("For the secrecy officer", "报保密员", ("reason", "documents"), d["secrecy"].items()),
            _table("Identifiers in free text", "自由文本中的标识符", ("kind", "found"), self.identifiers.items()),
            _table("Free text", "自由文本", ("", "value"), self._free_text()),
            _table("Identifiers in columns", "结构化标识符", ("field", "cells"), self.structured.items()),
            _table("Identifiers in other cells", "其他单元格中的标识符", ("kind", "cells"), self.scrubbed.items()),
            _table(
                "Columns", "列的处理", ("source", "table", "column", "seems to hold", "what happened", "cells"),
                ((c["source"], c["table"], c["name"], c["kind"], c["fate"], c["cells"]) for c in self.columns),
            ),
            _table("Units brought to one", "单位换算", ("unit", "rows"), self.unit_spellings.items()),
            _table("Patients linked", "患者匹配", ("", "count"), self.linkage.items()),
            _table(
                "Re-identification risk", "重识别风险", ("", "before", "after"),
                ((name, risk["before"][name], risk["after"][name]) for name in risk["before"]),
            ),
            _table(
                "What is left to learn from", "效用（前后）",
                ("attribute", "patients with it before", "after", "values before", "after", "bits before", "after",
                 "share lost"),
                (one.values() for one in risk["utility"]),
            ),
            _table("Published tables", "发布的表", ("table", "rows"), d["tables"].items()),
        ]  # fmt: skip
        head = f"<p>{escape(self.mapping)} · {escape(self.profile)}</p>"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>De-identification report 去标识化报告</title><style>{_STYLE}</style></head><body>"
            f'<h1>De-identification report <span lang="zh">去标识化报告</span></h1>{head}'
            f"{''.join(sections)}</body></html>"
        )


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Return reason -> how often, sorted."""
    return dict(sorted(Counter(reasons).items()))


def _table(title: str, chinese: str, heads: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> str:
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not body:
        body = f'<tr><td colspan="{len(heads)}">none 无</td></tr>'
    columns = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<h2>{escape(title)} <span lang="zh">{escape(chinese)}</span></h2>'
        f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{value:,.4g}</td>' if isinstance(value, float) else f'<td class="n">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
