"""A dataset's card in Croissant 1.1 with the responsible-AI vocabulary, and as HealthDCAT-AP for European catalogues.

A card says what everybody may know: descriptions, the columns and what they mean, released figures, how the data came
to be and what they may be used for. Its one file is the synthetic preview, if there is one: records never are.

Source: mlcommons/croissant, docs/croissant-spec-1.1.md and croissant-rai-spec.md; GA4GH DUO; HealthDCAT-AP release 5
(healthdcat-ap.github.io) over DCAT-AP 3; W3C PROV-O; DPV for the legal basis.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CONFORMS = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")
_OBO = "http://purl.obolibrary.org/obo/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card is made of: nothing here is secret.

    Attributes:
        id, title, owner, url: The dataset, and where its page is.
        version, created, digest: Of the version that the card is about.
        about: The owner's description (``service.describing``).
        purposes: GA4GH DUO codes.
        data_class, level: Its class and classification level.
        columns: Table -> (name, type).
        submissions: Ids of what it was made from.
        mapping, profile: SHA-256 of how.
        figures: Released statistics, if there are any.
        preview: The synthetic preview's CSV, if there is one; and where it is.
    """

    id: str
    title: str
    owner: str
    url: str
    version: int
    created: str
    digest: str
    about: Mapping[str, Any]
    purposes: tuple[str, ...]
    data_class: str
    level: int
    columns: Mapping[str, tuple[tuple[str, str], ...]]
    submissions: tuple[str, ...]
    mapping: str
    profile: str
    figures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    preview: str = ""
    preview_url: str = ""

    @property
    def description(self) -> str:
        """Both languages' description, or the title where there is none."""
        texts = [self.about.get(f"description_{language}", "") for language in ("zh", "en")]
        return "\n\n".join(text for text in texts if text) or self.title


def croissant(card: Card) -> dict[str, Any]:
    """Return the Croissant document."""
    about = card.about
    return {
        "@context": json.loads(_context()),
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS),
        "name": card.id,
        "alternateName": card.title,
        "description": card.description,
        "url": card.url,
        "version": f"{card.version}.0.0",
        "datePublished": card.created[:10],
        "inLanguage": ["zh", "en"],
        "license": f"{card.url}#terms",
        "citeAs": f"{card.owner}: {card.title}, version {card.version}, sha256:{card.digest}",
        "creator": {"@type": "sc:Organization", "name": card.owner},
        "publisher": {"@type": "sc:Organization", "name": card.owner},
        "keywords": list(about.get("keywords", ())),
        "isLiveDataset": False,
        "usageInfo": [{"@id": _OBO + code.replace(":", "_")} for code in card.purposes],
        "rai:dataCollection": about.get("collection") or "Records of care, handed in by the hospitals that made them.",
        "rai:dataPreprocessingProtocol": [
            "Cleaned, de-identified and standardised to OMOP CDM v5.4; profile and mapping are named by hash.",
        ],
        "rai:personalSensitiveInformation": [
            f"Data class {card.data_class}; classification level {card.level} of GB/T 39725-2020.",
            "Health data of patients, without direct identifiers; quasi-identifiers are generalised.",
        ],
        "rai:dataBiases": ["The patients are those of the contributing hospitals, not of the population."],
        "rai:dataUseCases": ["Training of models under differential privacy, inside the facility."],
        "rai:dataLimitations": ["Dates are moved by one secret offset for each patient; small places are generalised."],
        "rai:dataReleaseMaintenancePlan": "Versions are immutable; a withdrawal of a patient gives the next one.",
        "prov:wasDerivedFrom": [{"@id": f"urn:medtrain:submission:{one}"} for one in card.submissions],
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "sc:name": "de-identification and standardisation",
            "prov:used": [{"@id": f"urn:sha256:{card.mapping}"}, {"@id": f"urn:sha256:{card.profile}"}],
        },
        "prov:wasAttributedTo": {"@type": "prov:Organization", "sc:name": card.owner},
        "distribution": _distribution(card),
        "recordSet": _record_sets(card),
    }


def healthdcat(card: Card) -> dict[str, Any]:
    """Return the dataset as HealthDCAT-AP in JSON-LD."""
    about = card.about
    patients = card.figures.get("patients", {}).get("all")
    ages = [band for band, count in card.figures.get("age", {}).items() if count]
    document: dict[str, Any] = {
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "dpv": "https://w3id.org/dpv#",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "healthdcatap": "http://healthdataportal.eu/ns/health#",
            "prov": "http://www.w3.org/ns/prov#",
            "adms": "http://www.w3.org/ns/adms#",
            "skos": "http://www.w3.org/2004/02/skos/core#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@id": card.url,
        "@type": "dcat:Dataset",
        "dct:title": _both(about, "title", card.title),
        "dct:description": _both(about, "description", card.description),
        "dct:identifier": card.id,
        "dcat:version": str(card.version),
        "dct:issued": {"@type": "xsd:dateTime", "@value": card.created},
        "dct:publisher": {"@type": "foaf:Agent", "foaf:name": card.owner},
        "dct:accessRights": {"@id": "http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC"},
        "dct:provenance": {"@type": "dct:ProvenanceStatement", "dct:description": about.get("collection", "")},
        "dcat:theme": [{"@id": "http://publications.europa.eu/resource/authority/data-theme/HEAL"}],
        "dcat:keyword": list(about.get("keywords", ())),
        "dct:language": [
            {"@id": f"http://publications.europa.eu/resource/authority/language/{code}"} for code in ("ZHO", "ENG")
        ],
        "healthdcatap:healthTheme": [{"skos:prefLabel": theme} for theme in about.get("themes", ())],
        "healthdcatap:hasCodingSystem": [{"@id": "https://www.wikidata.org/entity/P4229"}],
        "dpv:hasPurpose": [{"@id": _OBO + code.replace(":", "_")} for code in card.purposes],
        "dpv:hasLegalBasis": {"@id": "https://w3id.org/dpv#Consent"},
        "dpv:hasPersonalData": {"@id": "https://w3id.org/dpv/pd#HealthRecord"},
        "prov:wasDerivedFrom": [{"@id": f"urn:medtrain:submission:{one}"} for one in card.submissions],
    }
    if patients is not None:
        document["healthdcatap:numberOfUniqueIndividuals"] = {"@type": "xsd:nonNegativeInteger", "@value": patients}
    if ages:
        document["healthdcatap:minTypicalAge"] = {"@type": "xsd:nonNegativeInteger", "@value": _low(ages[0])}
        document["healthdcatap:maxTypicalAge"] = {"@type": "xsd:nonNegativeInteger", "@value": _high(ages[-1])}
    if card.preview:
        document["adms:sample"] = {
            "@type": "dcat:Distribution",
            "dcat:downloadURL": {"@id": card.preview_url},
            "dct:description": "Synthetic preview, drawn under differential privacy.",
        }
    return document


def _distribution(card: Card) -> list[dict[str, Any]]:
    if not card.preview:
        return []
    return [
        {
            "@type": "cr:FileObject",
            "@id": "preview.csv",
            "name": "preview.csv",
            "description": "Synthetic rows, drawn under differential privacy: no record of a patient.",
            "contentUrl": card.preview_url,
            "encodingFormat": "text/csv",
            "sha256": hashlib.sha256(card.preview.encode()).hexdigest(),
        }
    ]


def _record_sets(card: Card) -> list[dict[str, Any]]:
    meanings = card.about.get("dictionary", {})
    rows = [
        {
            "dictionary/table": table,
            "dictionary/column": name,
            "dictionary/type": kind,
            "dictionary/meaning": str(meanings.get(f"{table}.{name}", meanings.get(name, ""))),
        }
        for table in sorted(card.columns)
        for name, kind in card.columns[table]
    ]
    fields = ("table", "column", "type", "meaning")
    sets: list[dict[str, Any]] = [
        {
            "@type": "cr:RecordSet",
            "@id": "dictionary",
            "name": "dictionary",
            "description": "Every column of every table, its type and what it means.",
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": f"dictionary/{name}",
                    "name": f"dictionary/{name}",
                    "description": name,
                    "dataType": "sc:Text",
                }
                for name in fields
            ],
            "data": rows,
        }
    ]
    if card.preview:
        header = card.preview.split("\n", 1)[0].split(",")
        sets.append(
            {
                "@type": "cr:RecordSet",
                "@id": "preview",
                "name": "preview",
                "description": "What a recipe gives a model, as synthetic rows.",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"preview/{name}",
                        "name": f"preview/{name}",
                        "description": name,
                        "dataType": "sc:Integer" if name == "label" else "sc:Float",
                        "source": {"fileObject": {"@id": "preview.csv"}, "extract": {"column": name}},
                    }
                    for name in header
                ],
            }
        )
    return sets


def _both(about: Mapping[str, Any], name: str, otherwise: str) -> list[dict[str, str]]:
    found = [
        {"@language": code, "@value": about[f"{name}_{code}"]} for code in ("zh", "en") if about.get(f"{name}_{code}")
    ]
    return found or [{"@language": "zh", "@value": otherwise}]


def _low(band: str) -> int:
    return int(band.rstrip("+").split("-")[0])


def _high(band: str) -> int:
    return 120 if band.endswith("+") else int(band.rsplit("-", maxsplit=1)[-1])


@cache
def _context() -> str:
    return Path(__file__).with_name("croissant.context.json").read_text("utf-8")
