"""Hospital A's notes: Chinese running text, a header line with the record number, some files in undeclared GBK.

Sentences are written so that each layer of the detector has identifiers that no other layer can find.
"""

from datetime import date, timedelta
from random import Random

from service.demo.network import calendar
from service.demo.network import lexicon as words
from service.demo.network.draft import Draft, Mark
from service.demo.network.people import Health, Person, Visit, door, firm, id_card, long_name, mobile
from service.demo.network.truth import Book, Scope

FOLDER = "hospital_a/notes"

_COMPLAINTS = {
    "呼吸内科": "反复咳嗽咳痰伴发热1周", "消化内科": "上腹部隐痛不适2月余", "心血管内科": "反复头晕胸闷3年，加重5天",
    "内分泌科": "口干多饮多尿半年余", "普外科": "右上腹阵发性疼痛3天",
}  # fmt: skip
_EXAMINATION = "查体：神志清，精神可，皮肤黏膜无黄染，双肺呼吸音粗，未闻及明显干湿啰音，心律齐，腹平软，双下肢无水肿。"
_PLANS = (
    "予完善相关检查，对症支持治疗。",
    "予低盐低脂饮食，监测血压及血糖变化。",
    "予抗感染、化痰平喘治疗，必要时请相关科室会诊。",
)


def write(
    people: list[Person], healths: list[Health], stays: list[list[Visit]], seed: int, book: Book
) -> dict[str, bytes]:
    """Return the note files by name: an admission note for each stay, and a progress note for half of them."""
    files: dict[str, bytes] = {}
    for person, condition, his in zip(people, healths, stays, strict=True):
        rng = Random(f"{seed}/notes/{person.number}")
        for visit in his:
            for kind in ("入院记录", "病程记录") if rng.random() < 0.5 else ("入院记录",):
                file = _name(rng, person, kind, len(files))
                draft = Draft(person, file, book)
                _header(draft, visit, kind)
                (_admission if kind == "入院记录" else _progress)(rng, draft, visit, condition)
                text = draft.text
                files[file] = text.encode("gb18030" if rng.random() < 0.25 else "utf-8")
                book.record(person.number, file, 1)
    return files


def _name(rng: Random, person: Person, kind: str, number: int) -> str:
    """Return the file's name; hospitals do put the patient's name into it."""
    if rng.random() < 0.15:
        return f"{FOLDER}/{number:05d}_{person.name}_{kind}.txt"
    return f"{FOLDER}/{number:05d}.txt"


def _header(draft: Draft, visit: Visit, kind: str) -> None:
    person = draft.person
    draft.line(f"{{}}{kind}", Mark("HOSPITAL", words.HOSPITAL_A, scope=Scope.NOWHERE))
    draft.line(f"住院号：{{}}　第{visit.number}次住院　科别：{visit.ward[1]}", Mark("MRN", person.mrn("a")))
    age = person.age(visit.admitted)
    sex = "男" if person.sex == 1 else "女"
    if age >= 90:
        draft.line(f"姓名：{{}}　性别：{sex}　年龄：{{}}", Mark("NAME", person.name), Mark("AGE90", f"{age}岁"))
    else:
        draft.line(f"姓名：{{}}　性别：{sex}　年龄：{age}岁", Mark("NAME", person.name))


def _admission(rng: Random, draft: Draft, visit: Visit, condition: Health) -> None:
    person = draft.person
    draft.line("现住址：{}　联系电话：{}", Mark("ADDRESS", person.address), Mark("PHONE", person.phone))
    draft.line("入院日期：{}", calendar.written(rng, visit.admitted))
    draft.line(f"主诉：{_COMPLAINTS[visit.ward[1]]}。")
    draft.add("现病史：")
    _history(rng, draft)
    draft.add("\n既往史：")
    _past(rng, draft)
    draft.add("\n个人史：")
    _personal(rng, draft)
    draft.add("\n家族史：")
    _family(rng, draft)
    draft.line("\n" + _EXAMINATION)
    _results(draft, condition)
    others = f"；{visit.other[1]}" if visit.other[1] else ""
    draft.line(f"初步诊断：{visit.main[1]}{others}。")
    draft.line(rng.choice(_PLANS))
    draft.line("主治医师：{}", Mark("NAME", long_name(rng), "cues"))


def _progress(rng: Random, draft: Draft, visit: Visit, condition: Health) -> None:
    person = draft.person
    draft.line("{}", calendar.written(rng, visit.admitted + timedelta(days=2)))
    draft.add("今日查房，由{}医师主持。", Mark("NAME", long_name(rng), "cues"))
    draft.add(rng.choice(("{}夜间睡眠可，无发热。", "目前{}一般情况平稳，饮食可。", "经治疗后{}症状较前好转。")),
              Mark("NAME", person.name, "propagation"))  # fmt: skip
    _results(draft, condition)
    if rng.random() < 0.5:
        draft.add("已将病情告知{}并签字。", Mark("NAME", person.contact, "propagation"))
    if rng.random() < 0.3:
        draft.add("随访可拨{}。", Mark("PHONE", mobile(rng), "patterns"))
    draft.line(rng.choice(_PLANS))


def _history(rng: Random, draft: Draft) -> None:
    person = draft.person
    draft.add(rng.choice(("追问病史，{}自诉无明显诱因起病，", "{}起病前无受凉劳累，", "据了解{}发病以来精神欠佳，")),
              Mark("NAME", person.name, "propagation"))  # fmt: skip
    if rng.random() < 0.35:
        draft.add("曾就诊于{}，", Mark("HOSPITAL", rng.choice(words.OUTSIDE_HOSPITALS), "organisations"))
    if rng.random() < 0.3:
        draft.add("由其女{}陪同入院，", Mark("NAME", long_name(rng), "cues"))
    elif rng.random() < 0.3:
        draft.add("患者之子{}代述病史，", Mark("NAME", long_name(rng), "cues"))
    if rng.random() < 0.25:
        number = mobile(rng)
        spaced = f"{number[:3]} {number[3:7]} {number[7:]}" if rng.random() < 0.4 else number
        draft.add("并自行拨打{}咨询，", Mark("PHONE", spaced, "patterns"))
    draft.add("病程中无意识障碍，体重无明显变化。")


def _past(rng: Random, draft: Draft) -> None:
    past = date(rng.randrange(2002, 2017), rng.randrange(1, 13), rng.randrange(1, 29))
    draft.add("{}行阑尾切除术，恢复良好，", calendar.written(rng, past))
    if rng.random() < 0.3:
        draft.add("去年{}曾有类似发作，", calendar.lunar(rng))
    if rng.random() < 0.15:
        draft.add("当时住{}，", Mark("ADDRESS", rng.choice(words.ROADS) + door(rng), "addresses"))
    draft.add("否认药物及食物过敏史。")


def _personal(rng: Random, draft: Draft) -> None:
    person = draft.person
    if rng.random() < 0.4:
        draft.add("{}出生于本地，", calendar.written(rng, person.birth))
    if rng.random() < 0.3:
        draft.add("曾在{}工作多年，", Mark("ORG", firm(rng), "organisations"))
    if rng.random() < 0.3:
        draft.add("早年居于{}，", Mark("ADDRESS", rng.choice(words.ROADS) + door(rng), "addresses"))
    if rng.random() < 0.12:
        draft.add("平日用{}收取报告，", Mark("EMAIL", person.email, "patterns"))
    if rng.random() < 0.1:
        plate = f"沪{rng.choice('ABCDE')}{rng.choice('GHJKL')}{rng.randrange(1000, 9999)}"
        draft.add("驾驶{}时突感不适一次，", Mark("PLATE", plate, "patterns"))
    if rng.random() < 0.1:
        born = date(rng.randrange(1955, 1995), rng.randrange(1, 13), rng.randrange(1, 29))
        other = id_card(rng, rng.choice(words.DISTRICTS)[0], born, 2, valid=rng.random() < 0.5)
        draft.add("家属登记{}备查，", Mark("ID_CARD", other, "patterns"))
    draft.add("无烟酒嗜好。")


def _family(rng: Random, draft: Draft) -> None:
    if rng.random() < 0.25:
        draft.add("其母{}，健在。", Mark("AGE90", f"{rng.randrange(90, 100)}岁", "ages"))
    else:
        draft.add("父母已故，死因不详。")


def _results(draft: Draft, condition: Health) -> None:
    """Add the results. Six values together mark whose note it is."""
    text = (
        f"空腹血糖{condition.glucose:.2f}mmol/L，糖化血红蛋白{condition.hba1c:.2f}%，甘油三酯{condition.triglycerides:.2f}mmol/L，"
        f"低密度脂蛋白{condition.ldl:.2f}mmol/L，肌酐{condition.creatinine:.1f}μmol/L，谷丙转氨酶{condition.alt:.1f}U/L"
    )
    draft.line(f"辅助检查：{text}，体重指数{condition.bmi:.1f}。")
    draft.book.fingerprint(draft.person.number, text)
