"""What is known once is hidden everywhere: the patient's own identifiers, and names another layer found in the same note."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator, Sequence

from deid.detect.folding import fold
from deid.detect.lexicon import listed
from deid.detect.span import Span
from deid.detect.surnames import COMPOUND, SURNAMES, given_weight
from deid.detect.words import NOT_NAMES

NAME = "propagation"

_FILLER = re.compile(r"[\s\-_.,·/()#*+]")
_HAN_NAME = re.compile("[\u4e00-\u9fff]{2,4}")
_TITLE = re.compile(
    r"副?主任|主治|医师|医生|教授|大夫|护士|护士长|院长|先生|女士|老师|阿姨|同志|师傅|老伯|奶奶|爷爷|叔叔|总|工|老(?![年人])|氏(?=[一-龥]*[称诉])|某|小姐|太太|婆婆|大爷|大妈"
)
_NUMBER_LABELS = listed(
    """
ACCOUNT BANK DEVICE ID_CARD INSURANCE MRN PASSPORT PHONE PLATE
"""
)
_SPOKEN = str.maketrans("0123456789", "零一二三四五六七八九")
_COMMON_GIVEN = listed(
    """
一般 东升 东方 云南 健康 元旦 光明 向前 向阳 和平 国家 国庆 大海 天明 太平 安静 家庭 富贵 平安 建议 建设 志愿
思维 成功 敏捷 文化 文明 新生 明显 春天 晓得 晨起 智慧 正常 永久 海南 海平 海洋 清醒 立春 立秋 诚信 长春 长江
阳光 高兴
"""
)


def find(text: str, found: Sequence[Span], known: Sequence[tuple[str, str]]) -> Iterator[Span]:
    """Yield every place where a known identifier, or a name found elsewhere in the text, stands again.

    Args:
        text: Folded text.
        found: What the other layers found in it.
        known: The patient's own identifiers, (value, label).
    """
    wanted = {(fold(value).text.strip(), label) for value, label in known}
    names = {text[s.start : s.end] for s in found if s.label == "NAME" and s.score >= 0.7}
    names |= {value for value, label in wanted if label == "NAME"}
    for name in sorted(names):
        yield from _name(text, name, certain=(name, "NAME") in wanted)
    if wanted:
        yield from _values(text, sorted(wanted))


def _name(text: str, name: str, *, certain: bool) -> Iterator[Span]:
    if _HAN_NAME.fullmatch(name) and "某" not in name:
        yield from _literal(text, name, 0.9)
        surname = name[:2] if name[:2] in COMPOUND and len(name) > 2 else name[:1]
        given = name[len(surname) :]
        if surname in text and (surname[0] in SURNAMES or certain):
            for match in re.finditer(
                rf"(?:[老小阿大]{re.escape(surname)}(?![年人家师高便时])|{re.escape(surname)}(?={_TITLE.pattern}))",
                text,
            ):
                yield Span(match.start(), match.end(), "NAME", 0.8, NAME)
        if all(character in text for character in name):  # to compile an expression costs more than to look
            spaced = r"[ \n·_-]{0,3}".join(map(re.escape, name))
            for match in re.finditer(spaced, text):
                yield Span(match.start(), match.end(), "NAME", 0.9, NAME)
        if (
            len(given) == 2
            and (certain or given_weight(given) >= 0.8)
            and given not in _COMMON_GIVEN
            and given not in NOT_NAMES
        ):
            yield from _literal(text, given, 0.7)
        if certain and given and (surname in text or given[-1] in text):
            for match in re.finditer(
                rf"{re.escape(surname)}(?:某某?|[*xX×]{{1,2}})|(?:阿|小|老){re.escape(given[-1])}(?=[,。;、 说的])",
                text,
            ):
                yield Span(match.start(), match.end(), "NAME", 0.8, NAME)
    elif "·" in name:
        for part in [name, *name.split("·")]:
            if len(part) >= 2:
                yield from _literal(text, part, 0.8)
    elif re.fullmatch(r"[A-Za-z][A-Za-z .,'-]+", name):
        cased = text.casefold()
        for part in {name, *re.split(r"[ ,]+", name)}:
            bare = part.strip(".,")
            if len(bare) >= 3 and bare.casefold() in cased:
                for match in re.finditer(
                    rf"(?<![A-Za-z]){re.escape(bare)}(?![A-Za-z])", text, re.IGNORECASE if certain else 0
                ):
                    if match[0][0].isupper() or certain:
                        yield Span(match.start(), match.end(), "NAME", 0.7, NAME)


def _literal(text: str, value: str, score: float, label: str = "NAME") -> Iterator[Span]:
    at = text.find(value)
    while at >= 0:
        yield Span(at, at + len(value), label, score, NAME)
        at = text.find(value, at + 1)


def _values(text: str, wanted: Sequence[tuple[str, str]]) -> Iterator[Span]:
    """Find values however they are spaced, dashed or cased: both sides are compared without fillers."""
    kept = [n for n, c in enumerate(text) if not _FILLER.match(c)]
    dense = "".join(text[n] for n in kept)
    lower = dense.casefold()
    if len(lower) != len(dense):  # a few characters grow when folded; then case counts
        lower = dense
    for value, label in wanted:
        needle = _FILLER.sub("", value).casefold()
        if len(needle) < 2 or (needle.isdigit() and len(needle) < 5):
            continue
        for form in {needle, needle.translate(_SPOKEN) if needle.isdigit() else needle}:
            at = lower.find(form)
            while at >= 0:
                end = at + len(form)
                if _whole(lower, at, end, form):
                    yield Span(kept[at], kept[end - 1] + 1, label, 0.95, NAME)
                at = lower.find(form, at + 1)
        if label in _NUMBER_LABELS and len(needle) >= 7:
            yield from _tail(text, needle, label)


def _whole(dense: str, at: int, end: int, form: str) -> bool:
    """A short number inside a longer one is another number; from eight digits on it is a leak wherever it stands."""
    if len(form) >= 8 or not form[0].isascii():
        return True
    before, after = dense[at - 1 : at], dense[end : end + 1]
    if form.isdigit():
        return not before.isdigit() and not after.isdigit()
    return not (before.isascii() and before.isalnum()) and not (after.isascii() and after.isalnum())


def _tail(text: str, needle: str, label: str) -> Iterator[Span]:
    if needle[-4:] not in text.casefold():
        return
    for match in re.finditer(rf"(?<![0-9A-Za-z]){re.escape(needle[-4:])}(?![0-9A-Za-z])", text, re.IGNORECASE):
        if re.search(
            r"(?:尾号|末四位|后四位|后4位|ending in|last four|last 4)[^0-9]{0,6}$",
            text[max(0, match.start() - 16) : match.start()],
        ):
            yield Span(match.start(), match.end(), label, 0.8, NAME)
