"""The invented people of the network: who they are, how they are, and when they were in hospital."""

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from service.demo.network import lexicon as words

TRAP_EVERY = 29  # one in so many has the surname whose GBK form holds a delimiter of HL7
START = date(2021, 2, 1)  # the first admission lies within the two years after this day
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """One person as he would give himself at a desk. ``sex`` is 1 male, 2 female (GB/T 2261.1)."""

    number: int
    name: str
    sex: int
    birth: date
    id_card: str
    phone: str
    district: tuple[str, str]
    road: str
    door: str
    employer: str
    contact: str
    relation: tuple[str, str]
    contact_phone: str
    insurance: str
    email: str

    @property
    def street(self) -> str:
        """The part of the address that nobody else has."""
        return self.road + self.door

    @property
    def address(self) -> str:
        """The whole address."""
        return f"上海市{self.district[1]}{self.street}"

    def mrn(self, hospital: str) -> str:
        """The record number that one hospital gave him; ``hospital`` is a, b or c."""
        return (
            f"{'HBC'['abc'.index(hospital)]}{10_000_000 + (self.number * 7919 + ord(hospital) * 104_729) % 89_999_999}"
        )

    def age(self, day: date) -> int:
        """Completed years on ``day``."""
        return day.year - self.birth.year - ((day.month, day.day) < (self.birth.month, self.birth.day))


@dataclass(frozen=True, slots=True)
class Health:
    """What a laboratory would find: SI units as in ``lab.ANALYTES``; ``diabetic`` is the outcome to learn."""

    bmi: float
    glucose: float
    hba1c: float
    triglycerides: float
    creatinine: float
    ldl: float
    alt: float
    crp: float
    diabetic: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay in hospital A."""

    number: int
    admitted: date
    discharged: date
    main: tuple[str, str]
    other: tuple[str, str]
    ward: tuple[str, str]


def check_digit(body: str) -> str:
    """Return the check digit of a resident identity number.

    Source: GB 11643-1999, ISO 7064 MOD 11-2.

    >>> check_digit("11010519491231002")
    'X'
    """
    return "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, body, strict=True)) % 11]


def id_card(rng: Random, region: str, birth: date, sex: int, *, valid: bool = True) -> str:
    """Return an 18-character identity number; an invalid one has a wrong check digit and nothing else wrong."""
    order = rng.randrange(0, 998, 2) + (1 if sex == 1 else 2)
    body = f"{region}{birth:%Y%m%d}{order:03d}"
    digit = check_digit(body)
    return body + (digit if valid else rng.choice([d for d in "0123456789" if d != digit]))


def mobile(rng: Random) -> str:
    """Return a mobile number of a mainland shape."""
    return rng.choice(("134", "137", "139", "150", "158", "177", "186", "189", "199")) + f"{rng.randrange(10**8):08d}"


def full_name(rng: Random) -> str:
    """Return a name; one in seven has a single given character."""
    surname = rng.choice(words.COMPOUND_SURNAMES) if rng.random() < 0.03 else rng.choice(words.SURNAMES)
    given = rng.sample(words.GIVEN, 1 if rng.random() < 0.14 else 2)
    return surname + "".join(given)


def long_name(rng: Random) -> str:
    """Return a name of three characters, which cannot arise by chance."""
    return rng.choice(words.SURNAMES) + "".join(rng.sample(words.GIVEN, 2))


def door(rng: Random) -> str:
    """Return lane, house and room."""
    return f"{rng.randrange(101, 2400)}弄{rng.randrange(2, 98)}号{rng.randrange(1, 30)}{rng.randrange(1, 8):02d}室"


def firm(rng: Random) -> str:
    """Return an invented employer."""
    return "上海" + rng.choice(words.FIRM_HEADS) + rng.choice(words.FIRM_TRADES) + rng.choice(words.FIRM_KINDS)


def population(patients: int, seed: int) -> list[Person]:
    """Return the people; one in fifty shares his name with another, as happens."""
    people: list[Person] = []
    taken: set[str] = set()
    for number in range(patients):
        rng = Random(f"{seed}/person/{number}")
        person = _person(rng, number)
        while person.id_card in taken:
            person = _person(rng, number)
        if people and rng.random() < 0.02:
            person = replace(person, name=rng.choice(people).name)
        if number % TRAP_EVERY == 5:
            person = replace(person, name=words.TRAP_SURNAME[0] + person.name[-2:])
        taken.add(person.id_card)
        people.append(person)
    return people


def health(person: Person, seed: int) -> Health:
    """Return the state of a person; the outcome is drawn from a logistic model of age, sex, BMI and blood values."""
    rng = Random(f"{seed}/health/{person.number}")
    age = person.age(START)
    bmi = min(max(rng.gauss(24.0, 3.4), 16.0), 39.0)
    load = rng.gauss(0, 1)  # what the blood values have in common
    glucose = max(rng.gauss(5.9 + 0.75 * load + 0.05 * (bmi - 24), 0.8), 3.4)
    hba1c = max(rng.gauss(5.9 + 0.65 * load + 0.006 * (age - 55), 0.5), 4.2)
    triglycerides = math.exp(rng.gauss(0.38 + 0.12 * load + 0.03 * (bmi - 24), 0.4))
    creatinine = max(rng.gauss(74 if person.sex == 1 else 60, 11) + 0.25 * (age - 55), 31)
    score = (
        -0.75 + 1.05 * (glucose - 5.9) + 1.35 * (hba1c - 5.9) + 0.13 * (bmi - 24) + 0.028 * (age - 55)
        + 0.35 * math.log(triglycerides / 1.4) + 0.012 * (creatinine - 68) + (0.2 if person.sex == 1 else 0.0)
    )  # fmt: skip
    return Health(
        bmi=round(bmi, 1),
        glucose=round(glucose, 2),
        hba1c=round(hba1c, 2),
        triglycerides=round(triglycerides, 2),
        creatinine=round(creatinine, 1),
        ldl=round(max(rng.gauss(2.9, 0.7), 0.9), 2),
        alt=round(math.exp(rng.gauss(3.1, 0.4)), 1),
        crp=round(math.exp(rng.gauss(0.7, 1.3)), 2),
        diabetic=rng.random() < 1 / (1 + math.exp(-score)),
    )


def visits(person: Person, condition: Health, seed: int) -> list[Visit]:
    """Return his stays, at least 420 days apart, so that one date offset cannot carry one onto the other."""
    rng = Random(f"{seed}/visits/{person.number}")
    day = START + timedelta(days=rng.randrange(720))
    stays = []
    for number in range(1, 2 + (rng.random() < 0.2)):
        code, name, ward, _ = rng.choices(words.DIAGNOSES, [share for *_, share in words.DIAGNOSES])[0]
        main, other = (code, name), ("", "")
        if condition.diabetic:
            main, other = (words.DIABETES, main) if rng.random() < 0.4 else (main, words.DIABETES)
            ward = 3 if main == words.DIABETES else ward
        stays.append(Visit(number, day, day + timedelta(days=rng.randrange(3, 16)), main, other, words.WARDS[ward]))
        day += timedelta(days=rng.randrange(450, 620))
    return stays


def _person(rng: Random, number: int) -> Person:
    sex = 1 + (rng.random() < 0.49)
    old = rng.random() < 0.025
    years = rng.randrange(90, 99) if old else min(max(int(rng.gauss(57, 15)), 19), 88)
    birth = START - timedelta(days=int(years * 365.25) + rng.randrange(1, 340))
    district = rng.choice(words.DISTRICTS)
    region = rng.choice(words.OTHER_ORIGINS)[0] if rng.random() < 0.2 else district[0]
    return Person(
        number=number,
        name=rng.choice(words.MINORITY_NAMES) if rng.random() < 0.01 else full_name(rng),
        sex=sex,
        birth=birth,
        id_card=id_card(rng, region, birth, sex, valid=rng.random() > 0.03),
        phone=mobile(rng),
        district=district,
        road=rng.choice(words.ROADS),
        door=door(rng),
        employer=firm(rng),
        contact=long_name(rng),
        relation=rng.choice(words.RELATIONS),
        contact_phone=mobile(rng),
        insurance=f"{rng.choice('ABCDEFGH')}{rng.randrange(10**8):08d}",
        email=rng.choice(("yun", "lan", "qing", "mo", "heng")) + f"{rng.randrange(10**5, 10**6)}@mailbox.example.cn",
    )
