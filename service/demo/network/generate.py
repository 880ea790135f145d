"""Writing the whole network to a folder."""

from pathlib import Path

from policies.errors import Conflict, Misuse
from service.demo.network import bundles, front_page, images, lab, messages, notes
from service.demo.network.people import health, population, visits
from service.demo.network.truth import Book, Truth

RECORDS = "records"
TRUTH = "truth/truth.json"


def generate(out: Path, *, patients: int, seed: int) -> Truth:
    """Return the truth about a new network, whose records are in ``out/records`` and whose truth is in ``out/truth``.

    The same ``patients`` and ``seed`` give the same bytes. Every patient has a front page in hospital A and blood
    values from at least one of hospital B's table, its HL7 messages and the internet hospital's FHIR bundles.

    Raises:
        Misuse: fewer than one patient.
        Conflict: ``out`` already holds records.
    """
    if patients < 1:
        raise Misuse("a network needs at least one patient")
    if (out / RECORDS).exists():
        raise Conflict("the output folder already holds records; give an empty one")
    book = Book()
    people = population(patients, seed)
    healths = [health(person, seed) for person in people]
    stays = [visits(person, condition, seed) for person, condition in zip(people, healths, strict=True)]
    files = {
        front_page.FILE: front_page.write(people, healths, stays, seed, book),
        **notes.write(people, healths, stays, seed, book),
        lab.FILE: lab.write(people, healths, seed, book),
        **messages.write(people, healths, seed, book),
        **bundles.write(people, healths, seed, book),
        **images.write(people, seed, book),
    }
    for name, content in files.items():
        path = out / RECORDS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    truth = book.close(patients=patients, seed=seed, outcomes=[condition.diabetic for condition in healths])
    truth.write(out / TRUTH)
    return truth
