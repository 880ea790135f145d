"""What a command prints: the result on standard output, words and progress on standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def show(result: Any, *, as_json: bool) -> None:
    """Print one JSON object with ``--json``, else lines a person can read."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    elif isinstance(result, Mapping):
        sys.stdout.write(_pairs(result))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in result))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Return aligned lines, a heading first; wide (Chinese) characters count double.

    >>> table([{"id": "a", "state": "received"}], ["id", "state"])
    ['id  state', 'a   received']
    """
    cells = [list(columns)] + [[_text(row.get(c)) for c in columns] for row in rows]
    widths = [max(_width(line[i]) for line in cells) for i in range(len(columns))]
    return [
        "  ".join(cell + " " * (w - _width(cell)) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def say(words: str) -> None:
    """Print words that are not the result."""
    sys.stderr.write(words + "\n")


def _pairs(result: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in result.items():
        if isinstance(value, Mapping) and value:
            lines.append(f"{indent}{key}:\n{_pairs(value, indent + '  ')}")
        else:
            lines.append(f"{indent}{key}: {_text(value)}\n")
    return "".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(v) for v in value) or "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _width(text: str) -> int:
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)
