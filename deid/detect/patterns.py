"""Identifiers with a shape of their own: numbers with checksums, telephone numbers, plates, network addresses.

Works on folded text. Numbers that only their cue gives away (住院号, MRN) are in ``labelled``.
"""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deid.detect import labelled, windows
from deid.detect.checksums import has_resident_shape, is_credit_code, is_nhs_number, is_resident_id, luhn
from deid.detect.span import Span

NAME = "patterns"

_CHINESE_DIGITS = str.maketrans("零〇一幺二两三四五六七八九洞拐勾壹贰叁肆伍陆柒捌玖", "0011223456789079123456789")
_DEVICE_CUE = re.compile(r"(?:IMEI|序列号|S/N|SN|设备|机身|起搏器)[^0-9]{0,6}$", re.IGNORECASE)


def _digits(value: str) -> str:
    return re.sub(r"[^0-9Xx]", "", value)


def _resident(value: str) -> float:
    number = _digits(value)
    if is_resident_id(number):
        return 1.0
    if has_resident_shape(number):
        return 0.85 if len(number) == 18 else 0.9
    return 0.6 if len(number) == 18 and re.fullmatch(r"[1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx]", number) else 0.0


def _masked(value: str) -> float:
    return 0.8 if len(value) in (15, 18) else 0.0


def _card(value: str) -> float:
    return 0.95 if luhn(_digits(value)) else 0.6


def _luhn_only(value: str) -> float:
    return 0.8 if luhn(_digits(value)) else 0.0


def _nhs(value: str) -> float:
    return 0.7 if is_nhs_number(_digits(value)) else 0.0


def _credit_code(value: str) -> float:
    return 0.95 if is_credit_code(value) else 0.0


def _address_v4(value: str) -> float:
    return 0.9 if all(int(part) < 256 for part in value.split(".")) else 0.0


def _iban(value: str) -> float:
    """An IBAN (ISO 13616): its letters as numbers, moved to the end, leave 1 on division by 97."""
    plain = value.replace(" ", "")
    return 0.95 if int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1 else 0.0


@dataclass(frozen=True, slots=True)
class _Shape:
    label: str
    pattern: re.Pattern[str]
    score: float | Callable[[str], float]


def _shape(label: str, pattern: str, score: float | Callable[[str], float], flags: int = 0) -> _Shape:
    return _Shape(label, re.compile(pattern, flags | re.ASCII), score)


# A number starts at a digit whose neighbour on the left is none: the test stands after the first digit, so that the
# engine can leap from digit to digit instead of trying it at every character.
_D = r"[0-9](?<![0-9A-Za-z][0-9])"
_GAP = r"[ -]?"

_SHAPES = (
    _shape(
        "ID_CARD",
        rf"{_D}(?<!0)[0-9]{{5}}{_GAP}(?:18|19|20)[0-9]{{2}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{3}}{_GAP}[0-9Xx](?![0-9])",
        _resident,
    ),
    _shape("ID_CARD", r"[1-9](?<![0-9A-Za-z][0-9])(?:[ -]?[0-9]){16}[ -]?[0-9Xx](?![0-9A-Za-z])", _resident),
    _shape("ID_CARD", r"[1-9](?<![0-9A-Za-z][0-9])(?:[ ]?[0-9]){14}(?![0-9A-Za-z])", _resident),
    _shape("ID_CARD", r"[1-9](?<![0-9A-Za-z][0-9])[0-9]{2,9}[*xX●×]{4,14}[0-9]{0,4}[0-9Xx](?![0-9A-Za-z])", _masked),
    _shape("ID_CARD", r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]?[0-9]{6} ?\([0-9A]\)", 0.9),
    _shape("ID_CARD", r"[0-9](?<![0-9-][0-9])[0-9]{2}-[0-9]{2}-[0-9]{4}(?![0-9-])", 0.9),
    _shape("ID_CARD", r"[军兵士官文广参政后装海空北沈兰济南成航战东西中火武][字]第? ?[0-9]{4,10} ?号?", 0.9),
    _shape("ORG", r"[0-9A-HJ-NPQRTUWXY](?<![0-9A-Za-z].)[0-9A-HJ-NPQRTUWXY]{17}(?![0-9A-Za-z])", _credit_code),
    _shape(
        "BANK",
        rf"(?:62|4[0-9]|5[1-5]|35|3[47]|6[05])(?<![0-9A-Za-z]..)[0-9]{{2}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}{_GAP}[0-9]{{3,4}}(?:{_GAP}[0-9]{{1,3}})?(?![0-9A-Za-z])",
        _card,
    ),
    _shape("DEVICE", rf"{_D}[0-9]{{14}}(?![0-9A-Za-z])", _luhn_only),
    _shape("DEVICE", r"[0-9A-Fa-f](?<![0-9A-Za-z:-].)[0-9A-Fa-f](?:[:-][0-9A-Fa-f]{2}){5}(?![0-9A-Za-z:-])", 0.95),
    _shape(
        "PHONE", rf"(?:(?:\+|00)86[ -]?|\(86\) ?|86-)?1(?<![0-9]1)[3-9][0-9](?:{_GAP}[0-9*xX]{{4}}){{2}}(?![0-9])", 0.9
    ),
    _shape("PHONE", rf"1(?<![0-9A-Za-z]1)[3-9][0-9]{_GAP}[0-9]{{3}}{_GAP}[0-9]{{3}}{_GAP}[0-9]{{2}}(?![0-9])", 0.8),
    _shape("PHONE", r"1(?<![0-9A-Za-z]1)[3-9](?:[ .·/-]?[0-9]){9}(?![0-9A-Za-z])", 0.8),
    _shape(
        "PHONE",
        r"(?:\(0(?<![0-9A-Za-z]\(0)|0(?<![0-9A-Za-z(]0))(?:10|2[0-9]|[3-9][0-9]{2})(?:\) ?|[ -]{0,2})[2-9][0-9]{2,3}[ -]?[0-9]{4}(?:[ ,(]{0,2}(?:转|-|ext\.?|分机)[ :]?[0-9]{1,6}\)?)?(?![0-9])",
        0.9,
    ),
    _shape("PHONE", r"[48]00(?<![0-9A-Za-z]..)[ -][0-9]{3,4}[ -][0-9]{3,4}(?![0-9])", 0.7),
    _shape(
        "PHONE",
        r"(?:\+?1(?<![0-9A-Za-z.-]1)[ .-]\(?[0-9]{3}\)?[ .-]|\([0-9]{3}\) ?|[0-9](?<![0-9A-Za-z-][0-9])[0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}(?:,? ?(?:x|ext\.?|extension) ?[0-9]{1,6})?(?![0-9])",
        0.85,
    ),
    _shape("PHONE", r"\+[1-9][0-9]{0,2}(?:[ .()/-]{0,2}[0-9]){6,13}(?![0-9])", 0.85),
    _shape(
        "PHONE",
        r"0(?<![0-9A-Za-z]0)(?:7[0-9]{3} ?[0-9]{3} ?[0-9]{3}|20 [0-9]{4} [0-9]{4}|1[0-9]{2,3} ?[0-9]{3} ?[0-9]{3,4}|1[0-9]{3} [0-9]{5,6})(?![0-9])",
        0.8,
    ),
    _shape(
        "PHONE",
        r"[1lI](?<![0-9A-Za-z].)[3-9][0-9OolI]{9}(?![0-9A-Za-z])",
        lambda v: 0.7 if sum(c.isdigit() for c in v) >= 8 else 0.0,
    ),
    _shape("PHONE", r"[0-9](?<![0-9A-Za-z./-][0-9])-[0-9]{4}(?![0-9A-Za-z-])", 0.5),
    _shape("PHONE", r"[2-9](?<![0-9A-Za-z.-][0-9])[0-9]{6,7} ?(?:转|分机|ext\.?) ?[0-9]{1,6}(?![0-9])", 0.8),
    _shape("PHONE", r"(?:\(0[2-8]\) ?|0(?<![0-9A-Za-z]0)[2-8] )[0-9]{4} ?[0-9]{4}(?![0-9])", 0.8),
    _shape(
        "BANK", r"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])", _iban
    ),
    _shape("PLATE", r"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{2} ?[A-Z]{3}(?![A-Za-z0-9])", 0.6),
    _shape(
        "INSURANCE",
        r"[1-9](?<![A-Za-z0-9-].)[A-Z][A-Z0-9][0-9]-?[A-Z][A-Z0-9][0-9]-?[A-Z]{2}[0-9]{2}(?![A-Za-z0-9])",
        0.9,
    ),
    _shape("PHONE", r"[2-9](?<![0-9A-Za-z.-][0-9])[0-9]{3}-[0-9]{4}(?![0-9-])", 0.6),
    _shape("MRN", rf"{_D}[0-9]{{2}}[ -]?[0-9]{{3}}[ -]?[0-9]{{4}}(?![0-9])", _nhs),
    _shape(
        "PASSPORT",
        r"(?:[EGDPSK][A-HJ-NP-Z]?|[HMCWT])(?<![A-Za-z0-9].)(?<![A-Za-z0-9]..)[0-9]{8}(?:[0-9]{2})?(?![0-9A-Za-z])",
        0.7,
    ),
    _shape("PASSPORT", r"E[A-HJ-NP-Z](?<![A-Za-z0-9]..)[0-9]{7}(?![0-9A-Za-z])", 0.8),
    _shape(
        "PLATE",
        r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][ ·.-]?(?=[A-Z0-9]*[0-9])[A-HJ-NP-Z0-9]{4,5}(?:[A-HJ-NP-Z0-9]|[挂学警港澳领])(?![A-Za-z0-9])",
        0.95,
    ),
    _shape("PLATE", r"[军空海北沈兰济南广成武WJ][A-Z]{1,2}[ ·.-]?[0-9]{5}(?![A-Za-z0-9])", 0.6),
    _shape(
        "EMAIL",
        r"[A-Za-z0-9](?<![A-Za-z0-9._%+-].)[A-Za-z0-9._%+#&-]*(?: ?\[at\] ?| ?\(at\) ?| AT | at (?=[a-z0-9-]+ dot )|@)[A-Za-z0-9-]+(?:(?:\.| dot | ?\[dot\] ?)[A-Za-z0-9-]+)*(?:\.| dot | ?\[dot\] ?)[A-Za-z]{2,}",
        0.95,
    ),
    _shape("URL", r"(?:https?|ftp)://[^\s,;'\"<>()\u3000-\u303f\u4e00-\u9fff]+", 0.95, re.IGNORECASE),
    _shape(
        "URL",
        r"www\.[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:/[^\s,;'\"<>()\u3000-\u303f\u4e00-\u9fff]*)?",
        0.95,
        re.IGNORECASE,
    ),
    _shape(
        "URL",
        r"[A-Za-z0-9](?<![A-Za-z0-9@._-].)[A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*\.(?:com|cn|org|net|gov|edu|info|uk|io|example|health|hospital)(?:/[^\s,;'\"<>()\u3000-\u303f\u4e00-\u9fff]*|(?![A-Za-z0-9.-]))",
        0.8,
    ),
    _shape("IP", r"[0-9](?<![0-9A-Za-z.][0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9])", _address_v4),
    _shape(
        "IP",
        r"[0-9A-Fa-f](?<![0-9A-Za-z:].)[0-9A-Fa-f]{0,3}(?::[0-9A-Fa-f]{0,4}){4,7}(?![0-9A-Za-z:])",
        lambda v: 0.9 if re.search("[A-Fa-f]|::", v) else 0.0,
    ),
    _shape("BED", r"[加]?[0-9](?<![0-9.A-Za-z][0-9])[0-9]{0,2}(?:[+-][0-9]{1,3})?号?床(?![旁边位上单垫头])", 0.7),
    _shape("BED", r"[加]?[一二三四五六七八九十]{1,3}号?床(?![旁边位上单垫头])", 0.6),
    _shape("BED", r"\b[Bb]ed(?: [Nn]o\.?| #|#)? ?[0-9]{1,3}[A-Za-z]?\b", 0.7),
)
_ADDRESSES = tuple(shape for shape in _SHAPES if shape.label in ("EMAIL", "URL"))
_BEDS = tuple(shape for shape in _SHAPES if shape.label == "BED")
_NUMBERS = tuple(shape for shape in _SHAPES if shape not in _ADDRESSES and shape not in _BEDS)
_TOLD = re.compile(
    r"\b(?:[Pp]hone|[Tt]el(?:ephone)?|[Mm]obile|[Cc]ell|[Ff]ax|[Cc]all(?: me| us)? (?:at|on)|[Mm]essages? to|[Rr]ing(?: me)? on|[Rr]each(?:ed| me| him| her)? (?:at|on)|"
    r"[Nn]umber is|[Aa]nswering at|[Dd]ial)\b[ :\n]{1,3}(\+?\(?[0-9][0-9 ().-]{5,18}[0-9])(?![0-9])"
)
_CHINESE_NUMBER = re.compile(
    r"[零〇一幺二两三四五六七八九洞拐](?<![零〇一幺二两三四五六七八九十百千万第].)(?:[ ,、-]?[零〇一幺二两三四五六七八九洞拐]){6,21}(?![十百千万亿年月])"
)
_CAPITAL_NUMBER = re.compile(r"[零壹贰叁肆伍陆柒捌玖](?:[ ,、-]?[零壹贰叁肆伍陆柒捌玖]){6,21}(?![拾佰仟万亿圆元年月])")
_LONG = re.compile(
    r"[0-9](?<![0-9A-Za-z.,/^~+×*-][0-9])[0-9]{8,24}(?![0-9A-Za-z]|\.[0-9]| ?(?:IU|iu|U/|copies|拷贝|/m|/L|个/|\^))",
    re.ASCII,
)
_CODE = re.compile(
    r"[A-Z](?<![A-Za-z0-9.-].)[A-Z]{0,5}[-_]?[0-9]{6,18}(?:[-_][0-9A-Z]{1,8}){0,3}(?![0-9A-Za-z])", re.ASCII
)
_SPECIMEN = re.compile(
    r"[A-Z](?<![A-Za-z0-9.-].)[A-Z]{0,2}[0-9]{2}-[0-9]{3,7}(?![0-9A-Za-z-])|0(?<![0-9A-Za-z./-].)[0-9]{3}-[0-9]{4}(?![0-9-])"
    r"|(?<=NO\.)[0-9]{5,}|(?<=No\.)[0-9]{5,}|(?<=№)[0-9]{4,}",
    re.ASCII,
)
_SHORT = re.compile(
    r"[0-9](?<![0-9A-Za-z.,^~+×*<>=-][0-9])(?<![0-9]/[0-9])(?:(?<=0)[0-9]{6}|[0-9]{7})(?![0-9A-Za-z]|[.,][0-9]| ?(?:IU|iu|U/|copies|拷贝|/m|/L|个|元|万|\^|次|ml|cps))",
    re.ASCII,
)
_GROUPED = re.compile(
    r"[0-9A-Z](?<![0-9A-Za-z./-].)(?:[A-Z]{0,4}[0-9]{0,5})(?:-[0-9]{2,8}){2,4}(?:~[0-9]{1,4})?(?![0-9A-Za-z-])",
    re.ASCII,
)
_DASHED = re.compile(
    r"[A-Z](?<![A-Za-z0-9.-].)[A-Z0-9]{0,6}-?(?:19|20)[0-9]{2}(?:[01][0-9])?-?[0-9]{2,}(?:-[0-9A-Z]{1,8}){0,3}(?![0-9A-Za-z])",
    re.ASCII,
)
_DATE8 = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-9]{6}|[0-9]{4})?")


def find(text: str) -> Iterator[Span]:
    """Yield identifiers that their shape, their check digit or the cue in front of them gives away."""
    if any(mark in text for mark in _TRIGGERS) or _ANY_DIGIT.search(text):
        yield from _shaped(text)
        yield from labelled.find(text, NAME)
    yield from _spoken_numbers(text)


_ANY_DIGIT = re.compile(r"[0-9]")
_TRIGGERS = ("@", "www", "://", "床", ":", "号", "信", "QQ", "[at]", " AT ", " dot ", ".")


# What no shape but a bed and a network address can do without: six digits close together, groups with dots or colons,
# the first two characters of a plate.
_DENSE = re.compile(
    r"[0-9](?:(?:[ .·/()-]{0,2}[0-9xX*●×]){5}|\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]?[:-][0-9A-Fa-f]{0,4}[:-])", re.ASCII
)
_GROUPS = re.compile(r"[:-][0-9A-Fa-f]{0,4}[:-]|字第? ?[0-9]{4}", re.ASCII)
_MIXED = re.compile(
    r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{3}|[0-9][A-Z][A-Z0-9][0-9]-?[A-Z]|[A-Z][0-9]{2}-[0-9]{3}|0[0-9]{3}-[0-9]{4}|[Nn][Oo]\.[0-9]{5}|№",
    re.ASCII,
)
_PLATE = re.compile("[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z]")
_NETWORK = ("@", "://", "ww", "WW", "at", "AT", ".c", ".o", ".n", ".g", ".e", ".i", ".u", ".h")
_BED_HINT = re.compile("床|[Bb]ed")


def _shaped(text: str) -> Iterator[Span]:
    hints = [stretch for hint in (_DENSE, _GROUPS, _PLATE, _MIXED) for stretch in windows.around(text, hint, 40, 80)]
    dense = list(windows.merged(text, sorted(hints)))
    if dense:
        yield from _of_shapes(text, _NUMBERS, dense)
        for pattern in (_LONG, _SHORT, _SPECIMEN, _CODE, _GROUPED, _DASHED):
            for match in windows.found(text, pattern, dense):
                if not _DATE8.fullmatch(match[0]) and not (pattern is _GROUPED and _few(match[0])):
                    yield Span(match.start(), match.end(), _guess(text, match), 0.4, NAME)
    if any(mark in text for mark in _NETWORK):
        yield from _of_shapes(text, _ADDRESSES, [(0, len(text))])
    if "床" in text or "ed" in text:
        yield from _of_shapes(text, _BEDS, list(windows.around(text, _BED_HINT, 10, 10)))


def _of_shapes(text: str, shapes: Sequence[_Shape], stretches: Sequence[tuple[int, int]]) -> Iterator[Span]:
    for shape in shapes:
        for match in windows.found(text, shape.pattern, stretches):
            score = shape.score if isinstance(shape.score, float) else shape.score(match[0])
            if score:
                yield Span(match.start(), match.end(), shape.label, score, NAME)


def _few(value: str) -> bool:
    """Fewer than seven digits, or a date: no number of a person."""
    return (
        sum(c.isdigit() for c in value) < 7
        or re.fullmatch("(?:19|20)?[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}", value) is not None
    )


def _guess(text: str, match: re.Match[str]) -> str:
    return "DEVICE" if _DEVICE_CUE.search(text, max(0, match.start() - 12), match.start()) else "MRN"


_ENGLISH_DIGITS = re.compile(
    r"\b(?:(?:oh|zero|one|two|three|four|five|six|seven|eight|nine|double|triple|hundred)[ ,-]{1,2}){6,}(?:oh|zero|one|two|three|four|five|six|seven|eight|nine)\b",
    re.IGNORECASE,
)


def _spoken_numbers(text: str) -> Iterator[Span]:
    for match in _TOLD.finditer(text):
        if 7 <= sum(c.isdigit() for c in match[1]) <= 15:
            yield Span(*match.span(1), "PHONE", 0.8, NAME)
    for match in _ENGLISH_DIGITS.finditer(text) if " " in text else ():
        yield Span(match.start(), match.end(), "PHONE", 0.8, NAME)
    for pattern in (_CHINESE_NUMBER, _CAPITAL_NUMBER):
        for match in pattern.finditer(text):
            number = re.sub("[^0-9]", "", match[0].translate(_CHINESE_DIGITS))
            if len(number) >= 15:
                label = "ID_CARD" if len(number) in (15, 17, 18) else "BANK"
            else:
                label = "PHONE" if len(number) in (7, 8, 11, 12) else "MRN"
            end = match.end()
            if label == "ID_CARD" and text[end : end + 1] in ("X", "x", "叉"):
                end += 1
            yield Span(match.start(), end, label, 0.8, NAME)
