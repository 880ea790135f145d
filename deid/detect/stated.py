"""Names that the shape of a note states, whatever they are made of: 高兴，女，28岁; 术者马力，一助江山; the speakers of a chat.

Parents call children 高兴 and 江山. Where sex and age follow, where one role after another gets somebody, and where lines
begin with who speaks, a word is a name all the same.
"""

# ruff: noqa: E501  # a pattern or a table of words is one line each

import re
from collections import Counter
from collections.abc import Iterator

from deid.detect.cue_words import FIELD_WORD, KIN, ROLE, TITLE
from deid.detect.lexicon import alternatives, listed
from deid.detect.surnames import COMPOUND, SURNAMES

_HAN = "\u4e00-\u9fff"
_SURNAME = rf"(?:{'|'.join(sorted(COMPOUND))}|[{''.join(sorted(SURNAMES))}])"
_PERSON = rf"{_SURNAME}[{_HAN}]{{1,2}}"
_SEX = r"(?:[男女](?:性|童|孩|婴)?(?=[,。;:、 /|)\]\n0-9]|$)|[MF]\b)"
_AGE = r"[0-9]{1,3} ?(?:岁|周岁|[个]?月龄?|天|Y\b|y\b|[MF]\b)"
_INTRODUCED = re.compile(
    rf"(?:^|(?<=[,。;:、\s(\[\"“|/.)>#])|(?<=患者|病人|患儿|产妇|孕妇|[0-9]床|床号|居民|村民|旅客|病例))"
    rf"({_PERSON})(?=[,( /|\[]{{1,3}}(?:{_SEX}|{_AGE}))",
    re.MULTILINE,
)
_NOBODY = listed(
    """
患者 患儿 病人 产妇 孕妇 老人 男性 女性 男婴 女婴 男孩 女孩 性别 年龄 姓名 平素 平时 常年 单身 成人 成年 时年 时值 现年 当时 家中 高龄 应为 双胎
全家 何人 别人 小儿 幼儿 胎儿 胎龄 农民 党员 干部 司机 车祸 陪护 陪同 家属 家人 家长 祖父 祖母 于今 年约 年近 方面 关系 金额 单位 门诊 急诊 白人 黄种人 和平
其他 其它 安静 相同 关于 由于 对于 平均 全部 全体 全组 全程 原位 原发 终年 享年 卒年 时间 常见 高危 经产妇 查体 成分 容量 包括 单胎 郎中 车次
"""
)
# A relative and a word that begins with a surname, and then the clause ends or a speech begins.
_RELATED = re.compile(
    rf"(?:{alternatives([kin for kin in KIN.split('|') if len(kin) > 1])})({_PERSON}?)(?=[,(、;。)\n]|代述|代诉|补充|陪同|陪护|签字|签收|反映|诉|称|说|在场|到场|来电|要求|拒绝|同意|知情|$)"
)
_BEFORE_TITLE = re.compile(
    rf"(?:^|(?<=[,。;:、\s(\[“|/.)0-9]))({_PERSON}?)(?=(?:副?主任(?:医师|护师|技师|药师)?|副?教授|主治(?:医师)?|住院医师|医师|医生|大夫|护士长?|营养师|技师|药师|治疗师|康复师|老师|先生|女士)(?!长(?!查)))"
)
_NOT_TITLED = listed(
    """
全科 全院 全体 全职 安排 应急 单位 农村 平时 方面 管床 国家 车间 任何 别的 相关 和平 常规 包村 由于 成人 贵院 高年资 高级 高年 温和 关于 向其 于是 多谢 谢谢 家庭 应当
麻醉 麻烦 但是 过住 时任 原任 现任 继任 前任 卫生 应找 应请 应由 解释 权威 和蔼 和各 有名 有关 应诊 常驻 平均 单独 计划 明白 党员 宣布 支教 符合 管理 边防 武警 连长 双方 平安 项目 经管 经治 阴超
"""
)
# Roles that stand beside each other in a list of who did what.
_CAST = (
    "术者|手术者|主刀|一助|二助|三助|助手|第一助手|第二助手|麻醉|麻醉师|麻醉医师|主麻|副麻|器械|器械护士|洗手|洗手护士|巡回|巡回护士|台上|台下|接生|巡台|助产|护婴|"
    "上机|下机|穿刺|内瘘穿刺|核对|复核|审核|校对|报告|录入|打印|经办|承办|初诊|复诊|主诊|抄方|处方|审方|调配|发药|配药|取材|制片|包埋|初检|复检|检验|采血|采样|送检|"
    "记录|执行|主持|带教|一线|二线|三线|听班|白班|夜班|小夜|大夜|中班|主班|治疗|责护|责任护士|值班|总值班|管床|主管|主治|住院|经治|上级|质控|护士长|科主任|医生|医师|护士|"
    "助手医师|接诊|首诊|书写|填表|调查|审批|签发|交班|接班|交|接|翻译|司机|急救员|随车|担架员|出诊|研究者|监查员|CRC|CRA|PI"
)
_PLAYED = re.compile(
    rf"(?<![{_HAN}])({alternatives(_CAST)})(?:者|人|员|医师|医生)?[:\- ]{{0,2}}({_PERSON})(?=[,;、。/ )\n]|$)"
)
_NOT_PLAYED = listed(
    """
成功 满意 平稳 顺利 完善 安全 良好 全麻 完毕 无误 有效 通过 支持 阴性 阳性 正常 同上 同前 方式 方法 方案 时间 单位 费用 明确 待查 相符 相关 车间
后方 后期 后续 成分 应用 平面 时长 计划 记录 经过 结束 安排 关系 关注 和谐 温水 金额 项目 程序 过程 全程 满月 应答 部位 易位 单次 常规 双管 于今 包扎
"""
)
# Who speaks: lines that begin with a short word and a colon, where one comes again.
_SPEAKER = re.compile(
    rf"^[ \[\(]?([{_HAN}·]{{1,5}}|[A-Za-z][A-Za-z.]*(?: ?[A-Za-z{_HAN}]+)?)(?:\({{0,1}}[{_HAN}]{{2,5}}\))?[\])]?(?: [0-9:]{{4,8}})? ?: ?(?=\S)",
    re.MULTILINE,
)
_ROLES = frozenset(
    {*ROLE.split("|"), *KIN.split("|"), *TITLE.split("|"), *listed("医 患 问 答 甲 乙 客服 护 我 他 她 你 男 女")}
)
_HEADING = re.compile(
    r"(?:诉|史|断|查|见|方|法|容|期|间|号|位|名|别|龄|果|论|况|目|嘱|案|划|价|估|量|因|准|注|录|告|血|尿|便|痰|温|压|搏|吸|吟|质|苔|象|论|治|药|液|食|理|术|后|前|中|时|日|点|址|话|型|级|分|类|度|数|值|色|形|征|症|要|示|题|录|结|议|标|项|率|码|费|额|源|料|系|式|息|学|检|片|线|图|超|物|具|常|他|明|知|意|字|章|右|左|上|下)$"
)


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of every name that the shape of the text states, on folded text.

    >>> list(find("高兴,女,28岁")), list(find("术者马力,一助江山。")), list(find("麻醉满意。"))
    ([(0, 2)], [(2, 4), (7, 9)], [])
    """
    for match in _INTRODUCED.finditer(text):
        name = match[1]
        if name not in _NOBODY and name[:2] not in _NOBODY and FIELD_WORD.match(name) is None:
            yield match.span(1)
    for pattern, refused in ((_RELATED, _NOBODY | _NOT_PLAYED), (_BEFORE_TITLE, _NOT_TITLED | _NOBODY)):
        for match in pattern.finditer(text):
            name = match[1]
            if name not in refused and name[:2] not in refused and FIELD_WORD.match(name) is None:
                yield match.span(1)
    yield from _cast(text)


def _cast(text: str) -> Iterator[tuple[int, int]]:
    """Yield who plays a role, where at least two roles stand near each other."""
    played = [
        match
        for match in _PLAYED.finditer(text)
        if match[2] not in _NOT_PLAYED and match[2][:2] not in _NOT_PLAYED and FIELD_WORD.match(match[2]) is None
    ]
    for n, match in enumerate(played):
        beside = (played[n - 1 : n] if n else []) + played[n + 1 : n + 2]
        if any(other[1] != match[1] and abs(other.start() - match.start()) <= 24 for other in beside):
            yield match.span(2)


def speakers(text: str) -> Iterator[tuple[int, int]]:
    r"""Yield the start and end of whoever speaks, where lines begin with that and one comes again.

    >>> list(speakers("Kenji: ok\nMarisol: yes\nKenji: bye"))
    [(0, 5), (10, 17), (23, 28)]
    """
    if text.count("\n") < 2 or ":" not in text:
        return
    said = [match for match in _SPEAKER.finditer(text) if match[1] not in _ROLES and _HEADING.search(match[1]) is None]
    if len(said) < 2 or max(Counter(match[1] for match in said).values()) < 2:
        return
    for match in said:
        word = match[1]
        title = _TITLED.search(word)
        end = match.start(1) + title.start() if title and title.start() else match.end(1)
        if (len(word) >= 2 or word in SURNAMES) and FIELD_WORD.match(word) is None:
            yield match.start(1), end


_TITLED = re.compile(rf"{alternatives(TITLE.replace('(?=[,。;说来打])', ''))}$")
