"""Generalisation: places to a level, ages to bands with the old pooled, rare values to ``other``."""

import re

import polars as pl

from deid.policy import Place

OTHER = "other"
_SPLIT = re.compile(
    r"^(?:中国)?"
    r"(?P<province>(?:北京|上海|天津|重庆)市|[一-鿿]{2,7}?(?:省|自治区|特别行政区))?"
    r"(?P<city>(?!.{0,3}市辖区)[一-鿿]{2,8}?(?:市|自治州|地区|盟))?"
    r"(?P<district>[一-鿿]{1,7}?(?:新区|区|县|旗|市))?"
)
_DEPTH: dict[Place, int] = {"province": 1, "city": 2, "district": 3}
SEXES = {"male": 8507, "female": 8532}
_SEX_WORDS = {
    "male": ("male", "m", "1", "男", "男性"),
    "female": ("female", "f", "2", "女", "女性"),
}


def region(address: str, place: Place) -> str | None:
    """Return the administrative part of an address, no finer than ``place``.

    >>> region("上海市徐汇区云锦桥路101弄2号", "district"), region("江苏省南京市鼓楼区某路1号", "city")
    ('上海市徐汇区', '江苏省南京市')
    >>> region("云锦桥路101弄", "district") is None
    True
    """
    found = _SPLIT.match(re.sub(r"\s+", "", address))
    assert found is not None
    parts = [found[name] or "" for name in ("province", "city", "district")]
    return "".join(parts[: _DEPTH[place]]) or None


def sex(word: str | None) -> str | None:
    """Return ``male`` or ``female`` for the usual words and for GB/T 2261.1, else None.

    >>> sex("男"), sex("F"), sex("0")
    ('male', 'female', None)
    """
    folded = (word or "").strip().lower()
    return next((name for name, words in _SEX_WORDS.items() if folded in words), None)


def age_years(text: str | None) -> int | None:
    """Return the lowest age a text means, in years: ``[70-80)``, ``45岁`` and ``45`` are taken; months are 0.

    >>> age_years("[70-80)"), age_years("8月"), age_years("> 89")
    (70, 0, 90)
    """
    found = re.search(r"(>)?\s*(\d{1,3})", text or "")
    if found is None:
        return None
    if re.search(r"[月天日]", text or "") and "岁" not in (text or ""):
        return 0
    return int(found[2]) + bool(found[1])


def age_width(text: str | None) -> int:
    """Return how many years wide the age in a text is: 10 for ``[70-80)``, 1 for ``45岁``.

    >>> age_width("[70-80)"), age_width("70-79"), age_width("45岁")
    (10, 10, 1)
    """
    found = re.search(r"(\d{1,3})\s*[-~–]\s*(\d{1,3})(\))?", text or "")
    return 1 if found is None else max(int(found[2]) - int(found[1]) + (found[3] is None), 1)


def age_band(age: int | None, step: int, top: int) -> str | None:
    """Return the band of an age; above ``top`` all are one band.

    >>> age_band(47, 5, 89), age_band(47, 1, 89), age_band(93, 5, 89), age_band(88, 10, 89)
    ('45-49', '47', '>=90', '80-89')
    """
    if age is None:
        return None
    if age > top:
        return f">={top + 1}"
    low = age // step * step
    return str(low) if step == 1 else f"{low}-{min(low + step - 1, top)}"


def holders(frame: pl.DataFrame, value: str, by: tuple[str, ...]) -> pl.DataFrame:
    """Return ``by``, ``value`` and ``_holders``: how many patients (column ``patient``) hold it, for each of ``by``."""
    return frame.group_by(*by, value).agg(pl.col("patient").n_unique().alias("_holders"))


def pooled(
    frame: pl.DataFrame, value: str, by: tuple[str, ...], held: pl.DataFrame, fewest: int
) -> tuple[pl.DataFrame, int]:
    """Return the frame with values that fewer than ``fewest`` patients hold replaced by ``other``, and how many cells.

    Args:
        held: As ``holders`` gives it, perhaps over more patients than those of the frame.
    """
    found = frame.join(held, on=[*by, value], how="left", nulls_equal=True, maintain_order="left")
    rare = pl.col(value).is_not_null() & (pl.col("_holders") < fewest)
    cells = int(found.select(rare.sum()).item())
    return found.with_columns(pl.when(rare).then(pl.lit(OTHER)).otherwise(value).alias(value)).drop("_holders"), cells
