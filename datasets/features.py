"""From canonical tables to features, by a recipe. Pure, and separately for each patient."""

import hmac
import math

import numpy as np
import polars as pl

from datasets.recipes import Feature, Features, Label, Match, Recipe, Scan, Sites, Time, Vocabulary, Where
from policies.errors import BadMapping

PATIENT, VISIT, END = "patient", "visit_occurrence_id", "visit_end_date"
DATES = {
    "visit_occurrence": "visit_start_date",
    "condition_occurrence": "condition_start_date",
    "measurement": "measurement_date",
    "observation": "observation_date",
    "drug_exposure": "drug_exposure_start_date",
    "note": "note_date",
    "image_occurrence": "image_occurrence_date",
}
"""By what rows of a table are in time; rows without a date come first, rows of one day keep their order."""

NUMBER = r"(-?\d+(?:\.\d+)?)"


def build(recipe: Recipe, scan: Scan, key: bytes) -> Features:
    """Return the features and labels of a version's tables: see ``recipes.build``."""
    keys = [PATIENT, VISIT] if recipe.record == "visit" else [PATIENT]
    tables = _tables(recipe, scan, keys)
    base = tables["visit_occurrence" if recipe.record == "visit" else "person"]
    frame = base.select(keys).unique().sort(keys)
    frame = _label(frame, recipe.label, tables, keys).drop_nulls(recipe.label.columns)
    if recipe.sites is not None:
        frame = _sited(frame, recipe.sites, tables)
    frame = _capped(frame, recipe.records_per_patient, key)
    for feature in recipe.features:
        frame = _feature(frame, feature, tables, keys)
    columns = (pl.col(name).cast(pl.Float32) for name in recipe.names)
    kind = pl.Float64 if recipe.label.kind == "number" else pl.Int64
    labels = (pl.col(name).cast(kind) for name in recipe.label.columns)
    site = ["site"] if recipe.sites is not None else []
    chosen = frame.select(PATIENT, *columns, *labels, *site)
    return Features(chosen, recipe.names, recipe.classes, recipe.label.columns, sited=bool(site))


def _tables(recipe: Recipe, scan: Scan, keys: list[str]) -> dict[str, pl.DataFrame]:
    """Return the columns that the recipe needs of each table, rows in time."""
    base = "visit_occurrence" if recipe.record == "visit" else "person"
    needed: dict[str, dict[str, None]] = {base: dict.fromkeys(keys)}
    label = recipe.label
    more = [one for one in (label.time, recipe.sites) if one is not None]
    uses: list[Label | Feature | Time | Sites] = [label, *recipe.features, *more]
    for one in uses:
        wanted = needed.setdefault(one.table, dict.fromkeys(keys if one.table != "person" else keys[:1]))
        wanted.update(dict.fromkeys(name for name, _ in one.where))
        if one.column is not None:
            wanted[one.column] = None
    if label.kind == "survival" and label.time is None:
        for table in ("visit_occurrence", label.table):
            needed.setdefault(table, dict.fromkeys(keys))[_date(table)] = None
    found = {}
    for table, wanted in needed.items():
        rows = scan(table)
        there = rows.collect_schema()
        for name in wanted:
            if name not in there:
                raise BadMapping(f"recipe {recipe.name}: the table {table} has no column {name}")
        date = [name for name in (DATES.get(table), END) if name in there]
        ordered = rows.select(*dict.fromkeys([*wanted, *date])).collect()
        found[table] = ordered.sort(date[0], nulls_last=False, maintain_order=True) if date else ordered
    return found


def _label(frame: pl.DataFrame, label: Label, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    on = _on(label.table, keys)
    rows = _rows(tables[label.table], label.where, on)
    if label.kind == "exists":
        there = rows.select(*on, pl.lit(1, pl.Int64).alias("label")).unique()
        return frame.join(there, on=on, how="left", maintain_order="left").with_columns(pl.col("label").fill_null(0))
    if label.kind == "set":
        return _set(frame, label, rows, on)
    if label.kind == "survival":
        return _survival(frame, label, tables, keys)
    if label.kind == "number":
        return frame.join(_taken(rows, label, on, "label"), on=on, how="left", maintain_order="left")
    group = _group(str(label.column), label.classes)
    found = rows.with_columns(label=group).drop_nulls("label")
    taken = found.group_by(on).agg(pl.col("label").last() if label.take == "last" else pl.col("label").first())
    return frame.join(taken, on=on, how="left", maintain_order="left")


def _set(frame: pl.DataFrame, label: Label, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Return the frame with one column for each class: 1 where a row fits it, 0 where none does."""
    text = pl.col(str(label.column)).cast(pl.String)
    fitting = [_fits(text, match).any().alias(f"label{place}") for place, (_, match) in enumerate(label.classes)]
    there = rows.group_by(on).agg(fitting)
    marks = (pl.col(name).fill_null(value=False).cast(pl.Int64) for name in label.columns)
    return frame.join(there, on=on, how="left", maintain_order="left").with_columns(*marks)


def _survival(frame: pl.DataFrame, label: Label, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    """Return the frame with the interval in which something ended, and whether that was the event."""
    time = label.time
    timed = _dated(frame, label, tables, keys) if time is None else _written(frame, label, time, tables, keys)
    days = pl.col("_days")
    past = [(days >= end).cast(pl.Int64) for end in label.intervals]
    known = days.is_not_null() & (days >= 0)
    interval = pl.when(known).then(pl.sum_horizontal(past))
    return timed.with_columns(label=interval, event=pl.col("_event").cast(pl.Int64)).drop("_days", "_event")


def _written(
    frame: pl.DataFrame, label: Label, time: Time, tables: dict[str, pl.DataFrame], keys: list[str]
) -> pl.DataFrame:
    """Return the frame with the days that a column says, and whether there is a row of the event."""
    on, at = _on(label.table, keys), _on(time.table, keys)
    there = _rows(tables[label.table], label.where, on).select(*on, _event=pl.lit(value=True)).unique()
    days = _taken(_rows(tables[time.table], time.where, at), time, at, "_days")
    found = frame.join(there, on=on, how="left", maintain_order="left").with_columns(
        pl.col("_event").fill_null(value=False)
    )
    return found.join(days, on=at, how="left", maintain_order="left")


def _dated(frame: pl.DataFrame, label: Label, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    """Return the frame with the days from the record's first one to the event, or to the patient's last visit."""
    visits, begin, date = tables["visit_occurrence"].drop_nulls(PATIENT), _date("visit_occurrence"), _date(label.table)
    lasts = pl.max_horizontal(begin, END) if END in visits.columns else pl.col(begin)
    events = _rows(tables[label.table], label.where, [PATIENT])
    frame = frame.join(
        visits.group_by(keys).agg(_start=pl.col(begin).min()), on=keys, how="left", maintain_order="left"
    )
    frame = frame.join(visits.group_by(PATIENT).agg(_last=lasts.max()), on=PATIENT, how="left", maintain_order="left")
    frame = frame.join(
        events.group_by(PATIENT).agg(_at=pl.col(date).min()), on=PATIENT, how="left", maintain_order="left"
    )
    came = pl.col("_at").is_not_null()
    days = (pl.when(came).then("_at").otherwise("_last") - pl.col("_start")).dt.total_days()
    return frame.with_columns(_days=days.cast(pl.Float64), _event=came).drop("_start", "_last", "_at")


def _date(table: str) -> str:
    if table not in DATES:
        raise BadMapping(f"label: the rows of {table} have no date to count days to")
    return DATES[table]


def _sited(frame: pl.DataFrame, sites: Sites, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the frame of the patients of a hospital, with its number: a function of each patient's own rows."""
    rows = _rows(tables[sites.table], sites.where, [PATIENT]).with_columns(site=_group(sites.column, sites.names))
    first = rows.drop_nulls("site").group_by(PATIENT, maintain_order=True).agg(pl.col("site").first())
    return frame.join(first, on=PATIENT, how="inner", maintain_order="left")


def _feature(frame: pl.DataFrame, feature: Feature, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    on = _on(feature.table, keys)
    rows = _rows(tables[feature.table], feature.where, on)
    if feature.kind == "number":
        return _number(frame, feature, rows, on)
    by_kind = {"category": _category, "sequence": _sequence, "text": _text}
    if feature.kind in by_kind:
        return by_kind[feature.kind](frame, feature, rows, on)
    counted = rows.group_by(on).agg(pl.len().cast(pl.Float64).alias(feature.name))
    frame = frame.join(counted, on=on, how="left", maintain_order="left")
    count = pl.col(feature.name).fill_null(0.0)
    value = _scaled(count, feature) if feature.kind == "count" else (count > 0).cast(pl.Float64)
    return frame.with_columns(value.alias(feature.name))


def _number(frame: pl.DataFrame, feature: Feature, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    frame = frame.join(_taken(rows, feature, on, "_value"), on=on, how="left", maintain_order="left")
    one = pl.col("_value")
    return frame.with_columns(
        _scaled(one, feature).fill_null(0.0).alias(feature.name), *_missing(feature, one.is_null())
    ).drop("_value")


def _taken(rows: pl.DataFrame, what: Feature | Label | Time, on: list[str], name: str) -> pl.DataFrame:
    """Return the one number of each record, as ``name``; records without a finite one are not there."""
    column = str(what.column)
    value = pl.col(column)
    if rows.schema[column] == pl.String:
        value = value.str.extract(NUMBER)
    known = rows.select(*on, value.cast(pl.Float64).alias(name)).filter(pl.col(name).is_finite())
    one = pl.col(name)
    take = {"last": one.last(), "first": one.first(), "max": one.max(), "min": one.min(), "mean": one.mean()}
    return known.group_by(on).agg(take[what.take])


def _sequence(frame: pl.DataFrame, feature: Feature, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Return the frame with the groups of the last rows, in time, from 1; rows of no group are left out."""
    known = rows.with_columns(_group=_group(str(feature.column), feature.vocabulary) + 1).drop_nulls("_group")
    taken = known.group_by(on, maintain_order=True).agg(_tokens=pl.col("_group").tail(feature.length))
    return _spread(frame.join(taken, on=on, how="left", maintain_order="left"), feature)


def _text(frame: pl.DataFrame, feature: Feature, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Return the frame with the first characters of the last text."""
    column = str(feature.column)
    taken = rows.drop_nulls(column).group_by(on, maintain_order=True).agg(pl.col(column).last())
    points = [
        (1 + np.frombuffer(text[: feature.length].encode("utf-32-le"), "<u4") % feature.buckets).tolist()
        for text in taken[column].cast(pl.String)
    ]
    tokens = taken.select(on).with_columns(_tokens=pl.Series(points, dtype=pl.List(pl.Int64)))
    return _spread(frame.join(tokens, on=on, how="left", maintain_order="left"), feature)


def _spread(frame: pl.DataFrame, feature: Feature) -> pl.DataFrame:
    """Return the frame with one column for each place of ``_tokens``, 0 where it is shorter."""
    places = (
        pl.col("_tokens").list.get(place, null_on_oob=True).fill_null(0).alias(name)
        for place, name in enumerate(feature.columns)
    )
    return frame.with_columns(*places).drop("_tokens")


def _category(frame: pl.DataFrame, feature: Feature, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    column = pl.col(str(feature.column))
    known = rows.filter(column.is_not_null()).with_columns(_group=_group(str(feature.column), feature.vocabulary))
    one = pl.col("_group")
    take = {"last": one.last(), "first": one.first(), "any": one.unique()}[feature.take]
    taken = known.group_by(on).agg(take, _known=pl.lit(value=True))
    frame = frame.join(taken, on=on, how="left", maintain_order="left")
    hot = [
        (one.list.contains(number) if feature.take == "any" else one == number)
        .fill_null(value=False)
        .cast(pl.Float64)
        .alias(f"{feature.name}={group}")
        for number, (group, _) in enumerate(feature.vocabulary)
    ]
    return frame.with_columns(*hot, *_missing(feature, pl.col("_known").is_null())).drop("_group", "_known")


def _missing(feature: Feature, absent: pl.Expr) -> list[pl.Expr]:
    return [absent.cast(pl.Float64).alias(f"{feature.name}:missing")] if feature.missing else []


def _scaled(value: pl.Expr, feature: Feature) -> pl.Expr:
    """Return ``value`` clipped to its bounds and mapped onto [-1, 1]."""
    low, high = feature.bounds
    share = value.clip(low, high) - low
    share = share.log1p() / math.log1p(high - low) if feature.scale == "log" else share / (high - low)
    return (2 * share - 1).clip(-1.0, 1.0)


def _group(column: str, vocabulary: Vocabulary) -> pl.Expr:
    """Return the position of the first group that the text of a column fits, or null."""
    text = pl.col(column).cast(pl.String)
    fitting = [pl.when(_fits(text, match)).then(pl.lit(number)) for number, (_, match) in enumerate(vocabulary)]
    return pl.coalesce(*fitting).cast(pl.Int64)


def _rows(rows: pl.DataFrame, where: Where, on: list[str]) -> pl.DataFrame:
    tests = [_fits(pl.col(name).cast(pl.String), match) for name, match in where]
    return rows.drop_nulls(on).filter(*tests)


def _fits(text: pl.Expr, match: Match) -> pl.Expr:
    if match.prefix:
        return pl.any_horizontal([text.str.starts_with(prefix) for prefix in match.prefix])
    return text.is_in(list(match.exact))


def _on(table: str, keys: list[str]) -> list[str]:
    return keys[:1] if table == "person" else keys


def _capped(frame: pl.DataFrame, most: int, key: bytes) -> pl.DataFrame:
    """Return at most ``most`` records of each patient: those whose keyed hash is smallest."""
    if VISIT not in frame.columns:
        return frame
    crowded = frame.filter(pl.len().over(PATIENT) > most).select(PATIENT, VISIT)
    if crowded.is_empty():
        return frame
    ranks = [
        hmac.digest(key, f"medtrain.record/1|{patient}|{visit}".encode(), "sha256") for patient, visit in crowded.rows()
    ]
    surplus = crowded.with_columns(_rank=pl.Series(ranks, dtype=pl.Binary))
    surplus = surplus.sort("_rank").filter(pl.int_range(pl.len()).over(PATIENT) >= most)
    return frame.join(surplus, on=[PATIENT, VISIT], how="anti", maintain_order="left")
