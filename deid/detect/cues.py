"""Names of people in Chinese: a cue on the left, a title on the right, a surname, and a given name that looks like one."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect import cues_english, fields, framed, windows
from deid.detect.cue_words import (
    ALSO_GIVEN,
    BESIDE,
    BOUND,
    CUE_VERB,
    FIELD_WORD,
    FOLLOW,
    FOREIGN,
    KIN,
    OLD_DENY,
    PARTICLES,
    ROLE,
    TITLE,
    WORD_PAIR,
    WORDLIKE,
)
from deid.detect.grams import pairs, triples
from deid.detect.lexicon import listed
from deid.detect.span import Span
from deid.detect.surnames import COMMON, COMPOUND, DOUBLE, STRONG, SURNAMES, given_weight, surname_length
from deid.detect.words import EPONYM_AFTER, NOT_GIVEN, NOT_NAMES

NAME = "cues"

_HAN = re.compile("[\u4e00-\u9fff]+")
_STRONG_CUE = re.compile(
    rf"(?:{'|'.join(sorted(ROLE.split('|'), key=lambda w: (-len(w), w)))})(?:人|者)?(?:姓名|签名|签字)?(?:\([^()\n]{{0,8}}\))?(?: ?[:=] ?| {{1,4}}|\n(?=[\u4e00-\u9fff]{{2,4}}\n))[_ ]{{0,8}}"
)
_KIN_COLON = re.compile(
    rf"(?:{'|'.join(sorted(KIN.split('|'), key=lambda w: (-len(w), w)))})(?:姓名)?(?:\([^()\n]{{0,8}}\))? ?[:=] ?"
)
_WEAK_CUE = re.compile(
    rf"(?:{'|'.join(sorted({*ROLE.split('|'), *KIN.split('|'), *CUE_VERB.split('|')}, key=lambda w: (-len(w), w)))})(?:\((?=[\u4e00-\u9fff]{{2,4}}[,)、]))?[\"“「'《]?(?=[{''.join(sorted(SURNAMES | {word[0] for word in COMPOUND}))}]|[\u4e00-\u9fff]{{2,8}}·)"
)
_TITLES = re.compile(rf"(?:{'|'.join(sorted(TITLE.split('|'), key=lambda w: (-len(w), w)))})")
_SURNAME_CLASS = "".join(sorted(SURNAMES))
_COMPOUND_ANY = "|".join(sorted(COMPOUND))
_SURNAME = rf"(?:{_COMPOUND_ANY}|[{_SURNAME_CLASS}])"
_LIST_GAP = re.compile(r"[、,/;+&和与及 ]{1,2}|\)?\([^()\n]{1,10}\)[、,/; ]{0,2}|(?:[0-9]{1,2}[:.][0-9]{2}|[/|])")
_OLD = re.compile(
    rf"(?<![长年月衰养最从很较缩大减变弱偏微细稍胆弥短])(?:老|小|阿|大)([{_SURNAME_CLASS}])(?=[,。;、:)!?\n \"”(说讲问来去打的是告吗和跟在给走也就都师你您我啊呀呢他她把被从陪签已因]|家属|$|今|昨|反映|[一-龥]{{0,1}}(?:主诉|代诉))"
)
_NICKNAMED = re.compile(rf"[老小阿][{_SURNAME_CLASS}]")
_ALIAS = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|患者|孕妇|产妇|教师|叫|来访者|病人|学生|同学|工人)([\u4e00-\u9fff]{2,4}?)\((?:化名|网名|绰号|外号|小名|学名|大名|曾用名|又名|乳名|昵称)"
)
_SPOKE = re.compile(rf"(?:医生|护士|大夫|师傅)([{_SURNAME_CLASS}])(?=说|讲|称|问|建议|告诉|交代)")
_SINGLE = re.compile(rf"(?:患者|病人|男子|女子|死者|伤者)([{_SURNAME_CLASS}])(?=,(?:男|女|约|[0-9]))")
_HALF_LATIN = re.compile(rf"(?<![A-Za-z])([A-Z][a-z]{{2,}}[{''.join(sorted(COMMON))}])(?=[,。;要说的是 ]|$)")
_SYLLABLES = re.compile(
    rf"([{''.join(sorted(FOREIGN))}]{{3,8}})(?=医生|医师|主任|护士|教授|老师|大夫|先生|女士|大叔|大爷|同学)"
)
# Given names of peoples that write no surname; whole words of their own.
_PEOPLES = re.compile(
    "(?:扎西|卓玛(?!丹)|次仁|旦增|丹增|顿珠|强巴|巴桑|尼玛|达娃|多吉(?!美)|索朗|格桑|央金|白玛|普布|边巴|洛桑|仁青|平措|桑吉|才让|卓嘎|拉姆|旺姆|德吉|措姆|曲珍|梅朵|贡布|益西|加措|罗布(?![麻泊])|阿旺|巴图(?!鲁)|"
    "乌兰(?![察浩巴木])|呼和(?!浩特)|其其格|娜仁|托娅|苏日娜|格日勒|宝音|朝鲁|那日苏|阿古拉|巴雅尔|萨仁|图雅|布和|敖登|吐尔逊|买买提|麦麦提|古丽|艾力|阿迪力|热依汗|热依扎|帕提|阿卜杜拉|玉素甫|艾尔肯|库尔班|迪丽|木拉提|阿不都|阿依|热合曼|尼瓦尔|木呷|尔古|吉克)"
    rf"(?:[{''.join(sorted(FOREIGN))}]{{1,3}}(?=[,。;:/ ()医主教护说诉的]|$))?"
)
_MASKED = re.compile(
    rf"({_SURNAME})(?:某某|某(?![些种个家处地年月日医省市县区科])|[xX×*]{{1,2}}(?![0-9A-Za-z])|〇〇|[Oo]{{2}}(?![A-Za-z]))(?:[\u4e00-\u9fff](?=[,。;、 )(]))?"
)
_CLAN = re.compile(
    rf"({_SURNAME})(?=姓(?:患者|男|女|老|医|护|家属|病人|患儿|先生|妇女|阿姨|村民|居民|司机|伤者|同学|市民|学生|产妇|者))|(?:姓|免贵姓)({_SURNAME})(?=[,。;、) 的是]|$|名)"
)
_SEXED = re.compile(
    rf"(?:^|(?<=[,。;:、\s\(\[\"“0-9#.)>|\-床号是到者]))({_SURNAME}[\u4e00-\u9fff]{{1,2}})(?=[,(\[ /|]{{1,3}}(?:男|女|[MF]\b|[0-9]{{1,3}} ?(?:岁|月|天|Y|y|周)|[一二三四五六七八九]?十[一二三四五六七八九]?岁))",
    re.MULTILINE,
)
_DOTTED = re.compile("[\u4e00-\u9fff]{2,8}(?:·[\u4e00-\u9fff]{1,10}){1,3}")
_LINE = re.compile(rf"^[ ]*({_SURNAME}[\u4e00-\u9fff]{{1,2}})[ ]*(?:$|[:/](?![0-9]*[.%/]))", re.MULTILINE)
_SIGNED = re.compile(
    rf"({_SURNAME} ?[\u4e00-\u9fff](?: ?[\u4e00-\u9fff])?)[ ,]{{0,3}}(?=(?:(?:19|20)[0-9]{{2}}[-/.年]|[0-9]{{1,2}}月[0-9]{{1,2}}|[0-9]{{4}}[-/.]))"
)
_SPACED = re.compile(
    rf"(?:[:]|姓名|患者|签名) {{0,3}}({_SURNAME} {{1,4}}[\u4e00-\u9fff](?: {{0,4}}[\u4e00-\u9fff])?)(?= {{0,4}}(?:[,。;\n)(]|$|性|男|女|年|科|住院|[0-9]| {{2}}))"
)
_MASK_HINT = re.compile("[某xX×*〇Oo]")
_SIGNED_HINT = re.compile("(?:(?:19|20)[0-9]{2}[-/.年]|[0-9]{1,2}月[0-9]{1,2}|[0-9]{4}[-/.])")
_QUOTED = re.compile(
    r"(?:叫|名叫|小名|乳名|昵称|绰号|外号|网名|人称|化名)(?:是|为|做|作)?[:]? ?[\"“「'《]?([\u4e00-\u9fff]{2,4})(?=[\"”」'》,。;、)的])"
)
_DEPARTMENT = re.compile(r"[科室部院病症炎癌痛瘤术药片剂酸素钠钾糖压率量度液管器腔膜骨肌脉区]$")


def find(text: str) -> Iterator[Span]:
    """Yield the names of people, Chinese and English."""
    if _HAN.search(text):
        yield from _chinese(text)
    yield from cues_english.find(text, NAME)


def _span(start: int, end: int, score: float) -> Span:
    return Span(start, end, "NAME", score, NAME)


def _chinese(text: str) -> Iterator[Span]:
    for cue in (_STRONG_CUE, _KIN_COLON):
        for match in cue.finditer(text):
            colon = any(c in match[0] for c in ":=\n")
            yield from _listed(text, match.end(), colon=colon, named=_NAMED.search(match[0]) is not None)
    at = 0
    while (hint := _WEAK_CUE.search(text, at)) is not None:
        at = hint.start() + 1
        end = name_end(text, hint.end(), need=_need(hint[0]))
        if end:
            yield _span(hint.end(), end, 0.8)
            yield from _more(text, end)
            at = end
    for start, end in framed.find(text):
        yield _span(start, end, 0.85)
    for start, end in fields.find(text):
        yield _span(start, end, 0.9)
    yield from _titled(text)
    yield from _patterned(text)
    yield from _bare(text)


def _need(cue: str) -> float:
    """Return how much a given name must look like one after this cue: little after 患者, much after a mere verb."""
    return 0.35 if len(cue) > 1 and cue not in _VERBS else 0.55


_VERBS = frozenset(CUE_VERB.split("|"))


_NAMED = re.compile(r"名|签")


def _listed(text: str, at: int, *, colon: bool, named: bool) -> Iterator[Span]:
    for n in range(8):
        end = name_end(text, at, need=0.0 if colon else 0.2 if n else 0.45, colon=colon, named=named)
        if not end:
            return
        yield _span(at, end, 0.9)
        title = _TITLES.match(text, end)
        gap = _LIST_GAP.match(text, title.end() if title else end)
        if not gap:
            return
        at = gap.end()


def _more(text: str, end: int) -> Iterator[Span]:
    for _ in range(6):
        title = _TITLES.match(text, end)
        gap = re.compile(r"[、/和与及]|, ?(?=[\u4e00-\u9fff]{2,3}[、,。])").match(text, title.end() if title else end)
        if not gap:
            return
        start, end = gap.end(), name_end(text, gap.end(), need=0.4) or 0
        if not end:
            return
        yield _span(start, end, 0.75)


def name_end(text: str, at: int, *, need: float, colon: bool = False, named: bool = False) -> int | None:
    """Return where a full Chinese name that starts here ends, or None.

    Args:
        text: Folded text.
        at: Offset of the supposed surname.
        need: How much the given name must look like one, in [0, 1].
        colon: A cue with a colon stands before it: a surname and anything short up to a boundary is a name.
        named: The cue asks for a name (姓名, 签名): then it needs no known surname.
    """
    dotted = _DOTTED.match(text, at)
    if dotted:
        return dotted.end()
    run = _HAN.match(text, at, at + 6)
    if run is None or text[at - 1 : at + 1] in BESIDE:
        return None
    length = surname_length(text, at)
    if (
        colon
        and len(run[0]) <= 4
        and run.end() - at >= 2
        and not _blocked(run[0])
        and text[run.end() : run.end() + 1] != ":"
        and (length or named)
    ):
        titled = _TITLES.search(text, at + max(length, 1), run.end())
        return titled.start() if titled and titled.end() == run.end() and titled.start() - at >= 1 else run.end()
    if not length:
        return None
    if length == 1 and (title := _TITLES.match(text, at + 1)) and len(title[0]) > 1:
        return None  # 郁警官: a surname and its title
    best: tuple[float, int] | None = None
    for size in (2, 1):
        end = at + length + size
        given = text[at + length : end]
        if len(given) < size or _HAN.fullmatch(given) is None:
            continue
        if _impossible(text, at, end, length, colon=colon):
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


def _blocked(word: str) -> bool:
    known = word[0] in COMMON and word[0] not in WORDLIKE and word[:2] not in NOT_NAMES
    return (
        FIELD_WORD.match(word) is not None
        or (not known and _DEPARTMENT.search(word) is not None)
        or (word[:2] in NOT_NAMES and word in NOT_NAMES)
    )


def _impossible(text: str, at: int, end: int, length: int, *, colon: bool) -> bool:
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


def _titled(text: str) -> Iterator[Span]:
    for match in _TITLES.finditer(text):
        at = match.start()
        for length in (4, 3, 2):
            start = at - length
            if start >= 0 and _full(text, start, at, weak=len(match[0]) == 1):
                yield _span(start, at, 0.85)
                break
        else:
            yield from _surname_only(text, at, match[0])


def _full(text: str, start: int, end: int, *, weak: bool) -> bool:
    name = text[start:end]
    length = surname_length(text, start)
    if not length or not 1 <= len(name) - length <= 2 or _HAN.fullmatch(name) is None:
        return False
    given = name[length:]
    if (start == 0 or _HAN.match(text[start - 1]) is None) and not weak and name[0] not in PARTICLES:
        return name not in NOT_NAMES and text[start : start + 2] not in NOT_NAMES and _blocked(name) is False
    if _impossible(text, start, end, length, colon=False):
        return False
    left = _left_open(text, start)
    weight = (
        given_weight(given)
        + (0.25 if left else -0.15)
        + (0.1 if name[0] in COMMON else -0.05)
        + (0.3 if length == 2 else 0.0)
    )
    return weight >= (0.75 if weak else 0.34 if len(given) == 2 and left else 0.5 if len(given) == 2 else 0.45)


_LEFT = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|经|由|请|与|和|及|同|跟|向|遵|给|让|找|示|科|院|见|日|班|今|昨|随|后|予|是|据|按|者|人|属|叫|嘱|的|在|到|请示|代|按照|长|师|生|士|任|家|位|为|对|被|据|约|挂|问|联系|感谢|谢谢|陪|看|查|下|如|上|时|室|区|组|部)$"
)


def _left_open(text: str, start: int) -> bool:
    return _LEFT.search(text, max(0, start - 3), start) is not None


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
        (plain and len(title) > 1) or _left_open(text, start) or text[start - 1 : start] in ("老", "小", "阿", "大")
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
    yield _span(start, at, 0.85)


def _patterned(text: str) -> Iterator[Span]:
    for match in _OLD.finditer(text):
        if (
            match[0] not in OLD_DENY
            and match[1]
            not in WORDLIKE
            - listed(
                """
万 于 任 何 余 全 关 单 向 安 左 常 平 成 文 方 时 易 曾 查 水 游 班 白 管 米 经 车 边 连 都 高
"""
            )
            and _left_open_word(text, match.start())
        ):
            yield _span(match.start(), match.end(), 0.7)
    for match in _NICKNAMED.finditer(text):
        if (
            match[0] not in OLD_DENY
            and match[0] not in pairs()
            and match[0][1] not in WORDLIKE
            and match[0] + text[match.end() : match.end() + 1] not in NOT_NAMES
            and text[match.end() - 1 : match.end() + 1] not in pairs()
            and text[match.start() - 1 : match.start() + 1] not in pairs()
        ):
            yield _span(match.start(), match.end(), 0.6)
    for match in _ALIAS.finditer(text) if "名" in text or "号" in text else ():
        yield _span(*match.span(1), 0.7)
    for match in (
        *_SPOKE.finditer(text),
        *_SINGLE.finditer(text),
        *_HALF_LATIN.finditer(text),
        *_SYLLABLES.finditer(text),
    ):
        yield _span(*match.span(1), 0.7)
    for match in _PEOPLES.finditer(text):
        if match[0] not in pairs():
            yield _span(match.start(), match.end(), 0.7)
    for match in windows.found(text, _MASKED, windows.around(text, _MASK_HINT, 3, 4)):
        if "某" not in match[0] and match[1] in WORDLIKE:
            continue
        yield _span(match.start(), match.end(), 0.85)
    for match in _CLAN.finditer(text) if "姓" in text else ():
        yield _span(*match.span(match.lastindex or 1), 0.85)
    for match in _DOTTED.finditer(text) if "·" in text else ():
        if _foreign(match[0]):
            cut = _DOTTED_CUE.match(match[0])
            yield _span(match.start() + (cut.end() if cut else 0), match.end(), 0.75)
    for match in _LETTERS.finditer(text) if any(c in text for c in "缩首拼") else ():
        yield _span(*match.span(1), 0.7)
    for match in _CLANS.finditer(text) if "氏" in text else ():
        if match[1] not in NOT_NAMES and match[1] not in pairs():
            yield _span(match.start(), match.end(), 0.7)
    for match in _AFTER_LATIN.finditer(text) if "(" in text else ():
        yield _span(*match.span(1), 0.8)
    for match in _QUOTED.finditer(text):
        if not _blocked(match[1]) and not any(
            c in "什啥爸妈孩亲友一他她我你们人医院病去来出入怎这那的了不" for c in match[1]
        ):
            yield _span(*match.span(1), 0.6)
    for match in _SPACED.finditer(text) if " " in text else ():
        if not _blocked(match[1].replace(" ", "")):
            yield _span(*match.span(1), 0.8)


_DOTTED_CUE = re.compile(
    r".*(?:患者|病人|者|家属|丈夫|妻子|先生|人|医生|护士|叫|为|是|由|和|与|其|经|请|本)(?=..+?·|.·)"
)
_CLANS = re.compile(rf"([{_SURNAME_CLASS}]{{2}})氏(?=[,。;:、 )\n]|$)")
_AFTER_LATIN = re.compile(rf"[A-Za-z] ?\(({_SURNAME}[\u4e00-\u9fff]{{1,3}})\)")
_LETTERS = re.compile(
    r"(?:缩写|首字母|拼音)(?:[:为是]| )*([A-Z](?:[A-Z]{1,4}|(?:-[A-Z]){1,3}|\.[A-Z]\.?)|[A-Z][a-z]+(?: [A-Z][a-z]+){0,2})(?![A-Za-z])"
)


def _left_open_word(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] not in "衰养缩减变弱偏微细稍胆弥短年月长最从很较古苍"


def _foreign(name: str) -> bool:
    return sum(c in FOREIGN for c in name) >= 2 or (
        len(name) <= 8 and name.count("·") == 1 and not _DEPARTMENT.search(name)
    )


def _bare(text: str) -> Iterator[Span]:
    for match in _SEXED.finditer(text):
        if not _blocked(match[1]) and match[1][:2] not in NOT_NAMES and match[1][0] not in PARTICLES:
            yield _span(*match.span(1), 0.85)
    for pattern, need in ((_HEADED, 0.5), (_TOKEN, 0.6), (_BED_NAME, 0.45)):
        for match in pattern.finditer(text):
            end = name_end(text, match.end(), need=need)
            if (
                end
                and (pattern is _BED_NAME or _ENDS[pattern].match(text, end))
                and not _blocked(text[match.end() : end])
            ):
                yield _span(match.end(), end, 0.7)
    for match in _SIGN_OFF.finditer(text):
        if _may_sign(match[1]):
            yield _span(*match.span(1), 0.7)
    for match in _MINORITY.finditer(text):
        if match[1] not in NOT_NAMES and not any(match[1][n : n + 2] in pairs() for n in range(len(match[1]) - 1)):
            yield _span(*match.span(1), 0.7)
    for match in _LINE.finditer(text):
        yield from _plausible(text, match, 0.35)
    for match in windows.found(text, _SIGNED, windows.around(text, _SIGNED_HINT, 10, 2)):
        name = match[1].replace(" ", "")
        if (
            name[:2] not in NOT_NAMES
            and given_weight(name[surname_length(name, 0) :]) >= 0.4
            and _left_open(text, match.start(1))
        ):
            yield _span(*match.span(1), 0.7)
    for match in _CANDIDATE.finditer(text):
        yield from _uncued(text, match.start())


# A name behind a heading (工伤认定:…,), alone between blanks, behind a bed; a signature at the end; a run of characters
# that write foreign syllables behind a role.
_HEADED = re.compile(rf":(?={_SURNAME}[\u4e00-\u9fff]{{2}}[,(/])")
_TOKEN = re.compile(rf"(?:^|(?<=[ \n])|(?<=床))(?={_SURNAME}[\u4e00-\u9fff]{{1,2}}(?:[ \n]|$))", re.MULTILINE)
_BED_NAME = re.compile(rf"(?<=[0-9])号?床[ :]{{0,2}}(?={_SURNAME}[\u4e00-\u9fff])")
_ENDS = {_HEADED: re.compile(r"[,(/]"), _TOKEN: re.compile(r"[ \n]|$")}
_SIGN_OFF = re.compile(r"(?<=[。;!?.)\n]) ?([\u4e00-\u9fff]{1,3})[ 。]?$", re.MULTILINE)
_MINORITY = re.compile(
    rf"(?:{'|'.join(sorted({*ROLE.split('|'), *KIN.split('|'), '自称', '实为', '叫', '名叫'}, key=lambda w: (-len(w), w)))})[: ]?([{''.join(sorted(FOREIGN))}逊非法特伊尤努玉孜艾别克肯莎莱帖木别丁萨赛曼沙帕孜巴格特]{{3,8}})(?=[,。;:/ ()]|$)"
)


def _may_sign(name: str) -> bool:
    if name in NOT_NAMES or name[0] not in SURNAMES or FIELD_WORD.match(name):
        return False
    if len(name) == 1:
        return name not in WORDLIKE
    inside = name in pairs() or name[1:] in pairs() or name in triples() or name[:2] in pairs()
    return not inside and not any(c in NOT_GIVEN and c not in ALSO_GIVEN for c in name[1:])


_CANDIDATE = re.compile(rf"(?:{_COMPOUND_ANY}|[{''.join(sorted(COMMON))}])(?=[{''.join(sorted(STRONG))}])")


def _plausible(text: str, match: re.Match[str], need: float) -> Iterator[Span]:
    start, end = match.span(1)
    length = surname_length(text, start)
    if not _impossible(text, start, end, length, colon=False) and given_weight(text[start + length : end]) >= need:
        yield _span(start, end, 0.7)


def _uncued(text: str, start: int) -> Iterator[Span]:
    """Yield a name without any cue: a common surname and two characters that are names far more often than words."""
    length = surname_length(text, start)
    end = start + length + 2
    given = text[start + length : end]
    if len(given) < 2 or _impossible(text, start, end, length, colon=False):
        return
    if text[start - 1 : start + 1] in BOUND and start:
        return
    left = start == 0 or not "\u4e00" <= text[start - 1] <= "\u9fff"
    right = end >= len(text) or not "\u4e00" <= text[end] <= "\u9fff"
    if given in DOUBLE and (left or right or (_left_open(text, start) and FOLLOW.match(text, end))):
        yield _span(start, end, 0.7)
    elif all(c in STRONG for c in given) and (
        (left and right)
        or (length == 2 and (left or right))
        or (left and FOLLOW.match(text, end) and given_weight(given) >= 0.8 and not WORD_PAIR.match(given))
    ):
        yield _span(start, end, 0.5)
