"""Dates finer than a year in every written form: numeric, Chinese numerals, lunar, festivals, weekdays, English.

Bare years, durations (病程3年), recurring schedules (每周一), relative days (昨日) and clock times are no dates here.
"""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deid.detect import windows
from deid.detect.lexicon import listed
from deid.detect.span import Span

NAME = "dates"

_YEAR = r"(?:1[89]|20)[0-9]{2}"
_MONTH = r"(?:1[0-2]|0?[1-9])"
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])"
_LEFT = r"(?<![0-9./-])"
_RIGHT = r"(?![0-9])"
_CN = "零〇一二两三四五六七八九十廿卅元正"
_CN_YEAR = r"[零〇一二三四五六七八九]{2,4}年"
_CN_MONTH = r"(?:十[一二]?|[一二三四五六七八九正]|腊|冬)月"
_CN_DAY = (
    r"(?:初[一二三四五六七八九十]|[二三]?十[一二三四五六七八九]?|廿[一二三四五六七八九]?|卅一?|[一二三四五六七八九])"
)
_CAPITAL = "零壹贰叁肆伍陆柒捌玖拾"
_FESTIVAL = (
    r"(?:大年(?:三十|初[一二三四五六七八九十]|夜)|年三十|年初[一二三四五六七八九十]|除夕夜?|春节|元宵节?|清明节?|端午节?|七夕节?|中元节|中秋节?|重阳节?|"
    r"国庆节?|元旦|劳动节|五一(?:节|长假|假期|期间|小长假|当天)|十一(?:长假|假期|期间|黄金周)|妇女节|儿童节|建军节|教师节|圣诞节?|平安夜|情人节|母亲节|父亲节|感恩节|"
    r"七月半|八月半|惊蛰|谷雨|芒种|处暑|白露|霜降|春分|秋分|寒露|大暑|小暑|大寒|小寒|冬至|夏至|立春|立夏|立秋|立冬|小年夜?|腊八节?|双十一|双11|光棍节|护士节|愚人节|万圣节)"
)
_PERIOD = r"(?:上旬|中旬|下旬|初|底|末|中|份)"
_TODAY = r"(?:今|去|前|本|当|同|次|明|翌|昨|大前)年"
_FESTIVE = "惊谷芒处白霜秋寒大七八节春元清端中重国除年圣平情十五冬夏立小双腊"
_WEEKDAY = r"(?:星期|礼拜|周)(?:[一二三四五六日天末]|[1-6](?![0-9]))"
_EN_MONTH = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
_EN_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?"
_EN_WEEKDAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_EN_WEEKDAY_SHORT = r"(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)"
_EN_HOLIDAY = (
    r"(?:Christmas(?: Eve| Day)?|Thanksgiving(?: Day)?|Easter(?: Sunday| Monday)?|Good Friday|Boxing Day|Halloween|Memorial Day|Labor Day|Labour Day|"
    r"Independence Day|Veterans Day|Valentine's Day|Mother's Day|Father's Day|New Year'?s?(?: Eve| Day)?|Fourth of July|4th of July|July 4th|"
    r"Ramadan|Diwali|Hanukkah|Passover|Yom Kippur|St\.? Patrick's Day|Presidents'? Day|Columbus Day|MLK Day|Chinese New Year|Spring Festival)"
)


@dataclass(frozen=True, slots=True)
class _Form:
    pattern: re.Pattern[str]
    trigger: str  # one of these characters must be in the text at all
    score: float
    check: Callable[[str, re.Match[str]], bool] | None = None


def _form(
    pattern: str,
    trigger: str,
    score: float = 0.95,
    check: Callable[[str, re.Match[str]], bool] | None = None,
    flags: int = 0,
) -> _Form:
    return _Form(re.compile(pattern, flags), trigger, score, check)


_DURATION_BEFORE = re.compile(
    r"(?:病程|病史|史|孕|妊娠|龄|约|近|余|满|达|共|为期|历时|长达|持续|已|每|第|术后|产后|随访|随诊|生后|服用|口服|治疗|使用|后|隔|至少|超过|不足|几|整|间断|反复|连续)\s?$"
)
_DURATION_AFTER = re.compile(r" ?(?:余|多|前|后|内|来|龄|大|以上|以内|之内|之后|左右|婴|患儿|制|经|相|亮|个|\+)")
_RECURRING_BEFORE = re.compile(r"(?:每|逢|隔|每到|每逢|每个)\s?$")


def _month_alone(text: str, match: re.Match[str]) -> bool:
    return (
        _DURATION_BEFORE.search(text, max(0, match.start() - 6), match.start()) is None
        and _DURATION_AFTER.match(text, match.end()) is None
    )


def _not_recurring(text: str, match: re.Match[str]) -> bool:
    return _RECURRING_BEFORE.search(text, max(0, match.start() - 3), match.start()) is None


def _day_alone(text: str, match: re.Match[str]) -> bool:
    return (
        _not_recurring(text, match) and _DURATION_BEFORE.search(text, max(0, match.start() - 6), match.start()) is None
    )


def _short_year(text: str, match: re.Match[str]) -> bool:
    return (
        _DURATION_BEFORE.search(text, max(0, match.start() - 6), match.start()) is None
        and _DURATION_AFTER.match(text, match.end()) is None
    )


def _weekday(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(0, match.start() - 4) : match.start()], text[match.end() : match.end() + 4]
    if match[0][0] in "上下本这" and not before.endswith(("每", "隔")):
        return True
    if re.search(r"(?:每|隔|逢|[0-9一二两三四五六七八九十几半数多]|[每第]\s)$", before) and match[0][0] == "周":
        return False
    if _RECURRING_BEFORE.search(before) or re.match(r"(?:次|[0-9]|疗程|岁|个|围|至(?:周|星期)|到周|-|[~、,]周)", after):
        return False
    return re.search(r"(?:周|星期)[一二三四五]?(?:至|到|-|~|、|,)$", before) is None and not re.match(
        r"(?:门诊|出诊|坐诊|停诊|休息)", after
    )


def _in_clinical_ratio(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 12) : match.start()].lower()
    return (
        re.search(
            r"(?:power|strength|grade|reflexes|murmur|stage|score|scale|pain|level|vision|va|type|bp|pulses?|\bto|visual|acuity|motor|g|p|part|day|phase)[ :/of]*$",
            before,
        )
        is None
    )


_NUMERIC = "0123456789"
_FORMS = (
    # 2023-05-18, 2023/5/18, 2023.5.18, 2023年5月18日, 2023 年 5 月 18 日
    _form(
        rf"{_LEFT}{_YEAR} ?年 ?{_MONTH} ?月(?: ?(?:份|{_DAY} ?[日号]|{_DAY}(?![0-9])|上旬|中旬|下旬|初|底|末))?", "年"
    ),
    _form(rf"{_LEFT}(?:{_YEAR} ?年 ?)?{_MONTH} ?[-~至] ?{_MONTH} ?月(?:份|(?![0-9龄]))", "月", 0.8, _month_alone),
    _form(rf"{_LEFT}{_YEAR}([-/.])(?:1[0-2]|0?[1-9])\1{_DAY}{_RIGHT}(?:日)?", "-/."),
    _form(rf"{_LEFT}{_YEAR} ?[-/. ] ?{_MONTH} ?[-/. ] ?{_DAY}{_RIGHT}(?![-/.]?[0-9])日?", "-/. ", 0.9),
    _form(
        rf"{_LEFT}{_YEAR}[-/.](?:1[0-2]|0[1-9]|[1-9](?=[^0-9.]|\.?$)){_RIGHT}(?![-/.][0-9]|[0-9 ]*(?:×|\*|mm|cm|mg|ml|g/|U))月?",
        "-/.",
        0.8,
        lambda t, m: m[0][4] != "." or _month_alone(t, m),
    ),
    _form(
        rf"(?<![0-9A-Za-z.]){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?:[0-5][0-9]){{0,3}}{_RIGHT}(?![A-Za-z.%])",
        "12",
        0.85,
    ),
    _form(rf"{_LEFT}(?:民国|ROC ?)?[0-9]{{2,3}} ?年 ?{_MONTH} ?月 ?{_DAY} ?[日号]?{_RIGHT}", "年", 0.9),
    _form(
        rf"(?:民国|中华民国) ?(?:[0-9]{{1,3}}|[{_CN}]{{1,4}}) ?年(?: ?(?:{_MONTH}|[{_CN}]+) ?月)(?: ?(?:{_DAY}|[{_CN}]+) ?[日号])?",
        "民",
        0.9,
    ),
    _form(rf"(?<![0-9.])'?[0-9]{{2}} ?年 ?{_MONTH} ?月(?:份|初|底|末)?(?![0-9个])", "年", 0.7, _short_year),
    _form(
        rf"{_TODAY} ?的?(?:{_MONTH}|[一二三四五六七八九十正]{{1,2}}) ?(?:月份?|个月)(?: ?(?:{_DAY}|{_CN_DAY}) ?[日号]?|{_PERIOD})?(?![0-9])",
        "年",
        0.9,
        lambda _t, m: "个" not in m[0],
    ),
    _form(rf"{_LEFT}{_MONTH} ?月 ?{_DAY} ?[日号]", "月"),
    _form(rf"{_LEFT}{_MONTH} ?月 ?{_DAY}{_RIGHT}(?![-/.]?[0-9]|[个年次])", "月", 0.8),
    _form(rf"{_LEFT}{_MONTH} ?月(?:{_PERIOD}|第[一二三四五1-5]周)", "月", 0.9),
    _form(rf"(?:于|自|从|到|至|在|定于|截至|因|约定|预产期) ?({_MONTH} ?月)(?![0-9])", "月", 0.7, _month_alone),
    _form(
        rf"(?:^|[,。;、(\n ])({_MONTH} ?月)(?=[,。;、)]? ?(?:因|在|于|起|开始|曾|发现|复查|又|出现|再次|行|查|就诊|住院|手术|间|入|出院|份))",
        "月",
        0.7,
        _month_alone,
        re.MULTILINE,
    ),
    _form(rf"{_YEAR}年(?:第?[一二三四1-4]季度|[春夏秋冬][天季]?|上半年|下半年|Q[1-4])", "年", 0.8),
    # A day without its month
    _form(
        rf"(?<![0-9.月/-])(?:于|自|至|到|在|从|本月|当月|上月|下月|同月|次月|这个月|上个月|下个月|农历) ?({_DAY} ?[日号])(?![0-9内间]|以|之|前|后|楼|线|床|门|院|机|方|弄|室|位)",
        "日号",
        0.8,
        _day_alone,
    ),
    _form(
        rf"(?<![0-9.月/-])(?<!第)({_DAY} ?[日号])(?= ?(?:上午|下午|晚|凌晨|清晨|早|中午|夜间|入院|出院|手术|行|复查|复诊|就诊|转|急诊|来|起|停|查|[0-2]?[0-9](?:[:时点])))",
        "日号",
        0.7,
        _day_alone,
    ),
    # 5/18, 5-18, 5.18 with a clock time, a cue or a bracket around it
    _form(rf"{_LEFT}{_MONTH}[-/.]{_DAY}(?= +[0-2]?[0-9]:[0-5][0-9])", "-/.", 0.85),
    _form(
        rf"(?:日期|时间|于|自|至|到|截至|date|on|dated|since|until|from|by|through|DOB|due|seen|admitted|discharged|f/u|LMP|last|next)[ :]{{1,3}}({_MONTH}[-/]{_DAY}){_RIGHT}(?![-/0-9.]|级)",
        "-/",
        0.8,
        _in_clinical_ratio,
        re.IGNORECASE,
    ),
    _form(
        rf"(?:日期|时间|于|自|截至|[\n(])[ :]{{0,3}}({_MONTH}[-/.]{_DAY}){_RIGHT}(?=[ ,。;)]?[\u4e00-\u9fff])(?![-/0-9.]|级|分|度|倍|次|岁|天|小时|例|厘|毫|公|年|个|元|万|左右|点)",
        "-/.",
        0.6,
    ),
    _form(rf"(?<![0-9./-]){_MONTH}\.{_DAY}(?:日|号)", ".", 0.7),
    _form(
        rf"{_LEFT}{_MONTH}/{_DAY}(?=(?:日|号|已|由|在|于|因|再|曾|门诊|急诊|就诊|入院|出院|术后|手术|复查|行|查|开始|起|晚|上午|下午))",
        "/",
        0.7,
    ),
    _form(
        rf"^ ?({_MONTH}[-/]{_DAY})(?= {{1,3}}[\u4e00-\u9fff0-9A-Za-z])(?! ?[0-9.]+ ?(?:mm|cm|mg|ml))",
        "-/.",
        0.7,
        None,
        re.MULTILINE,
    ),
    _form(
        rf"{_LEFT}({_MONTH}\.{_DAY})(?=手术|入院|出院|就诊|来诊|教师节|妇女节|复查|化疗|放疗|住院|急诊|事故|受伤|摔|车祸|聚餐|开始|转院|转入|确诊|晚|早上|上午|下午|凌晨)",
        "-/.",
        0.7,
    ),
    _form(rf"{_LEFT}{_MONTH}/{_DAY} ?[-~至到] ?{_MONTH}/{_DAY}{_RIGHT}(?![-/.]?[0-9])", "-/.", 0.75),
    _form(
        rf"{_LEFT}({_MONTH}/(?:1[3-9]|2[0-9]|3[01])){_RIGHT}(?![-/.]?[0-9]|[%分]| ?(?:mmHg|mg|ml|cm|mm|points|correct|weeks|months|patients))",
        "-/.",
        0.65,
        lambda t, m: (
            _in_clinical_ratio(t, m) and re.search("[分评力压]$", t[max(0, m.start() - 2) : m.start()]) is None
        ),
    ),
    _form(
        r"(?<![0-9.月/第-])((?:[12]?[0-9]|3[01])号)(?=做|调至|调到|去|来的|来看|到院|挂的|约的|拿|就开始|那天|当天|生的|回来|的预约|的号)",
        "日号",
        0.6,
    ),
    _form(rf"{_LEFT}{_MONTH} ?月 ?{_DAY} ?[日号]? ?[-~至到、] ?{_DAY} ?[日号]", "月", 0.9),
    _form(rf"廿[一二三四五六七八九]?年(?:{_CN_MONTH})(?:{_CN_DAY}[日号]?)?", "年", 0.9),
    _form(
        r"(?<![个十第])(?:十[一二]?|[一二三四五六七八九])月(?:底|初(?![一二三四五六七八九十])|末|[上中下]旬|中(?=[,。;旬]))",
        "月",
        0.7,
        _not_recurring,
    ),
    _form(r"(?:上|本|下|这|当)个?月(?:初|底|末|[上中下]旬)", "月", 0.7),
    _form(rf"{_LEFT}(?:1[5-9]|2[0-9])([-/.]){_MONTH}\1{_DAY}(?![0-9./-])(?! ?(?:mm|cm|mg|ml))", "-/.", 0.8, None),
    _form(
        rf"(?:日志|交班|交接|日报|早会|查房|值班|排班|记录|签名?|晨会|台账|登记|月报|病程) ?[(\[:]? ?({_MONTH}[-/.]{_DAY}){_RIGHT}(?=[)\] ,。;:\n(]|$)",
        "-/.",
        0.7,
    ),
    _form(rf"(?<=[。;)\n ])({_MONTH}/{_DAY})(?= ?[。]?$)", "/", 0.6, None, re.MULTILINE),
    _form(
        rf"(?:上上?|下下?|这|本)个?月(?:{_DAY}|{_CN_DAY})[日号]",
        "月",
        0.85,
    ),
    _form(rf"{_LEFT}({_MONTH}\.{_DAY})(?=[前后](?:抽|来|复|到|完|办|入|去|交|空))", "-/.", 0.6),
    _form(r"(?<![0-9])(?:19|20)[0-9]{2}-?W[0-5][0-9](?![0-9])", "W", 0.8),
    _form(r"(?:(?:19|20)[0-9]{2}年)?第?[一二三四]季度(?:[初末底]|中)", "度", 0.7),
    # Chinese numerals and the lunar calendar
    _form(rf"{_CN_YEAR}(?:{_CN_MONTH})(?:{_CN_DAY}[日号]?)?", "年", 0.95),
    _form(
        rf"(?:[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年|{_TODAY})?(?:农历|阴历|旧历|阳历|公历|新历)?(?:{_CN_MONTH}|闰{_CN_MONTH}|{_MONTH}月)(?:{_CN_DAY}[日号]|初[一二三四五六七八九十]|廿[一二三四五六七八九]?|十[一二三四五六七八九](?![个次天年月周点]))",
        "月",
        0.9,
    ),
    _form(
        rf"(?:农历|阴历|旧历) ?(?:{_YEAR}年|{_CN_YEAR}|[甲乙丙丁戊己庚辛壬癸][子丑寅卯辰巳午未申酉戌亥]年)?(?:{_CN_MONTH}|{_MONTH}月)?(?:{_CN_DAY}|{_DAY})?[日号]?",
        "历",
        0.9,
        lambda _t, m: len(m[0].strip()) > 2,
    ),
    _form(rf"(?:{_TODAY})?(?:闰)?(?:腊月|冬月|正月)(?:{_CN_DAY}[日号]?)?", "月", 0.8),
    _form(
        r"(?:今|去|前|本|于|在|自|从|,|。|到|^)(?:年)?((?:十[一二]?|[一二三四五六七八九])月份?)(?=[里初底中末上下,。因开间起在曾又做])",
        "月",
        0.7,
        _month_alone,
    ),
    _form(rf"[{_CAPITAL}]{{4}}年[{_CAPITAL}]{{1,3}}月(?:[{_CAPITAL}]{{1,3}}[日号]?)?", "年", 0.95),
    _form(r"(?<![大年一二三四五六七八九十月])初[一二三四五六七八九十](?=[早晚上下夜来入出去住发那])", "初", 0.6),
    # Festivals and weekdays
    _form(
        rf"(?:(?:{_YEAR}|[0-9]{{2}}|[零〇一二三四五六七八九]{{2,4}})年|{_TODAY})?的?{_FESTIVAL}(?:当天|当日|当晚|前夕|前一天|前[一二两三]天|后第?[一二两三]天|第[一二三四五六七]天|期间|假期|长假|前后|那天)?",
        _FESTIVE,
        0.8,
        lambda t, m: _not_recurring(t, m) and _festival(t, m),
    ),
    _form(rf"(?:上上?个?|下下?个?|本|这个?)?{_WEEKDAY}", "周期拜", 0.7, _weekday),
    # English
    _form(r"\bQ[1-4] (?:19|20)[0-9]{2}\b", "Q", 0.7),
    _form(r"(?<=, )[0-3]?[0-9]\.[01]?[0-9]\.[0-9]{2}(?=$|[\s.,;)])", "-/.", 0.7, None, re.MULTILINE),
    _form(
        rf"\b(?:d/c|out|admit|surgery|surgery was on|OR|op)[ :]{{1,2}}({_MONTH}/{_DAY}){_RIGHT}(?![-/.]?[0-9])",
        "-/",
        0.7,
        None,
        re.IGNORECASE,
    ),
    _form(
        rf"\b{_EN_MONTH}\.?,? {_EN_DAY}\b(?:,? (?:of )?(?:'[0-9]{{2}}|{_YEAR}))?(?![0-9%/]| ?(?:mg|ml|mm|weeks|days))",
        "JFMASOND",
        0.95,
    ),
    _form(
        rf"\b(?:the )?{_EN_DAY}[ -](?:of )?{_EN_MONTH}\.?(?:[ ,-]{{1,2}}(?:'?[0-9]{{2}}(?![0-9:])|{_YEAR}))?\b",
        "JFMASOND",
        0.95,
    ),
    _form(rf"\b{_EN_MONTH}\.?,? (?:of )?(?:{_YEAR}|'[0-9]{{2}})\b", "JFMASOND", 0.95),
    _form(
        rf"\b(?:(?=(?:early|mid|late)[ -])|in|since|until|by|last|this|next|of|from|to|between|through|during|early-|mid-|late-)?[ -]?((?:(?:early|mid|late)[ -])?{_EN_MONTH})\b(?! (?:be|have|not|also|need|I)\b)",
        "JFMASOND",
        0.8,
        lambda _t, m: any(c.isupper() for c in m[1]) and len(m[1]) > 2,
    ),
    _form(r"\b(?:January|February|April|June|July|August|September|October|November|December)\b", "JFASOND", 0.7),
    _form(
        rf"\b(?:{_DAY}|[0-9]{{2}})[-/ ]?(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[-/ ]?(?:{_YEAR}|[0-9]{{2}})\b",
        "JFMASOND",
        0.95,
    ),
    _form(
        rf"{_LEFT}(?:{_MONTH}([-/.]){_DAY}|{_DAY}([-/.]){_MONTH})(?:\1|\2)(?:{_YEAR}|[0-9]{{2}}){_RIGHT}(?![-/.][0-9])",
        "-/.",
        0.9,
        lambda _t, m: m[1] != "." or len(m[0]) > 7,
    ),
    _form(rf"{_LEFT}(?:{_MONTH}[-/.]{_DAY}|{_DAY}[-/.]{_MONTH})[-/.]{_YEAR}{_RIGHT}", "-/.", 0.9),
    _form(rf"{_LEFT}(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{{2}}{_RIGHT}", "/", 0.85),
    _form(
        rf"\b(?:(?:[Ll]ast|[Tt]his|[Nn]ext) )?{_EN_WEEKDAY}\b(?!s)",
        "MTWFS",
        0.7,
        lambda t, m: (
            re.search(
                r"(?:every|each|per|on alternate|alternate) $|(?:Monday|Tuesday|Wednesday|Thursday|Friday)(?:,| and|/| to| through|-)? ?$",
                t[max(0, m.start() - 14) : m.start()],
                re.IGNORECASE,
            )
            is None
        ),
    ),
    _form(
        rf"\b(?:on|until|til|till|by|avail|available|next|last|this|since|from|due|appt|for) {_EN_WEEKDAY_SHORT}\b\.?(?! ?(?:[A-Z][a-z]|[0-9]))",
        "MTWFS",
        0.6,
    ),
    _form(
        rf"(?i:\b{_EN_MONTH}) (?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty-[a-z]+|thirtieth|thirty-first)\b(?:,? (?:nineteen|twenty|(?:19|20)[0-9]{{2}})[a-z -]{{0,16}})?",
        "hvnletcrydf",
        0.8,
    ),
    _form(r"\b[0O]?[0-9OlI]/[0-3Ol]?[0-9OlI]/(?:19|20)[0-9OlI]{2}\b", "-/.", 0.7),
    _form(
        r"\b(?:is|due|appt|til|until|on|for|by) (the (?:3[01]|[12]?[0-9])(?:st|nd|rd|th))(?=[.,;!?)]|$)",
        "t",
        0.6,
    ),
    _form(
        rf"\b(?:onset|exposure|visitor|seen|rash|fever|visit|since|dated?)[ :]{{1,2}}({_MONTH}/{_DAY}){_RIGHT}(?![-/.]?[0-9])",
        "-/",
        0.7,
    ),
    _form(
        rf"\b(?:placed|started|starting|began|stopped|ended|completed|done|removed|born|given|drawn|repeat(?:ed)?|effective|scheduled(?: for)?|booked|arrived|returned|fell|died|expired|dc'?d|d/c'?d|post-?op|pre-?op|wk of|week of|as of|before|after|thru|between|and|eff|exp|sched)[ :]{{1,2}}({_MONTH}/{_DAY}){_RIGHT}(?![-/.]?[0-9]|[%]| ?(?:mmHg|mg|ml|points?|correct|weeks|months|patients|strength|murmur|pain|bottles|doses|sets|cultures|of))",
        "-/",
        0.6,
        _in_clinical_ratio,
        re.IGNORECASE,
    ),
    _form(rf"\b{_EN_MONTH} the {_EN_DAY}\b", "JFMASOND", 0.9),
    _form(r"(?<=day )(the (?:3[01]|[12]?[0-9])(?:st|nd|rd|th))\b", "t", 0.7),
    _form(rf"\b{_EN_WEEKDAY_SHORT}\.?,? (?=(?:{_EN_MONTH}|[0-9]{{1,2}}(?:[/-]| {_EN_MONTH})))", "MTWFS", 0.6),
    _form(rf"\b(?:(?:last|this|next) )?{_EN_HOLIDAY}\b(?: {_YEAR})?(?! tree)", "CTEGBHMILVNFRDPSJ4", 0.7),
    _form(
        r"\b(?:on|by|until|since|from|through) (the (?:3[01]|[12]?[0-9])(?:st|nd|rd|th))\b(?! (?:percentile|rib|metatarsal|metacarpal|finger|toe|week|day|nerve|cranial|floor|intercostal|ventricle))",
        "t",
        0.7,
    ),
)


def _by(hint: str, before: int, after: int) -> Callable[[str], list[tuple[int, int]]]:
    anchor = re.compile(hint)
    return lambda text: list(windows.around(text, anchor, before, after))


# Trigger -> the stretches in which its forms can stand.
_WHERE: dict[str, Callable[[str], Sequence[tuple[int, int]]]] = {
    "-/.": _by(r"[0-9] ?[-/.] ?[0-9]", 14, 18),
    "-/. ": _by(r"[0-9] ?[-/. ] ?[0-9]", 14, 18),
    "-/": _by(r"[0-9][-/][0-9]", 24, 12),
    "/": _by(r"[0-9]/[0-9]", 6, 14),
    "12": _by("(?:1[89]|20)[0-9]{2}(?=[01])", 4, 24),
    "年": _by("年", 10, 14),
    "月": _by("月", 14, 10),
    "日号": _by("[日号]", 12, 12),
    _FESTIVE: _by(
        "[节夕春明五秋阳庆旦宵一诞夜至立年八11十](?:(?<=节)|(?<=除夕|春节|清明|端午|七夕|中秋|重阳|国庆|元旦|元宵|五一|十一|圣诞|安夜|冬至|夏至|小年|腊八|大年|年三|年初)|(?<=双11)|(?<=立)[春夏秋冬])|[半蛰雨种暑露降分寒](?<=月半|惊蛰|谷雨|芒种|处暑|白露|霜降|春分|秋分|寒露|大暑|小暑|大寒|小寒)",
        12,
        14,
    ),
    "周期拜": _by("[周期拜](?:(?<=周)|(?<=星期|礼拜))", 4, 8),
    **dict.fromkeys(("JFMASOND", "JFASOND", "MTWFS", "CTEGBHMILVNFRDPSJ4", "t"), windows.latin),
}


_BY_TRIGGER = {
    trigger: tuple(form for form in _FORMS if form.trigger == trigger) for trigger in {f.trigger: 0 for f in _FORMS}
}


def _festival(text: str, match: re.Match[str]) -> bool:
    word = match[0]
    if word in (
        "清明",
        "中秋",
        "重阳",
        "元宵",
        "端午",
        "国庆",
        "七夕",
        "冬至",
        "夏至",
        "小年",
        "立春",
        "立夏",
        "立秋",
        "立冬",
        "圣诞",
        *listed("惊蛰 谷雨 芒种 处暑 白露 霜降 春分 秋分 寒露 大暑 小暑 大寒 小寒"),
    ):
        return (
            re.match(r"(?:[,。;前后当时那夜晚上节期回到来在就的、) ]|$)", text[match.end() : match.end() + 1])
            is not None
        )
    return True


def find(text: str) -> Iterator[Span]:
    """Yield dates finer than a year."""
    present = set(text)
    for trigger, forms in _BY_TRIGGER.items():
        if present.isdisjoint(trigger):
            continue
        where = _WHERE.get(trigger)
        stretches = where(text) if where else [(0, len(text))]
        if stretches:
            yield from _of_forms(text, forms, stretches)


def _of_forms(text: str, forms: Sequence[_Form], stretches: Sequence[tuple[int, int]]) -> Iterator[Span]:
    for form in forms:
        for match in windows.found(text, form.pattern, stretches):
            if form.check is None or form.check(text, match):
                group = (
                    match.lastindex
                    if match.lastindex and form.pattern.groups == 1 and match[1] not in ("-", "/", ".")
                    else 0
                )
                start, end = match.span(group)
                yield Span(start, end, "DATE", form.score, NAME)
