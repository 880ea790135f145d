"""Entities: the cleaned slots of all sources, gathered into one frame for each kind of thing, still with raw values.

Columns of a frame are the fields of the mapping's targets, plus ``patient`` (the linkage's key, never published),
``hospital``, ``visit_id``, ``order``, and for codes ``system`` and ``version``.
"""

import polars as pl

from deid.intake import Batch
from deid.mapping import TARGETS, Column, Table
from deid.slots import kept, slot

EXTRA = {
    "measurement": ("value_source", "unit_source", "operator", "loinc"),
    "observation": ("number",),
    "condition": ("status",),
}
DATE_OF = {"condition": "date", "measurement": "date", "observation": "date", "note": "date", "image": "date"}
DATE_OF |= {"drug": "start"}
MAIN = {
    "visit": ("id",),
    "condition": ("code", "name"),
    "measurement": ("value", "value_source"),
    "observation": ("value",),
    "drug": ("code", "name"),
    "note": ("text",),
    "image": ("bytes",),
}
PERSON = ("birth_date", "sex", "age", "race", "address")
COMMON = {"patient": pl.String, "hospital": pl.String, "visit_id": pl.String, "order": pl.Float64}
CODED = {"system": pl.String, "version": pl.String, "item": pl.String}


def schema(entity: str) -> dict[str, type[pl.DataType]]:
    """Return the columns of an entity's frame."""
    fields = PERSON if entity == "person" else (*sorted(TARGETS[entity]), *EXTRA.get(entity, ()))
    return COMMON | CODED | dict.fromkeys(fields, pl.String)


def gather(batches: list[Batch]) -> dict[str, pl.DataFrame]:
    """Return one frame for each entity, rows in the order of sources, files and positions."""
    parts: dict[str, list[pl.DataFrame]] = {entity: [] for entity in TARGETS}
    for batch in batches:
        columns = kept(batch.table)
        groups = sorted({(c.entity, "" if c.entity == "person" else c.group) for c in columns})
        for entity, group in groups:
            mine = [c for c in columns if c.entity == entity and (entity == "person" or c.group == group)]
            if entity == "visit" and not any(c.field == "id" and c.pattern is None for c in mine):
                continue
            parts[entity].append(_rows(batch, entity, group, mine))
    return {e: pl.concat(found) if found else pl.DataFrame(schema=schema(e)) for e, found in parts.items()}


def _rows(batch: Batch, entity: str, group: str, columns: list[Column]) -> pl.DataFrame:
    slots = batch.slots
    wanted = schema(entity)
    ending = f"#{group}" if group else ""
    taken = {c.field: pl.col(slot(c)) for c in reversed(columns) if c.field in wanted}
    taken |= {name: pl.col(f"{entity}.{name}{ending}") for name in EXTRA.get(entity, ())
              if f"{entity}.{name}{ending}" in slots.columns}  # fmt: skip
    spec = next((c for c in columns if c.field in {"code", "value"}), columns[0])
    constants = {"system": spec.system, "version": spec.version, "item": spec.item}
    if entity == "observation" and spec.kind == "number":
        taken["number"] = pl.col(slot(spec))
    if entity == "condition":
        constants["status"] = group or None
    date = DATE_OF.get(entity)
    if date is not None and "visit.start" in slots.columns:
        start = pl.col("visit.start")
        taken[date] = pl.coalesce(taken[date], start) if date in taken else start
    taken |= {name: pl.lit(value, pl.String) for name, value in constants.items()}
    taken["patient"] = pl.col("patient")
    taken["hospital"] = pl.lit(batch.source.hospital)
    taken["visit_id"] = pl.col("visit.id") if "visit.id" in slots.columns else pl.lit(None, pl.String)
    taken["order"] = _order(batch.table)
    cells = [taken.get(name, pl.lit(None, kind)).cast(kind).alias(name) for name, kind in wanted.items()]
    found = slots.select(cells)
    main = MAIN.get(entity)
    return found.filter(pl.any_horizontal(pl.col(main).is_not_null())) if main else found


def _order(table: Table) -> pl.Expr:
    """Return what stands in for time: the first order column as a number."""
    named = [slot(c) for name in table.order for c in kept(table) if c.name == name]
    return pl.col(named[0]).cast(pl.Float64, strict=False) if named else pl.lit(None, pl.Float64)
