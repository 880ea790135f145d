"""What a run gets of a version: split by patient, nameless, and encrypted for that run alone."""

import hmac
from collections.abc import Iterable, Sequence

import polars as pl

from datasets.parquet import encrypt
from datasets.recipes import Features
from policies.errors import BadInput, Misuse

__all__ = ["encrypt", "prepare", "split"]

PART_BITS = 64


def split(patients: Iterable[str], key: bytes, holdout: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (train, holdout): each patient's side is a keyed hash of himself, so no other patient can move him.

    Both sides are ordered by another keyed hash.

    Args:
        patients: Pseudonyms, in any order; doubles count once.
        key: 32 bytes. The same key puts a patient on the same side in every version.
        holdout: Share of the holdout, in [0, 1).

    >>> split(["a", "b", "c"], bytes(32), 0.0)[1]
    ()
    """
    if not 0 <= holdout < 1:
        raise Misuse("the holdout's share lies from 0 to below 1")
    limit = int(holdout * 2**PART_BITS)
    train: list[str] = []
    held: list[str] = []
    for patient in sorted(set(patients), key=lambda one: _hash(key, "order", one)):
        side = int.from_bytes(_hash(key, "split", patient)[: PART_BITS // 8], "big")
        (held if side < limit else train).append(patient)
    return tuple(train), tuple(held)


def prepare(features: Features, patients: Sequence[str]) -> pl.DataFrame:
    """Return the rows of ``patients`` in the worker's form.

    Args:
        features: What a recipe gave.
        patients: One side of ``split``. Their order becomes the numbering, and ``split`` orders by a keyed hash: so
            neither pseudonyms nor the order in which records came in can be read from the numbers. A patient without
            a labelled record is left out.

    Returns:
        ``patient`` (UInt32, 0, 1, ... densely), ``f0`` to ``fn`` (Float32), the label's columns and, where the
        recipe has hospitals, ``site``; by patient.

    Raises:
        BadInput: nobody is left.
    """
    present = set(features.frame["patient"])
    order = [patient for patient in patients if patient in present]
    if not order:
        raise BadInput("no patient of this extract has a labelled record")
    numbers = pl.DataFrame({"patient": order, "_number": range(len(order))}, schema_overrides={"_number": pl.UInt32})
    return (
        features.frame.join(numbers, on="patient", how="inner", maintain_order="left")
        .sort("_number", maintain_order=True)
        .select(
            pl.col("_number").alias("patient"),
            *(pl.col(name).alias(f"f{place}") for place, name in enumerate(features.names)),
            *features.labels,
            *(["site"] if features.sited else []),
        )
    )


def _hash(key: bytes, purpose: str, patient: str) -> bytes:
    return hmac.digest(key, f"medtrain.{purpose}/1|{patient}".encode(), "sha256")
