"""The impact assessment of a dataset's processing and the statement on its de-identification, from what is known here.

What the system knows is filled in; what only a person can know is marked as a gap, and counted. Kept for three years
at least.

Source: PIPL articles 55 and 56 (content and keeping of the assessment), GB/T 39335-2020 (how it is done),
GB/T 42460-2023 (effect of de-identification).
"""

from dataclasses import dataclass
from html import escape
from typing import Any

import sqlalchemy as sa

from datasets.permits import Permit
from policies.access import Action
from policies.errors import Misuse
from policies.people import Person
from policies.review import permit_rules, retention
from policies.states import PermitState, VersionState
from policies.thresholds import budget, release_rules
from service.acts import seen
from service.database import reading
from service.facility import Facility
from service.models import DatasetRow, PermitRow, SubmissionRow, VersionRow
from service.sight import dataset_in, level_of, resource_of_dataset

GAP = {"zh": "【待人工补充】", "en": "[to be filled in by a person]"}
LANGUAGES = tuple(GAP)
LIVE = (PermitState.SUBMITTED, PermitState.APPROVED, PermitState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the document: what is asked, in both languages, and the answer; none is a gap."""

    zh: str
    en: str
    answer: str = ""


Section = tuple[str, str, tuple[Line, ...]]


def assess(facility: Facility, person: Person, dataset: str, language: str = "zh") -> str:
    """Return the assessment and the statement, as Markdown.

    Raises:
        Refused, Misuse, NotFound: naming the rule.
    """
    if language not in GAP:
        raise Misuse(f"the document is written in one of {', '.join(LANGUAGES)}")
    seen(facility, person, Action.DATASET_ASSESS, resource_of_dataset(facility, dataset))
    return markdown(sections(facility, dataset), dataset, language)


def markdown(found: tuple[Section, ...], dataset: str, language: str) -> str:
    """Return sections as Markdown; the number of gaps stands at the top."""
    zh = language == "zh"
    gaps = sum(not line.answer for _, _, lines in found for line in lines)
    title = "个人信息保护影响评估报告与去标识化效果说明" if zh else "Impact assessment and de-identification statement"
    count = f"待人工补充：{gaps} 处" if zh else f"Gaps for a person to fill: {gaps}"
    page = [f"# {title}: {dataset}", "", count, ""]
    for chinese, english, lines in found:
        page += [f"## {chinese if zh else english}", ""]
        page += [f"- {line.zh if zh else line.en}: {line.answer or GAP[language]}" for line in lines]
        page.append("")
    return "\n".join(page)


def html(text: str) -> str:
    """Return the Markdown of this module as HTML; it has headings, lists and paragraphs only."""
    out, listed = [], False
    for line in text.splitlines():
        if listed and not line.startswith("- "):
            out.append("</ul>")
            listed = False
        if line.startswith("## "):
            out.append(f"<h2>{escape(line[3:])}</h2>")
        elif line.startswith("# "):
            out.append(f"<h1>{escape(line[2:])}</h1>")
        elif line.startswith("- "):
            if not listed:
                out.append("<ul>")
                listed = True
            out.append(f"<li>{escape(line[2:])}</li>")
        elif line:
            out.append(f"<p>{escape(line)}</p>")
    if listed:
        out.append("</ul>")
    return "\n".join(out)


def sections(facility: Facility, dataset: str) -> tuple[Section, ...]:
    """Return the document's sections, answered as far as the system knows."""
    with reading(facility.database) as session:
        row = dataset_in(session, dataset)
        permits = session.scalars(
            sa.select(PermitRow).where(PermitRow.dataset == dataset, PermitRow.state.in_(LIVE))
        ).all()
        versions = session.scalars(
            sa.select(VersionRow).where(VersionRow.dataset == dataset, VersionRow.state == VersionState.PUBLISHED)
        ).all()
        submissions = session.scalars(
            sa.select(SubmissionRow).where(SubmissionRow.project == dataset).order_by(SubmissionRow.created_at)
        ).all()
    terms = [Permit.from_dict(one.document) for one in permits]
    report: dict[str, Any] = next(
        (one.document["report"] for one in reversed(submissions) if "report" in one.document), {}
    )
    newest = max((one.number for one in versions), default=None)
    return (
        _purpose(row, terms),
        _impact(row, report),
        _measures(),
        _effect(report, versions, newest),
        ("结论", "Conclusion", (
            Line("残余风险及是否可接受", "Residual risk, and whether it is acceptable"),
            Line("评估人与日期", "Assessed by, on"),
            Line("保存期限", "Kept for", "不少于三年 / at least three years"),
        )),
    )  # fmt: skip


def _purpose(row: DatasetRow, terms: list[Permit]) -> Section:
    def joined(values: set[str]) -> str:
        return ", ".join(sorted(values))

    return (
        "处理目的、方式是否合法、正当、必要（第五十六条（一））",
        "Whether purpose and manner are lawful, legitimate and necessary (article 56, 1)",
        (
            Line("数据集与所有者", "Dataset and owner", f"{row.title} / {row.org}"),
            Line("数据类别与级别", "Class and level", f"{row.data_class}, GB/T 39725-2020 level {level_of(row)}"),
            Line("允许的用途（DUO）", "Purposes allowed (DUO)", ", ".join(row.document.get("purposes", ()))),
            Line("申请的用途", "Purposes applied for", joined({one.purpose for one in terms})),
            Line("法律依据", "Legal basis", joined({one.legal_basis for one in terms})),
            Line("伦理批件", "Ethics approvals", joined({one.ethics for one in terms})),
            Line(
                "个人信息处理者",
                "Controllers",
                joined({f"{one.controller} ({one.controller_country})" for one in terms}),
            ),
            Line(
                "必要性说明", "Why it is necessary", joined({one.justification for one in terms if one.justification})
            ),
            Line("告知与同意的方式", "How people were told and agreed"),
        ),
    )


def _impact(row: DatasetRow, report: dict[str, Any]) -> Section:
    sensitive = row.data_class == "sensitive"
    risk = report.get("risk", {}).get("after", {})
    return (
        "对个人权益的影响及安全风险（第五十六条（二））",
        "Impact on people's rights, and risks (article 56, 2)",
        (
            Line(
                "敏感个人信息",
                "Sensitive personal information",
                "医疗健康信息 / health data" if sensitive else "无 / none",
            ),
            Line(
                "涉及人数上限（公开申明）",
                "Patients, at most (declared)",
                str(row.document.get("declared_patients", "")),
            ),
            Line("人类遗传资源", "Human genetic resources", "是 / yes" if row.document.get("genomic") else "否 / no"),
            Line("向境外提供", "Provided abroad", "" if row.document.get("genomic") else "见许可 / see the permits"),
            Line("重标识最高风险", "Highest re-identification risk", str(risk.get("highest", ""))),
            Line("对个人可能造成的危害", "Harm it may do to people"),
            Line("特殊人群（未成年人等）", "Minors and others in need of protection"),
        ),
    )


def _measures() -> Section:
    rules, kept, way = budget(), retention(), permit_rules().sensitive
    limit = f"ε {rules.epsilon}, δ {rules.delta}"
    return (
        "保护措施是否合法、有效并与风险相适应（第五十六条（三））",
        "Whether the measures are lawful, effective and adequate (article 56, 3)",
        (
            Line(
                "审批", "Decision", f"{', '.join(way.reviews)}; {way.approvals} votes; {', '.join(way.signatures)} sign"
            ),
            Line("存储加密", "Encryption at rest", "AES-256-GCM, 每对象独立密钥 / one key for each object"),
            Line("原始数据不出设施", "Raw data do not leave", "沙箱内训练 / trained on inside the sandbox"),
            Line("差分隐私终身预算（每位患者）", "Lifetime privacy budget of a patient", limit),
            Line("模型发布审批人数", "People who approve a release", str(release_rules().approvals)),
            Line("访问日志", "Access log", "RFC 6962, 签名检查点 / signed checkpoints"),
            Line("原始数据保存期限", "Raw records are kept", f"{kept.upload_days} 天 / days"),
            Line("备份覆盖期限", "Backups are overwritten after", f"{kept.backup_horizon_days} 天 / days"),
            Line("患者请求答复期限", "Patients' requests are answered within", f"{kept.request_days} 天 / days"),
            Line("撤回", "Withdrawal", "新版本、销毁密钥、停止训练 / new version, keys destroyed, runs stopped"),
            Line("人员培训与保密协议", "Training of staff, confidentiality agreements"),
            Line("应急预案", "Emergency plan"),
        ),
    )


def _effect(report: dict[str, Any], versions: Any, newest: int | None) -> Section:
    risk, limits = report.get("risk", {}), report.get("risk", {}).get("limits", {})
    after, before = risk.get("after", {}), risk.get("before", {})
    remeasured: dict[str, Any] = next(
        (one.document["risk"] for one in versions if one.number == newest and "risk" in one.document), {}
    )
    found = sum(report.get("identifiers", {}).get("free_text", {}).values())
    return (
        "去标识化效果说明（GB/T 42460-2023）",
        "Statement on the effect of de-identification (GB/T 42460-2023)",
        (
            Line("现行版本", "Current version", str(newest or "")),
            Line("去标识化方案", "Profile", str(report.get("profile", ""))),
            Line("准标识符", "Quasi-identifiers", ", ".join(risk.get("quasi_identifiers", ()))),
            Line("k（处理前 → 后，限值）", "k (before → after, limit)",
                 f"{before.get('k')} → {after.get('k')} ({limits.get('k')})" if after else ""),
            Line("现行版本重新测得的 k", "k measured again on the current version", str(remeasured.get("k", ""))),
            Line("平均风险", "Mean risk", str(after.get("mean", ""))),
            Line("自由文本中找到的标识符", "Identifiers found in free text", str(found) if report else ""),
            Line("独立复核（再次查找）命中", "Hits of the independent second look", "0" if report else ""),
            Line("抽样人工复核结果", "Result of a review by hand"),
        ),
    )  # fmt: skip
