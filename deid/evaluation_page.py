"""What a detector missed, as a page for people who may see the notes: it holds their text.

Gold notes of the project are invented; a hospital's own are not. The page is written readable for its owner alone.
"""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from deid.detect import Detector, Span, detector
from deid.evaluate import Gold, evaluate

_STYLE = (
    "body{font:16px/1.6 system-ui,'Noto Sans CJK SC',sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}caption{text-align:left;color:#555}"
    "mark{background:#ffd2cc;border-bottom:2px solid #b3261e}ins{background:#e8f0d8;text-decoration:none}"
    "s{background:#eee;text-decoration:none;border-bottom:2px dotted #666}pre{white-space:pre-wrap;font:inherit}"
)


def page(notes: Sequence[Gold], engine: Detector | None = None) -> str:
    """Return a page with the scores and every note in which something leaked or was covered without need.

    What leaked is in ``mark``, what was rightly covered in ``ins``, what was covered without need in ``s``. Without
    scripts or anything to load.
    """
    engine = engine or detector()
    scores = evaluate(notes, engine)
    found = engine.find_all([note.text for note in notes])
    parts = [_note(note, spans) for note, spans in zip(notes, found, strict=True)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Missed spans 漏检</title><style>{_STYLE}</style></head><body>"
        '<h1>Missed spans <span lang="zh">漏检与误检</span></h1><p><strong>Holds text of notes: only for '
        'people who may see them. <span lang="zh">含病历原文，仅供有权查看者。</span></strong></p>'
        f"{_figures(scores)}{_genres(scores['genres'])}{''.join(parts)}</body></html>"
    )


def write(path: Path, notes: Sequence[Gold], engine: Detector | None = None) -> None:
    """Write the page, readable for its owner alone."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(page(notes, engine))
    path.chmod(0o600)


def _figures(scores: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td>{_percent(scores[name])}</td>"
        f"<td>{_range(scores[f'{name}_bounds'])}</td></tr>"
        for name in ("phi_char_leak", "notes_fully_covered", "over_redaction")
    )
    return f"<table><caption>{scores['notes']} notes, 95 % bounds</caption>{rows}</table>"


def _genres(genres: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(name or '-')}</th><td>{one['notes']}</td>"
        f"<td>{_percent(one['phi_char_leak'])}</td><td>{_percent(one['over_redaction'])}</td></tr>"
        for name, one in genres.items()
    )
    head = "<tr><th>genre</th><th>notes</th><th>leak</th><th>over-redaction</th></tr>"
    return f"<table><caption>By kind of note</caption>{head}{rows}</table>"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f} %"


def _range(bounds: Sequence[float] | None) -> str:
    return "-" if bounds is None else f"{100 * bounds[0]:.2f} - {100 * bounds[1]:.2f} %"


def _note(note: Gold, spans: Sequence[Span]) -> str:
    kinds = [""] * len(note.text)
    for span in spans:
        kinds[span.start : span.end] = ["s"] * (span.end - span.start)
    for start, end, _ in (*note.neutral, *(note.spans[n] for n in note.optional)):
        kinds[start:end] = ["ins" if kind else "" for kind in kinds[start:end]]
    required = [span for n, span in enumerate(note.spans) if n not in note.optional]
    for start, end, _ in required:
        kinds[start:end] = ["ins" if kind else "mark" for kind in kinds[start:end]]
    if not {"mark", "s"} & set(kinds):
        return ""
    labels = sorted({label for start, end, label in required if "mark" in kinds[start:end]})
    missed = f" · missed: {', '.join(labels)}" if labels else ""
    return f"<h2>{escape(note.id)} · {escape(note.genre)}{missed}</h2><pre>{_marked(note.text, kinds)}</pre>"


def _marked(text: str, kinds: Sequence[str]) -> str:
    out, at = [], 0
    for n in range(1, len(text) + 1):
        if n == len(text) or kinds[n] != kinds[at]:
            piece = escape(text[at:n])
            out.append(f"<{kinds[at]}>{piece}</{kinds[at]}>" if kinds[at] else piece)
            at = n
    return "".join(out)
