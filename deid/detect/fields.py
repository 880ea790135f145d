"""Names in a field that asks for a person: 签名：…, 责任护士 …, 检查者/录入, 家属(女儿)：…, and nicknames in a chat.

Where a form asks for somebody, a short value is a name whatever its characters; what ordinary text is full of
(``grams``) and what forms say instead of a name (拒绝, 同上) is none.
"""

# ruff: noqa: E501  # a pattern or a table of words is one line each

import re
from collections.abc import Iterator

from deid.detect import windows
from deid.detect.cue_words import FIELD_WORD, FOREIGN, KIN, ROLE, TITLE
from deid.detect.grams import pairs, triples
from deid.detect.lexicon import alternatives, listed
from deid.detect.surnames import COMMON, COMPOUND, STRONG, SURNAMES
from deid.detect.words import NOT_NAMES

_HAN = "\u4e00-\u9fff"
_MORE_ROLES = (
    "审阅|审签|陪护证|点评|宣教者|宣教|主麻|副麻|外科|会诊者|接生|台下|台上|陪产|出诊|录入|报告人|接听人|接听|接电|值班|立书人|立据人|谈话医师|谈话医生|签发|检验|送检|阅片|报告|巡回|洗手|"
    "流调|带队流调|承办|承办人|填卡医生|填卡|署名|受血者|供血者|经管|交接护士|交接|对象|助理|网名|大名|全名|真名|名称为|PI|CRC|CRA|发药|配液|发言|主持|带教|总值班|随车|驾驶员|报修人|评估者|评估|执笔|"
    "同伴|陪同|陪诊|家长|家长姓名|母|父|子|女|配偶|爱人|夫|妻|答复人|责任人|复检|初检|诊断|诊断者|术前访视|穿刺|置管|操作|换药|测量者|记录护士|接诊|首诊|代签|代|"
    "Tech|MD|主诊|护长|下一棒|上一棒|接机|上机|下机|透析护士|化验|描图|制片|取材|包埋|特检|抄报|抄报人|审批|审批人|批准|批准人|申办者|监查员|信息员|网格员|楼长|门牌|收样|收样人|送样|送样人|采集|采集者|采集人|抢救人员|讨论"
)
_SPEAKERS = listed(
    "医生 患者 护士 家属 病人 客服 大夫 医师 专家 母亲 父亲 妈妈 爸爸 女儿 儿子 老师 教授 主任 男 女 子 夫 妻 父 母 本人 记录 诊断 外科 报告 检验 评估 讨论 对象 穿刺 操作 换药 接诊 首诊 陪同 名称为 代 家长"
)
_NAMING = re.compile("(?:名|签|者|人|员|师|护|助|术者|主刀|麻醉|麻|手|审核|核对|复核|发药|调配|录入|签发)$")
_WORDS = frozenset({*ROLE.split("|"), *KIN.split("|"), *_MORE_ROLES.split("|")})
_FIELD = re.compile(
    rf"([{_HAN}A-Za-z]{{1,8}})[0-9]?(?:\([^()\n]{{0,8}}\))?(?: ?[:=] ?| {{1,4}}|\n(?=[{_HAN}]{{2,4}}\n))[_ ]{{0,8}}(?=[{_HAN}A-Z\"“])"
)
_BREAK = re.compile("[:= \\n]")
_SUFFIX = re.compile(rf"[{_HAN}]{{0,4}}(?:医师|医生|护士|大夫|教授|技师|药师|记者|者|人员|人|员|签名|签字|签章|姓名)$")
_NOT_ROLES = listed(
    "病人 患者 他人 本人 家人 老人 成人 亲人 人员 工作人员 或者 再者 前者 后者 医务人员 致病人 妇人 别人 某人 男人 女人 有人 没有人 每人 人人 两人 一人"
)
_SPACED = re.compile(rf"[{_HAN}](?: {{1,3}}[{_HAN}]){{1,3}}(?= {{2}}|\n|$|[,。;:0-9(]| ?[A-Z]| [{_HAN}]{{2}})")
_RUN = re.compile(rf"[{_HAN}·]{{1,12}}")
_TITLES = re.compile(rf"{alternatives(TITLE)}$")
_SPEECH = re.compile(
    "[的了是我你他她它不有没在吗呢吧啊什么怎这那请您们无未已均可见约行予及等被把让和与但又也还就都很太]"
)
_LATIN = re.compile(
    r"[A-Z][a-z]+(?:[ '-][A-Z][A-Za-z]*\.?){0,3}(?![A-Za-z])|[A-Z](?:-?[A-Z]){1,3}(?![A-Za-z0-9])|[A-Z]{2,}(?: [A-Z]{2,}){1,2}(?![A-Za-z])"
)
_NOT_LATIN = listed(
    "CT MR MRI DR CR PET DSA US ECG EEG EMG NA WBC RBC HB PLT CRP ESR ICU CCU NICU PICC CVC NRS VAS GCS ABO RH HP HIV HBV HCV TP IV IM PO QD BID TID TM NS GS FFP OK NO YES TNM EF BP HR"
)
_GAP = re.compile(r"[、,/;+&和与及]{1,2} ?|\)?\([^()\n]{1,10}\)[、,/; ]{0,2}|(?= )")
_LABEL = re.compile(
    rf"(?:{alternatives([*_WORDS, '性别', '年龄', '科别', '科室', '床号', '金额', '日期', '时间', '住院号', '门诊号', '电话', '单位', '诊断', '临床诊断', '处方', '关系', '编号', '工号', '民族', '职业', '婚姻', '住址', '地址', '籍贯', '病区', '病室', '标本', '费别', '身份证号'])})$"
)
_MENTION = re.compile(rf"@([{_HAN}A-Za-z0-9_]{{2,12}})(?=[:,\s]|$)")
_NICK = re.compile(r"(?:患者|病人|用户|网友|家长|宝妈|咨询者|客户)[(\[【]([^()\[\]【】\n]{2,12})[)\]】] ?:")


# A role and a short value without anything between them: 接听人妮娜.
_TIGHT = re.compile(
    rf"(?:(?:报告|接听|会诊|审核|检验|记录|操作|核对|填报|填表|采样|送检|接收|联系|经办|受血|供血|宣教|评估|治疗|报修|值班|带教|执行|录入|签收|收样)(?:者|人|师|员)|签名|签字|谈话医师|记录医师|填卡医生)([{_HAN}]{{1,3}})(?=[ ,。;/)(\n]|$)"
)
_TIGHT_LATIN = re.compile(
    r"(?:医生|医师|护士|助理|教授|主任|患者|翻译|外教|同事|丈夫|妻子|朋友|客服|顾问|先生|女士|叫|网名|英文名)([A-Z][a-zà-ÿ]+(?: [A-Z][A-Za-zà-ÿ'-]*)*)(?![A-Za-z])"
)
_ANY_NAME = re.compile(
    rf"(?:小名|乳名|大名|网名|昵称|外号|绰号|曾用名|别名|艺名|笔名|学名|真名|本名)(?:[:为是叫]| )?[\"“]?([{_HAN}]{{2,4}})(?=[ ,。;/)(\"”\n]|$)"
)


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of every name that stands in a person's field, on folded text.

    >>> list(find("报告人:冶金花 审核:闻")), list(find("医生:你好"))
    ([(4, 7), (11, 12)], [])
    """
    for match in windows.found(text, _FIELD, windows.around(text, _BREAK, 20, 14)):
        role = _role(match[1], colon=":" in match[0] or "=" in match[0])
        if role:
            yield from _values(text, match.end(), role, blank=":" not in match[0] and "=" not in match[0])
    for match in _TIGHT.finditer(text):
        if _fits(text, match.start(1), match[1], "签名", blank=True, listed_after=False):
            yield match.span(1)
    for match in _TIGHT_LATIN.finditer(text):
        if match[1] not in _NOT_LATIN and len(match[1]) > 2:
            yield match.span(1)
    for match in _ANY_NAME.finditer(text):
        if not FIELD_WORD.match(match[1]) and not _SPEECH.search(match[1]):
            yield match.span(1)
    for match in _MENTION.finditer(text) if "@" in text else ():
        if "某" not in match[1]:
            titled = _TITLES.search(match[1])
            yield match.start(), match.end(1) - (len(titled[0]) if titled and titled.start() else 0)
    for match in _NICK.finditer(text):
        if not any(word in match[1] for word in ("男", "女", "岁", "签", "代", "家属")):
            yield match.span(1)


def _role(word: str, *, colon: bool) -> str:
    """Return the role that a word ends in, or nothing."""
    for length in range(min(len(word), 8), 0, -1):
        if word[-length:] in _WORDS:
            role = word[-length:]
            return role if length > 1 or len(word) == 1 or colon else ""
    if colon and (match := _SUFFIX.search(word)) and match[0] not in _NOT_ROLES and word not in _NOT_ROLES:
        return match[0]
    return ""


def _values(text: str, at: int, role: str, *, blank: bool) -> Iterator[tuple[int, int]]:
    for n in range(8):
        at += text[at : at + 1] in ('"', "“")
        end = _value(text, at, role, blank=blank, listed_after=n > 0)
        if not end:
            return
        yield at, end
        titled = _TITLE_AT.match(text, end)
        gap = _GAP.match(text, titled.end() if titled else end)
        if not gap or not gap[0].strip():
            return
        at = gap.end()


_TITLE_AT = re.compile(alternatives(TITLE))


def _value(text: str, at: int, role: str, *, blank: bool, listed_after: bool) -> int:
    latin = _LATIN.match(text, at)
    if latin:
        fits = latin[0] not in _NOT_LATIN and (
            role not in _SPEAKERS or " " in latin[0] or role in ("检验", "报告", "记录")
        )
        fits = (
            fits
            and (len(latin[0]) > 3 or latin[0].isupper())
            and (
                _NAMING.search(role) is not None
                or not latin[0].isupper()
                or role in ("检验", "审核", "核对", "PI", "CRC")
            )
        )
        return latin.end() if fits else 0
    spaced = _SPACED.match(text, at)
    if spaced:
        name = spaced[0].replace(" ", "")
        if (
            name[0] in SURNAMES
            and len(name) <= 4
            and (name not in NOT_NAMES or role.endswith(("签名", "签字", "姓名")))
            and not FIELD_WORD.match(name)
        ):
            return spaced.end()
    run = _RUN.match(text, at)
    if run is None:
        return 0
    value = run[0].strip("·")
    if text[run.end() : run.end() + 1] in (":", "=") or re.match(r" ?:", text[run.end() : run.end() + 2]):
        label = _LABEL.search(value)
        if label is None or not label.start():
            return 0
        value = value[: label.start()]
    titled = _TITLES.search(value)
    if titled and titled.start():
        value = value[: titled.start()]
    return at + len(value) if _fits(text, at, value, role, blank=blank, listed_after=listed_after) else 0


def _asks_for_a_name(text: str, at: int, value: str, role: str) -> bool:
    """Return whether a form asks for a person by a colon and gets a surname and one or two characters, whatever they mean."""
    end = text[at + len(value) : at + len(value) + 1]
    return (
        _ASKS.search(role) is not None
        and 2 <= len(value) <= 3
        and value[0] in SURNAMES
        and value not in _ANSWERS
        and value[:2] not in _ANSWERS
        and FIELD_WORD.match(value) is None
        and value not in _WORDS
        and (end in _ENDS or end.isdigit())
    )


_ASKS = re.compile(
    "(?:姓名|签名|签字|[^他别]者|[核对录填经报检验审联系负责委托监护执行操作记主持接收]人|[医药技护康]师|护士|医生|助手|[一二三]助|主刀|审核|复核|核对|报告|记录|抄方|调配|发药|麻醉|器械|巡回)$"
)
_ENDS = frozenset(" ,。;、/)(\n|") | {""}
_ANSWERS = listed(
    """
成功 满意 平稳 顺利 完善 安全 良好 方式 方法 方案 时间 单位 费用 明确 待查 相符 相关 单侧 双侧 应用 平面 时长 计划 经过 安排 关系 金额 项目 程序 过程 全程 常规 全身 全部 和解 单次
时期 阳性 阴性 应答 左侧 右侧 齐全 有效 无效 通过 符合 成立 高危 安静 平卧 平均 易感 白班 夜班 别名 全科 骨科 从事 空缺 能够 边界 温度 有无 同意 巴氏 解剖 解除
"""
)


def _fits(text: str, at: int, value: str, role: str, *, blank: bool, listed_after: bool) -> bool:
    if "·" in value:
        return len(value) <= 12
    if not blank and _asks_for_a_name(text, at, value, role):
        return True
    if FIELD_WORD.match(value) or value in NOT_NAMES or value in _WORDS or _SPEECH.search(value[1:]):
        return False
    if value[:2] in NOT_NAMES and (len(value) < 3 or value in triples() or _NAMING.search(role) is None):
        return False
    surname = 2 if value[:2] in COMPOUND else int(value[0] in SURNAMES)
    after = text[at + len(value) : at + len(value) + 1]
    if value[-1] in "号证码科室" or "某" in value:
        return False
    if len(value) == 1:
        if not surname and value in STRONG and _NAMING.search(role) and not "\u4e00" <= after <= "\u9fff":
            return True
        return (
            bool(surname)
            and (not "\u4e00" <= after <= "\u9fff" or _TITLE_AT.match(text, at + 1) is not None)
            and not (blank and role in _SPEAKERS)
        )
    if value in COMPOUND:
        return _NAMING.search(role) is not None or not blank
    if len(value) > 4:
        return len(value) <= 7 and sum(c in FOREIGN for c in value) * 2 > len(value)
    if value[0] in "的了是我你他她不有没在这那请您无未已均可约予见":
        return False
    known = value in pairs() or value in triples()
    inside = sum(value[n : n + 2] in pairs() for n in range(len(value) - 1))
    if role in _SPEAKERS or (blank and _NAMING.search(role) is None):
        return (
            bool(surname)
            and len(value) - surname in (1, 2)
            and not known
            and (inside == 0 or (value[0] in COMMON and inside < 2 and len(value) == 3))
        )
    if surname and len(value) - surname in (1, 2):
        return not known or (_NAMING.search(role) is not None and len(value) == 2 + (surname - 1))
    if listed_after and known:
        return False
    if len(value) == 2 and value[0] == value[1]:
        return True
    return _NAMING.search(role) is not None and (
        inside == 0 or (len(value) == 2 and role.endswith(("名", "签字", "签名")))
    )
