"""Addresses and regions in English text."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator, Sequence

from deid.detect import windows
from deid.detect.lexicon import listed
from deid.detect.span import Span

_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR"
).replace(" ", "|")
_STATE_NAMES = (
    r"Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|"
    r"Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|"
    r"Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming|"
    r"England|Scotland|Wales|Ontario|Quebec|Queensland|Victoria|New South Wales"
)
_TYPE = (
    r"(?:Street|Avenue|Road|Drive|Lane|Boulevard|Court|Place|Terrace|Parkway|Highway|Crescent|Close|Square|Trail|Parade|Grove|Mews|Gardens|Row|Walk|Green|"
    r"St|Ave|Av|Rd|Dr|Ln|Blvd|Ct|Pl|Ter|Pkwy|Hwy|Cres|Sq|Trl|Way|Cottages?|Villas|Mansions|Circle|Cir|Loop|Pike|Alley|Expressway|Turnpike|Plaza|Hill|Park|Path|Run)"
)
_WORD = r"[A-Z][A-Za-z'-]*(?:(?<=\bSt)\.)?"
_UNIT = r"(?:,? ?(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Building|Bldg|Flat|Lot|#)\.?(?: ?#| no\.?)? ?[0-9A-Z][0-9A-Za-z-]{0,5})"
_CITY = rf"(?:,? ?\n?{_WORD}(?: {_WORD}){{0,2}},? (?:{_STATES}|{_STATE_NAMES})\b)"
_ZIP = r"(?:,? ?[0-9]{5}(?:-[0-9]{4})?\b)"
_UK_POST = r"(?!DT|GY|CT|MR|TV|IV|VI|XI|MG|ML)[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}"
_STREET = re.compile(
    rf"\b[0-9]{{1,6}}[A-Za-z]?(?:-[0-9]+)?,? (?:[NSEW]\.? |North |South |East |West )?(?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)|of|the|de|la) ){{1,4}}{_TYPE}\b\.?(?: [NSEW]{{1,2}}\b)?{_UNIT}?{_CITY}?{_ZIP}?(?:(?:,? {_WORD}){{0,3}},? {_UK_POST}\b)?"
)
_NUMBERED = re.compile(
    rf"\b[0-9]{{1,6}} (?:[NSEW]\.? )?[0-9]{{1,3}}(?:st|nd|rd|th) {_TYPE}\b\.?{_UNIT}?{_CITY}?{_ZIP}?"
)
_BOX = re.compile(rf"\bP\.? ?O\.? Box [0-9]+{_CITY}?{_ZIP}?", re.IGNORECASE)
_BARE_STREET = re.compile(
    rf"\b(?:on|at|near|along|off|corner of) ((?:{_WORD} ){{1,3}}(?:Street|Avenue|Road|Drive|Lane|Boulevard|Highway|Parkway|St|Ave|Rd|Blvd)\b\.?)(?! (?:hospital|clinic))"
)
_APARTMENT = re.compile(r"\b(?:Apt|Apartment|Flat|Suite|Rm|Room)\.? ?#? ?[0-9]{1,5}[A-Z]?\b")
_CITY_STATE = re.compile(
    rf"\b{_WORD}(?: {_WORD}){{0,2}}, (?:(?:{_STATES})\b(?: [0-9]{{5}}(?:-[0-9]{{4}})?)?|(?:{_STATE_NAMES})\b(?:,? [0-9]{{5}}(?:-[0-9]{{4}})?)?)"
)
_HYPHENED = re.compile(r"\b[A-Z][a-z]+-(?:on|upon|le|in|by|under|next)-(?:the-)?[A-Z][a-z]+\b")
_HIGHWAY = re.compile(
    r"\b(?:I-[0-9]{1,3}|(?:US|State|County|Rural) (?:Route|Highway|Road) [0-9]{1,3}|Route [0-9]{1,3}|Highway [0-9]{1,3})(?: (?:near|at) exit [0-9]{1,3})?\b"
)
_STATE_ZIP = re.compile(rf"(?<=[a-z,] )(?:{_STATES}) [0-9]{{5}}(?:-[0-9]{{4}})?\b")
_ZIP_CUED = re.compile(
    r"\b(?:zip|zip code|postal code|postcode|post code)[ :#]{1,3}([0-9]{5}(?:-[0-9]{4})?|[A-Z0-9]{2,4} ?[A-Z0-9]{3})\b",
    re.IGNORECASE,
)
_WITH_POST_UK = re.compile(
    rf"\b(?:Flat [0-9]+[A-Z]?, )?[0-9]{{1,4}}[A-Za-z]? {_WORD}(?:[ -][A-Za-z'][A-Za-z'-]*){{0,4}},?(?: {_WORD},?){{0,3}} {_UK_POST}\b"
)
_FLAT = re.compile(
    rf"\b(?:Flat|Apt|Unit) [0-9]+[A-Z]?, [0-9]{{1,4}}[A-Za-z]? {_WORD}(?: {_WORD}){{0,3}}(?:, {_WORD}(?: {_WORD})?)?"
)
_CORNER = re.compile(
    rf"\b(?:corner of|intersection of|at|on) ((?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th))(?: {_WORD})? (?:&|and) (?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th))(?: (?:St|Ave|Rd|Blvd|Street|Avenue|Road))?)(?=[ ,.;)]|$)"
)
_POST_UK = re.compile(rf"\b{_UK_POST}\b")
_LIVES = re.compile(
    rf"\b(?:lives?|living|lived|resides?|residing|resident|residence|moved|relocated|native|born|hometown|home|home town|visiting|traveled|travelled|travels|returned|trip|flew|drove|driving|"
    rf"raised|grew up|immigrated|emigrated|transferred|originally|outskirts|city|town|village|county|suburb)"
    rf"(?: (?:back|alone|out|recently|here|up|with [a-z]+ [a-z]+|to|from|in|of|near|at|is|and raised|outside|around|just outside)){{1,4}} (?:the )?({_WORD}(?: {_WORD}){{0,2}}(?:,? (?:{_STATE_NAMES}|{_STATES}))?)"
)
_COUNTY = re.compile(rf"\b{_WORD}(?: {_WORD})? (?:County|Township|Borough|Parish|Village|Shire)\b")
_CITIES = re.compile(
    r"\b(?:New York(?: City)?|Los Angeles|Chicago|Houston|Philadelphia|Phoenix|San Antonio|San Diego|Dallas|San Francisco|Seattle|Boston|Denver|Nashville|Detroit|Portland|"
    r"Las Vegas|Memphis|Baltimore|Milwaukee|Albuquerque|Tucson|Fresno|Sacramento|Atlanta|Miami|Oakland|Minneapolis|Cleveland|Tampa|New Orleans|Pittsburgh|Cincinnati|St\.? Louis|"
    r"Orlando|Honolulu|Brooklyn|Queens|Bronx|Manhattan|London|Manchester|Birmingham|Leeds|Glasgow|Edinburgh|Liverpool|Bristol|Dublin|Paris|Berlin|Munich|Rome|Madrid|Barcelona|"
    r"Toronto|Vancouver|Montreal|Ottawa|Calgary|Sydney|Melbourne|Brisbane|Perth|Auckland|Wellington|Tokyo|Osaka|Seoul|Beijing|Shanghai|Guangzhou|Shenzhen|Hangzhou|Nanjing|Suzhou|"
    r"Wuhan|Chengdu|Mumbai|Delhi|Bangalore|Manila|Bangkok|Hanoi|Cairo|Lagos|Nairobi|Johannesburg|Pudong|Xuhui|Minhang|Wuxi|Ningbo|Tianjin|Chongqing|Xi'an|Dalian|Qingdao|Topeka|Duluth|Scranton|Wichita|Tulsa|Omaha|Boise|Spokane|Tacoma|Anchorage|Fargo|Sioux Falls|Des Moines|Cedar Rapids|Madison, W[A-Za-z]*|Grand Rapids|Ann Arbor(?!,? (?:I|stage))|Toledo|Akron|Dayton|Buffalo, N[A-Za-z]*|Rochester, [A-Z][A-Za-z]*|Syracuse|Albany, N[A-Za-z]*|Hartford|New Haven|Worcester|Providence, R[A-Za-z]*|Newark|Trenton|Camden|Allentown|Harrisburg|Richmond, V[A-Za-z]*|Norfolk, V[A-Za-z]*|Raleigh|Durham, N[A-Za-z]*|Charlotte, N[A-Za-z]*|Columbia, S[A-Za-z]*|Savannah, G[A-Za-z]*|Augusta|Macon|Jacksonville|Tallahassee|Fort Lauderdale|West Palm Beach|Birmingham|Mobile, A[A-Za-z]*|Montgomery, A[A-Za-z]*|Little Rock|Shreveport|Baton Rouge|El Paso|Fort Worth|Lubbock|Amarillo|Corpus Christi|Laredo|Santa Fe|Salt Lake City|Reno|Bakersfield|Stockton|Modesto|Long Beach|Anaheim|Riverside, C[A-Za-z]*|San Jose|Santa Cruz|Eugene|Salem, O[A-Za-z]*|Belfast|Cardiff|Swansea|Nottingham|Sheffield|Leicester|Coventry|Bradford|Plymouth|Southampton|Portsmouth|Norwich|Exeter|York(?=[ ,.;])|Oxford|Cambridge|Aberdeen|Dundee|Inverness|Cork|Galway|Limerick|Adelaide|Canberra|Hobart|Darwin, [A-Z][A-Za-z]*|Ballarat|Geelong|Christchurch|Dunedin|Hamilton, O[A-Za-z]*|Winnipeg|Edmonton|Regina|Halifax|Quebec City|Jakarta|Kuala Lumpur|Singapore|Karachi|Lahore|Dhaka|Kathmandu|Colombo|Tehran|Baghdad|Damascus|Beirut|Amman|Riyadh|Dubai|Doha|Addis Ababa|Mogadishu|Kampala|Accra|Abuja|Casablanca|Tunis|Algiers|Moscow|Kyiv|Kiev|Warsaw|Krakow|Prague|Vienna|Budapest|Bucharest|Athens|Istanbul|Ankara|Lisbon|Porto|Zurich|Geneva, [A-Z][a-z]*|Brussels|Amsterdam|Rotterdam|Hamburg|Frankfurt|Cologne|Copenhagen|Stockholm|Oslo|Helsinki|Bogota|Lima(?=[ ,.;])|Quito|Caracas|Santiago, [A-Z][a-z]*|Buenos Aires|Sao Paulo|Rio de Janeiro|Havana|San Juan|Mexico City|Guadalajara|Tijuana)\b"
    r"(?! (?:grade|trauma|coma|score|criteria|classification|scale|type|coma|blue|rose|stain|sausage|heart study|fracture|marrow|scale|criteria|knee|ankle|stool))"
)
_NOT_PLACES = listed(
    """
A An And Bed But Clinic Department Dr ED ER Emergency Family Floor Friday He Her His History Home Hospital I
ICU It Medical Medicine Monday Mr Mrs Ms NICU No OR Our PACU Past Patient Physical Review Room Saturday She
Social Sunday Surgery That The They This Thursday Tuesday Unit We Wednesday Yes
"""
)


def find(text: str, source: str) -> Iterator[Span]:
    """Yield English addresses and regions, on folded text."""
    stretches = windows.latin(text)
    if not stretches:
        return
    for pattern, label, score in (
        (_STREET, "ADDRESS", 0.9),
        (_NUMBERED, "ADDRESS", 0.9),
        (_BOX, "ADDRESS", 0.9),
        (_WITH_POST_UK, "ADDRESS", 0.9),
        (_FLAT, "ADDRESS", 0.8),
        (_BARE_STREET, "ADDRESS", 0.7),
        (_HYPHENED, "REGION", 0.7),
        (_HIGHWAY, "ADDRESS", 0.7),
        (_APARTMENT, "ADDRESS", 0.6),
        (_CITY_STATE, "REGION", 0.8),
        (_STATE_ZIP, "ADDRESS", 0.8),
        (_ZIP_CUED, "ADDRESS", 0.85),
        (_POST_UK, "ADDRESS", 0.7),
        (_COUNTY, "REGION", 0.7),
        (_CITIES, "REGION", 0.7),
        (_LIVES, "REGION", 0.6),
    ):
        for match in windows.found(text, pattern, stretches):
            group = 1 if pattern.groups else 0
            if pattern in (_LIVES, _CITY_STATE, _COUNTY) and _no_place(text, match.start(group), match[group]):
                continue
            yield Span(*match.span(group), label, score, source)
    yield from _corners(text, stretches, source)


def _corners(text: str, stretches: Sequence[tuple[int, int]], source: str) -> Iterator[Span]:
    """Yield crossings: a street with a number in its name, or behind "corner of"."""
    for match in windows.found(text, _CORNER, stretches):
        if match[0].startswith(("corner", "intersection")) or match[1][0].isdigit():
            yield Span(*match.span(1), "ADDRESS", 0.7, source)


def _no_place(text: str, start: int, value: str) -> bool:
    """MD and PA after a comma are degrees far more often than Maryland and Pennsylvania."""
    if value.split(maxsplit=1)[0].strip(",") in _NOT_PLACES:
        return True
    return value.endswith((", MD", ", PA", ", MA", ", DO", ", OR", ", IN")) and not text[:start].endswith(
        (" in ", " from ", " of ", " to ")
    )
