"""What the demonstration prints at its end: one table that a person can read."""

from collections.abc import Mapping
from typing import Any

from service.cli.screen import table


def lines(told: Mapping[str, Any]) -> list[str]:
    """Return the table's lines."""
    rows = [{"what": what, "": value} for what, value in _rows(told)]
    columns = table(rows, ["what", ""])[1:]
    return ["", *columns, "", f"The console: MEDTRAIN_HOME={told['home']} medtrain serve", *_tokens(told)]


def _rows(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    report, seen = told["report"], told["certificate"]
    totals, risk, found = report["totals"], report["risk"], report["identifiers"]
    privacy, utility = seen["epsilon"], seen["utility"]
    rows = [
        ("rows in", f"{totals['rows_in']:,}"),
        ("  accepted as they were", f"{totals['accepted']:,}"),
        ("  repaired", f"{totals['repaired']:,}"),
        ("  quarantined", f"{totals['quarantined']:,}{_reasons(report['quarantined'])}"),
        ("identifiers in columns", _kinds(found["structured"])),
        ("identifiers in free text", _kinds(found["free_text"])),
        ("identifiers in other cells", _kinds(found["other_cells"])),
        ("k-anonymity before, after", f"{risk['before']['k']}, {risk['after']['k']}"),
        (
            "dataset version",
            f"{told['dataset']} {told['version']['version']} ({told['version']['patients']:,} patients)",
        ),
        ("privacy, unit: the patient", f"epsilon {privacy['pld']:.3f} at delta {privacy['delta']:g} (training)"),
        ("", f"epsilon {seen['epsilon_evaluation']:.3f} (evaluation, on other patients)"),
        ("utility, charged", _figures(utility["charged"])),
    ]
    if utility["baseline"] is not None:
        rows += [
            ("  exact (class demonstration)", _figures(utility["exact"])),
            ("  without privacy (demonstration)", _figures(utility["baseline"])),
        ]
    return [
        *rows,
        ("isolation tier of the training", seen["tier"]),
        ("certificate", "verified by a second process, epsilon computed again"),
        ("access log", f"verified, {told['log']['size']:,} entries"),
        ("time", f"{told['seconds']} s"),
        ("released model", told["release"]),
    ]


def _reasons(reasons: Mapping[str, int]) -> str:
    return f" ({_kinds(reasons)})" if reasons else ""


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {counts[kind]:,}" for kind in sorted(counts, key=lambda k: (-counts[k], k))) or "none"


def _figures(figures: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name.upper() if name == 'auc' else name} {value:.3f}" for name, value in figures.items() if value is not None
    )


def _tokens(told: Mapping[str, Any]) -> list[str]:
    return [f"Sign in with a token of {told['home']}/demo/*.token"]
