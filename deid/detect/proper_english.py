"""Capitalised words that English text never writes small: people, places and firms that no list has.

A word with a capital that is in no dictionary and names no drug, sign or maker is somebody or some place:
``english_words.txt`` (``english_words.README.md``) has the dictionary. Where two dictionary words stand capitalised behind
"from" or "in", they are a place as well (Cedar Falls).
"""

# ruff: noqa: E501  # a pattern or a table of words is one line each

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from deid.detect.lexicon import listed
from deid.detect.names_english import NOT_NAMES
from deid.detect.span import Span
from deid.detect.words import ENGLISH_EPONYMS

_TABLE = Path(__file__).with_name("english_words.txt")
_WORD = r"[A-ZÀ-ÖØ-Þ][a-zà-öø-ÿ]+(?:[A-Z][a-z]+)?(?:[-'][A-Z]?[a-zà-öø-ÿ]+)*"
_CAPITALISED = re.compile(rf"(?<![A-Za-z0-9&'._/@-]){_WORD}(?: {_WORD}){{0,3}}(?![A-Za-z0-9@/]|\.[a-z])")
_SHAPED = re.compile(
    r"(?:itis|osis|emia|aemia|uria|ectomy|otomy|ostomy|plasty|oscopy|graphy|gram|pathy|algia|plegia|pril|sartan|olol|statin|mab|nib|cillin|mycin|azole|prazole|dipine|parin|gliptin|gliflozin|glutide|oxacin|cycline|"
    r"ciclib|vir|azepam|azolam|done|amine|azine|idine|tidine|setron|triptan|caine|curium|fil|xaban|dronate|lukast|thiazide|semide|profen|oxicam|coxib|lone|sone|sonide|terol|tropium|zosin|oxetine|aline|ipramine|triptyline|apine|idone|cept|stim|feron|rubicin|platin|taxel|bicin|trexate|fungin|floxacin|sulfa|zide|mide|"
    r"ol|ine|ium|ase|cyte|phil|cytes|phils|coccus|cocci|ella|bacter|virus|ose|ide|ate|ic|ical|ous|al|ism|tion|ment|ness|ity|ing|ed|oma|omas|ia|ian|iasis)$",
    re.IGNORECASE,
)
# Drugs, makers and systems written with a capital; nobody's name.
_BRANDS = listed(
    """
Abilify Accupril Aciphex Actonel Actos Adderall Advil Aggrenox Aldactone Aleve Allegra Altace Amaryl Ambien Anoro Apidra Aricept Arimidex Armour Aromasin Asacol Atrovent Augmentin Avandia Avapro Avastin Avelox Avodart Azilect Bactrim
Basaglar Benadryl Benicar Bentyl Betadine Biaxin Boniva Botox Breo Brilinta Bumex Buspar Bydureon Byetta Bystolic Caduet Calan Carafate Cardizem Cardura Catapres Celebrex Celexa Cellcept Chantix Cialis Cipro Clarinex Claritin Cleocin Clozaril
Colace Combivent Compazine Concerta Coreg Cozaar Crestor Cymbalta Cytomel Cytoxan Decadron Demerol Depakote Depo Dexilant Diflucan Dilantin Dilaudid Diovan Ditropan Dulcolax Dulera Duoneb Effexor Eliquis Elavil Enbrel Entresto Epogen Erbitux Estrace
Evista Exelon Ezetimibe Farxiga Femara Flagyl Flexeril Flomax Flonase Flovent Focalin Forteo Fosamax Gleevec Glucophage Glucotrol Glucovance Haldol Herceptin Humira Humulin Hyzaar Imdur Imitrex Imodium Inderal Invokana Isordil Jantoven Janumet Januvia Jardiance
Kayexalate Keflex Kenalog Keppra Keytruda Klonopin Lamictal Lanoxin Latuda Lescol Letairis Levaquin Levemir Levitra Levophed Lexapro Librium Linzess Lidoderm Lomotil Lopressor Lotensin Lotrel Lovaza Lucentis Lunesta Lupron Lyrica Macrobid Maxalt Maxzide Medrol
Metamucil Mevacor Micardis Miralax Mirapex Mirena Mobic Motrin Mucinex Multaq Myrbetriq Nafcillin Namenda Naprosyn Narcan Nasonex Neulasta Neupogen Neurontin Nexium Niaspan Nitrostat Nolvadex Norvasc Novolin Novolog Nuvaring Onglyza Opdivo Ortho Oxycontin Ozempic
Pamelor Paxil Paxlovid Pepcid Pepto Peridex Phenergan Plaquenil Plasmalyte Pravachol Precedex Premarin Prevacid Prilosec Prinivil Pristiq Procardia Prograf Prolia Prometrium Propecia Propofol Proscar Protonix Provera Provigil Pulmicort Pyridium Ranexa Reglan Remeron Remicade
Requip Restasis Restoril Revlimid Rexulti Risperdal Ritalin Rituxan Robaxin Robitussin Rocephin Rybelsus Sandimmune Savella Senokot Sensipar Septra Seroquel Silvadene Sinemet Singulair Skelaxin Soma Spiriva Strattera Suboxone Sudafed Symbicort Synthroid Tagamet Tamiflu Tarceva
Tegaderm Tegretol Tenormin Tessalon Tikosyn Timoptic Tobradex Topamax Toprol Toradol Toujeo Tradjenta Trazodone Trelegy Tresiba Tricor Trileptal Trintellix Trulicity Tums Ultram Unasyn Uloric Valium Valtrex Vaseline Vasotec Venofer Ventolin Verapamil Versed Vesicare Viagra Vicodin
Victoza Viibryd Vistaril Vytorin Vyvanse Warfarin Wegovy Welchol Wellbutrin Xalatan Xarelto Xeljanz Xeloda Xgeva Xolair Xopenex Yaz Zanaflex Zantac Zebeta Zestoretic Zestril Zetia Zithromax Zocor Zomig Zosyn Zyprexa Zyrtec Zytiga Zyvox Mounjaro Skyrizi Stelara Cosentyx Dupixent Ocrevus
Siemens Stryker Zimmer Biomet Synthes Medtronic Baxter Olympus Toshiba Hologic Roche Pfizer Merck Novartis Genzyme Evera Advisa Azure Micra Resolute Xience Cypher Watchman Mitraclip Sapien Corevalve Carelink Merlin Latitude Dexcom Libre Omnipod Accu Glucerna Ensure Jevity Osmolite Nepro Boost Pedialyte
Epic Cerner Meditech Zoom Facetime Skype Whatsapp Facebook Instagram Google Teams Bluetooth Excel Velcro Ziploc Coban Dermabond Monocryl Vicryl Prolene Ethibond Nylon Surgicel Gelfoam Floseal Tisseel Hemovac Blake Yankauer Bair Hoyer Geri Broda Posey Purewick Lovenox Endo Ligasure Harmonic Veress Calot Strasberg
Coli Escherichia Klebsiella Proteus Serratia Candida Aspergillus Salmonella Shigella Legionella Mycoplasma Chlamydia Neisseria Listeria Borrelia Giardia Cryptosporidium Toxoplasma Plasmodium Treponema Trichomonas Gardnerella Enterobacter Acinetobacter Citrobacter Morganella Stenotrophomonas Burkholderia
Latino Latina Mandarin Cantonese Arabic Farsi Tagalog Vietnamese Portuguese Polish Somali Hmong Creole Haitian Mexican Puerto Rican Filipino Korean Indian Pakistani Nigerian Ethiopian Ukrainian Turkish Greek Irish Scottish Welsh British Dutch Swedish Norwegian Danish Finnish Brazilian Cuban Dominican Jamaican
Africa Asia Europe America Australia Canada China India Mexico England Scotland Wales Ireland France Germany Italy Spain Japan Korea Vietnam Philippines Pakistan Bangladesh Nigeria Ghana Kenya Ethiopia Somalia Syria Iraq Iran Afghanistan Ukraine Russia Poland Brazil Cuba Haiti Jamaica Guatemala Honduras Salvador Colombia Peru
Jehovah Sikh Mormon Buddhist Quaker Lutheran Methodist Baptist Presbyterian Episcopal Pentecostal Braille Tdap Menactra Gardasil Prevnar Shingrix Zostavax Pneumovax Moderna Janssen Covid Flu Afib Aflutter Vtach Trop Lytes Creat Bili Lac Mag Phos Vanc Zosyn Dilt Amio Coags Uro Heme Onc Neph Ophtho Derm Endo Rheum Ortho Neuro Psych Peds Gyn
"""
)
# Signs, scales, devices and chart abbreviations; only words that no dictionary has need be here.
_SIGNS = listed(
    """
Brunnstrom Raymond Straumann Carbidopa Levodopa Dispo Oncotype Apgar Apgars Powerport PowerPort Proband Plt Xeroform Ext Spirometry Hosp Callback Eval Asst Anes Ashworth Tinetti Fugl Rancho Borg Waterlow Wong Flacc Richmond Riker Hestia Alvarado Ranson Marshall Gustilo Lauge Frykman
Tile Sanders Kellgren Outerbridge Tonnis Tönnis Graf Ortolani Barlow Hilgenreiner Shenton Ponseti Moro Silverman Dubowitz Bayley Conners Vanderbilt Zung Asberg Osterrieth Stroop Wechsler Binet Rorschach Fitzpatrick Auspitz Wickham Tzanck Mohs Kienbock Savary Truelove Witts Bosniak
Fuhrman Durie Deauville Hounsfield Agatston Fleischner Hachinski Scheltens Spetzler Borden Cognard Stupp Brackmann Cottle Bromage Aldrete Kerley Westermark Barbeau Wenckebach Osborn Ebstein Eisenmenger Fallot Libman Conn Sheehan Riedel Quervain Vinson Zollinger Ellison Caroli Budd Crigler
Najjar Dubin Troisier Dunphy Carnett Aschoff Schamroth Quincke Corrigan Hertz Korotkoff Purkinje Bachmann Kent Mahaim Langer Cooper Poupart Scarpa Camper Colles Gerota Toldt Treitz Vater Oddi Wirsung Santorini Luschka Monro Sylvian Sylvius Meynert Lhermitte Hoover Gowers Adie Argyll Bitot Roth
Kayser Fleischer Drusen Amsler Jaeger Titmus Worth Hertel Krimsky Hirschberg Seidel Haab Descemet Bowman Schwalbe Tenon Zeis Meibomian Montgomery Cooley Bart Heinz Howell Donath Ham Sucrose Kleihauer Betke Bishop Naegele Leopold Pinard Zavanelli Rubin Gaskin Wharton Hegar Goodell Chadwick
Nabothian Skene Gartner Wolffian Mullerian Müllerian Kallmann Prader Sotos Beckwith Wiedemann Kartagener Alagille Duchenne Becker Kugelberg Welander Werdnig Lambert Eaton Miller Friedreich Machado Wilson Hallervorden Rasmussen Landau Kleffner Dravet Sandifer Pavor Cotard Capgras Fregoli Ganser Munchausen
Ekbom Kluver Bucy Balint Gerstmann Anton Foville Millard Gubler Benedikt Wallenberg Horner Pancoast Lemierre Ludwig Vincent Stensen Koplik Fordyce Epulis Waldeyer Rosenmuller Killian Reinke Semon Cobb Risser Jackson Spurling Hoffman Adson Roos Wright Neviaser Bankart Hill Sachs Bennett Rolando Stener
Finkelstein Froment Heberden Bouchard Boutonniere Jefferson Chance Holdsworth Denis Judet Letournel Thessaly Apley Ober Thompson Mulder Morton Lisfranc Chopart Sever Freiberg Kohler Haglund Charcot Semmes Weinstein Unna Profore Jobst Dakin Santyl Medihoney Aquacel Mepilex Duoderm Allevyn Kerlix Xeroform Silvadene
Glidescope Miller Bougie Combitube Ambu Venturi Optiflow Vapotherm Bivona Shiley Passy Muir Jackson Yankauer Kangaroo Dobhoff Salem Sengstaken Blakemore Groshong Permacath Tesio Udall Quinton Tenckhoff Cimino Brescia Gore Dacron Vascath Angio Perclose Femostop Impella Tandem Abiomed Berlin Heartware
Cavitron Phaco Zeiss Topcon Acuvue Bausch Lomb Optos Pentacam Tonopen Icare Travatan Lumigan Alphagan Azopt Trusopt Cosopt Combigan Pred Forte Vigamox Zymar Ocuflox Polytrim Systane Refresh Timolol Atropine Periactin Dramamine Antivert Zofran Marinol Megace Remeron Reglan Sitz Fleets Golytely Suprep Moviprep
Lactaid Beano Gaviator Maalox Mylanta Rolaids Culturelle Florastor Citrucel Benefiber Dulcolax Peri Senna Colace Preparation Tucks Anusol Proctofoam Analpram Tinactin Lotrimin Lamisil Nizoral Kenalog Temovate Eucerin Cetaphil Aquaphor Lubriderm Neosporin Bacitracin Polysporin Calamine Aveeno Rogaine
Hemoccult Cologuard Guaiac Strep Monospot Quantiferon Accucheck Onetouch Freestyle Glucometer Holter Zio Ziopatch Cardionet Polysomnogram Epworth Berlin Pittsburgh Insomnia Karolinska Kleinian Maddrey Meld Child Lille Glasgow Blatchford Rockall Oakland Haemoglobin Oesophagus Paediatric Orthopaedic Anaesthetic
Foxp3 Kras Braf Egfr Brca Philadelphia Reed Sternberg Auer Dohle Pelger Huet Burr Pappenheimer Russell Mott Dutcher Bence Tamm Horsfall Sezary Pautrier Michaelis Gutmann Negri Councilman Mallory Kayser Rosenthal Verocay Antoni Homer Flexner Call Exner Schiller Duval Leydig Sertoli Reinke Hurthle Orphan Psammoma Ziehl Grocott
Gomori Masson Mayer Papanicolaou Romanowsky Wright Giemsa Jenner Sudan Alcian Congo Prussian Perls Warthin Starry Verhoeff Movat Luxol Bielschowsky Gallyas Bodian Hortega Cajal Nissl Remak Ranvier Schwann Merkel Meissner Pacini Ruffini Krause Golgi Renshaw Betz Clarke Onuf Edinger Westphal Meckel Gasser
"""
)
_BEFORE_PLACE = re.compile(r"(?:\b(?:from|in|near|visiting|outside|to|of|around|via|leaving|left for) )$")
_BEFORE_HOUSE = re.compile(
    r"(?:\b(?:at|works? (?:at|for)|worked (?:at|for)|employed (?:at|by)|attends|attended|goes to|labs at|nights at|uses|via|through|by) )$"
)
_GENERIC = listed(
    """
Department Dept Room Unit Clinic Hospital Therapy Rehab Care Center Centre Service Services Medicine Surgery Imaging Lab Labs Laboratory Team Program Study Trial Protocol Score Scale Index Test Sign Disease Syndrome Position Solution Saline Water Cardiology
Neurology Oncology Radiology Pathology Pediatrics Psychiatry Dermatology Urology Orthopedics Ophthalmology Gastroenterology Nephrology Pulmonology Endocrinology Hematology Rheumatology Anesthesia Emergency Intensive Critical Step Day Week Month Year Spring Summer
Autumn Fall Winter Sinus Normal Stage Grade Phase Type Class Level Group Part Section Table Figure Page Appendix English Spanish French German Mandarin Chinese Operating Recovery Labor Delivery Newborn Nursery Physical Occupational Speech Social Work Home Health
Nursing Skilled Hospice Palliative Interventional Nuclear Vascular Thoracic Cardiac Medical Surgical General Internal Family Primary Urgent Infectious Behavioral Mental Pain Wound Sleep Stroke Trauma Burn Blood Bank Central Supply Pharmacy Security Admissions Billing
"""
)
_NOT_GRAMMAR = re.compile(
    r"^(?:The|This|That|His|Her|He|She|They|We|It|I|Our|My|Your|If|When|As|And|But|Or|No|Not|Yes|Is|Was|Has|Had|Will|Please|Also|Then|There|Their|These|Those)$"
)


@cache
def ordinary() -> frozenset[str]:
    """Return the words that English text writes in small letters."""
    return frozenset(_TABLE.read_text("utf-8").split())


def find(text: str, stretches: Sequence[tuple[int, int]], source: str) -> Iterator[Span]:
    """Yield people and places that only their capital gives away, on folded text.

    Args:
        text: Folded text.
        stretches: Where Latin words stand.
        source: The layer these spans belong to.
    """
    for low, high in stretches:
        if _shouts(text, low, high):
            continue
        for match in _CAPITALISED.finditer(text, low, high):
            yield from _of(text, match, source)


def _of(text: str, match: re.Match[str], source: str) -> Iterator[Span]:
    before = text[max(0, match.start() - 14) : match.start()]
    place = _BEFORE_PLACE.search(before) is not None
    house = _BEFORE_HOUSE.search(before) is not None
    words = [(match.start() + word.start(), match.start() + word.end()) for word in re.finditer(r"\S+", match[0])]
    names = [text[a:b] for a, b in words]
    if (place or house) and len(names) in (2, 3) and _small_around(text, match):
        plain = not any(
            name in _GENERIC or name in _BRANDS or name in ENGLISH_EPONYMS or _NOT_GRAMMAR.match(name) for name in names
        )
        if plain and not all(name in NOT_NAMES for name in names):
            yield Span(match.start(), match.end(), "REGION" if place else "ORG", 0.5, source)
            return
    for (start, end), name in zip(words, names, strict=True):
        if unknown(name):
            yield Span(start, end, "REGION" if place else "NAME", 0.5, source)


def unknown(word: str) -> bool:
    """Return whether no dictionary, drug, maker, sign or ending of medical words explains a capitalised word.

    >>> unknown("Wenzhou"), unknown("Aspirin"), unknown("Xarelto"), unknown("Babinski")
    (True, False, False, False)
    """
    parts = re.sub(r"'(?:s|t|re|ve|ll|d|m)$|(?:n't)$", "", word).split("-")
    return not any(
        len(part) < 3
        or part.lower() in ordinary()
        or part.lower().removesuffix("s") in ordinary()
        or part in _BRANDS
        or part in _SIGNS
        or part in ENGLISH_EPONYMS
        or part in NOT_NAMES
        for part in parts
    ) and (_SHAPED.search(word) is None)


def _small_around(text: str, match: re.Match[str]) -> bool:
    """Return whether the words beside it are written small: no heading, no title."""
    after = re.match(r"[,.;:) \n]*([A-Za-z]?)", text[match.end() : match.end() + 4])
    return (
        after is None or text[match.end() : match.end() + 1] in (",", ".", ";", ")", "\n", "") or not after[1].isupper()
    )


def _shouts(text: str, low: int, high: int) -> bool:
    """Return whether a stretch is mostly capitalised words, such as a list of titles, where a capital tells nothing."""
    words = re.findall(r"[A-Za-z]{3,}", text[low:high])
    return len(words) > 6 and sum(word[0].isupper() for word in words) > 0.75 * len(words)
