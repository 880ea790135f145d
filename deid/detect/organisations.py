"""Hospitals and other organisations, by their suffix, their short form or the cue around them."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator, Sequence

from deid.detect import windows
from deid.detect.span import Span

NAME = "organisations"

_H = "[\u4e00-\u9fff]"
_HOSPITAL = re.compile(
    rf"(?:{_H}|[A-Za-z0-9](?=[0-9]{{0,3}}医院)|[()·](?={_H})){{1,24}}?(?:医院(?:{_H}{{1,4}}院区|{_H}{{1,3}}分院|[东南西北总]院|本部|\({_H}{{1,4}}\))?|卫生院|卫生服务中心|卫生服务站|社区卫生中心|卫生室|卫生所|医务室|诊所|门诊部|保健院|保健所|保健中心|"
    r"防治院|防治所|疾控中心|疾病预防控制中心|护理院|疗养院|体检中心|血液中心|中心血站|血站|急救中心|急救站|医疗中心|医学中心|医学检验所|检验所|月子中心|康复中心|妇幼院|口腔院|精神卫生中心|临终关怀中心|肿瘤中心|透析中心)"
)
_ORGANISATION = re.compile(
    rf"(?:{_H}|[A-Za-z0-9&]|[()·](?={_H})){{1,24}}?(?:集团(?:股份)?(?:有限(?:责任)?公司|公司)|股份有限公司|有限责任公司|有限公司|分公司|子公司|公司|集团(?:股份)?(?:有限(?:责任)?公司|公司)?|事务所|研究院|研究所|设计院|大学|学院|中学|小学|高中|初中|职校|技校|学校|幼儿园|托儿所|"
    r"派出所|公安分局|公安局|交警支队|交警大队|交警队|刑警队|消防支队|消防队|法院|检察院|司法局|民政局|卫健委|卫生局|教育局|税务局|街道办|居委会|村委会|居民委员会|村民委员会|银行|支行|信用社|保险|人寿|财险|证券|"
    r"敬老院|养老院|福利院|老年公寓|救助站|监狱|看守所|戒毒所|纺织厂|钢铁厂|机械厂|化工厂|汽车厂|电子厂|服装厂|食品厂|制药厂|水泥厂|造纸厂|印刷厂|玻璃厂|塑料厂|橡胶厂|电缆厂|电池厂|轧钢厂|纱厂|厂|车间|工厂|"
    r"酒店|饭店|宾馆|超市|商场|百货|药房|药店|大药房|合作社|农场|林场|煤矿|矿业|油田|电视台|报社|出版社|美容院|健身房|足浴店|理发店|餐厅|酒楼|协会|基金会|工会|中队|大队|支队|部队)"
)
_HOSPITAL_HINT = re.compile(
    "[院所室部站心](?<=医院|生院|务站|中心|生室|生所|务室|诊所|诊部|健院|健所|治院|治所|理院|养院|血站|救站|验所|幼院|腔院)"
)
# The last two characters of each suffix; a search for one character of a set is the fastest there is.
_ORGANISATION_HINT = re.compile(
    "[业中会券办厂厅台司团园场委学安寓寿局市店房所校楼狱田矿社站行警货间队防院险馆厂](?:(?<=厂)|(?<="
    "公司|集团|务所|究所|托所|派所|看所|戒所|究院|计院|学院|察院|老院|利院|容院|大学|中学|小学|高中|初中|职校|技校|学校|儿园|儿所|出所|守所|毒所|公安|交警|刑警|消防|法院|法局|政局|生局|育局|务局|安局|分局|"
    "健委|道办|委会|员会|银行|支行|用社|保险|人寿|财险|证券|公寓|助站|监狱|工厂|车间|酒店|饭店|宾馆|超市|商场|百货|药房|药店|作社|农场|林场|煤矿|矿业|油田|视台|报社|版社|身房|浴店|发店|餐厅|酒楼|协会|金会|工会|中队|大队|支队|部队|警队|防队))"
)
_STOP = re.compile(
    r".*(?:(?:就诊|收治|转诊|转院|住院|急诊|手术|检查|治疗|复查|随访|送往|送至|转往|转至|转入|转到|转回|收入|前往|来到|联系|委托|任职|就职|供职|就业|工作|就读|毕业|退休|来自|隶属|经由|患者|"
    r"外院|曾先后|先后|分别|目前|现为|原为|其为|拟|并|遂|后于|今日|昨日|当日|次日|在职|拨打|投保|参保|报警|分管|辖区|单位|地点|名称|学校|公司|职业|来源|单位为|因为|家长|老师|员工|职员|司机|保安|工人(?!医院|疗养)|"
    r"年|月|日(?!友好)|时|[0-9]点|许(?![昌都])|号(?=.{2})|(?<!学)院(?=.{3})(?!附属)|司(?=.{3}))|于(?![都田洪])|(?<![协仁人泰祥共中永安谐])和(?![睦平谐县田])|回(?!民)|来(?![宾安凤])|自(?!贡)|经(?![开济])|从(?![化江])|向(?![阳东荣])|系(?!统)|(?<!华)为|可(?!克)|治(?!院|所|中心|站)|看(?!守)|下(?![沙城关陆])|至(?!德)|被|入|要|[在到往由赴去送是找给的及与或、让请跟把将均曾仍因该了着我你您他她们这那哪吗什怎很就也问些个最没不]|上(?![海饶虞杭党蔡高犹思林栗]))"
    r"(?!.{0,1}$)"
)
# Words that open a name although they look like a stop.
_GENERIC_HOSPITAL = re.compile(
    r"^(?:么|过|者|间|近|人|解|级|当地|外地|外|本|我|该|贵|某|上级|下级|省级|市级|县级|区级|三甲|三级|二级|一级|大|小|附近|家附近|多家|各|各大|各级|其他|其它|别的|另一|某某|某家|一家|两家|几家|这家|那家|综合|专科|专业|公立|私立|民营|"
    r"基层|社区|乡镇|镇|乡|村|县|省|市|区|肿瘤|精神病|精神|精神专科|传染病|儿童|妇产|眼科|口腔|骨科|康复|中医|中|西|民族|职工|教学|定点|指定|对口|原|互联网|住|出|进|入|去|来|回|到|在|转|送|离|门诊|急诊|街道|乡村|私人|"
    r"个体|牙科|美容|整形|医疗|急救|护理|临终|老年|部队|军队|校|厂|家庭|方舱|发热|国内|国外|全国|同级|高级|省外|市内|外省|接诊|首诊|转出|协作|原手术|本市|本地|县城|镇上|村里|单位|学校|私人小|小区|女子|男子|不孕|男科|"
    r"各地|知名|著名|正规|大型|中型|小型|有条件|[一二三][级甲]|二甲|三乙|相关|有关|多个|数家|的|患者|家|好|正规|宠物|普通|一般|一些|了解|常规|多|脑科|心理|胸科|肛肠|皮肤|皮肤病|耳鼻喉|科|肝病|老年病|骨伤|脑病)*"
    r"(?:医院|卫生院|卫生服务中心|卫生服务站|社区卫生中心|卫生室|卫生所|医务室|诊所|门诊部|保健院|保健所|保健中心|防治院|防治所|疾控中心|疾病预防控制中心|护理院|疗养院|体检中心|血液中心|血站|急救中心|急救站|医疗中心|医学中心|检验所|医学检验所|月子中心|康复中心|妇幼院|精神卫生中心|肿瘤中心|透析中心|临终关怀中心|中心血站|口腔院)"
    r"(?:门诊|急诊|本部)?$"
)
_GENERIC_WORD = (
    r"当地|外地|本|我|该|贵|某|某某|大|小|附近|一家|某家|各|其他|私营|国营|私人|国有|民营|外资|合资|外贸|物流|快递|建筑|保险|商业|医药|药|器械|医疗器械|制药|食品|化工|电子|科技|软件|房地产|贸易|装修|保洁|家政|物业|保安|运输|出租|出租车|搬家|"
    r"上市|工|鞋|服装|电镀|纺织|化|机械|汽车|家具|玩具|塑料|五金|水泥|印刷|印染|纸|油漆|皮革|箱包|陶瓷|钢铁|钢|铁|电池|棉纺|砖|食品加工|橡胶|玻璃|蓄电池|小|中|大|原|退休|下岗|在|于|为|去|到|开|网上|普通|重点|职业|老年|成人|寄宿|私立|公立|"
    r"高级|全日制|技术|师范|医|医科|中医|中药|双语|国际|民办|乡村|农村|镇|乡|村|县|区|市|省|街道|社区|辖区|派出|所在|就近|医疗|人寿|财产|人身|意外|社会|养老|工伤|生育|失业|大病|商业医疗|交强|车|居民|职工|城镇|城乡|新农合|参加|购买|有|无|"
    r"心脏|血|干细胞|眼|骨髓|血液|种子|基因|便利|连锁|快捷|五星级|海鲜|火锅|农家|自家|路边|楼下|小区|医院|院内|院外|社会|平价|定点|零售|个体|急诊|门诊|住院|中心|器官|脐带血|电线|发电|加工|代工|生产|作业|维修|焊接|喷漆|一线|流水线|抗癌|红十字|"
    r"慈善|病友|医师|医学|医学会|行业|学术|刑警|交警|消防|交通|施工|巡逻|特警|医疗|救援|志愿|生产|民兵|服役|退伍|野战|边防|武警|当兵|参军|入伍|所属|海军|空军|陆军|特种|通信|就读|学习|上|读|入|放|转|新|老|旧|两所|一所|所|家"
)
_GENERIC_ORG = re.compile(
    rf"^(?:{_GENERIC_WORD})*(?:有限公司|公司|集团(?:股份)?(?:有限(?:责任)?公司|公司)?|事务所|研究院|研究所|设计院|大学|学院|中学|小学|高中|初中|职校|技校|学校|幼儿园|托儿所|派出所|公安局|公安分局|交警支队|交警大队|交警队|刑警队|消防队|消防支队|法院|检察院|司法局|民政局|卫健委|"
    r"卫生局|教育局|税务局|街道办|居委会|村委会|居民委员会|村民委员会|银行|支行|信用社|保险|人寿|财险|证券|敬老院|养老院|福利院|老年公寓|救助站|监狱|看守所|戒毒所|(?:纺织|钢铁|机械|化工|汽车|电子|服装|食品|制药|水泥|造纸|印刷|玻璃|塑料|橡胶|电缆|"
    r"电池|轧钢|纱)?厂|车间|工厂|酒店|饭店|宾馆|超市|商场|百货|药房|药店|大药房|合作社|农场|林场|煤矿|矿业|油田|电视台|报社|出版社|美容院|健身房|足浴店|理发店|餐厅|酒楼|协会|基金会|工会|中队|大队|支队|部队)$"
)
_NEEDS_PROOF = re.compile(
    r"(?:厂|车间|工厂|酒店|饭店|宾馆|超市|商场|百货|药房|药店|协会|保险|人寿|大队|中队|支队|银行|农场|学院|大学|学校|餐厅|工会|小学|中学|高中|初中)$"
)
_ILLNESS = re.compile(
    r"(?:低|中|高)分化|型高中$|肠.*高中$|溃疡|留意|据说|权威|了解|救家里|一家|什么|或者|想知道|电器商场|癫痫|发烧|症状|尽快|建议|决定|家长|羊瘟|疾病(?!预防)|心理专科|检查的|复诊|准备|同学|突然|症[^,]{0,4}医院"
)
_CLINICAL = re.compile(r"[细胞肌酶素蛋白症病炎癌瘤痛肿血管糖压药剂片胶囊]")
_SHORT = (
    "瑞金|华山|中山|仁济|新华|市一|市六|市十|龙华|曙光|岳阳|东方|同济|协和|华西|湘雅|齐鲁|同仁|长海|长征|东方肝胆|胸科|肺科|儿中心|红房子|国妇婴|五官科|眼耳鼻喉科|上海六院|上海九院|上海一院|上海十院|上海市一|公利|"
    "仁济东院|仁济西院|奉中心|金中心|崇中心|青中心|宝中心|虹中心|长中心|市东|市西|市北|宏恩|华东|杨中心|普中心|静中心|徐中心|闵中心|浦中心|嘉中心|松中心|华山北院|瑞金北院|中山医院|北大|北医三院|北医|人民|积水潭|天坛|安贞|阜外|宣武|友谊|朝阳|301|302|304|307|309|85|411|455|455医院|解放军总|省人民|省中|"
    "省立|省肿瘤|省妇幼|省儿保|市妇幼|浙一|浙二|浙大一院|浙大二院|邵逸夫|鼓楼|江苏省人民|省人医|苏大附一|附一|附二|中大|南方|珠江|西京|唐都|西南|新桥|大坪|盛京|医大一|医大二|医科院肿瘤|广安门|西苑|东直门|复旦肿瘤|肿瘤|市肺科|市精卫|精卫中心|"
    "市儿童|市中|市中医|一妇婴|儿科|复旦儿科|交大儿中心|德济|远大|和睦家|嘉会|百汇"
)
_SHORT_IN = re.compile(
    rf"(?:在|去|到|至|于|往|赴|回|经|从|由|转|转到|转至|转入|转往|送|送到|送往|就诊于|诊于|联系|本院与|请|上|来|住)({_SHORT})"
    r"(?=医院|院|就诊|住院|就医|住过|住了|看|查|做|治|急诊|门诊|复查|复诊|随访|行|手术|会诊|化疗|放疗|检查|穿刺|配药|开药|的|[,。;、()]|\(|拍|确诊|挂|专家|那边|本部|心内|骨科|神经|转)"
)
_NUMBERED = re.compile(
    r"(?:(?:上海|北京|天津|广州|武汉|南京|杭州|沈阳|重庆|成都|哈尔滨|郑州|[市省区])(?:市)?)?(?:第)?[一二三四五六七八九十]{1,2}(?:人民|人)?院(?=[就住复门急手做看查的行治病诊检放化会开配挂,。;、) (:系区]|$|分院|本部)|"
    r"(?:附属?|大附|医附)[一二三四]?院?(?:[一二三]院)|[一二三]附院|(?:北医|上医|交大|复旦|同济|浙大|华中)[一二三]院|(?:解放军|武警|海军|空军|陆军|火箭军)?(?:第)?[0-9]{2,3}医院|(?:市|省|区|县)[一二三四五六七八九十](?=[就住复门急手做看查的])|(?:省|市)(?:人民|中医|妇幼|肿瘤|儿童)(?:院|(?=就诊|住院|复查))"
)
_UNIT_CODE = re.compile(
    r"(?:解放军|武警|中国人民解放军|驻\w{1,4})?第?[0-9]{4,5}(?<!(?:19|20)[0-9]{2})(?:部队|医院|厂|工厂)|[0-9]{5}(?:部队|分队)"
)
_CAMPUS = re.compile(
    "(?:瑞金|仁济|华山|中山|新华|龙华|曙光|岳阳|东方|同济|协和|同仁|长海|长征|胸科|肺科|六院|九院|一院|十院|儿科|鼓楼|湘雅|齐鲁|华西|朝阳|友谊|宣武|天坛|安贞|阜外|积水潭|浙一|浙二|邵逸夫|国妇婴|红房子|五官科)(?:[东南西北总]院|[东南西北]区)"
)
_NUMBERED_HINT = re.compile("院|[省市](?:人民|中医|妇幼|肿瘤|儿童)|[市省区县][一二三四五六七八九十]")
_SCHOOL = re.compile(
    rf"(?:^|[,。;:、在于从到,是读 ])({_H}{{1,3}}[一二三四五六七八九十]{{1,2}}[中小])(?=教师|老师|学生|读|上学|高[一二三]|初[一二三]|毕业|[(][0-9一二三四])"
)
_UNIT_CODE_HINT = re.compile("[0-9]{4}")
_EMPLOYER = re.compile(
    r"(?:(?:工作单位及?(?:职务|职业|地址)?|工作单位|任职单位|用人单位|就读学校|学校|所在单位|单位名称|参保单位|投保公司|承保公司|保险公司|学校班级|班级|送检单位|送检医院|转诊单位|来源单位)[:为是] ?|(?:就职于|任职于|供职于|就读于|毕业于|在职于|服役于) ?)([\u4e00-\u9fffA-Za-z0-9()·&]{2,30})"
)
_EMPLOYER_END = re.compile(
    r"(?:联系|电话|手机|地址|邮编|职业|职务|入院|户口|民族|婚姻|[,。;]|单位|任|担任|从事|做|工作|上学|读书|,|的|$)"
)
_NOT_EMPLOYER = re.compile(
    r"(?:无|不详|退休|同上|务农|自由职业|个体|自由|农民|在家|待业|无业|暂无|家务|离退休|未知|--|/|本院|我院|外院)"
)
_ROLE = re.compile(
    rf"(?:现任|原|前|时任|曾任|系|为|是)?({_H}{{2,10}}?(?:省长|副省长|市长|副市长|区长|副区长|县长|副县长|镇长|乡长|村长|村支书|村主任|省委书记|市委书记|区委书记|县委书记|镇党委书记|人大代表|政协委员|奥运冠军|世界冠军|"
    r"局长|副局长|董事长|总经理|首席执行官|校长|副校长|台长|团长|师长|军长|司令员|检察长|法院院长|主持人|总工程师|创始人|工程院院士|科学院院士))"
)
_ROLE_HINT = re.compile(
    "[长书任记表员军理官人师士](?<=省长|市长|区长|县长|镇长|乡长|局长|校长|台长|团长|师长|军长|村长|院长|察长|事长|支书|主任|书记|代表|委员|冠军|经理|行官|令员|持人|程师|始人|院士)"
)
_BARE_ROLE = re.compile(
    r"^(?:的|任|一|某|公司|单位|学校|私企|企业|退休|原|前|小学|中学|某公司|民营企业|一家公司|该|其|我们|患者|他|她|丈夫|妻子|父亲|母亲|儿子|女儿|职业|担任|曾|厂|为|是|系)*.{2,4}长?$"
)
_EN_WORD = r"(?:[A-Z][A-Za-z'&-]*(?:(?<=\bSt)\.)?|of|the|and|for|de)"
_EN_HOSPITAL = re.compile(
    rf"\b(?:[A-Z][A-Za-z'-]*(?:(?<=\bSt)\.)?)(?: {_EN_WORD}){{0,6}} (?:Hospitals?|Birth Cottage|Surgery(?= *(?:[.,;)]|$))|Medical Cent(?:er|re)|Clinic|Infirmary|Health System|Healthcare|Health Cent(?:er|re)|Health|Hospice|Nursing Home|Rehab(?:ilitation)?(?: Cent(?:er|re)| Hospital)?|"
    r"Cancer Cent(?:er|re)|Cancer Institute|Surgery Cent(?:er|re)|Surgical Cent(?:er|re)|Dialysis Cent(?:er|re)|Dialysis|Urgent Care|Family Practice|Medical Group|Pediatrics|Cardiology Associates|Orthopa?edics Associates|Assisted Living|Care Cent(?:er|re)|Care Home|Manor|Memorial|Pharmacy|Imaging|Laboratories|Labs?)\b"
)
_EN_HOUSE = re.compile(
    r"\b(?:to|at|from|via|by|in|with|near|and) (?:the )?((?:[A-Z][A-Za-z'-]+(?:(?<=\bSt)\.)? ){1,4}(?:SNF|ALF|LTC|LTACH|Regional|General|Behavioral|County|Dermatology|Orthop(?:a)?edics|Cardiology|Oncology|Gastroenterology|Neurology|Ophthalmology|Urology|Nephrology|Eye Care|Memory Care|Dental(?: Care| Group)?|Family Medicine|Internal Medicine|Women's Health|Physical Therapy|Treatment Center|Recovery|House|Lodge|Court|Villa|Village|Gardens|Meadows|Place|Oaks|Pines|Mutual|Primary|Secondary|Infants|Juniors|Preschool|Daycare|Nursery|Montessori|Farms?|Foods|Market|Mills?|Works|Garage|Salon|Diner|Grill|Tavern|Steel|Systems|Solutions|Technologies|Labs))\b(?! (?:Surgery|Medicine|Ward|Clinic|Floor|Team|Room|Unit|anesthesia|Anesthesia))|\b((?:Sunrise|Brookdale|Atria|Belmont|Village|Gardens?|Springs|Oaks) (?:of|at) [A-Z][a-z]+(?: [A-Z][a-z]+)?)"
)
_EN_SHORT = re.compile(
    r"\b(?:MGH|BWH|Mass General|Brigham|NewYork-Presbyterian|Presbyterian|Guys|Barts|UCLH|BIDMC|UCSF|UCLA|NYU Langone|Mayo(?: Clinic)?|Cleveland Clinic|Johns Hopkins|Hopkins|Kaiser(?: Permanente)?|Mount Sinai|Mt\.? Sinai|Cedars-Sinai|Sloan Kettering|MSKCC|MD Anderson|Dana-Farber|Bellevue|Guy's|Addenbrooke's|Ruijin|Huashan|Zhongshan Hospital|Renji|St\.? [A-Z][a-z]+'s?(?! (?:wort|disease)))(?![a-z])"
)
_EN_ORG = re.compile(
    rf"\b(?:[A-Z0-9][A-Za-z0-9'&-]*)(?:,? {_EN_WORD}){{0,5}},? (?:Elementary|Division|Armor Regiment|Drugs?(?= (?:on|at|in))|Sciences|Inn|Hotel|Coffee|Caf[eé]|Bakery|Roofing(?: LLC)?|[Ww]arehouse|Home Oxygen|Inc|LLC|Ltd|Corp(?:oration)?|Co|Company|University|College|(?:High |Elementary |Middle |Primary |Secondary |Grammar )?School|Academy|Police(?: Department)?|Sheriff's (?:Office|Department)|"
    r"Fire Department|(?<=P)S [0-9]{{1,3}}|Insurance|Bank|Court|Church|Airlines|Airways|Group|Foundation|Industries|Logistics|Motors|Construction|Associates|Partners|Plant|Factory|Institute|Prison|Jail|Army|Regiment|Battalion|Brigade)\b\.?"
)
_EN_EMPLOYER = re.compile(
    r"\b(?:works?|worked|working|employed|employee|teaches|taught|job|student|studies|retired) (?:as an? [a-z ]{2,30} )?(?:at|for|by|from|with|of) (?:the )?((?:[A-Z][A-Za-z0-9'&-]*)(?: (?:(?:of|and|&) )?[A-Z][A-Za-z0-9'&-]*)*)|\b[Ee]mployer ?: ?([A-Z][A-Za-z0-9'&. -]{1,40}?)(?=[,;.\n]|  |$)|\b[Ii]nsurance(?: company| carrier| provider)? ?: ?([A-Z][A-Za-z0-9'&. -]{1,40}?)(?=[,;.\n(]|  |$)"
)
_EN_INSURERS = re.compile(
    r"\b(?:Aetna|Cigna|Humana|Blue Cross(?: Blue Shield)?|BCBS(?: of [A-Z][a-z]+)?|UnitedHealthcare|United Healthcare|Anthem|Tricare|Centene|Molina|Allianz|AXA|Bupa|Walmart|Amazon|Google|Microsoft|FedEx|UPS|Costco|Starbucks|McDonald's|Boeing|Target store)\b"
)
_EN_OFFICE = re.compile(
    r"\b(?:the )?(?:(?:first|only|former|current|last|youngest|oldest)(?: [a-z]+)? )?(?:lord )?(?:mayor|governor|senator|congress(?:man|woman)|bishop|archbishop|ambassador|sheriff|head(?:master|mistress)|fire chief|police chief|chief executive|CEO|president|vicar|founder|chairman|chairwoman|conductor) of (?:the )?[A-Z][A-Za-z'-]+(?: [A-Z][A-Za-z'-]+)*"
)
_EN_GENERIC = re.compile(
    r"^(?:Employer |Employed |The |This |That |Our |A |An |Your |Local |Outside |Community |Teaching |Same |Her |His |Their |Outpatient |Primary Care |Pain |Wound |Eye |Dental |Mental |Behavioral |Public |Home |Women's |Coumadin |Anticoagulation |Diabetes |Heart Failure |Cardiology |Oncology |Surgical? |Surgery |Family |Physical |Occupational |Follow-?up |Medical |Emergency |General |Children's |"
    r"Neurology |Pediatrics? |Memory |Sleep |Urology |Vascular |Walk-in |Free |Health |Patient |Prior |Discharge |Admission |At |In |To |From |Continue |Bone |Brain |Global |Skilled |Rehab |Oral |Good |Poor |Blood |Tissue |Sperm |High |Middle |Elementary |Primary |Secondary |Private |Grammar |Medicare |Health Insurance |Nursing |Pharmacy |Local Police )+"
    r"(?:Hospital|Hospitals|Clinic|Medical Center|Health|Healthcare|Hospice|Nursing Home|Rehab|Rehabilitation|Care Center|Care Centre|Pharmacy|Imaging|Labs?|Memorial|Health Center|Dialysis|Assisted Living|Urgent Care|Family Practice|Pediatrics|School|College|University|Bank|Court|Insurance|Company|Group|Institute|Police|Church|Plant|Cancer Center|Medical Group|Associates|Manor)$"
)


def find(text: str) -> Iterator[Span]:
    """Yield named hospitals (HOSPITAL), other organisations (ORG) and offices only one person holds (PROFESSION_UNIQUE)."""
    yield from _suffixed(text, _HOSPITAL, _HOSPITAL_HINT, _GENERIC_HOSPITAL, "HOSPITAL")
    yield from _suffixed(text, _ORGANISATION, _ORGANISATION_HINT, _GENERIC_ORG, "ORG")
    for match in _SHORT_IN.finditer(text):
        yield Span(*match.span(1), "HOSPITAL", 0.7, NAME)
    for match in _CAMPUS.finditer(text) if "院" in text else ():
        yield Span(*match.span(), "HOSPITAL", 0.7, NAME)
    for match in windows.found(text, _NUMBERED, windows.around(text, _NUMBERED_HINT, 14, 6)):
        yield Span(*match.span(), "HOSPITAL", 0.7, NAME)
    for match in windows.found(text, _UNIT_CODE, windows.around(text, _UNIT_CODE_HINT, 14, 8)):
        yield Span(*match.span(), "ORG", 0.8, NAME)
    for match in _SCHOOL.finditer(text):
        yield Span(*match.span(1), "ORG", 0.7, NAME)
    for match in _EMPLOYER.finditer(text):
        yield from _employer(text, match)
    for match in windows.found(text, _ROLE, windows.around(text, _ROLE_HINT, 15, 8)):
        yield from _role(match)
    stretches = windows.latin(text)
    if stretches:
        yield from _english(text, stretches)


def _suffixed(
    text: str, pattern: re.Pattern[str], hint: re.Pattern[str], generic: re.Pattern[str], label: str
) -> Iterator[Span]:
    for match in windows.found(text, pattern, windows.around(text, hint, 26, 12)):
        start = match.start()
        cut = _STOP.match(match[0])
        if cut:
            start += cut.end()
        name = text[start : match.end()]
        closing = name.find(")")
        if closing >= 0 and "(" not in name[:closing]:
            start += closing + 1
            name = text[start : match.end()]
            again = _STOP.match(name)
            name = name[again.end() :] if again else name
            start = match.end() - len(name)
        opening = name.rfind("(")
        if opening >= 0 and ")" not in name[opening:]:
            start += opening + 1
            name = text[start : match.end()]
        name = name.lstrip("()·")
        start = match.end() - len(name)
        if generic.match(name) or _ILLNESS.search(name) or len(name) < 3 or "某" in name:
            continue
        if label == "ORG" and _NEEDS_PROOF.search(name) and (_CLINICAL.search(name) or len(name) < 4):
            continue
        yield Span(start, match.end(), label, 0.8, NAME)


def _employer(text: str, match: re.Match[str]) -> Iterator[Span]:
    start, end = match.span(1)
    stop = _EMPLOYER_END.search(text, start + 1, end)
    if stop:
        end = stop.start()
    if end - start >= 3 and not _NOT_EMPLOYER.match(text, start, end):
        yield Span(start, end, "ORG", 0.7, NAME)


def _role(match: re.Match[str]) -> Iterator[Span]:
    start, value = match.start(1), match[1]
    cut = _STOP.match(value)
    if cut:
        start += cut.end()
        value = value[cut.end() :]
    if len(value) >= 4 and _BARE_ROLE.match(value) is None and _PLACE_OR_FIRM.search(value):
        yield Span(start, start + len(value), "PROFESSION_UNIQUE", 0.6, NAME)


_PLACE_OR_FIRM = re.compile(r"[省市区县镇乡村州国院校局司团台厂]|公司|大学|冠军|代表|委员|院士|主持人")


def _english(text: str, stretches: Sequence[tuple[int, int]]) -> Iterator[Span]:
    for pattern, label in (
        (_EN_HOSPITAL, "HOSPITAL"),
        (_EN_SHORT, "HOSPITAL"),
        (_EN_ORG, "ORG"),
        (_EN_INSURERS, "ORG"),
    ):
        for match in windows.found(text, pattern, stretches):
            if _EN_GENERIC.match(match[0]) is None:
                yield Span(*match.span(), label, 0.7, NAME)
    for match in windows.found(text, _EN_HOUSE, stretches):
        group = match.lastindex or 1
        if _EN_GENERIC.match(match[group]) is None:
            yield Span(*match.span(group), "HOSPITAL", 0.6, NAME)
    for match in windows.found(text, _EN_OFFICE, stretches):
        yield Span(*match.span(), "PROFESSION_UNIQUE", 0.6, NAME)
    for match in windows.found(text, _EN_EMPLOYER, stretches):
        group = match.lastindex or 1
        if len(match[group]) > 2:
            yield Span(*match.span(group), "ORG", 0.6, NAME)
