"""Names of people in English: titles, roles, signatures, kin, and first names."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator

from deid.detect.names_english import FIRST, LAST, NOT_NAMES
from deid.detect.span import Span
from deid.detect.words import ENGLISH_EPONYMS

_W = r"(?:(?:Mc|Mac|O'|D'|De|Van|La|Le|Di|Al-|El-)?[A-Z][a-zà-öø-ÿ]+(?:[-'][A-Z]?[a-zà-öø-ÿ]+)*|[A-Z]{2,}(?:[-'][A-Z]+)?)"
_INITIAL = r"[A-Z]\.?"
_PARTICLE = r"(?:de|da|del|della|van|von|der|den|la|le|bin|ibn|al|el|dos|du|ter|y)"
_FULL = rf"(?:{_W}|{_INITIAL}(?= ))(?: (?:{_PARTICLE} ){{0,2}}(?:{_W}|{_INITIAL}(?![A-Za-z]))){{0,3}}(?:,? (?:Jr|Sr|II|III|IV)\b\.?)?"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Drs|Prof|Professor|Doctor|Nurse|Sister|Rev|Reverend|Father|Pastor|Rabbi|Imam|Officer|Sgt|Sergeant|Detective|Deputy|Capt|Captain|Lt|Col|Judge|Attorney|Madam|Sir|Coach|Principal|Aunt|Uncle|Grandma|Grandpa|Matron)"
_TITLED = re.compile(
    rf"\b{_TITLE}\.?(?:/{_TITLE}\.?)? ?({_FULL})(?:(?: and |/| & |, )({_W})(?= (?:saw|and|were|will|agree|have|discussed)))?"
)
_ROLE = (
    r"patient(?:'s)?(?: name)?|pt(?: name)?|name|full name|first name|last name|surname|maiden name|preferred name|subject|client|member name|attending(?: physician| md)?|physician|primary care(?: physician| provider)?|pcp|provider|referring(?: physician| provider| md)?|"
    r"ordering(?: physician| provider)?|consultant|consulting(?: physician)?|surgeon|assistant(?: surgeon)?|first assist(?:ant)?|anesthesiologist|anaesthetist|anesthetist|radiologist|pathologist|cardiologist|resident|fellow|intern|nurse|rn|lpn|cna|midwife|therapist|technologist|tech|sonographer|pharmacist|"
    r"dictated by|transcribed by|signed(?: electronically)?(?: by)?|electronically signed(?: by)?|e-signed by|authenticated by|reviewed by|verified by|reported by|read by|interpreted by|performed by|prepared by|entered by|recorded by|written by|documented by|completed by|collected by|received by|ordered by|requested by|seen by|"
    r"admitted by|discharged by|called by|caller|author|cc|to|from|attn|attention|re|dear|sincerely|regards|best regards|kind regards|yours sincerely|emergency contact|contact(?: person)?|next of kin|nok|guarantor|guardian|spouse|mother|father|wife|husband|son|daughter|sister|brother|informant|interpreter|witness|"
    r"case manager|social worker|coordinator|caregiver|proxy|health care proxy|hcp|poa|subscriber|insured|policy holder|beneficiary|employer contact|alias|aka|nickname|investigator|principal investigator|scribe|supervisor|instructor|teacher|student"
)
_FIELD = re.compile(
    rf"(?:^|(?<=[\s(;,.\[/*-]))(?i:{_ROLE})(?: \((?:[^()\n]{{1,20}})\))? ?(?::|=|-(?= )|\n(?=[A-Z][a-z]+ [A-Z]))[ *_]{{0,3}}({_W},? {_FULL}|{_FULL})(?=[\s,.;()/|\]-]|$)"
)
_ROLE_WORD = re.compile(
    rf"\b(?i:signed by|dictated by|seen by|evaluated by|reviewed by|discussed with|spoke with|spoke to|talked to|talked with|called by|call from|contacted|informed|notified|per|paged|consulted|referred by|accompanied by|brought in by|escorted by|performed by|interpreted by|assisted by|"
    rf"follow(?:ed|s)?(?: |-)up with|follow up with|lives with|married to|named|called|name is|i am|i'm|this is|my name is|known as|goes by|son|daughter|wife|husband|mother|father|brother|sister|niece|nephew|aunt|uncle|cousin|grandson|granddaughter|grandmother|grandfather|fianc[eé]e?|partner|boyfriend|girlfriend|"
    rf"friend|neighbor|neighbour|roommate|caregiver|aide|landlord|coworker|colleague|boss|patient|pt|baby|twin|resident|nurse|therapist|surgeon|social worker|case manager|cardiologist|oncologist|neurologist|nephrologist|pharmacist|interpreter|teacher|coach|chaplain|hi|hello|hey|dear|thanks|thank you|regards|sincerely|cheers|ask for|asked for|attn|cc)"
    rf"(?:,| is|:|\()? ?\(?({_FULL})(?=[\s,.;:()!?'/-]|$)"
)
_CREDENTIAL = re.compile(
    rf"({_FULL}),? (?:M\.?D\.?|D\.?O\.?|Ph\.?D\.?|R\.?N\.?|N\.?P\.?|P\.?A\.?(?:-C)?|LPN|CRNA|APRN|FNP|DNP|MBBS|MBChB|FRCS|FRCP|FACS|FACC|BSN|MSN|LCSW|MSW|PharmD|RPh|DDS|DPM|PsyD|PT|DPT|OT|OTR|RD|RT|CNM|CNA|MA|EMT(?:-P)?|RDCS|RDMS)\b(?!\w)"
)
_LAST_FIRST = re.compile(
    r"\b([A-Z][A-Za-z'-]+, [A-Z][a-z]+(?: [A-Z]\.?)?|[A-Z]{2,}(?:[-'][A-Z]+)?, ?[A-Z]{2,}(?: [A-Z]\.?)?)(?=[\s,.;()]|$)"
)
_IS_AGED = re.compile(
    rf"(?:^|(?<=[.\n;:] )|(?<=\n))({_W} (?:{_INITIAL} )?{_W}|{_W}) (?:is|was) (?:an?|the) (?:[a-z-]+ ){{0,2}}(?:[0-9]{{1,3}}|[a-z]+)[- ](?:year|yr|y\.?o|month|day|week)",
    re.MULTILINE,
)
_NAME_AGE = re.compile(
    rf"({_W} (?:{_INITIAL} )?{_W}),? (?:\(?(?:age |aged )?[0-9]{{1,3}}(?: ?y/?o|[- ]year|yo\b|[MF]\b|, ?(?:M|F|male|female)\b)|\(?DOB|\(?MRN|\(?[MF]/?[0-9])"
)
_PAIR = re.compile(rf"\b([A-Z][a-zà-ÿ]+|[A-Z]{{3,}}) ((?:[A-Z]\.? )?(?:{_PARTICLE} )?{_W})")
_SINGLE = re.compile(r"\b[A-Z][a-z]{2,}\b")
_INITIALS = re.compile(
    r"\b(?:[A-Z]\.){2,3}(?=[\s,;)]|$)|(?<=[(/ ])[A-Z]{2}/[a-z]{2}\b|(?<=\b[Ii]nitials )[A-Z]{2,3}\b|(?<=\b[Ii]nitials: )[A-Z]{2,3}\b"
)
_SPELLED = re.compile(r"\b[A-Z](?:-[A-Z]){3,}\b")
_AFTER = re.compile(
    r"(?:'s)?[ -](?:disease|syndrome|sign|test|maneuver|manoeuvre|catheter|score|scale|stage|criteria|phenomenon|esophagus|palsy|lymphoma|tumou?r|sarcoma|fracture|procedure|incision|position|drain|contracture|classification|grade|index|bodies|body|cells?|stain|line|tube|"
    r"reflex|chorea|thyroiditis|ulcer|cyst|nodes?|node|triad|point|ring|hernia|murmur|respirations?|pouch|solution|smear|virus|law|forceps|clamp|retractor|needle|infiltrates?|dementia|agitation|hospital|clinic|medical|memorial|street|st|ave|avenue|road|rd|drive|dr|lane|general|university|health)\b",
    re.IGNORECASE,
)


def find(text: str, source: str) -> Iterator[Span]:
    """Yield names in English, on folded text."""
    if not _SINGLE.search(text) and not re.search("[A-Z]{2}", text):
        return
    for pattern, score in (
        (_TITLED, 0.9),
        (_FIELD, 0.85),
        (_CREDENTIAL, 0.85),
        (_IS_AGED, 0.7),
        (_NAME_AGE, 0.75),
        (_ROLE_WORD, 0.7),
    ):
        for match in pattern.finditer(text):
            for group in range(1, (match.lastindex or 0) + 1):
                if match[group]:
                    yield from _trimmed(text, *match.span(group), score, source, sure=pattern is _TITLED)
    for match in _LAST_FIRST.finditer(text):
        words = re.split(r",? ?", match[1].replace(",", " ").replace("  ", " "))
        parts = [p for p in re.split(r"[, ]+", match[1]) if len(p) > 1]
        if (
            words
            and any(p.capitalize() in FIRST or p.capitalize() in LAST for p in parts)
            and not all(p.capitalize() in NOT_NAMES for p in parts)
        ):
            yield Span(*match.span(1), "NAME", 0.75, source)
    for match in _PAIR.finditer(text):
        if _is_first(match[1]) and match[2].split()[-1] not in NOT_NAMES and not _AFTER.match(text, match.end()):
            yield from _trimmed(text, match.start(), match.end(), 0.75, source, sure=True)
        elif (
            match[2].split()[-1].capitalize() in LAST
            and match[1].capitalize() not in NOT_NAMES
            and match[1] not in ENGLISH_EPONYMS
            and not _AFTER.match(text, match.end())
        ):
            yield from _trimmed(text, match.start(), match.end(), 0.6, source, sure=False)
    for match in _SINGLE.finditer(text):
        if (
            match[0] in FIRST
            and match[0] not in ENGLISH_EPONYMS
            and match[0] not in NOT_NAMES
            and not _AFTER.match(text, match.end())
        ):
            yield Span(match.start(), match.end(), "NAME", 0.6, source)
    for pattern in (_INITIALS, _SPELLED):
        for match in pattern.finditer(text):
            if match[0] not in (
                "U.S.",
                "U.K.",
                "P.O.",
                "I.V.",
                "B.I.D.",
                "T.I.D.",
                "Q.D.",
                "P.R.N.",
                "M.D.",
                "D.O.",
                "R.N.",
                "N.P.",
                "E.R.",
                "O.R.",
                "I.M.",
                "A.M.",
                "P.M.",
                "Y.O.",
            ):
                yield Span(match.start(), match.end(), "NAME", 0.5, source)


def _is_first(word: str) -> bool:
    return word.capitalize() in FIRST and word.capitalize() not in NOT_NAMES and word not in ENGLISH_EPONYMS


def _trimmed(text: str, start: int, end: int, score: float, source: str, *, sure: bool) -> Iterator[Span]:
    """Yield the span without words at either end that are no names; nothing when no word is left."""
    words = [(m.start() + start, m.end() + start) for m in re.finditer(r"[^\s,]+", text[start:end])]
    while words and _is_word(text[slice(*words[0])], sure=sure):
        words.pop(0)
    for n, word in enumerate(words):
        if n and _is_word(text[slice(*word)], sure=sure):
            words = words[:n]
            break
    if not words:
        return
    name = text[words[0][0] : words[-1][1]]
    if (
        (
            name.rstrip(".") in ENGLISH_EPONYMS
            and (_AFTER.match(text, words[-1][1]) or text.startswith(("'s", "'"), words[-1][1]))
        )
        or len(name.rstrip(".")) < 2
        or (_AFTER.match(text, words[-1][1]) and not sure)
    ):
        return
    yield Span(words[0][0], words[-1][1], "NAME", score, source)


def _is_word(word: str, *, sure: bool) -> bool:
    bare = word.strip(".,:;")
    if bare.capitalize() in NOT_NAMES:
        return True
    return (
        not sure
        and bare.isupper()
        and 2 <= len(bare) <= 4
        and bare.capitalize() not in FIRST
        and bare.capitalize() not in LAST
    )
