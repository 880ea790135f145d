"""A full Chinese name at a place: whether a surname and a given name stand there, and where they end."""

# a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re

from deid.detect.cue_words import ALSO_GIVEN, BESIDE, BOUND, FIELD_WORD, FOLLOW, PARTICLES, TITLE, WORDLIKE
from deid.detect.grams import pairs, triples
from deid.detect.span import Span
from deid.detect.surnames import COMMON, COMPOUND, DOUBLE, STRONG, SURNAMES, given_weight, surname_length
from deid.detect.words import EPONYM_AFTER, NOT_GIVEN, NOT_NAMES

SOURCE = "cues"

HAN = re.compile("[\u4e00-\u9fff]+")
TITLES = re.compile(rf"(?:{'|'.join(sorted(TITLE.split('|'), key=lambda w: (-len(w), w)))})")
SURNAME_CLASS = "".join(sorted(SURNAMES))
COMPOUND_ANY = "|".join(sorted(COMPOUND))
SURNAME = rf"(?:{COMPOUND_ANY}|[{SURNAME_CLASS}])"
DOTTED = re.compile("[\u4e00-\u9fff]{2,8}(?:·[\u4e00-\u9fff]{1,10}){1,3}")
DEPARTMENT = re.compile(r"[科室部院病症炎癌痛瘤术药片剂酸素钠钾糖压率量度液管器腔膜骨肌脉区]$")


def person(start: int, end: int, score: float) -> Span:
    """Return the span of a name that the layer of cues found."""
    return Span(start, end, "NAME", score, SOURCE)


def name_end(text: str, at: int, *, need: float, colon: bool = False, named: bool = False) -> int | None:
    """Return where a full Chinese name that starts here ends, or None.

    Args:
        text: Folded text.
        at: Offset of the supposed surname.
        need: How much the given name must look like one, in [0, 1].
        colon: A cue with a colon stands before it: a surname and anything short up to a boundary is a name.
        named: The cue asks for a name (姓名, 签名): then it needs no known surname.
    """
    dotted = DOTTED.match(text, at)
    if dotted:
        return dotted.end()
    run = HAN.match(text, at, at + 6)
    if run is None or text[at - 1 : at + 1] in BESIDE:
        return None
    length = surname_length(text, at)
    if (
        colon
        and len(run[0]) <= 4
        and run.end() - at >= 2
        and not blocked(run[0])
        and text[run.end() : run.end() + 1] != ":"
        and (length or named)
    ):
        titled = TITLES.search(text, at + max(length, 1), run.end())
        return titled.start() if titled and titled.end() == run.end() and titled.start() - at >= 1 else run.end()
    if not length:
        return None
    if length == 1 and (title := TITLES.match(text, at + 1)) and len(title[0]) > 1:
        return None  # 郁警官: a surname and its title
    best: tuple[float, int] | None = None
    for size in (2, 1):
        end = at + length + size
        given = text[at + length : end]
        if len(given) < size or HAN.fullmatch(given) is None:
            continue
        if impossible(text, at, end, length, colon=colon):
            continue
        seam = text[end : end + 2] in pairs() and text[end - 1 : end + 1] not in pairs()
        weight = given_weight(given) + (
            0.25 if end == run.end() and end < at + 6 else 0.15 if seam or FOLLOW.match(text, end) else -0.25
        )
        weight += 0.1 if text[at] in COMMON else -0.1
        weight += 0.0 if size == 1 else 0.2 if all(c in STRONG for c in given) else 0.05
        weight += 0.3 if length == 2 else -0.25 if text[at] in WORDLIKE else 0.0
        weight += _rarity(text, at, end) if length == 1 else 0.0
        if best is None or weight > best[0]:
            best = (weight, end)
    return best[1] if best and best[0] >= need else None


def _rarity(text: str, at: int, end: int) -> float:
    """Return how little these characters, and the seam behind them, look like ordinary text: from -0.7 to 0.3."""
    known = text[at:end] in (pairs() if end - at == 2 else triples())
    if text[at] in PARTICLES or text[at - 1 : at + 1] in pairs():
        return -0.5 if known else 0.0
    unseen = text[at : at + 2] not in pairs()
    return (-0.5 if known else 0.1) + (0.15 if unseen else -0.1) - (0.15 if text[at] in WORDLIKE else 0.0)


def blocked(word: str) -> bool:
    """Return whether forms say this instead of a name, or it is a word."""
    known = word[0] in COMMON and word[0] not in WORDLIKE and word[:2] not in NOT_NAMES
    return (
        FIELD_WORD.match(word) is not None
        or (not known and DEPARTMENT.search(word) is not None)
        or (word[:2] in NOT_NAMES and word in NOT_NAMES)
    )


def impossible(text: str, at: int, end: int, length: int, *, colon: bool) -> bool:
    """Return whether these characters, with a surname so long, cannot be a name here."""
    name = text[at:end]
    if at and not colon and text[at - 1 : at + 1] in BOUND:
        return True
    if name in NOT_NAMES or (
        not colon
        and length == 1
        and (text[at : at + 2] in NOT_NAMES or text[at : at + 3] in NOT_NAMES or text[at : at + 4] in NOT_NAMES)
    ):
        return True
    given = name[length:]
    if given in DOUBLE:
        return False
    if any(c in NOT_GIVEN and c not in ALSO_GIVEN for c in given):
        return not (
            len(given) == 2
            and length == 1
            and name[0] in COMMON
            and name[0] not in WORDLIKE
            and any(c in STRONG and c not in NOT_GIVEN for c in given)
            and given not in pairs()
            and name not in triples()
            and name[:2] not in pairs()
        )
    return (
        len(given) == 1
        and text.startswith(EPONYM_AFTER, end)
        and not text.startswith(("术者", "点评", "线上", "法官"), end)
    )


_LEFT = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|经|由|请|与|和|及|同|跟|向|遵|给|让|找|示|科|院|见|日|班|今|昨|随|后|予|是|据|按|者|人|属|叫|嘱|的|在|到|请示|代|按照|长|师|生|士|任|家|位|为|对|被|据|约|挂|问|联系|感谢|谢谢|陪|看|查|下|如|上|时|室|区|组|部)$"
)


def left_open(text: str, start: int) -> bool:
    """Return whether a name may begin here as far as the characters before it tell."""
    return _LEFT.search(text, max(0, start - 3), start) is not None
