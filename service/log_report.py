"""A report on a period of the access log for a regulator: a table (CSV) and a document (PDF), from the log alone.

It names the checkpoint under which it can be checked, who did what how often, what was refused and why, and what looked
unusual. Actors are the pseudonymous ids of the log. Source: PIPL articles 54 to 56 (audit, records of processing).
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from policies.access import Action, Kind, Resource
from policies.entry import decode
from policies.errors import Misuse
from policies.people import Person
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.log import anomalies
from service.models_log import EntryRow

FONT = "STSong-Light"  # one of the Chinese fonts that every PDF reader brings along
COLUMNS = ("id", "at", "actor", "action", "kind", "object", "permit", "decision", "policies")


@dataclass(frozen=True, slots=True)
class Period:
    """What happened in a period.

    Attributes:
        acts: (action, decision) -> how often.
        actors: Actor -> how often.
        refusals: Code of the reason -> how often.
    """

    since: str
    until: str
    entries: int
    acts: Counter[tuple[str, str]]
    actors: Counter[str]
    refusals: Counter[str]
    alerts: tuple[anomalies.Alert, ...]
    checkpoint: str


def report(facility: Facility, person: Person, since: str, until: str, form: str) -> bytes:
    """Return the report as ``csv`` (every entry) or ``pdf`` (the summary).

    Raises:
        Misuse: it is another form, or the period does not end behind its beginning.
        Refused: naming the rule.
    """
    if form not in ("csv", "pdf") or not since < until:
        raise Misuse("a report is csv or pdf, of a period that ends behind its beginning")
    seen(facility, person, Action.LOG_EXPORT, Resource(Kind.LOG, "log"), form=form)
    facility.log.catch_up()
    return table(facility, since, until) if form == "csv" else document(period(facility, since, until))


def table(facility: Facility, since: str, until: str) -> bytes:
    """Return every entry of the period as CSV in UTF-8, oldest first; spreadsheets are told the encoding."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for number, body in _rows(facility, since, until):
        entry = decode(body)
        said = {**entry.as_dict(), "id": number, "policies": " ".join(entry.policies)}
        writer.writerow([_plain(said[name]) for name in COLUMNS])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def period(facility: Facility, since: str, until: str) -> Period:
    """Return what happened in a period."""
    acts: Counter[tuple[str, str]] = Counter()
    actors: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for _, body in _rows(facility, since, until):
        entry = decode(body)
        acts[entry.action, entry.decision] += 1
        actors[entry.actor] += 1
        if entry.decision == "deny":
            refusals[str(entry.facts.get("code", "refused"))] += 1
    found = anomalies.alerts(facility.database, since, until, anomalies.rules())
    checkpoint = facility.log.checkpoint().decode()
    return Period(since, until, acts.total(), acts, actors, refusals, tuple(found), checkpoint)


def document(said: Period) -> bytes:
    """Return the summary as PDF, in both languages."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.platypus import Paragraph, Preformatted, SimpleDocTemplate, Spacer, Table

    registerFont(UnicodeCIDFont(FONT))
    text = ParagraphStyle("text", fontName=FONT, fontSize=9, leading=13)
    head = ParagraphStyle("head", parent=text, fontSize=13, leading=20, spaceBefore=10)
    parts: list[Any] = [
        Paragraph("访问日志报告 Access log report", head),
        Paragraph(f"{said.since} – {said.until}", text),
        Paragraph(f"记录数 entries: {said.entries}", text),
    ]
    for title, names, rows in (
        ("操作 Acts", ("操作 action", "结果 decision", "次数 count"), [(*k, n) for k, n in said.acts.most_common()]),
        ("操作者 Actors", ("操作者 actor", "次数 count"), said.actors.most_common()),
        ("拒绝 Refusals", ("原因 reason", "次数 count"), said.refusals.most_common()),
        (
            "异常 Alerts",
            ("规则 rule", "时间 at", "操作者 actor", "操作 action"),
            [(one.rule, one.at, one.actor, one.action) for one in said.alerts],
        ),
    ):
        parts += [Paragraph(title, head)]
        parts += [Table([names, *rows], style=[("FONT", (0, 0), (-1, -1), FONT, 8)], hAlign="LEFT")]
    parts += [
        Paragraph("校验点 Checkpoint", head),
        Paragraph("本报告可由以下签名校验点验证 This report can be checked against the signed checkpoint:", text),
        Spacer(1, 4),
        Preformatted(said.checkpoint, text, maxLineLength=90),
    ]
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, title="Access log report", invariant=1).build(parts)
    return out.getvalue()


def _rows(facility: Facility, since: str, until: str) -> list[tuple[int, bytes]]:
    query = sa.select(EntryRow.id, EntryRow.body).where(EntryRow.at >= since, EntryRow.at < until)
    with reading(facility.database) as session:
        return [(number, body) for number, body in session.execute(query.order_by(EntryRow.id))]


def _plain(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula; tokens never begin like one, and this makes sure."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in "=+-@" and text else text
