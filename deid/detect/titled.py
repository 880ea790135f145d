"""Names before a title: 沈立群主任, 王医师."""

# a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect.cue_words import BOUND, PARTICLES, WORDLIKE
from deid.detect.grams import pairs
from deid.detect.han_name import HAN, TITLES, blocked, impossible, left_open, person
from deid.detect.lexicon import listed
from deid.detect.span import Span
from deid.detect.surnames import COMMON, COMPOUND, SURNAMES, given_weight, surname_length
from deid.detect.words import NOT_NAMES


def find(text: str) -> Iterator[Span]:
    """Yield these names, on folded text."""
    for match in TITLES.finditer(text):
        at = match.start()
        for length in (4, 3, 2):
            start = at - length
            if start >= 0 and _full(text, start, at, weak=len(match[0]) == 1):
                yield person(start, at, 0.85)
                break
        else:
            yield from _surname_only(text, at, match[0])


def _full(text: str, start: int, end: int, *, weak: bool) -> bool:
    name = text[start:end]
    length = surname_length(text, start)
    if not length or not 1 <= len(name) - length <= 2 or HAN.fullmatch(name) is None:
        return False
    given = name[length:]
    if (start == 0 or HAN.match(text[start - 1]) is None) and not weak and name[0] not in PARTICLES:
        return name not in NOT_NAMES and text[start : start + 2] not in NOT_NAMES and blocked(name) is False
    if impossible(text, start, end, length, colon=False):
        return False
    left = left_open(text, start)
    weight = (
        given_weight(given)
        + (0.25 if left else -0.15)
        + (0.1 if name[0] in COMMON else -0.05)
        + (0.3 if length == 2 else 0.0)
    )
    return weight >= (0.75 if weak else 0.34 if len(given) == 2 and left else 0.5 if len(given) == 2 else 0.45)


_SURNAME_TITLES = listed(
    """
伯 叔 哥 姐 姨 婶 嫂 工 总 爷 老
"""
)
_NEVER_FIRST = frozenset("和与及或由过让从对但被向经给在是为于以按同跟")
_NO_SURNAME = frozenset(
    "谢过班过但由权年初时母科副原任新老小大两各该本贵我你他她等位名男女的和与及或是为在有前后上下正现代首主总住院室组部区师生护医士员者人长家国外内儿妇骨心神经肿瘤麻醉急诊门一二三四五六七八九十几多全当地来去找请让给对向到从被好多个"
)


def _surname_only(text: str, at: int, title: str) -> Iterator[Span]:
    length = 2 if text[max(0, at - 2) : at] in COMPOUND else 1
    start = at - length
    if start < 0 or (length == 1 and text[start] not in SURNAMES):
        return
    rare = text[start] not in COMMON and length == 1
    plain = length == 2 or (
        text[start] in COMMON and text[start] not in WORDLIKE and text[start - 1 : start + 1] not in BOUND
    )
    open_left = (
        (plain and len(title) > 1) or left_open(text, start) or text[start - 1 : start] in ("老", "小", "阿", "大")
    )
    first = start == 0 or not "\u4e00" <= text[start - 1] <= "\u9fff"
    unseen = (
        length == 2
        or (first and len(title) > 1 and text[start] not in _NEVER_FIRST and text[start : start + 2] not in pairs())
        or (
            len(title) > 1
            and title not in ("老人", "老师", "专家", "同学", "宝宝", "同志", "秘书", "太太")
            and text[start] not in _NO_SURNAME
            and text[start - 1 : start + 1] not in pairs()
            and text[start : start + 2] not in pairs()
        )
    )
    if not unseen and (not open_left or (rare and text[start] in WORDLIKE)):
        return
    if title in _SURNAME_TITLES and (
        rare
        or not re.match(r"[,。;说来打的、:!? ]|$", text[at + len(title) : at + len(title) + 1])
        or text[start:at] in WORDLIKE
    ):
        return
    if text[start : at + 1] in NOT_NAMES or text[start : at + 2] in NOT_NAMES:
        return
    yield person(start, at, 0.85)
