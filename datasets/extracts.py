"""What a run gets of a version: split by patient, nameless, and encrypted for that run alone."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from datasets import parquet
from datasets.recipes import Features
from policies.errors import BadInput, Misuse

PART_BITS = 64


@dataclass(frozen=True, slots=True)
class Extract:
    """One part of a run's data, as the worker sees it, and who is in it, as only the service sees it.

    Attributes:
        frame: ``patient`` (UInt32, 0, 1, ... densely), ``f0`` to ``fn`` (Float32), ``label`` (Int64); by patient.
        patients: The pseudonym of each number.
    """

    frame: pl.DataFrame
    patients: tuple[str, ...]


def split(patients: Iterable[str], key: bytes, holdout: float) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (train, holdout): each patient's side is a keyed hash of himself, so no other patient can move him.

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
    for patient in _shuffled(patients, key):
        side = int.from_bytes(_hash(key, "split", patient)[: PART_BITS // 8], "big")
        (held if side < limit else train).append(patient)
    return tuple(train), tuple(held)


def prepare(features: Features, patients: Iterable[str], key: bytes) -> Extract:
    """Return the rows of ``patients`` in the worker's form.

    Numbers follow a keyed hash of the pseudonyms: neither the order in which records came in nor the pseudonyms can
    be read from them. A patient without a labelled record is left out.

    Raises:
        BadInput: nobody is left.
    """
    present = set(features.frame["patient"])
    order = tuple(patient for patient in _shuffled(patients, key) if patient in present)
    if not order:
        raise BadInput("no patient of this extract has a labelled record")
    numbers = pl.DataFrame({"patient": order, "_number": range(len(order))}, schema_overrides={"_number": pl.UInt32})
    frame = (
        features.frame.join(numbers, on="patient", how="inner", maintain_order="left")
        .sort("_number", maintain_order=True)
        .select(
            pl.col("_number").alias("patient"),
            *(pl.col(name).alias(f"f{place}") for place, name in enumerate(features.names)),
            "label",
        )
    )
    return Extract(frame, order)


def seal(extract: Extract, key: bytes, run: str, part: str) -> bytes:
    """Return the encrypted Parquet file of one part of a run.

    Args:
        extract: The rows.
        key: 32 bytes; the worker gets it on its standard input.
        run: The run's id.
        part: ``"train"`` or ``"holdout"``.
    """
    return parquet.encrypt(extract.frame, key, f"run/{run}/{part}")


def _shuffled(patients: Iterable[str], key: bytes) -> list[str]:
    return sorted(set(patients), key=lambda patient: _hash(key, "order", patient))


def _hash(key: bytes, purpose: str, patient: str) -> bytes:
    return hmac.digest(key, f"medtrain.{purpose}/1|{patient}".encode(), "sha256")
