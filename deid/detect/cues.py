"""Names of people in Chinese: a cue on the left, a title on the right, a surname, and a given name that looks like one."""

# ruff: noqa: E501  # patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect import cues_english
from deid.detect.span import Span
from deid.detect.surnames import COMMON, COMPOUND, DOUBLE, STRONG, SURNAMES, given_weight, surname_length
from deid.detect.words import EPONYM_AFTER, NOT_GIVEN, NOT_NAMES

NAME = "cues"

_HAN = re.compile("[\u4e00-\u9fff]+")
_ROLE = (
    "患者姓名|病人姓名|患儿姓名|产妇姓名|姓名|名字|患者|病人|患儿|产妇|孕妇|死者|伤者|逝者|受试者|受检者|被检者|被保险人|投保人|受益人|参保人|投诉人|申请人|来访者|来电人|来电者|报警人|报案人|报告人|举报人|求助者|居民|村民|"
    "联系人|紧急联系人|家属姓名|家属|监护人|法定代理人|委托人|被委托人|受托人|代理人|陪护人|陪护|陪诊|知情人|见证人|授权人|供者|供体|受者|捐献者|献血者|户主|本人|密接|密接者|病例|经办人|经办|翻译|陪诊人|传人|上机护士|下机护士|参保人员|就诊人|学员|职工|员工|客户|会员|来宾|师生|"
    "签名|签字|签章|患者签名|患者签字|家属签名|家属签字|医师签名|医生签名|医生签字|护士签名|护士签字|签名者|签署人|签署|"
    "主管医师|主管医生|经治医师|经治医生|主治医师|主治医生|住院医师|主任医师|副主任医师|上级医师|上级医生|接诊医师|接诊医生|首诊医师|首诊医生|门诊医师|门诊医生|会诊医师|会诊医生|报告医师|报告医生|审核医师|审核医生|诊断医师|诊断医生|"
    "检查医师|检查医生|手术医师|手术医生|麻醉医师|麻醉医生|值班医师|值班医生|管床医师|管床医生|床位医师|床位医生|开单医师|开单医生|开方医师|处方医师|送检医师|送检医生|申请医师|申请医生|带教老师|带教医师|责任医师|家庭医生|签约医生|"
    "主刀医师|主刀医生|主刀|术者|手术者|一助|二助|三助|助手|第一助手|第二助手|第一助|第二助|麻醉师|麻醉|器械护士|洗手护士|巡回护士|责任护士|主班护士|值班护士|责护|护士|护士长|技师|药师|检验师|检验者|审核者|检验人|审核人|审核|复核者|复核人|复核|核对者|核对人|核对|"
    "报告者|记录者|记录人|记录|书写者|书写人|书写医师|整理者|填报人|填表人|填写人|填卡人|采样人|采样者|采样护士|送检人|接收人|接收者|操作者|操作人|执行者|执行人|执行护士|发药人|调配|配药|交班者|接班者|交班人|接班人|交班|接班|流调员|流调人员|调查员|调查人|调查者|随访人|随访者|"
    "随访医生|随访护士|访视者|访视人|主持人|参加人员|参加者|与会人员|讨论人员|发言人|主持|管床|主治|主任|副主任|教授|科主任|医师|医生|大夫|研究者|主要研究者|项目负责人|负责人|联系医生|转诊医生|病史陈述者|病史提供者|供史者|陈述者|代诉人|申诉人|收件人|寄件人|收货人|开户名|户名|持卡人|"
    "抄送|作者|通讯作者|译者|司机|急救医生|急救员|担架员|随车医生|随车护士|接诊护士|分诊护士|导管室护士|夜班护士|白班护士|督导|心理咨询师|咨询师|治疗师|康复师|营养师|助产士|接生者|接生人|接产者|护理员|护工|保姆|月嫂|当班|带班|二线|三线|听班|质控医师|质控护士|科室主任|母亲姓名|父亲姓名|婴儿姓名|配偶姓名|曾用名|别名|昵称|英文名|小名|乳名"
)
_KIN = (
    "父亲|母亲|妻子|丈夫|爱人|配偶|老伴|老公|老婆|儿子|女儿|儿媳|女婿|媳妇|哥哥|弟弟|姐姐|妹妹|兄长|胞兄|胞弟|胞姐|胞妹|大哥|二哥|大姐|二姐|爷爷|奶奶|外公|外婆|祖父|祖母|外祖父|外祖母|孙子|孙女|外孙女|外孙|侄子|侄女|外甥女|外甥|"
    "叔叔|伯伯|伯父|叔父|舅舅|姑姑|姑妈|阿姨|姨妈|婶婶|岳父|岳母|公公|婆婆|亲家|堂兄|堂弟|表哥|表弟|表姐|表妹|嫂子|姐夫|妹夫|同事|朋友|邻居|同学|室友|男友|女友|男朋友|女朋友|未婚夫|未婚妻|前夫|前妻|养女|养子|养父|养母|继父|继母|长子|次子|三子|幼子|长女|次女|三女|幼女|大儿子|小儿子|大女儿|小女儿|"
    "其子|其女|其妻|其夫|其父|其母|其兄|其弟|其姐|其妹|其孙|之子|之女|之妻|之夫|之父|之母|父|母|妻|夫|子|女|兄|弟|姐|妹|班主任|老板|房东|雇主|经理|主管|组长|队长|村医|村支书|村长|书记|主任|律师|警官|民警|法官|片警|居委干部|网格员|志愿者|记者|校医|店主|老师"
)
_TITLE = (
    "副主任医师|主任医师|主治医师|住院医师|主任护师|副主任护师|主管护师|护师|主任技师|主管技师|副主任药师|主任药师|主管药师|副主任|主任|副教授|教授|副院长|院长|副所长|所长|护士长|医师|医生|大夫|护士|技师|药师|博士|硕士|院士|老师|师傅|"
    "先生|女士|小姐|太太|夫人|同志|同学|阿姨|叔叔|伯伯|大爷|大妈|大娘|奶奶|爷爷|婆婆|老太太|老太|老先生|老人|大叔|大哥|大姐|小朋友|宝宝|警官|法官|律师|经理|总|科长|处长|局长|队长|组长|书记|村长|校长|班主任|主管|秘书|专家|医助|规培|住院总|总住院|"
    "进修医生|实习医生|研究员|助理|工程师|会计|老板|董事长|教练|站长|店长|厂长|连长|师父|阿婆|阿公|老伯|阿叔|阿姐|阿哥|伯|婶|嫂|姨|爷|姐|哥|叔|老|工(?=[,。;说来打])"
)
_CUE_VERB = (
    "经|由|请|找|与|跟|向|给|给予|让|被|同|和|及|遵|据|按|陪|叫|名叫|我叫|我是|本人是|改名|名为|叫做|姓名为|化名|人称|致电|电联|联系|告知|通知|通知了|汇报|报告|嘱|转告|转诊至|指派|委托|授权|约|拜访|感谢|谢谢|麻烦|您好|你好|亲爱的|尊敬的|转给|交给|交由|交予|递交|提醒|@|回复|呼叫|安排|预约|挂|看了|问|问了|"
    "问过|求助|协助|代替|顶替|代|主诊|跟着|跟随|追问|询问|其中|包括|另|是|自称|写有|署名|落款|床"
)
_FOLLOW = re.compile(
    r"(?:副主任|主任|医师|医生|护士|教授|大夫|查房|会诊|阅片|审核|签|代诉|代述|诉|述|称|说|表示|反映|要求|同意|拒绝|陪|送|来|到|去|男|女|的|在|今|昨|现|入|出|住|自|与|和|及|或|告|联系|为|已|术|先生|女士|小姐|同志|老师|院长|阿姨|叔叔|您|你|"
    r"是|将|由|诊|经|向|对|给|有|无|未|以|就|从|于|因|患|病|打|电话|手机|身份证|住院|门诊|床|等|主|担|代|执|负|完成|行|示|指|认为|建议|嘱|一|两|二|三|年|生|提供|提出|交|接|收|开|予|拟|系|受|家|本人|儿|妻|丈|母|父|当|下|上|曾|再|又|还|也|不|没|会|能|可|请|让|把|被|做|看|问|讲|回|后|前|时|之|其|此|共|均|都|同|所|亲|"
    r"我|他|她|这|那|想|知|了|过|得|着|吗|呢|吧|啊|呀|哦|哈|复|发|突|诞|产|孕|高|低|体|左|右|双|全|反|自诉|摔|跌|夜|神|精|睡|血|体温|咨询|投诉|预约|挂号|缴费|报名|工号|编号|年龄|性别|岁|（|\()"
)
_STRONG_CUE = re.compile(
    rf"(?:{'|'.join(sorted(_ROLE.split('|'), key=lambda w: (-len(w), w)))})(?:人|者)?(?:姓名|签名|签字)?(?:\([^()\n]{{0,8}}\))?(?: ?[:=] ?| {{1,4}}|\n(?=[\u4e00-\u9fff]{{2,4}}\n))[_ ]{{0,8}}"
)
_KIN_COLON = re.compile(
    rf"(?:{'|'.join(sorted(_KIN.split('|'), key=lambda w: (-len(w), w)))})(?:姓名)?(?:\([^()\n]{{0,8}}\))? ?[:=] ?"
)
_WEAK_CUE = re.compile(
    rf"(?:{'|'.join(sorted({*_ROLE.split('|'), *_KIN.split('|'), *_CUE_VERB.split('|')}, key=lambda w: (-len(w), w)))})(?:\((?=[\u4e00-\u9fff]{{2,4}}[,)、]))?[\"“「'《]?(?=[\u4e00-\u9fff])"
)
_TITLES = re.compile(rf"(?:{'|'.join(sorted(_TITLE.split('|'), key=lambda w: (-len(w), w)))})")
_SURNAME_CLASS = "".join(sorted(SURNAMES))
_COMPOUND_ANY = "|".join(COMPOUND)
_SURNAME = rf"(?:{_COMPOUND_ANY}|[{_SURNAME_CLASS}])"
_LIST_GAP = re.compile(r"[、,/;+&和与及 ]{1,2}|\)?\([^()\n]{1,10}\)[、,/; ]{0,2}|(?:[0-9]{1,2}[:.][0-9]{2}|[/|])")
_OLD = re.compile(
    rf"(?<![长年月衰养最从很较缩大减变弱偏微细稍胆弥短])(?:老|小|阿|大)([{_SURNAME_CLASS}])(?=[,。;、:)!?\n \"”(说讲问来去打的是告吗和跟在给走也就都师你您我啊呀呢他她把被从陪签已因]|家属|$|今|昨|反映|[一-龥]{{0,1}}(?:主诉|代诉))"
)
_OLD_DENY = frozenset(
    [
        "老年",
        "老家",
        "老高",
        "老成",
        "老师",
        "小时",
        "小高",
        "小平",
        "小包",
        "小管",
        "小白",
        "小方",
        "小段",
        "小路",
        "小关",
        "小房",
        "小双",
        "小安",
        "小水",
        "小于",
        "小毛",
        "小单",
        "小便",
        "大方",
        "大于",
        "大都",
        "大段",
        "大路",
        "大高",
        "大关",
        "大白",
        "大水",
        "大张",
        "大小",
        "阿是",
        "小米",
        "小麦",
        "小车",
        "大车",
        "小花",
        "小全",
        "大全",
        "小肖",
        "大红",
        "小项",
        "小支",
        "大支",
        "大干",
        "小干",
        "大包",
        "大安",
        "大连",
        "大范",
        "小范",
        "大幅",
        "大宗",
        "大农",
        "大石",
        "小石",
        "小应",
        "小游",
        "大和",
        "小和",
        "小查",
        "大查",
        "大后",
        "小后",
        "小向",
        "小明",
        "老时",
        "大时",
        "老和",
        "大有",
        "小有",
        "大门",
        "小门",
        "老干",
        "小家",
        "大家",
        "小国",
        "大国",
        "大广",
        "小丁",
        "大相",
        "小相",
        "小计",
        "大易",
        "大平",
        "小金",
        "大古",
        "大能",
        "大冷",
        "老都",
        "老向",
        "老是",
        "小是",
        "大海",
        "小海",
        "小楼",
        "大楼",
        "小焦",
        "大曲",
        "小曲",
        "小储",
        "大牛",
        "小牛",
        "小雷",
        "大雷",
        "小羊",
        "大羊",
        "大鱼",
        "小鱼",
        "小豆",
        "大豆",
        "小鹿",
        "大武",
        "小蒲",
        "大满",
        "大麦",
        "大卫",
        "小位",
        "大位",
        "小左",
        "小卫",
        "大年",
        "小年",
        "小商",
        "小盘",
        "大盘",
        "小葱",
        "小苗",
        "大元",
        "小元",
        "大信",
        "大束",
        "小束",
        "小通",
        "大通",
        "大展",
        "大战",
        "小战",
        "老板",
    ]
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
_QUOTED = re.compile(
    r"(?:叫|名叫|小名|乳名|昵称|绰号|外号|网名|人称|化名)(?:是|为|做|作)?[:]? ?[\"“「'《]?([\u4e00-\u9fff]{2,4})(?=[\"”」'》,。;、)的])"
)
_FIELD_WORD = re.compile(
    r"^(?:性别|年龄|职业|科室|科别|床号|住院|门诊|民族|婚姻|电话|联系|地址|单位|入院|出院|日期|时间|诊断|签名|签字|医师|医生|护士|主任|患者|家属|本人|无|暂无|不详|未知|未填|同上|同前|如下|记录|检查|主诉|未婚|已婚|汉族|男性?|女性?|关系|与患者|其他|其它|病人|儿科|内科|外科|妇科|主治|副主任|教授|查房|术后|术前|阳性|阴性|正常|异常|拒绝|同意|匿名|保密|已签|未签|代签|齐全|知情|全麻|局麻|腰麻|静脉|硬膜|会诊|审核|报告|申请|值班|待定|见[上下右左]|详见|自述|自诉|可靠|丈夫|妻子|儿子|女儿|父亲|母亲|父子|母子|夫妻|配偶|子女|兄弟|姐妹|朋友|祖父|祖母|外公|外婆|爷爷|奶奶|父母|生母|生父|老伴|爱人|儿媳|女婿)"
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
    yield from _titled(text)
    yield from _patterned(text)
    yield from _bare(text)


def _need(cue: str) -> float:
    """Return how much a given name must look like one after this cue: little after 患者, much after a mere verb."""
    return 0.35 if len(cue) > 1 and cue not in _VERBS else 0.55


_VERBS = frozenset(_CUE_VERB.split("|"))


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
    if run is None or text[at - 1 : at + 1] in _BESIDE:
        return None
    length = surname_length(text, at)
    if (
        colon
        and len(run[0]) <= 4
        and run.end() - at >= 2
        and not _blocked(run[0])
        and text[run.end() : run.end() + 1] != ":"
    ):
        if length or named:
            titled = _TITLES.search(text, at + max(length, 1), run.end())
            return titled.start() if titled and titled.end() == run.end() and titled.start() - at >= 1 else run.end()
    if not length:
        return None
    best: tuple[float, int] | None = None
    for size in (2, 1):
        end = at + length + size
        given = text[at + length : end]
        if len(given) < size or _HAN.fullmatch(given) is None:
            continue
        if _impossible(text, at, end, length, colon=colon):
            continue
        weight = given_weight(given) + (
            0.25 if end == run.end() and end < at + 6 else 0.15 if _FOLLOW.match(text, end) else -0.25
        )
        weight += 0.1 if text[at] in COMMON else -0.1
        weight += 0.0 if size == 1 else 0.2 if all(c in STRONG for c in given) else 0.05
        weight += 0.3 if length == 2 else -0.25 if text[at] in _WORDLIKE else 0.0
        if best is None or weight > best[0]:
            best = (weight, end)
    return best[1] if best and best[0] >= need else None


_BESIDE = frozenset(
    ["床边", "床上", "床下", "床头", "床位", "床旁", "床单", "床号", "是于", "是否", "由于", "系于", "系统", "系由"]
)


def _blocked(word: str) -> bool:
    return (
        _FIELD_WORD.match(word) is not None
        or _DEPARTMENT.search(word) is not None
        or (word[:2] in NOT_NAMES and word in NOT_NAMES)
    )


def _impossible(text: str, at: int, end: int, length: int, *, colon: bool) -> bool:
    name = text[at:end]
    if name in NOT_NAMES or (
        not colon
        and (text[at : at + 2] in NOT_NAMES or text[at : at + 3] in NOT_NAMES or text[at : at + 4] in NOT_NAMES)
    ):
        return True
    given = name[length:]
    if given in DOUBLE:
        return False
    if any(c in NOT_GIVEN and c not in _ALSO_GIVEN for c in given):
        return True
    return (
        len(given) == 1
        and text.startswith(EPONYM_AFTER, end)
        and not text.startswith(("术者", "点评", "线上", "法官"), end)
    )


_ALSO_GIVEN = frozenset(
    "明平文华国新生安春天月海大小女子红军东宝正忠长青光行成好新健诚心元一二三日强家水以若如思向前男可开友进立晚"
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
    if (start == 0 or _HAN.match(text[start - 1]) is None) and not weak and name[0] not in _PARTICLES:
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
    return weight >= (0.75 if weak else 0.5 if len(given) == 2 else 0.45)


_LEFT = re.compile(
    r"(?:^|[^\u4e00-\u9fff]|经|由|请|与|和|及|同|跟|向|遵|给|让|找|示|科|院|见|日|班|今|昨|随|后|予|是|据|按|者|人|属|叫|嘱|的|在|到|请示|代|按照|长|师|生|士|任|家|位|为|对|被|据|约|挂|问|联系|感谢|谢谢|陪|看|查|下|如|上|时|室|区|组|部)$"
)


def _left_open(text: str, start: int) -> bool:
    return _LEFT.search(text, max(0, start - 3), start) is not None


_SURNAME_TITLES = frozenset(["伯", "婶", "嫂", "姨", "爷", "姐", "哥", "叔", "老", "总", "工"])
_NOT_BEFORE_TITLE = frozenset(["主任", "副主任"])


def _surname_only(text: str, at: int, title: str) -> Iterator[Span]:
    length = 2 if text[max(0, at - 2) : at] in COMPOUND else 1
    start = at - length
    if start < 0 or (length == 1 and text[start] not in SURNAMES):
        return
    rare = text[start] not in COMMON and length == 1
    plain = length == 2 or (
        text[start] in COMMON and text[start] not in _WORDLIKE and text[start - 1 : start + 1] not in _BOUND
    )
    open_left = (
        (plain and len(title) > 1) or _left_open(text, start) or text[start - 1 : start] in ("老", "小", "阿", "大")
    )
    if not open_left or (rare and text[start] in _WORDLIKE):
        return
    if title in _SURNAME_TITLES and (
        rare
        or not re.match(r"[,。;说来打的、:!? ]|$", text[at + len(title) : at + len(title) + 1])
        or text[start:at] in _WORDLIKE
    ):
        return
    if text[start : at + 1] in NOT_NAMES or text[start : at + 2] in NOT_NAMES:
        return
    yield _span(start, at, 0.85)


_WORDLIKE = frozenset(
    "于和时方常安平左右元文关成支明家高全向从水米麦车都查解后师由原储信相别当但居农官经易通游能利单双白黄计越权及那云位边班管应何任向连来初同门国商可是公衣时原解有在被将为对曾余时未无因行又再晚男女年新老小大"
)


def _patterned(text: str) -> Iterator[Span]:
    for match in _OLD.finditer(text):
        if (
            match[0] not in _OLD_DENY
            and match[1]
            not in _WORDLIKE
            - {
                "常",
                "安",
                "平",
                "左",
                "文",
                "关",
                "成",
                "高",
                "全",
                "向",
                "水",
                "米",
                "车",
                "都",
                "查",
                "易",
                "游",
                "单",
                "白",
                "边",
                "班",
                "管",
                "何",
                "任",
                "连",
                "曾",
                "余",
                "时",
                "方",
                "于",
                "经",
                "万",
            }
            and _left_open_word(text, match.start())
        ):
            yield _span(match.start(), match.end(), 0.7)
    for match in _MASKED.finditer(text):
        if "某" not in match[0] and match[1] in _WORDLIKE:
            continue
        yield _span(match.start(), match.end(), 0.85)
    for match in _CLAN.finditer(text):
        yield _span(*match.span(match.lastindex or 1), 0.85)
    for match in _DOTTED.finditer(text):
        if _foreign(match[0]):
            cut = _DOTTED_CUE.match(match[0])
            yield _span(match.start() + (cut.end() if cut else 0), match.end(), 0.75)
    for match in _LETTERS.finditer(text):
        yield _span(*match.span(1), 0.7)
    for match in _QUOTED.finditer(text):
        if not _blocked(match[1]) and not any(
            c in "什啥孩亲友一他她我你们人医院病去来出入怎这那的了不" for c in match[1]
        ):
            yield _span(*match.span(1), 0.6)
    for match in _SPACED.finditer(text):
        if not _blocked(match[1].replace(" ", "")):
            yield _span(*match.span(1), 0.8)


_DOTTED_CUE = re.compile(
    r".*(?:患者|病人|者|家属|丈夫|妻子|先生|人|医生|护士|叫|为|是|由|和|与|其|经|请|本)(?=..+?·|.·)"
)
_LETTERS = re.compile(
    r"(?:缩写|首字母|拼音)(?:[:为是]| )*([A-Z](?:[A-Z]{1,4}|\.[A-Z]\.?)|[A-Z][a-z]+(?: [A-Z][a-z]+){0,2})(?![A-Za-z])"
)


def _left_open_word(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] not in "衰养缩减变弱偏微细稍胆弥短年月长最从很较古苍"


_FOREIGN = frozenset(
    "阿买艾麦木古力丽依布拉提江汗热尔吐迪尼扎娜玛卓嘎扎西次仁旺多吉仓央巴桑达瓦才让措其格日勒图斯克史密约翰玛丽亚历山大卫罗伯特汤姆杰里安娜彼得保米歇尔穆罕默德买买肉孜帕提姑塔"
)


def _foreign(name: str) -> bool:
    return sum(c in _FOREIGN for c in name) >= 2 or (
        len(name) <= 8 and name.count("·") == 1 and not _DEPARTMENT.search(name)
    )


_PARTICLES = frozenset("于时由和但应相都那在有是")


def _bare(text: str) -> Iterator[Span]:
    for match in _SEXED.finditer(text):
        if not _blocked(match[1]) and match[1][:2] not in NOT_NAMES and match[1][0] not in _PARTICLES:
            yield _span(*match.span(1), 0.85)
    for match in _LINE.finditer(text):
        yield from _plausible(text, match, 0.35)
    for match in _SIGNED.finditer(text):
        name = match[1].replace(" ", "")
        if (
            name[:2] not in NOT_NAMES
            and given_weight(name[surname_length(name, 0) :]) >= 0.4
            and _left_open(text, match.start(1))
        ):
            yield _span(*match.span(1), 0.7)
    for match in _CANDIDATE.finditer(text):
        yield from _uncued(text, match.start())


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
    if text[start - 1 : start + 1] in _BOUND and start:
        return
    left = start == 0 or not "\u4e00" <= text[start - 1] <= "\u9fff"
    right = end >= len(text) or not "\u4e00" <= text[end] <= "\u9fff"
    if given in DOUBLE and (left or right or (_left_open(text, start) and _FOLLOW.match(text, end))):
        yield _span(start, end, 0.7)
    elif all(c in STRONG for c in given) and (
        (left and right)
        or (length == 2 and (left or right))
        or (left and _FOLLOW.match(text, end) and given_weight(given) >= 0.8 and not _WORD_PAIR.match(given))
    ):
        yield _span(start, end, 0.5)


_BOUND = frozenset(
    [
        "主任",
        "责任",
        "就任",
        "担任",
        "新任",
        "继任",
        "原任",
        "过程",
        "病程",
        "疗程",
        "流程",
        "里程",
        "代谢",
        "感谢",
        "致谢",
        "多谢",
        "凋谢",
        "小叶",
        "肺叶",
        "上叶",
        "下叶",
        "中叶",
        "前叶",
        "额叶",
        "颞叶",
        "顶叶",
        "枕叶",
        "脑叶",
        "茶叶",
        "检查",
        "复查",
        "调查",
        "探查",
        "筛查",
        "由于",
        "对于",
        "位于",
        "关于",
        "属于",
        "处于",
        "等于",
        "高于",
        "低于",
        "大于",
        "小于",
        "鉴于",
        "至于",
        "石膏",
        "身高",
        "升高",
        "增高",
        "偏高",
        "提高",
        "水平",
        "公平",
        "不安",
        "平安",
        "长安",
        "患方",
        "对方",
        "双方",
        "前方",
        "后方",
        "上方",
        "下方",
        "地方",
        "处方",
        "配方",
        "局方",
        "警方",
        "院方",
        "家方",
        "天花",
        "雪花",
        "病毛",
        "皮毛",
        "眉毛",
        "睫毛",
        "主任",
        "责任",
        "信任",
        "担任",
        "慈江",
        "长江",
        "松江",
        "浙江",
        "龙江",
        "湛江",
        "镇江",
        "牛马",
        "海马",
        "吗丁",
        "鸡汤",
        "喝汤",
        "中汤",
        "米汤",
        "分段",
        "阶段",
        "节段",
        "片段",
        "肠段",
        "手段",
        "时段",
        "首段",
        "末段",
        "近段",
        "远段",
        "心尹",
        "关节",
        "海关",
        "有关",
        "相关",
        "无关",
        "瓣关",
        "开关",
        "正常",
        "异常",
        "经常",
        "日常",
        "平常",
        "如常",
        "寻常",
        "通常",
        "时常",
        "常常",
        "家常",
        "变黄",
        "发黄",
        "蛋黄",
        "大黄",
        "卵黄",
        "雄黄",
        "牛黄",
        "色黄",
        "苔黄",
        "尿黄",
        "漂白",
        "蛋白",
        "苍白",
        "灰白",
        "明白",
        "空白",
        "美白",
        "皮白",
        "色白",
        "苔白",
        "严重",
        "夸张",
        "紧张",
        "扩张",
        "怒张",
        "主张",
        "曲张",
        "舒张",
        "开张",
        "扩张",
        "纸张",
        "牵张",
        "张力",
        "一张",
        "两张",
        "三张",
        "高康",
        "健康",
        "小康",
    ]
)
_WORD_PAIR = re.compile(
    r"(?:国家|家庭|生活|明显|文化|光明|平安|安全|长期|海水|春天|天然|新生|健康|心理|成功|清洁|清晰|正常|大小|东西|南北|一二|二三|开始|开放|进行|发展|发生|发现|立即|立位|平卧|平行|安静|和平|自然|行为|有效|思想|思维|向前|前进|友好)"
)
