"""Images: their headers cleared of identifiers; an image that cannot be cleared with confidence is quarantined."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from deid.intake import Intake
from deid.step import rejects
from deid.transform.dicom import ImageRefused, deidentify
from deid.transform.dicom_options import Options


@dataclass(frozen=True, slots=True)
class ClearHeaders:
    """Rewrite ``image.bytes`` (base64); refused images are quarantined with the refusal's code.

    Attributes:
        pseudonym, shift_days: From a patient's key.
        uid_key: For the new identifiers of studies, series and instances.
        options: What the profile asks for beyond the Basic Profile.
    """

    pseudonym: Callable[[str], str] = field(repr=False)
    shift_days: Callable[[str], int] = field(repr=False)
    uid_key: bytes = field(repr=False)
    options: Options
    name: str = "image-headers"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        cleared: list[str | None] = []
        reasons: list[str | None] = []
        for raw, patient in table.select("image.bytes", "patient").iter_rows():
            content, reason = self._one(raw, patient)
            cleared.append(content)
            reasons.append(reason)
        bad = table.select("_row").with_columns(pl.Series("reason", reasons, pl.String)).drop_nulls("reason")
        after = table.with_columns(pl.Series("image.bytes", cleared, pl.String), pl.lit(value=False).alias("_repair"))
        return after, rejects(bad)

    def _one(self, raw: str | None, patient: str) -> tuple[str | None, str | None]:
        if raw is None:
            return None, "empty-image"
        try:
            clear = deidentify(
                base64.b64decode(raw),
                pseudonym=self.pseudonym(patient),
                shift_days=self.shift_days(patient),
                uid_key=self.uid_key,
                options=self.options,
            )
        except ImageRefused as problem:
            return None, problem.code
        return base64.b64encode(clear).decode(), None


def clear_images(
    intake: Intake, pseudonym: Callable[[str], str], shift_days: Callable[[str], int], uid_key: bytes, options: Options
) -> None:
    """Clear the images of every batch that has some."""
    for batch in intake.batches:
        if "image.bytes" in batch.slots.columns:
            intake.rejects += batch.run(ClearHeaders(pseudonym, shift_days, uid_key, options))
