"""Note files: one file is one note."""

import polars as pl

from deid.clean.encoding import NotText, decode
from deid.mapping import Source
from deid.records import Reading, Records, Reject

SCHEMA = {"text": pl.String, "name": pl.String, "folder": pl.String, "_file": pl.UInt32, "_position": pl.UInt32}


def read(source: Source, records: Records) -> Reading:
    """Return the table ``note``, one row a file: ``text``, the file's ``name`` without ending, its ``folder``.

    Rejected: ``not-text``, ``empty-file``.
    """
    names = source.pick(records.names())
    rows: list[tuple[str, str, str, int, int]] = []
    rejects: list[Reject] = []
    for index, name in enumerate(names):
        raw = records.read(name)
        try:
            text = decode(raw, source.encoding).text
        except NotText as problem:
            rejects.append(Reject(source.name, index, 0, problem.code, raw))
            continue
        if not text.strip():
            rejects.append(Reject(source.name, index, 0, "empty-file", raw))
            continue
        folder, _, last = name.rpartition("/")
        rows.append((text.replace("\r\n", "\n"), last.rpartition(".")[0] or last, folder, index, 1))
    return Reading({"note": pl.DataFrame(rows, schema=SCHEMA, orient="row")}, tuple(rejects), len(names))
