"""Names between two words that leave no room for anything else: 由其女…陪同, 患者之子…代述, 请…医师主持.

Between such words a surname and one or two characters are a name whatever the characters, because parents choose
characters that no list has.
"""

import re
from collections.abc import Iterator

from deid.detect.cue_words import ALSO_GIVEN, FIELD_WORD, KIN, PARTICLES, ROLE, TITLE, WORDLIKE
from deid.detect.grams import pairs
from deid.detect.lexicon import alternatives
from deid.detect.surnames import COMPOUND, STRONG, SURNAMES
from deid.detect.words import NOT_GIVEN, NOT_NAMES

_BEFORE = "由|经|请|遵|遵照|据|按|随|嘱|与|跟|向|让|经由|改由|系由|并由|另请|已请|特请|拟请|现由|先由"
_AFTER = (
    "代述|代诉|代为|代签|代办|代理|代替|陪同|陪护|陪伴|陪诊|陪|送入|送至|送来|送往|送医|送到|送回|送|护送|扶送|扶入|搀扶|"
    "抱入|抱送|背入|抬入|推入|推送|接回|接走|接诊|照顾|照料|护理|看护|提供|补述|补充|转述|诉说|诉|述|称|说|表示|反映|"
    "要求|请求|同意|拒绝|签字|签名|签署|告知|通知|否认|主持|主刀|主诊|查房|会诊|阅片|审核|执行|完成|操作|记录|负责|自诉|自述|"
    "发现|携|带领|带来"
)
_TITLE = "|".join(word for word in TITLE.split("|") if len(word) > 1 and word.isalpha())
_REASON = r",(?=因|男|女|系|于|[0-9]|自诉|诉|主诉|拟)"
_HAN = "\u4e00-\u9fff"
_RIGHT = re.compile(rf"{alternatives(f'{_AFTER}|{_TITLE}')}|{_REASON}")
_FRAME = re.compile(
    rf"{alternatives(f'{ROLE}|{KIN}|{_BEFORE}')}(?=(?:[{''.join(sorted(SURNAMES))}]|{alternatives('|'.join(COMPOUND))})"
    rf"[{_HAN}]{{1,2}}(?:{_RIGHT.pattern}))"
)
# Without any surname that a list has: only where each seam of the two or three characters is rare in ordinary text.
_LOOSE = re.compile(
    rf"{alternatives(KIN)}([{_HAN}]{{2,3}}?){alternatives('代述|代诉|反映|陪同|签字|签名|陪护|代签|告知|护送|转述|代办')}"
)
_KIN_AFTER_GRANDSON = ("长孙女", "长孙媳")


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of every framed name, on folded text.

    >>> list(find("由其女荻绫陪同")), list(find("由其女尹荻绫陪同"))
    ([(3, 5)], [(3, 6), (3, 6)])
    """
    for match in _FRAME.finditer(text):
        end = _end(text, match.end())
        if end:
            yield match.end(), end
    for match in _LOOSE.finditer(text):
        start, end = match.span(1)
        if FIELD_WORD.match(match[1]) is None and not any(text[n : n + 2] in pairs() for n in range(start - 1, end)):
            yield start, end


def _end(text: str, at: int) -> int:
    """Return where the name ends, or 0: of two readings the one with the longer word behind it."""
    best = (0, 0)
    for surname in (1, 2):
        if surname == 2 and text[at : at + 2] not in COMPOUND:
            continue
        for given in (1, 2):
            end = at + surname + given
            right = _RIGHT.match(text, end)
            if right and _may_be_name(text[at:end], surname):
                best = max(best, (right.end() - end, end))
    return best[1]


def _may_be_name(name: str, surname: int) -> bool:
    given = name[surname:]
    if name in NOT_NAMES or FIELD_WORD.match(name) or name.startswith(_KIN_AFTER_GRANDSON):
        return False
    if surname == 2:
        return True
    if name[:2] in NOT_NAMES and name[2:] not in STRONG:
        return False
    if name[0] not in WORDLIKE:
        return True
    return not any(c in NOT_GIVEN and c not in ALSO_GIVEN for c in given) and (
        name[0] not in PARTICLES or any(c in STRONG for c in given)
    )
