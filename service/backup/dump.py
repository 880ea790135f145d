"""The database as one encrypted file, the same for both databases: tables in order, each row a line of JSON.

Entries without a place in the log yet are left out, for the witnessed log brings them back, and so are requests' keys.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from datasets.vault import CHUNK_BYTES, open_chunks, seal_chunks
from policies.errors import Tampered
from service.database import READ_ONLY
from service.models import Base
from service.models_governance import ChangesRow
from service.models_log import EntryRow, HeadRow, PendingRow, PositionRow

LABEL = "medtrain.backup/1"
SKIPPED = frozenset({PendingRow.__tablename__, ChangesRow.__tablename__, "idempotency_keys"})
ROWS = 500


def sealed(database: sa.Engine, key: bytes) -> Iterator[bytes]:
    """Yield the encrypted dump of one moment of the database."""
    yield from seal_chunks(_whole(_compressed(_lines(database))), key, LABEL)


def load(database: sa.Engine, raw: bytes, key: bytes) -> None:
    """Write a dump into a database that holds the schema and nothing else, in one transaction.

    Raises:
        Tampered: it is not a whole dump under this key.
    """
    lines = zlib.decompress(b"".join(open_chunks(raw, key, LABEL))).splitlines()
    if not lines or lines[-1] != b"end":
        raise Tampered("the backup of the database is cut short")
    with database.begin() as connection:
        waiting: list[dict[str, Any]] = []
        table: sa.Table | None = None
        for line in lines[:-1]:
            name, row = json.loads(line)
            if table is None or name != table.name or len(waiting) == ROWS:
                _write(connection, table, waiting)
                table, waiting = Base.metadata.tables[name], []
            waiting.append({column: _value(table.c[column], value) for column, value in row.items()})
        _write(connection, table, waiting)
        placed = sa.select(PositionRow.entry)
        connection.execute(sa.delete(PendingRow).where(PendingRow.entry.in_(placed)))
        if connection.dialect.name == "postgresql":
            connection.execute(
                sa.text("select setval(pg_get_serial_sequence('entries', 'id'), coalesce(max(id), 1)) from entries")
            )


def _lines(database: sa.Engine) -> Iterator[bytes]:
    snapshot = {"isolation_level": "REPEATABLE READ"} if database.dialect.name == "postgresql" else {READ_ONLY: True}
    with database.connect().execution_options(**snapshot) as connection:
        for table in Base.metadata.sorted_tables:
            if table.name in SKIPPED:
                continue
            query = sa.select(table)
            if table.name == EntryRow.__tablename__:
                query = query.where(table.c.id.in_(sa.select(PositionRow.entry)))
            for row in connection.execute(query).mappings():
                said = {name: _text(value) for name, value in row.items()}
                yield json.dumps([table.name, said], ensure_ascii=False).encode() + b"\n"
    yield b"end"


def _write(connection: sa.Connection, table: sa.Table | None, rows: list[dict[str, Any]]) -> None:
    if table is None or not rows:
        return
    if table.name == HeadRow.__tablename__:
        connection.execute(sa.update(table), rows[0])
    else:
        connection.execute(sa.insert(table), rows)


def _text(value: Any) -> Any:
    return {"bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value(column: sa.Column[Any], value: Any) -> Any:
    if isinstance(column.type, sa.LargeBinary) and value is not None:
        return base64.b64decode(value["bytes"])
    if isinstance(column.type, sa.Enum) and value is not None:
        return column.type.enum_class(value) if column.type.enum_class else value
    return value


def _compressed(lines: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(6)
    for line in lines:
        yield packer.compress(line)
    yield packer.flush()


def _whole(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    yield bytes(held)
