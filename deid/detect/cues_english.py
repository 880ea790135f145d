"""Names of people in English: titles, roles, signatures, kin, and first names."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator, Sequence

from deid.detect import proper_english, windows
from deid.detect.names_english import FIRST, LAST, NOT_NAMES, many
from deid.detect.span import Span
from deid.detect.words import ENGLISH_EPONYMS

_W = r"(?:(?:Mc|Mac|O'|D'|De|Van|La|Le|Di|Al-|El-)?[A-ZÀ-ÖØ-ÞĀ-Ž][a-zà-öø-ÿāăąćčđēěėęīłńňōőřśşšţťūůűźżžơưạ-ỹ]+(?:[-'][A-Z]?[a-zà-öø-ÿ]+)*|[A-Z]'[A-Z]{2,}|[A-Z]{2,}(?:[-'][A-Z]+)?)"
_INITIAL = r"[A-Z]\.?"
_PARTICLE = r"(?:de|da|del|della|van|von|der|den|la|le|bin|ibn|al|el|dos|du|ter|y)"
_FULL = rf"(?:{_W}|{_INITIAL}(?= ))(?: (?:{_PARTICLE} ){{0,2}}(?:{_W}|{_INITIAL}(?![A-Za-z]))){{0,3}}(?:,? (?:Jr|Sr|II|III|IV)\b\.?)?"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Drs|Prof|Professor|Doctor|Nurse|Sister|Rev|Reverend|Father|Pastor|Rabbi|Imam|Officer|Sgt|Sergeant|Detective|Deputy|Capt|Captain|Lt|Col|Judge|Attorney|Madam|Sir|Coach|Principal|Aunt|Uncle|Grandma|Grandpa|Matron|Det|Constable|PC|CRNA|PGY[0-9]?|Pte|Cpl|Private|Corporal|Maj|Major|Gen|Cmdr|Chaplain|Brother|Auntie|Nan|Msgr|Hon|Herr|Frau|Mme|Señora?|Sra|Sr(?=\.))"
_TITLED = re.compile(
    rf"\b{_TITLE}\.?(?:/{_TITLE}\.?)? ?((?:{_PARTICLE} ){{0,2}}{_FULL})(?:(?: and |/| & |, )({_W})(?= (?:saw|and|were|will|agree|have|discussed)))?"
)
_ROLE = (
    r"doula|rep|asst|anes|anesthesia|bystander|roommate|case ?worker|staff|partner|nanny|landlord|referred by|translator|referral from|patient(?:'s)?(?: name)?|pat[il1]ent(?: name)?|pt(?: name)?|dr|doctor|dtr|fob|proband|pediatrician|paediatrician|counsell?or|genetic counsell?or|reviewer|reporter|advocate|clinician|supervisor|signed|gp|midwife|health visitor|driver|officer|complainant|claimant|tech|pi|crc|name|full name|first name|last name|surname|maiden name|preferred name|subject|client|member name|attending(?: physician| md)?|physician|primary care(?: physician| provider)?|pcp|provider|referring(?: physician| provider| md)?|"
    r"ordering(?: physician| provider)?|consultant|consulting(?: physician)?|surgeon|assistant(?: surgeon)?|first assist(?:ant)?|anesthesiologist|anaesthetist|anesthetist|radiologist|pathologist|cardiologist|resident|fellow|intern|nurse|rn|lpn|cna|midwife|therapist|technologist|tech|sonographer|pharmacist|"
    r"dictated by|transcribed by|signed(?: electronically)?(?: by)?|electronically signed(?: by)?|e-signed by|authenticated by|reviewed by|verified by|reported by|read by|interpreted by|performed by|prepared by|entered by|recorded by|written by|documented by|completed by|collected by|received by|ordered by|requested by|seen by|"
    r"admitted by|discharged by|called by|caller|author|cc|to|from|attn|attention|re|dear|sincerely|regards|best regards|kind regards|yours sincerely|emergency contact|contact(?: person)?|next of kin|nok|guarantor|guardian|spouse|mother|father|wife|husband|son|daughter|sister|brother|informant|interpreter|witness|"
    r"case manager|social worker|coordinator|caregiver|proxy|health care proxy|hcp|poa|subscriber|insured|policy holder|beneficiary|employer contact|alias|aka|nickname|investigator|principal investigator|scribe|supervisor|instructor|teacher|student"
)
_FIELD = re.compile(
    rf"(?:^|(?<=[\s(;,.\[/*-]))(?i:{_ROLE})(?: \((?:[^()\n]{{1,20}})\))? ?(?::|=|-(?= )|\n(?=[A-Z][a-z]+ [A-Z]))[ *_]{{0,3}}({_W},? {_FULL}|{_FULL})(?=[\s,.;()/|\]-]|$)"
)
_ROLE_WORD = re.compile(
    rf"\b(?i:attending|bystander|caseworker|case worker|doula|rep|staff|nanny|carer|mum|mom|dad|stepfather|stepmother|stepson|foster mother|great-aunt|godmother|classmate|student|tutor|barber|pastor|vet|signed by|dictated by|seen by|evaluated by|reviewed by|discussed with|spoke with|spoke to|talked to|talked with|called by|call from|contacted|informed|notified|per|paged|consulted|referred by|accompanied by|brought in by|escorted by|performed by|interpreted by|assisted by|"
    rf"follow(?:ed|s)?(?: |-)up with|follow up with|lives with|married to|named|called|name is|i am|i'm|this is|my name is|my name's|read by|dictated by|seen by|signed by|dtr|fob|caller|officer|supervisor|advocate|uncle|survivor|partner|ex-partner|via|known as|goes by|son|daughter|wife|husband|mother|father|brother|sister|niece|nephew|aunt|uncle|cousin|grandson|granddaughter|grandmother|grandfather|fianc[eé]e?|partner|boyfriend|girlfriend|"
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
    stretches = windows.latin(text)
    if not stretches:
        return
    for pattern, score in (
        (_TITLED, 0.9),
        (_FIELD, 0.85),
        (_CREDENTIAL, 0.85),
        (_IS_AGED, 0.7),
        (_NAME_AGE, 0.75),
        (_ROLE_WORD, 0.7),
    ):
        for match in windows.found(text, pattern, stretches):
            for group in range(1, (match.lastindex or 0) + 1):
                if match[group]:
                    yield from _trimmed(text, *match.span(group), score, source, sure=pattern is _TITLED)
    for match in windows.found(text, _LAST_FIRST, stretches):
        words = re.split(r",? ?", match[1].replace(",", " ").replace("  ", " "))
        parts = [p for p in re.split(r"[, ]+", match[1]) if len(p) > 1]
        if (
            words
            and any(p.capitalize() in FIRST or p.capitalize() in LAST for p in parts)
            and not all(p.capitalize() in NOT_NAMES for p in parts)
            and not any(
                p in ENGLISH_EPONYMS or re.fullmatch("[IVX]+[a-c]?", p) for part in parts for p in part.split("-")
            )
        ):
            yield Span(*match.span(1), "NAME", 0.75, source)
    for match in windows.found(text, _PAIR, stretches):
        if _is_first(match[1]) and match[2].split()[-1] not in NOT_NAMES and not _AFTER.match(text, match.end()):
            yield from _trimmed(text, match.start(), match.end(), 0.75, source, sure=True)
        elif (
            (match[2].split()[-1].capitalize() in LAST or match[2].split()[-1].lower() in many())
            and match[1].capitalize() not in NOT_NAMES
            and match[1] not in ENGLISH_EPONYMS
            and not _AFTER.match(text, match.end())
        ):
            yield from _trimmed(text, match.start(), match.end(), 0.6, source, sure=False)
    for match in windows.found(text, _SINGLE, stretches):
        if (
            (match[0] in FIRST or (_alone(text, match)))
            and match[0] not in ENGLISH_EPONYMS
            and match[0] not in NOT_NAMES
            and not _AFTER.match(text, match.end())
        ):
            yield Span(match.start(), match.end(), "NAME", 0.6, source)
    yield from _more(text, stretches, source)
    yield from proper_english.find(text, stretches, source)
    for pattern in (_INITIALS, _SPELLED):
        for match in windows.found(text, pattern, stretches):
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


# An initial and a surname, a name and an initial, a name spoken in small letters, a name with a digit read for a letter.
_INITIALLED = re.compile(rf"\b[A-Z]\.(?: ?[A-Z]\.)? ?({_W})")
_BEFORE_INITIAL = re.compile(r"\b([A-Z][a-zà-ÿ]{2,})( [A-Z]\.?)(?=[\s,.;)\"]|$)")
_SURNAME_INITIAL = re.compile(r"\b([A-Z][a-zà-ÿ]{2,}, [A-Z])\.?(?=[\s,;)\"/]|$)")
_SMALL = re.compile(
    r"\b(?:[Mm]y name(?:'s| is)|[Nn]ame's|[Tt]his is|[Ii]'?m|[Ii]ts|[Ii]t's|[Cc]all me|[Nn]amed|[Ss]on|[Dd]aughter|[Ww]ife|[Hh]usband) ([a-z]{3,12})(?= [a-z(]|[,.(]|$)"
)
_MISREAD = re.compile(r"\b(?:[Pp]at[il1]ent|[Nn]ame|[Dd]r) ?: ?([A-Z][A-Z0-9]{2,} [A-Z0-9]{3,})(?![a-z])")
_CLOSING = re.compile(
    r"\b(?:Best|Cheers|Regards|Thanks|Love|Sincerely|Yours|Warmly|Respectfully),?\s+([A-Z][a-z]+(?: [A-Z][a-z]+)?)[ .]*$",
    re.MULTILINE,
)
_CALLED = re.compile(r"\b(?:[Cc]all me|goes by|known as|nicknamed|prefers)[ :]?[\"“]?([A-Z][a-z]+)")
_PREFIXED = re.compile(r"\b(?:O'|Mc|Mac|D'|Fitz)[A-Z][a-z]{2,}\b")
_AND = re.compile(r"(?<=[a-z])(?: and | & |/)([A-Z][a-z]{2,})(?=[,.; )]|$)")
# Given names that are words as well stand only where somebody is named.
_WORD_NAMES = (
    "Bill|Mark|Frank|Grace|Hope|Joy|Rose|Will|Jordan|Christian|Iris|Dawn|Art|Grant|Pat|Ray|Gene|Angel|Max|Penny|Crystal|Melody|Dale|Glen|Earl|Jean|Virginia|Sydney|Florence|Carolina|Madison|Mercedes|Clay|Drew|Chase|Hunter|Faith|"
    "Summer|Georgia|Savannah|Wren|Robin|Violet|Ivy|Ruby|Pearl|Olive|Hazel|Daisy|Lily|Heather|Holly|Ginger|Rusty|Buddy|Sonny|Skip|Chuck|Rob|Sue|Bob|Nick|Jack|Dick|Rich|Wade|Lance|Miles|Reed|Ford|Brook|Brooke|River|Sage|Autumn|April|May|June|August|"
    "Mason|Cooper|Carter|Parker|Tucker|Taylor|Bishop|Dean|Duke|Prince|King|Baker|Porter|Page|Paige|Sandy|Misty|Stormy|Star|Destiny|Harmony|Charity|Patience|Precious|Princess|Diamond|Amber|Jade|Opal|Coral|Sky|Skye|Gray|Grey|Rowan|Ash|Basil|Forest|Cliff|Heath|Flint|Rocky|Chip|Ace|Bud|Red|Blue|Young|Long|Wu|Su|An|Do|So"
)
_WORD_NAMED = re.compile(
    rf"\b(?i:husband|wife|son|daughter|mother|father|mom|mum|dad|brother|sister|partner|girlfriend|boyfriend|fianc[eé]e?|friend|neighbou?r|roommate|aunt|uncle|cousin|nephew|niece|grandson|granddaughter|grandmother|grandfather|nurse|aide|caregiver|doula|asst|assistant|surgeon|resident|named|called|with|by|and|pt|patient|hi|hey|dear|thanks,?)"
    rf"[ :,(]{{1,2}}({_WORD_NAMES})(?=[,.;:)!?]|'s|$| (?:is|was|has|had|says|said|states|reports|will|at|to|in|who|and|with|present|here|called|asks|asked|came|wants)\b)|^({_WORD_NAMES})(?= (?:\((?:they|she|he)|is |was |has |states|reports|returns|presents|c/o|denies|did |had |says))",
    re.MULTILINE,
)
_FULL_CAPITALS = re.compile(
    r"\b(?i:patient(?: name)?|pt(?: name)?|name|re)\s*[:=]\s*([A-Z][A-Z'-]+(?: [A-Z'-]+)?, ?[A-Z][A-Z'. -]+?)(?=  |\n|$|[,;(]|[0-9]| +(?:ID|MRN|DOB|SEX|AGE|M|F)\b)"
)
_SPECIES = re.compile(
    "(?:Coli|Aureus|Diff|Difficile|Pylori|Pneumoniae|Aeruginosa|Influenzae|Faecalis|Albicans|Epidermidis|Cloacae|Mirabilis|Marcescens|Jirovecii|Burgdorferi|Elegans)$",
    re.IGNORECASE,
)
_BESIDE_EPONYM = re.compile(
    r"(?:\b(?:[Ss]igns?|[Tt]ests?|[Ss]yndromes?|[Cc]riteria|[Ss]cores?|[Ss]tag(?:e|ing)|[Gg]rade|[Cc]lassification|[Dd]isease|[Mm]eds?|[Tt]ype)[ :]|\b(?:stitch|forceps|retractors?|clamps?|[Mm]edications)[ :,])[^.;]{0,20}$|[A-Z][a-z]+-$"
)


_SENTENCE = re.compile(r"(?:^|[.!?:;\n*-] *)$")
_GOES_ON = re.compile(
    r"(?:'s)? (?:is|was|has|had|says|said|states|stated|reports?|denies|returns?|presents?|presented|asks|asked|declined|called|came|will|would|lives|works|feels|felt|c/o|and [A-Z])\b|,| [A-Z][a-z]|$"
)


def _alone(text: str, match: re.Match[str]) -> bool:
    """Tell whether a capitalised word of the long list stands as a name: not beside eponyms, and not as a sentence's first word."""
    if match[0].lower() not in many() or _BESIDE_EPONYM.search(text, max(0, match.start() - 24), match.start()):
        return False
    if _SENTENCE.search(text, max(0, match.start() - 3), match.start()):
        return _GOES_ON.match(text, match.end()) is not None
    return True


def _more(text: str, stretches: Sequence[tuple[int, int]], source: str) -> Iterator[Span]:
    for match in windows.found(text, _INITIALLED, stretches):
        word = match[1].split()[0].capitalize()
        if re.search(
            r"(?:[0-9] ?|-|\b(?:[Bb]ed|grade|type|stage|vitamin|hepatitis) )$",
            text[max(0, match.start() - 10) : match.start()],
        ):
            continue
        if word not in NOT_NAMES and not _SPECIES.match(match[1]) and not _AFTER.match(text, match.end()):
            yield Span(*match.span(), "NAME", 0.7, source)
    for match in windows.found(text, _BEFORE_INITIAL, stretches):
        if _is_first(match[1]):
            yield Span(*match.span(), "NAME", 0.6, source)
    for match in windows.found(text, _SURNAME_INITIAL, stretches):
        if (
            (match[0].endswith(".") or _is_first(match[1].split(",")[0]) or match[1].split(",")[0] in LAST)
            and match[1].split(",")[0] not in NOT_NAMES
            and match[1].split(",")[0] not in ENGLISH_EPONYMS
        ):
            yield Span(match.start(), match.end(), "NAME", 0.6, source)
    for match in windows.found(text, _WORD_NAMED, stretches):
        yield Span(*match.span(match.lastindex or 0), "NAME", 0.6, source)
    for match in windows.found(text, _FULL_CAPITALS, stretches):
        yield Span(*match.span(1), "NAME", 0.85, source)
    for pattern in (_CLOSING, _CALLED):
        for match in windows.found(text, pattern, stretches):
            if match[1] not in NOT_NAMES:
                yield Span(*match.span(1), "NAME", 0.7, source)
    for match in windows.found(text, _PREFIXED, stretches):
        if match[0] not in ENGLISH_EPONYMS and not _AFTER.match(text, match.end()):
            yield Span(*match.span(), "NAME", 0.7, source)
    for match in windows.found(text, _AND, stretches):
        before = re.search(r"([A-Z][a-z]{1,})$", text[max(0, match.start() - 16) : match.start()])
        if (
            before
            and before[1] in FIRST - NOT_NAMES
            and before[1] not in ENGLISH_EPONYMS
            and match[1] not in NOT_NAMES
            and match[1] not in ENGLISH_EPONYMS
            and not _AFTER.match(text, match.end())
        ):
            yield Span(*match.span(1), "NAME", 0.6, source)
    for match in windows.found(text, _SMALL, stretches):
        if match[1] in many() or match[1].capitalize() in FIRST - NOT_NAMES:
            yield Span(*match.span(1), "NAME", 0.6, source)
    for match in windows.found(text, _MISREAD, stretches):
        if not any(word.capitalize() in NOT_NAMES for word in match[1].split()):
            yield Span(*match.span(1), "NAME", 0.7, source)


def _is_first(word: str) -> bool:
    return (
        (word.capitalize() in FIRST or word.lower() in many())
        and word.capitalize() not in NOT_NAMES
        and word not in ENGLISH_EPONYMS
    )


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
    if name.endswith("'s"):
        words[-1] = (words[-1][0], words[-1][1] - 2)
        name = name[:-2]
    if (
        (name.split()[0] in ENGLISH_EPONYMS and re.fullmatch(r"\S+ [A-Z]\.?", name))
        or (
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
    if sure and len(bare) == 1:
        return False
    if bare.capitalize() in NOT_NAMES:
        return True
    return (
        not sure
        and bare.isupper()
        and 2 <= len(bare) <= 4
        and bare.capitalize() not in FIRST
        and bare.capitalize() not in LAST
    )
