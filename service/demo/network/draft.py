"""A note being written: running text in which every identifier is marked as it is put in."""

from dataclasses import dataclass, field
from datetime import date

from service.demo.network.people import Person
from service.demo.network.truth import Book, Scope


@dataclass(frozen=True, slots=True)
class Mark:
    """An identifier to put into a note.

    Attributes:
        layer: The detector layer that alone can find it there; "" where several can.
        day: For a full date, the day it means.
    """

    kind: str
    value: str
    layer: str = ""
    day: date | None = None
    scope: Scope | None = None


@dataclass(slots=True)
class Draft:
    """The text of one note of ``person``, to be written to ``file``."""

    person: Person
    file: str
    book: Book
    parts: list[str] = field(default_factory=list)

    def add(self, sentence: str, *marks: Mark) -> None:
        """Add a sentence; each ``{}`` takes the next mark."""
        for mark in marks:
            if mark.day is not None:
                self.book.day(mark.value, mark.day, self.person.number, self.file, mark.layer)
            else:
                self.book.identifier(
                    mark.kind, mark.value, self.person.number, self.file, layer=mark.layer, scope=mark.scope
                )
        self.parts.append(sentence.format(*(mark.value for mark in marks)))

    def line(self, sentence: str, *marks: Mark) -> None:
        """Add a sentence and end the line."""
        self.add(sentence + "\n", *marks)

    @property
    def text(self) -> str:
        """The note so far."""
        return "".join(self.parts)
