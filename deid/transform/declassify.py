"""Declassification: documents with a mark of state secrecy are refused at intake and isolated.

They come back only with the originator's declassification reference. A mark stands alone at the head of a document,
or after the word 密级; the same words in running text are no mark. Source: GB/T 9704-2012, 7.2.2 and 7.2.3.
"""

import re
from dataclasses import dataclass

import polars as pl

from deid.step import no_rejects, rejects

HEAD_CHARACTERS = 400
_DEGREE = r"(?:绝\s*密|机\s*密|秘\s*密)"
_TERM = r"(?:\s*[★☆*]\s*(?:长期|[0-9０-９一二三四五六七八九十]+\s*(?:年|个?月)|解密前)?)?"
MARK = re.compile(
    rf"(?m)^[\s　【〔\[(（《]*{_DEGREE}{_TERM}[\s　】〕\])）》]*(?:文件|资料|级)?[\s　]*$|密\s*级\s*[::：]\s*{_DEGREE}"
)


@dataclass(frozen=True, slots=True)
class RefuseClassified:
    """Quarantine rows whose free text bears a mark of secrecy in its head: ``classified``."""

    columns: tuple[str, ...]
    name: str = "declassification"

    def apply(self, table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        refused = no_rejects()
        for column in self.columns:
            marked = [text is not None and is_classified(text) for text in table[column]]
            refused = refused.vstack(rejects(table.filter(pl.Series(marked, dtype=pl.Boolean)), "classified"))
        return table, refused


def is_classified(text: str) -> bool:
    r"""Return whether a document's head bears a mark.

    >>> is_classified("机密★5年\n某部门诊记录"), is_classified("患者要求为其保守秘密")
    (True, False)
    """
    return MARK.search(text[:HEAD_CHARACTERS]) is not None
