"""The stable words of states, roles, reasons and codes, as people read them; both languages come from the catalogue."""


def N_(text: str) -> str:  # noqa: N802  # gettext's own name for "to be translated later"
    """Return the text: it only marks it for the catalogue."""
    return text


STATES = {
    "received": N_("received"), "profiled": N_("profiled"), "mapped": N_("mapped"), "processing": N_("processing"),
    "needs-review": N_("needs review"), "accepted": N_("accepted"), "rejected": N_("rejected"), "draft": N_("draft"),
    "published": N_("published"), "withdrawn": N_("withdrawn"), "submitted": N_("submitted"), "returned": N_("returned"),
    "approved": N_("approved"), "active": N_("active"), "expired": N_("expired"), "revoked": N_("revoked"),
    "closed": N_("closed"), "queued": N_("queued"), "preparing": N_("preparing"), "training": N_("training"),
    "auditing": N_("auditing"), "awaiting-release": N_("awaiting release"), "released": N_("released"),
    "refused": N_("refused"), "failed": N_("failed"), "cancelled": N_("cancelled"), "reserved": N_("reserved"),
    "spent": N_("spent"), "voided": N_("voided"),
}  # fmt: skip

ROLES = {
    "data-officer": N_("data officer"), "partner": N_("partner"), "compliance": N_("compliance"),
    "auditor": N_("auditor"), "system-admin": N_("system administrator"), "security-admin": N_("security administrator"),
}  # fmt: skip

CLASSES = {"demonstration": N_("demonstration"), "sensitive": N_("sensitive")}

REASONS = {
    "age-contradicts-birth": N_("age contradicts date of birth"), "ambiguous-date-order": N_("day and month cannot be told apart"),
    "ambiguous-patient": N_("could be one of several patients"), "bad-code": N_("code not in the code system"),
    "bad-date": N_("not a date"), "bad-segment": N_("broken message segment"), "bad-separators": N_("broken message separators"),
    "born-after-visit": N_("born after the visit"), "burned-in-text": N_("image may show burned-in text"),
    "conflicting-date-order": N_("dates contradict the order of their column"),
    "conflicting-key": N_("same key, different content"), "duplicate-column": N_("a column occurs twice"),
    "duplicate-row": N_("row occurs again"), "empty-file": N_("empty file"), "empty-image": N_("empty image"),
    "ends-before-start": N_("ends before it starts"), "entered-in-error": N_("marked as entered in error"),
    "identity-incomplete": N_("patient's identity is incomplete"), "implausible-value": N_("implausible value"),
    "line-break-in-cell": N_("line break inside a cell"), "lunar-date": N_("lunar calendar date"),
    "missing-element": N_("element missing"), "missing-unit": N_("unit missing"), "no-message": N_("no message"),
    "no-patient": N_("no patient named"), "no-resource-type": N_("no resource type"), "not-a-number": N_("not a number"),
    "not-a-workbook": N_("not a workbook"), "not-an-image": N_("not an image"), "not-dicom": N_("not DICOM"),
    "not-json": N_("not JSON"), "not-parquet": N_("not Parquet"), "not-text": N_("not text"),
    "older-than-possible": N_("older than possible"), "row-too-long": N_("row has too many fields"),
    "row-too-short": N_("row has too few fields"), "stray-quote": N_("stray quotation mark"),
    "unknown-unit": N_("unknown unit"), "unlisted-value": N_("value not on the list"),
    "unsupported-resource": N_("unsupported resource"), "wrong-dimension": N_("unit of the wrong dimension"),
}  # fmt: skip

REPORT = {
    "identifier": N_("identifier"), "quasi-identifier": N_("quasi-identifier"), "category": N_("category"),
    "free text": N_("free text"), "date": N_("date"), "number": N_("number"), "code": N_("code"), "empty": N_("empty"),
    "mapped": N_("mapped to the standard model"), "dropped": N_("dropped by the mapping"),
    "not mapped: withheld": N_("not mapped: withheld"),
    "NAME": N_("name"), "AGE90": N_("age over 89"), "DATE": N_("date"), "PHONE": N_("telephone number"),
    "ID_CARD": N_("identity number"), "PASSPORT": N_("passport"), "MRN": N_("medical record number"),
    "INSURANCE": N_("insurance number"), "BANK": N_("bank account"), "PLATE": N_("number plate"),
    "ACCOUNT": N_("user account"), "EMAIL": N_("e-mail address"), "URL": N_("web address"), "IP": N_("IP address"),
    "DEVICE": N_("device number"), "ADDRESS": N_("address"), "REGION": N_("region"), "HOSPITAL": N_("hospital"),
    "ORG": N_("organisation"), "PROFESSION_UNIQUE": N_("unique profession"), "BED": N_("bed"),
    "person.name": N_("name"), "person.id_card": N_("identity number"), "person.phone": N_("telephone number"),
    "person.address": N_("address"), "person.birth_date": N_("date of birth"), "person.sex": N_("sex"),
    "person.mrn": N_("medical record number"), "person.insurance": N_("insurance number"),
    "person.contact_name": N_("contact's name"), "person.contact_phone": N_("contact's telephone number"),
    "person.email": N_("e-mail address"), "person.employer": N_("employer"), "person.staff": N_("member of staff"),
    "patients": N_("patients"), "suppressed": N_("patients left out"), "k": N_("k-anonymity"),
    "l_diversity": N_("l-diversity"), "t_closeness": N_("t-closeness"), "highest": N_("highest re-identification risk"),
    "mean": N_("mean re-identification risk"), "unique": N_("unique patients"),
    "claims": N_("identities seen"), "conflicts": N_("contradictions"), "linked_by_id": N_("linked by identity number"),
    "linked_by_mrn": N_("linked by record number"), "linked_by_npb": N_("linked by name, telephone and birth date"),
    "accuracy": N_("accuracy"), "auc": N_("area under the curve"), "charged": N_("charged (differentially private)"),
    "exact": N_("exact"), "baseline": N_("baseline without privacy, exact"),
}  # fmt: skip

PURPOSES = {
    "DUO:0000042": N_("general research use"), "DUO:0000006": N_("health, medical or biomedical research"),
    "DUO:0000007": N_("disease-specific research"), "DUO:0000011": N_("population origins or ancestry research"),
    "DUO:0000004": N_("no restriction"), "DUO:0000018": N_("not for profit use only"),
    "DUO:0000016": N_("genetic studies only"), "DUO:0000019": N_("publication required"),
    "DUO:0000021": N_("ethics approval required"),
}  # fmt: skip
APPLIED_FOR = ("DUO:0000042", "DUO:0000006", "DUO:0000007")
"""The purposes that an application may name; the others are conditions of a dataset."""

CODES = {
    "refused": N_("Refused"), "not-signed-in": N_("Not signed in"), "cross-site": N_("Sent from elsewhere"),
    "permit-expired": N_("The permit has expired"), "budget-exhausted": N_("The privacy budget is exhausted"),
    "separation-of-duty": N_("Another person must decide"), "illegal-transition": N_("Not possible in this state"),
    "frozen": N_("The facility is frozen"), "shredded": N_("Withdrawn and destroyed"),
    "jail-too-weak": N_("The isolation is too weak"), "not-found": N_("Not found"), "conflict": N_("Conflict"),
    "usage": N_("Not understood"), "bad-input": N_("The data cannot be used"),
    "bad-mapping": N_("The mapping cannot be used"), "bad-archive": N_("The archive cannot be used"),
    "leak-found": N_("An identifier was found"), "risk-too-high": N_("The re-identification risk is too high"),
    "tampered": N_("Tampering found"), "training-failed": N_("Training failed"), "too-large": N_("Too large"),
    "release-refused": N_("The release was refused"), "internal": N_("A defect of the program"),
}  # fmt: skip

DECISIONS = {"allow": N_("allowed"), "deny": N_("denied"), "system": N_("by the service")}

WORDS = {**STATES, **ROLES, **CLASSES, **REASONS, **REPORT, **PURPOSES, **CODES, **DECISIONS}
"""Every one of them. A word that is missing is shown as it is."""
