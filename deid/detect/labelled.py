"""Numbers and names of accounts that only the cue in front of them gives away: 住院号, 医保卡号, MRN, 微信."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
import string
from collections.abc import Iterator

from deid.detect import windows
from deid.detect.lexicon import alternatives
from deid.detect.span import Span

# What may stand between a cue and its value.
_LINK = r"(?:号码|号|码|编号|No\.?|NO\.?|#)?(?:\([^()\n]{1,8}\))? ?(?:[:=]|为|是|尾号|后四位|#)?[ :为是]{0,3}"
# A value: letters and digits with at least one digit, perhaps in groups.
_VALUE = r"((?:[A-Z]{1,3} [0-9]{6,}(?![0-9A-Za-z]))|(?:[0-9](?: {1,2}[0-9](?![0-9])){4,19})|(?:[A-Za-z]{0,8}[-_/.#]?){0,2}[0-9*][A-Za-z0-9*_/.~-]*[A-Za-z0-9*](?: [0-9*]{1,}(?![0-9]*(?:[:.年月/-]| ?[岁次床天])|[A-Za-z%]))*|[A-Za-z]?[0-9*])"
_SPOKEN = r"([零〇一幺二两三四五六七八九](?:[ ,、-]?[零〇一幺二两三四五六七八九]){2,20})"

_CUES = {
    "MRN": (
        "住院|病案|病历|门诊|急诊|登记|就诊|就诊卡|诊疗|诊疗卡|档案|健康档案|电子档案|标本|样本|样品|条码|条形码|检验|检查|化验|申请单|申请|"
        "医嘱|处方|影像|影像检查|放射|CT|MR|MRI|X线|X光|DR|PET|超声|B超|彩超|病理|活检|蜡块|切片|玻片|会诊病理|内镜|胃镜|肠镜|心电图|心电|片|"
        "报告|报告单|检测|受试者|随机|筛选|入组|流水|发票|收据|票据|结算|账单|订单|工单|受理|投诉|信访|案|案卷|卷宗|理赔|报案|赔案|"
        "出生证|出生证明|出生医学证明|死亡证|死亡证明|死亡医学证明|诊断证明|证明|证书|残疾证|接种证|预防接种证|儿童|手册|保健手册|围产|"
        "报告卡|卡片|疫情|个案|病例|编|序|运单|快递|快递单|手术|手术单|用血|输血|血袋|献血|献血证|住院登记|留观|体检|体检编|就医|挂号|预约|"
        "病人|患者|孕产妇|产妇|新生儿|母婴|透析|随访|建档|管理|调查表|问卷|采样管|管|采血|核酸|车次|抢救|出车|任务|单|凭证|鉴定|备案|许可"
    ),
    "INSURANCE": (
        "医保|医保卡|医保个人|医疗保险|医疗保险证|社保|社保卡|社会保障|社会保障卡|保单|保险单|保险合同|新农合|农合|农合证|参合|合作医疗证|医疗证|"
        "公费医疗证|医保电子凭证|商保|参保|个人社保"
    ),
    "ID_CARD": (
        "身份证|身份证件|证件|公民身份|居民身份证|身份|驾驶证|驾照|军官证|士兵证|军人证|警官证|文职证|海员证|外国人永久居留证|居留证|居住证|户口簿|户口本"
    ),
    "PASSPORT": "护照|港澳通行证|通行证|台胞证|回乡证|往来港澳通行证|台湾居民来往大陆通行证|港澳居民来往内地通行证",
    "BANK": "银行卡|银行账|银行账户|卡|账|账户|开户账|借记卡|信用卡|工资卡|存折|退款账|收款账",
    "PHONE": (
        "电话|手机|手机号|联系电话|联系方式|联系人电话|固话|座机|传真|分机|内线|短号|热线|家电|宅电|办公电话|呼机|寻呼机|寻呼|小灵通|Tel|TEL|tel|"
        "来电|拨打|致电|回电|电联|号码|联系手机|本人手机|家属手机|家属电话"
    ),
    "ACCOUNT": (
        "QQ|qq|QQ群|扣扣|工牌|工卡|胸卡|工|员工|职工|胸牌|执业证|执业证书|执业医师证|医师执业证书|护士执业证书|医师资格证|资格证|执业|学|学籍|警|准考证|会员|用户|"
        "钉钉|支付宝|医师代码|医生代码|职业资格|工作证"
    ),
    "DEVICE": "序列|设备|设备序列|机身|出厂|产品序列|IMEI|SN|S/N|机器|主机|仪器|资产|器械编",
}
_NUMBERED = {"MRN", "INSURANCE", "ID_CARD", "PASSPORT", "ACCOUNT", "DEVICE", "BANK"}
# Cues that do not end in 号 themselves: the number follows directly.
_DIRECT = {
    "PHONE": _CUES["PHONE"],
    "ID_CARD": "身份证|公民身份号码|驾驶证|驾照|军官证|士兵证|警官证|居住证|海员证",
    "PASSPORT": _CUES["PASSPORT"],
    "INSURANCE": "医保|医保卡|社保卡|社保|新农合|农合|参合|保单|医疗证|医保电子凭证",
    "BANK": "银行卡|卡|工资卡|借记卡|信用卡|账户|存折",
    "ACCOUNT": "QQ|qq|扣扣|工牌|工卡|胸卡|工号|警号|工作证|执业证|支付宝|钉钉|微信",
    "MRN": "ID|PID|条码|条形码|片号|影像号|编号|证号|血袋号|血袋|病历|病案|病理|DR|就诊卡|诊疗卡|登记",
    "DEVICE": "IMEI|SN|S/N|序列号|UDI",
}


def _any(words: str) -> str:
    """Alternatives, longest first; a Latin cue must not be the end of a longer word (SN in SSN)."""
    ordered = sorted(set(words.split("|")), key=lambda word: (-len(word), word))
    return "|".join(rf"(?<![A-Za-z]){word}" if word[0].isascii() else word for word in ordered)


_RULES = tuple(
    (label, re.compile(pattern, re.ASCII))
    for label, pattern in [
        *(
            (label, rf"(?:{_any(_CUES[label])}) ?(?:编|代)? ?(?:号码|号|码|编号|ID)(?:号)?{_LINK}{_VALUE}")
            for label in sorted(_NUMBERED)
        ),
        *((label, rf"(?:{_any(words)}){_LINK}{_VALUE}") for label, words in _DIRECT.items()),
        *((label, rf"(?:{_any(_CUES[label])})(?:号码|号|码|编号){_LINK}{_SPOKEN}") for label in sorted(_NUMBERED)),
        ("PHONE", rf"(?:{_any(_CUES['PHONE'])}){_LINK}{_SPOKEN}"),
    ]
)
_HANDLE = re.compile(
    r"(?:微信(?:预约|联系|咨询|添加|加)?号?|微信ID|weixin|[Ww]e[Cc]hat(?: ID)?|WX|wx|VX|vx|V信|v信|用户名|登录名|登录账号|账号|用户ID|昵称|抖音号?|微博|小红书号?|邮箱名|"
    r"[Uu]ser ?name|[Uu]ser ?ID|[Ll]ogin|[Ss]kype|[Ii]nstagram(?: handle)?|[Hh]andle|[Tt]witter|[Ss]napchat|[Vv]enmo|[Ff]acebook|LINE ID)(?:号|ID|账号)?(?: ?(?:是|为|[:=@]))?[ :@]{0,2}([A-Za-z][A-Za-z0-9_.-]{3,30}[A-Za-z0-9_])",
    re.ASCII,
)
_AT = re.compile(r"(?<![A-Za-z0-9._%+#&-])@[A-Za-z][A-Za-z0-9_.]{2,30}(?<![.])(?![A-Za-z0-9]*\.[a-z])")
_ANY_HANDLE = re.compile(
    r"(?:账号|帐号|用户名|网名|抖音号?|小红书号?|微博)(?:[:是为@] ?| )?([\u4e00-\u9fffA-Za-z0-9_]{3,20})(?=[\s,。;:、()]|$)"
)
_ENGLISH_LINK = r"\.?(?: ?(?:no\.?|number|num|nbr|id|#|code))*(?: (?:is|was|of))? ?[:#=]? ?#? ?"
_ENGLISH = {
    "MRN": r"mrn|mr|mc|patient|bag|tray|medical record|med(?:ical)? rec|patient id|pt id|pid|chart|accession|acc|specimen|sample|case|visit|encounter|order|requisition|report|study|subject|subj|chart no|urn|incident report|kit|screening|randomi[sz]ation|hospital|unit|record|file|nhs|nhi|chi|csn|fin|episode|claim|receipt|invoice|certificate|reference|ref|confirmation|ticket|incident|docket|prescription|rx|barcode|slide|block|film|hospital number|registration",
    "INSURANCE": r"policy|member|policy|medicare|kit|plate|tag|reg\b|subscriber|medicare|medicaid|insurance|group|beneficiary|plan|health plan|hicn|mbi|payer",
    "ID_CARD": r"ssn|social security|driver'?s? licen[cs]e|dl|national id|nric|hkid|id card|identity card|sin|nino|national insurance|seaman'?s book|military id",
    "PASSPORT": r"passport|travel document",
    "BANK": r"sort code|account|acct|a/c|iban|routing|card|credit card|debit card|bank account|card ending(?: in)?|ending in",
    "ACCOUNT": r"npi|dea|epic|cerner|interpreter|licen[cs]e|lic|badge|employee|staff|student|user|login|username|provider|license plate id|gmc|nmc|upin",
    "DEVICE": r"serial|s/n|sn|device|imei|udi|model serial|meid",
    "PHONE": r"phone|tel|telephone|cell|mobile|fax|pager|pgr|pg|beeper|ext|extension|call|callback|contact|home|work|office|ph|text|whatsapp|x",
    "PLATE": r"license plate|licence plate|plate|tag|reg|car reg|vehicle registration|vin",
}
_ENGLISH_RULES = tuple(
    (label, re.compile(rf"\b(?:{_any(words)}){_ENGLISH_LINK}{_VALUE}", re.ASCII | re.IGNORECASE))
    for label, words in _ENGLISH.items()
)
_STRONG_ENGLISH = re.compile(
    r"no\b|number|num\b|nbr|id\b|[#:=]|ending|mrn|ssn|npi|dea\b|imei|ext|pager|pgr|lic|badge|interpreter|member|passport|plate",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:尾号|末四位|后四位|后4位|last (?:four|4)(?: digits)?(?: of [A-Za-z ]{2,20})?|ending in)(?: ?(?:是|为|:|of|are|is))? ?([0-9Xx]{3,6})(?![0-9])",
    re.IGNORECASE,
)
_POLITE = re.compile(r"(?:1[0-2][0-9]|911|999|112|12[0-9]{3})")
_PLAIN_DATE = re.compile(
    r"(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|(?:19|20)[0-9]{2}|[0-9]{1,2}[-/.:][0-9]{1,2}"
)
_CYCLE = re.compile(r"[Dd][0-9]{1,2}(?:[-~,/][Dd]?[0-9]{1,2})*(?:/[A-Za-z]+)?")  # days of a treatment cycle
_COURT = re.compile(r"\((?:19|20)[0-9]{2}\)[\u4e00-\u9fff]{1,2}[0-9]{0,4}[\u4e00-\u9fff]{1,4}(?:字第?)?[0-9]{1,6}号")
_POSTAL_LOT = re.compile(r"(?:批|国药准字|生产批|批准文)$")


def find(text: str, source: str) -> Iterator[Span]:
    """Yield the values that follow a cue, on folded text."""
    stretches = list(windows.merged(text, sorted([*_cued(text, _LINKED, 28), *_spoken_cued(text)])))
    if stretches:
        for label, rule in _RULES:
            for match in windows.found(text, rule, stretches):
                if _plausible(text, match, label):
                    yield Span(match.start(1), match.end(1), label, 0.8 if label in ("BANK", "PHONE") else 0.96, source)
    stretches = []
    if _LETTERS.search(text):
        stretches = list(windows.merged(text, _cued_english(text)))
    if stretches:
        for label, rule in _ENGLISH_RULES:
            for match in windows.found(text, rule, stretches):
                if _plausible_english(text, match, label):
                    yield Span(match.start(1), match.end(1), label, 0.8 if label in ("BANK", "PHONE") else 0.9, source)
    for match in _HANDLE.finditer(text) if _HANDLE_HINT.search(text) else ():
        yield Span(match.start(1), match.end(1), "ACCOUNT", 0.8, source)
    for match in _AT.finditer(text) if "@" in text else ():
        yield Span(*match.span(), "ACCOUNT", 0.7, source)
    for match in _ANY_HANDLE.finditer(text):
        if any(c.isalnum() for c in match[1]) and (any(c.isdigit() or c == "_" for c in match[1]) or ":" in match[0]):
            yield Span(*match.span(1), "ACCOUNT", 0.6, source)
    for match in _TAIL.finditer(text) if _TAIL_HINT.search(text) else ():
        before = text[max(0, match.start() - 12) : match.start()]
        label = "BANK" if "卡" in before or "card" in before else "ID_CARD" if "证" in before else "PHONE"
        yield Span(match.start(1), match.end(1), label, 0.8, source)
    for match in _COURT.finditer(text):
        yield Span(match.start(), match.end(), "MRN", 0.9, source)


# A value worth a look: three characters or more with a digit, or spoken digits.
_WORTH = re.compile(
    r"[0-9A-Za-z*#](?:(?<=[0-9*])|(?=[A-Za-z_/.#-]{0,20}[0-9*]))(?=[0-9A-Za-z*_/.#-]{2}| [0-9*]{2}| {1,2}[0-9] {1,2}[0-9])[0-9A-Za-z*_/.#-]*(?: [0-9*]{2,})?"
)
_WORTH_SPOKEN = re.compile("[零〇一幺二两三四五六七八九](?:[ ,、-]?[零〇一幺二两三四五六七八九]){2}")
_LETTERS = re.compile("[A-Za-z]{2}|[Xx]")
_HANDLE_HINT = re.compile("[A-Za-z][A-Za-z0-9_.-]{4}")
_TAIL_HINT = re.compile("[位号45g](?:(?<=四位)|(?<=尾号)|(?<=4位)|(?<= 4)|(?<=in)g)|four|FOUR")
# A cue and what may link it to a value, up to the value's first digit.
_LINKED = re.compile(
    rf"{alternatives('|'.join((*_CUES.values(), *_DIRECT.values())))}"
    r"(?:[ 号码编代:=为是尾后四位人者A-Za-z_/.#-]|\([^()\n]{1,8}\)){0,26}$"
)
_LINKED_ENGLISH = re.compile(
    rf"\b(?:{'|'.join(_ENGLISH.values())}){_ENGLISH_LINK}(?:[A-Za-z]{{0,8}}[-_/.#]?){{0,2}}\Z", re.IGNORECASE
)
_FIRST_DIGIT = re.compile("[0-9*]")


def _cued(text: str, linked: re.Pattern[str], reach: int) -> Iterator[tuple[int, int]]:
    """Yield the surroundings of values that a cue leads to."""
    for match in _WORTH.finditer(text):
        digit = _FIRST_DIGIT.search(text, match.start())
        cue = linked.search(text, max(0, match.start() - reach), digit.start() if digit else match.end())
        if cue:
            yield cue.start(), match.end() + 40


# All that an English cue and its link are made of; the last four are i, s and k when case is ignored.
_JOINING = " .'/:=#_-"
_ENGLISH_LINKS = f"{string.ascii_letters}\u0130\u0131\u017f\u212a{_JOINING}"


def _cued_english(text: str) -> Iterator[tuple[int, int]]:
    """Yield what ``_cued`` gives for English cues, looking only where the characters before a value can hold one."""
    for match in _WORTH.finditer(text):
        digit = _FIRST_DIGIT.search(text, match.start())
        end = digit.start() if digit else match.end()
        before = text[max(0, match.start() - 44) : end]
        near = before[len(before.rstrip(_ENGLISH_LINKS)) :]
        cue = _LINKED_ENGLISH.search(text, end - len(near), end) if near.strip(_JOINING) else None
        if cue:
            yield cue.start(), match.end() + 40


def _spoken_cued(text: str) -> Iterator[tuple[int, int]]:
    for match in _WORTH_SPOKEN.finditer(text):
        cue = _LINKED.search(text, max(0, match.start() - 28), match.start())
        if cue:
            yield cue.start(), match.end() + 40


def _plausible(text: str, match: re.Match[str], label: str) -> bool:
    value = match[1]
    if text[match.end() : match.end() + 1] in ("岁", "年", "月", "次", "天", "床", "楼", "%", "例", "级", "期", "分"):
        return False
    if label == "PHONE":
        digits = sum(c.isdigit() or c == "*" for c in value) or len(value)
        return digits >= 3 and _POLITE.fullmatch(value) is None
    if _CYCLE.fullmatch(value) or _POSTAL_LOT.search(text[max(0, match.start() - 3) : match.start()]):
        return False
    return len(value) >= (4 if label in ("BANK", "ID_CARD", "PASSPORT") else 3) and _PLAIN_DATE.fullmatch(value) is None


def _plausible_english(text: str, match: re.Match[str], label: str) -> bool:
    value: str = match[1]
    cue = text[match.start() : match.start(1)]
    digits = sum(c.isdigit() for c in value)
    if _CYCLE.fullmatch(value):
        return False
    if _PLAIN_DATE.fullmatch(value) or _POLITE.fullmatch(value) or text[match.end() : match.end() + 1] == "%":
        return False
    if _STRONG_ENGLISH.search(cue):
        return digits >= 3
    return digits >= 6 if label != "PHONE" else digits >= 7
