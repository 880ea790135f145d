"""What each layer finds, and what it leaves alone. Every identifier here is invented."""

# a table of examples, one line each

import re

import pytest

from deid.detect import detector, organisations
from deid.detect.checksums import check_digit, has_resident_shape, is_credit_code, is_nhs_number, is_resident_id, luhn


def found(text, layer, known=()):
    return [(text[s.start : s.end], s.label) for s in detector(frozenset({layer})).find(text, known)]


PATTERNS = [
    ("身份证11010519491231002X", "11010519491231002X", "ID_CARD"),
    ("身份证11010519491231002x", "11010519491231002x", "ID_CARD"),
    ("证件：110105 19491231 0021，", "110105 19491231 0021", "ID_CARD"),
    ("１１０１０５１９４９１２３１００２Ｘ", "１１０１０５１９４９１２３１００２Ｘ", "ID_CARD"),
    ("旧证110105491231002", "110105491231002", "ID_CARD"),
    ("一一零一零五一九四九一二三一零零二X", "一一零一零五一九四九一二三一零零二X", "ID_CARD"),
    ("HKID A123456(7)", "A123456(7)", "ID_CARD"),
    ("SSN 532-48-1906", "532-48-1906", "ID_CARD"),
    ("手机138 1234 5678", "138 1234 5678", "PHONE"),
    ("手机138-1234-5678", "138-1234-5678", "PHONE"),
    ("+86 13812345678", "+86 13812345678", "PHONE"),
    ("138****5678", "138****5678", "PHONE"),
    ("电话021-64371234转8012", "021-64371234转8012", "PHONE"),
    ("幺三八零零幺七五五六六", "幺三八零零幺七五五六六", "PHONE"),
    ("call (415) 555-0132 x12", "(415) 555-0132 x12", "PHONE"),
    ("call 1-800-555-0147", "1-800-555-0147", "PHONE"),
    ("卡6222021001123456789", "6222021001123456789", "BANK"),
    ("护照E12345678", "E12345678", "PASSPORT"),
    ("车牌沪A·7K382", "沪A·7K382", "PLATE"),
    ("沪AD12345新能源", "沪AD12345", "PLATE"),
    ("医保卡号：A03218876", "A03218876", "INSURANCE"),
    ("住院号：ZY0012345", "ZY0012345", "MRN"),
    ("病理号P2024-03817", "P2024-03817", "MRN"),
    ("（2023）沪0115民初1234号", "（2023）沪0115民初1234号", "MRN"),
    ("微信号：yaoqing_1988", "yaoqing_1988", "ACCOUNT"),
    ("QQ：12345678", "12345678", "ACCOUNT"),
    ("邮箱tian_88@163.com。", "tian_88@163.com", "EMAIL"),
    ("见http://yb.example.cn/q?id=7。", "http://yb.example.cn/q?id=7", "URL"),
    ("IP 10.23.4.117", "10.23.4.117", "IP"),
    ("IP 2001:db8:0:0:0:ff00:42:8329", "2001:db8:0:0:0:ff00:42:8329", "IP"),
    ("MAC 00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E", "DEVICE"),
    ("序列号PVY449812", "PVY449812", "DEVICE"),
    ("IMEI 490154203237518", "490154203237518", "DEVICE"),
    ("NHS 943 476 5919", "943 476 5919", "MRN"),
    ("税号91350100M000100Y43", "91350100M000100Y43", "ORG"),
    ("加5床", "加5床", "BED"),
    ("手机尾号5678", "5678", "PHONE"),
    ("银行卡尾号5678", "5678", "BANK"),
    ("身份证后四位223X", "223X", "ID_CARD"),
    ("流水123456789012", "123456789012", "MRN"),
]
DATES = [
    *(
        [
            "2023-05-18",
            "2023/5/18",
            "2023.5.18",
            "2023年5月18日",
            "2023年5月",
            "5月18日",
            "20230518",
            "二〇二三年五月十八日",
            "农历二月十二",
            "大年初三",
            "2023年春节",
            "腊月廿三",
            "下周三",
        ]
    ),
    *(["贰零贰叁年伍月拾捌日", "民国112年3月5日", "甲辰年三月初八", "去年3月", "2024年1-3月", "2023年第3季度"]),
    *(["May 18, 2023", "18 May 2023", "05/18/2023", "12-MAY-2023", "Thanksgiving", "Tuesday", "June 2021", "5/18/23"]),
]
NO_DATES = [
    "病程3年",
    "每周一、三、五透析",
    "昨日",
    "2023年",
    "3个月前",
    "随访6月",
    "90%",
    "5/5级",
    "血压130/80mmHg",
    "术后3月复查",
    "8:30",
    "一周二次",
    "2.5×1.3cm",
    "1.2.3",
]
AGES = ["94岁", "九十四岁", "101岁", "94-year-old", "94 y/o", "94F", "一百零二岁"]
NO_AGES = ["89岁", "90岁以上人群", "≥90岁", "血压94", "for 95 years", "190岁", "9.4岁"]
ADDRESSES = [
    ("住上海市徐汇区宜山路600号3号楼502室。", "上海市徐汇区宜山路600号3号楼502室"),
    ("家住彭浦新村300弄20号，", "彭浦新村300弄20号"),
    ("邮编：200030", "200030"),
    ("定位31.2304,121.4737。", "31.2304,121.4737"),
    ("乘地铁9号线来院", "地铁9号线"),
    ("12 Mill Lane, Leeds LS6 2AB.", "12 Mill Lane, Leeds LS6 2AB"),
    ("PO Box 1234, Reno, NV 89501", "PO Box 1234, Reno, NV 89501"),
    ("来自安徽省阜阳市颍上县，", "安徽省阜阳市颍上县"),
    ("籍贯：浙江温州", "浙江温州"),
    ("lives in Cedar Rapids, Iowa.", "Cedar Rapids, Iowa"),
]
ORGANISATIONS = [
    ("就诊于复旦大学附属中山医院，", "复旦大学附属中山医院", "HOSPITAL"),
    ("在瑞金住院", "瑞金", "HOSPITAL"),
    ("转六院就诊", "六院", "HOSPITAL"),
    ("在上海虹达纺织有限公司工作", "上海虹达纺织有限公司", "ORG"),
    ("工作单位：宝钢股份", "宝钢股份", "ORG"),
    ("73021部队战士", "73021部队", "ORG"),
    ("原南汇县副县长，", "南汇县副县长", "PROFESSION_UNIQUE"),
    ("seen at Mercy General Hospital today", "Mercy General Hospital", "HOSPITAL"),
    ("works at Harlan Logistics daily", "Harlan Logistics", "ORG"),
    ("covered by Aetna", "Aetna", "ORG"),
]
NO_ORGANISATIONS = [
    "本院",
    "外院",
    "当地医院",
    "上级医院",
    "我院门诊",
    "某公司",
    "哪家医院好",
    "三甲医院",
    "县医院",
    "转精神专科医院",
    "大学毕业",
    "工厂工人",
    "the local hospital",
    "Outpatient Clinic",
]
NAMES = [
    ("患者姓名：郦舒窈", "郦舒窈"),
    ("今邵立群主任查房", "邵立群"),
    ("王主任同意", "王"),
    ("张姓患者", "张"),
    ("我姓窦，", "窦"),
    ("家属（妻子刘芳）代诉", "刘芳"),
    ("李某某，男", "李某某"),
    ("老王说腿疼", "老王"),
    ("术者：裴国梁，助手：高翔", "裴国梁"),
    ("欧阳建中，男，45岁", "欧阳建中"),
    ("买买提·艾力，男", "买买提·艾力"),
    ("姓名：关 玉 茹  性别", "关 玉 茹"),
    ("姓名缩写：ZXM", "ZXM"),
    ("Mr. Trevor Banks came", "Trevor Banks"),
    ("Patient: WHITFIELD, GORDON  DOB", "WHITFIELD, GORDON"),
    ("Electronically signed by Priya Raman, MD.", "Priya Raman"),
    ("his daughter Beth called", "Beth"),
]
NO_NAMES = [
    "帕金森病",
    "何首乌15g",
    "白芍12g",
    "黄疸未见",
    "高血压病史",
    "某某",
    "患者家属同意",
    "患者高热",
    "医生查房",
    "主任医师查房",
    "霍奇金淋巴瘤",
    "马来酸依那普利",
    "石膏固定",
    "于静脉麻醉下",
    "常规消毒",
    "方案为",
    "Parkinson disease",
    "Foley catheter",
    "Murphy sign",
    "Crohn's disease",
    "The patient denies",
    "Hodgkin lymphoma",
]


@pytest.mark.parametrize(("text", "value", "label"), PATTERNS)
def test_patterns_find(text, value, label):
    assert (value, label) in found(text, "patterns")


@pytest.mark.parametrize(
    "text",
    [
        "白细胞12.3×10^9/L",
        "血压180/100mmHg",
        "拨打120",
        "批号20230518",
        "HBV-DNA 123456789 IU/ml",
        "版本1.2.3",
        "D1-14给药",
        "卧床",
    ],
)
def test_patterns_leave_alone(text):
    assert found(text, "patterns") == []


@pytest.mark.parametrize("value", DATES)
def test_dates_are_found_whole(value):
    assert (value, "DATE") in found(f"at {value}, " if value.isascii() else f"于{value}，", "dates")


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_stays(text):
    assert found(f"，{text}，", "dates") == []


@pytest.mark.parametrize("value", AGES)
def test_ages_of_ninety_and_over_are_found(value):
    assert found(f" {value} ", "ages") == [(value, "AGE90")]


@pytest.mark.parametrize("text", NO_AGES)
def test_other_ages_stay(text):
    assert found(f" {text} ", "ages") == []


@pytest.mark.parametrize(("text", "value"), ADDRESSES)
def test_addresses_are_found_whole(text, value):
    assert value in [v for v, _ in found(text, "addresses")]


@pytest.mark.parametrize(
    "text", ["消化道出血", "建立静脉通路", "手术入路", "上海", "中国", "心前区不适", "尿路感染", "左下肺"]
)
def test_what_is_no_place_stays(text):
    assert found(f"，{text}，", "addresses") == []


@pytest.mark.parametrize(("text", "value", "label"), ORGANISATIONS)
def test_organisations_are_found(text, value, label):
    assert (value, label) in found(text, "organisations")


@pytest.mark.parametrize("text", NO_ORGANISATIONS)
def test_unnamed_organisations_stay(text):
    assert found(f"，{text}，", "organisations") == []


@pytest.mark.parametrize(("text", "value"), NAMES)
def test_names_are_found(text, value):
    assert (value, "NAME") in found(text, "cues")


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name_stays(text):
    assert found(f"，{text}，", "cues") == []


@pytest.mark.parametrize(
    ("text", "known", "value"),
    [
        ("复诊时郦舒窈诉好转", ("郦舒窈", "NAME"), "郦舒窈"),
        ("复诊时 郦 舒 窈 诉好转", ("郦舒窈", "NAME"), "郦 舒 窈"),
        ("老郦说腿疼", ("郦舒窈", "NAME"), "老郦说"),
        ("号码 7 7 8 1-203 已登记", ("7781203", "MRN"), "7 7 8 1-203"),
        ("号码７７８１２０３", ("7781203", "MRN"), "７７８１２０３"),
        ("读作七七八一二零三的号", ("7781203", "MRN"), "七七八一二零三"),
        ("mail to TIAN_88@163.COM now", ("tian_88@163.com", "EMAIL"), "TIAN_88@163.COM"),
        ("Saw beth yesterday", ("Beth", "NAME"), "beth"),
        ("尾号1203", ("7781203", "MRN"), "1203"),
        ("玛丽亚来了", ("玛丽亚·费尔南德斯", "NAME"), "玛丽亚"),
    ],
)
def test_known_identifiers_are_found_without_a_cue(text, known, value):
    values = [v for v, _ in found(text, "propagation", (known,))]
    assert any(value.removesuffix("说") in v for v in values)


def test_a_known_number_inside_a_longer_one_is_another_number():
    assert found("共1234567粒", "propagation", (("34567", "MRN"),)) == []


def test_a_name_found_once_is_hidden_everywhere():
    text = "患者姓名：郦建芬。\n后续：郦建芬好转，建芬出院。"
    hidden = [text[s.start : s.end] for s in detector().find(text)]
    assert hidden == ["郦建芬", "郦建芬", "建芬"]


def test_a_wrong_check_digit_costs_score_but_is_found():
    right, wrong = (detector().find(f"证{n}")[0] for n in ("11010519491231002X", "110105194912310021"))
    assert (right.label, wrong.label) == ("ID_CARD", "ID_CARD")
    assert right.score > wrong.score


def test_check_digits():
    assert check_digit("11010519491231002") == "X"
    assert is_resident_id("11010519491231002X")
    assert not has_resident_shape("990105194912310021")
    assert luhn("4111111111111111")
    assert is_credit_code("91350100M000100Y43")
    assert not is_credit_code("91350100I000100Y43")
    assert not is_nhs_number("943476591")


def test_a_check_digit_needs_seventeen_digits():
    with pytest.raises(ValueError, match="17"):
        check_digit("1")


@pytest.mark.parametrize("pattern", ["_HOSPITAL", "_ORGANISATION"])
def test_the_quick_look_knows_every_suffix(pattern):
    suffixes = re.findall(r"[\u4e00-\u9fff]{1,9}", getattr(organisations, pattern).pattern.split("{1,24}?", 1)[1])
    hint = getattr(organisations, f"{pattern}_HINT")
    whole = [word for word in suffixes if getattr(organisations, pattern).fullmatch(f"某{word}")]
    assert len(whole) > 20
    assert [word for word in whole if not hint.search(word)] == []
