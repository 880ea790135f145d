"""What people are called when they are not named in full: 老王, 李某, 张姓患者, 欧阳氏, 小名, and names of other peoples."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect import windows
from deid.detect.cue_words import FOREIGN, OLD_DENY, WORDLIKE
from deid.detect.grams import pairs
from deid.detect.han_name import DEPARTMENT, DOTTED, SURNAME, SURNAME_CLASS, blocked, person
from deid.detect.lexicon import listed
from deid.detect.span import Span
from deid.detect.surnames import COMMON
from deid.detect.words import NOT_NAMES

_OLD = re.compile(
    rf"(?<![长年月衰养最从很较缩大减变弱偏微细稍胆弥短])(?:老|小|阿|大)([{SURNAME_CLASS}])(?=[,。;、:)!?\n \"”(说讲问来去打的是告吗和跟在给走也就都师你您我啊呀呢他她把被从陪签已因]|家属|$|今|昨|反映|[一-龥]{{0,1}}(?:主诉|代诉))"
)
_NICKNAMED = re.compile(rf"[老小阿][{SURNAME_CLASS}]")
_ALIAS = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|患者|孕妇|产妇|教师|叫|来访者|病人|学生|同学|工人)([\u4e00-\u9fff]{2,4}?)\((?:化名|网名|绰号|外号|小名|学名|大名|曾用名|又名|乳名|昵称)"
)
_SPOKE = re.compile(rf"(?:医生|护士|大夫|师傅)([{SURNAME_CLASS}])(?=说|讲|称|问|建议|告诉|交代)")
_SINGLE = re.compile(rf"(?:患者|病人|男子|女子|死者|伤者)([{SURNAME_CLASS}])(?=,(?:男|女|约|[0-9]))")
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
    rf"({SURNAME})(?:某某|某(?![些种个家处地年月日医省市县区科])|[xX×*]{{1,2}}(?![0-9A-Za-z])|〇〇|[Oo]{{2}}(?![A-Za-z]))(?:[\u4e00-\u9fff](?=[,。;、 )(]))?"
)
_CLAN = re.compile(
    rf"({SURNAME})(?=姓(?:患者|男|女|老|医|护|家属|病人|患儿|先生|妇女|阿姨|村民|居民|司机|伤者|同学|市民|学生|产妇|者))|(?:姓|免贵姓)({SURNAME})(?=[,。;、) 的是]|$|名)"
)
_SPACED = re.compile(
    rf"(?:[:]|姓名|患者|签名) {{0,3}}({SURNAME} {{1,4}}[\u4e00-\u9fff](?: {{0,4}}[\u4e00-\u9fff])?)(?= {{0,4}}(?:[,。;\n)(]|$|性|男|女|年|科|住院|[0-9]| {{2}}))"
)
_MASK_HINT = re.compile("[某xX×*〇Oo]")
_QUOTED = re.compile(
    r"(?:叫|名叫|小名|乳名|昵称|绰号|外号|网名|人称|化名)(?:是|为|做|作)?[:]? ?[\"“「'《]?([\u4e00-\u9fff]{2,4})(?=[\"”」'》,。;、)的])"
)


def find(text: str) -> Iterator[Span]:
    """Yield these names, on folded text."""
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
            yield person(match.start(), match.end(), 0.7)
    for match in _NICKNAMED.finditer(text):
        if (
            match[0] not in OLD_DENY
            and match[0] not in pairs()
            and match[0][1] not in WORDLIKE
            and match[0] + text[match.end() : match.end() + 1] not in NOT_NAMES
            and text[match.end() - 1 : match.end() + 1] not in pairs()
            and text[match.start() - 1 : match.start() + 1] not in pairs()
        ):
            yield person(match.start(), match.end(), 0.6)
    for match in _ALIAS.finditer(text) if "名" in text or "号" in text else ():
        yield person(*match.span(1), 0.7)
    for match in (
        *_SPOKE.finditer(text),
        *_SINGLE.finditer(text),
        *_HALF_LATIN.finditer(text),
        *_SYLLABLES.finditer(text),
    ):
        yield person(*match.span(1), 0.7)
    for match in _PEOPLES.finditer(text):
        if match[0] not in pairs():
            yield person(match.start(), match.end(), 0.7)
    for match in windows.found(text, _MASKED, windows.around(text, _MASK_HINT, 3, 4)):
        if "某" not in match[0] and match[1] in WORDLIKE:
            continue
        yield person(match.start(), match.end(), 0.85)
    for match in _CLAN.finditer(text) if "姓" in text else ():
        yield person(*match.span(match.lastindex or 1), 0.85)
    for match in DOTTED.finditer(text) if "·" in text else ():
        if _foreign(match[0]):
            cut = _DOTTED_CUE.match(match[0])
            yield person(match.start() + (cut.end() if cut else 0), match.end(), 0.75)
    for match in _LETTERS.finditer(text) if any(c in text for c in "缩首拼") else ():
        yield person(*match.span(1), 0.7)
    for match in _CLANS.finditer(text) if "氏" in text else ():
        if match[1] not in NOT_NAMES and match[1] not in pairs():
            yield person(match.start(), match.end(), 0.7)
    for match in _AFTER_LATIN.finditer(text) if "(" in text else ():
        yield person(*match.span(1), 0.8)
    for match in _QUOTED.finditer(text):
        if not blocked(match[1]) and not any(
            c in "什啥爸妈孩亲友一他她我你们人医院病去来出入怎这那的了不" for c in match[1]
        ):
            yield person(*match.span(1), 0.6)
    for match in _SPACED.finditer(text) if " " in text else ():
        if not blocked(match[1].replace(" ", "")):
            yield person(*match.span(1), 0.8)


_DOTTED_CUE = re.compile(
    r".*(?:患者|病人|者|家属|丈夫|妻子|先生|人|医生|护士|叫|为|是|由|和|与|其|经|请|本)(?=..+?·|.·)"
)
_CLANS = re.compile(rf"([{SURNAME_CLASS}]{{2}})氏(?=[,。;:、 )\n]|$)")
_AFTER_LATIN = re.compile(rf"[A-Za-z] ?\(({SURNAME}[\u4e00-\u9fff]{{1,3}})\)")
_LETTERS = re.compile(
    r"(?:缩写|首字母|拼音)(?:[:为是]| )*([A-Z](?:[A-Z]{1,4}|(?:-[A-Z]){1,3}|\.[A-Z]\.?)|[A-Z][a-z]+(?: [A-Z][a-z]+){0,2})(?![A-Za-z])"
)


def _left_open_word(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] not in "衰养缩减变弱偏微细稍胆弥短年月长最从很较古苍"


def _foreign(name: str) -> bool:
    return sum(c in FOREIGN for c in name) >= 2 or (
        len(name) <= 8 and name.count("·") == 1 and not DEPARTMENT.search(name)
    )
