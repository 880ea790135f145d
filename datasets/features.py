"""From canonical tables to features, by a recipe. Pure, and separately for each patient."""

import hmac
import math

import polars as pl

from datasets.recipes import Feature, Features, Label, Match, Recipe, Scan, Vocabulary, Where
from policies.errors import BadMapping

PATIENT, VISIT = "patient", "visit_occurrence_id"
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
    frame = _label(frame, recipe.label, tables, keys).drop_nulls("label")
    frame = _capped(frame, recipe.records_per_patient, key)
    for feature in recipe.features:
        frame = _feature(frame, feature, tables, keys)
    columns = (pl.col(name).cast(pl.Float32) for name in recipe.names)
    return Features(frame.select(PATIENT, *columns, pl.col("label").cast(pl.Int64)), recipe.names, recipe.classes)


def _tables(recipe: Recipe, scan: Scan, keys: list[str]) -> dict[str, pl.DataFrame]:
    """Return the columns that the recipe needs of each table, rows in time."""
    base = "visit_occurrence" if recipe.record == "visit" else "person"
    needed: dict[str, dict[str, None]] = {base: dict.fromkeys(keys)}
    uses: tuple[Label | Feature, ...] = (recipe.label, *recipe.features)
    for one in uses:
        wanted = needed.setdefault(one.table, dict.fromkeys(keys if one.table != "person" else keys[:1]))
        wanted.update(dict.fromkeys(name for name, _ in one.where))
        if one.column is not None:
            wanted[one.column] = None
    found = {}
    for table, wanted in needed.items():
        rows = scan(table)
        there = rows.collect_schema()
        for name in wanted:
            if name not in there:
                raise BadMapping(f"recipe {recipe.name}: the table {table} has no column {name}")
        date = [DATES[table]] if DATES.get(table) in there else []
        ordered = rows.select(*dict.fromkeys([*wanted, *date])).collect()
        found[table] = ordered.sort(date, nulls_last=False, maintain_order=True) if date else ordered
    return found


def _label(frame: pl.DataFrame, label: Label, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    on = _on(label.table, keys)
    rows = _rows(tables[label.table], label.where, on)
    if label.kind == "exists":
        there = rows.select(*on, pl.lit(1, pl.Int64).alias("label")).unique()
        return frame.join(there, on=on, how="left", maintain_order="left").with_columns(pl.col("label").fill_null(0))
    group = _group(str(label.column), label.classes)
    found = rows.with_columns(label=group).drop_nulls("label")
    taken = found.group_by(on).agg(pl.col("label").last() if label.take == "last" else pl.col("label").first())
    return frame.join(taken, on=on, how="left", maintain_order="left")


def _feature(frame: pl.DataFrame, feature: Feature, tables: dict[str, pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    on = _on(feature.table, keys)
    rows = _rows(tables[feature.table], feature.where, on)
    if feature.kind == "number":
        return _number(frame, feature, rows, on)
    if feature.kind == "category":
        return _category(frame, feature, rows, on)
    counted = rows.group_by(on).agg(pl.len().cast(pl.Float64).alias(feature.name))
    frame = frame.join(counted, on=on, how="left", maintain_order="left")
    count = pl.col(feature.name).fill_null(0.0)
    value = _scaled(count, feature) if feature.kind == "count" else (count > 0).cast(pl.Float64)
    return frame.with_columns(value.alias(feature.name))


def _number(frame: pl.DataFrame, feature: Feature, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    value = pl.col(str(feature.column))
    if rows.schema[str(feature.column)] == pl.String:
        value = value.str.extract(NUMBER)
    value = value.cast(pl.Float64)
    known = rows.select(*on, value.alias("_value")).filter(pl.col("_value").is_finite())
    one = pl.col("_value")
    take = {"last": one.last(), "first": one.first(), "max": one.max(), "min": one.min(), "mean": one.mean()}
    taken = known.group_by(on).agg(take[feature.take])
    frame = frame.join(taken, on=on, how="left", maintain_order="left")
    return frame.with_columns(
        _scaled(one, feature).fill_null(0.0).alias(feature.name), *_missing(feature, one.is_null())
    ).drop("_value")


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
