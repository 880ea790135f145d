"""The free-text detector: layers that can each be switched off, over one folded text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deid.detect import addresses, ages, cues, dates, organisations, patterns, propagation
from deid.detect.folding import fold
from deid.detect.span import LAYER_ORDER, Span, resolve
from policies.errors import Misuse

ALL_LAYERS = frozenset(LAYER_ORDER)

Known = tuple[tuple[str, str], ...]  # (value, label): the patient's own identifiers from structured fields

Layer = Callable[[str], Iterator[Span]]
LAYERS: dict[str, Layer] = {layer.NAME: layer.find for layer in (patterns, dates, ages, addresses, organisations, cues)}


class UnknownLayer(Misuse):
    """A layer was named that does not exist."""


@dataclass(frozen=True, slots=True)
class Detector:
    """Finds identifiers in Chinese and English text, mixed or not.

    Attributes:
        layers: The layers that are on.
    """

    layers: frozenset[str] = ALL_LAYERS

    def find(self, text: str, known: Known = ()) -> tuple[Span, ...]:
        """Return the identifiers of one text, without overlaps, in order.

        Args:
            text: Any Unicode text.
            known: The patient's own identifiers as (value, label); they are found without any cue.

        >>> [(s.start, s.end, s.label) for s in detector().find("患者王建国，电话13812345678")]
        [(2, 5, 'NAME'), (8, 19, 'PHONE')]
        """
        folded = fold(text)
        return tuple(folded.back(span) for span in resolve(raw_spans(folded.text, self.layers, known), folded.text))

    def find_all(self, texts: Sequence[str], known: Sequence[Known] = ()) -> list[tuple[Span, ...]]:
        """Return ``find`` of every text, faster: a text that comes again is not searched again.

        Args:
            texts: The texts.
            known: For each text the patient's own identifiers, or nothing for all.

        Raises:
            Misuse: ``known`` is given and is not as long as ``texts``.
        """
        if known and len(known) != len(texts):
            raise Misuse("known identifiers must be given for every text or for none")
        seen: dict[tuple[str, Known], tuple[Span, ...]] = {}
        for key in zip(texts, known or [()] * len(texts), strict=True):
            if key not in seen:
                seen[key] = self.find(*key)
        return [seen[key] for key in zip(texts, known or [()] * len(texts), strict=True)]


def detector(layers: frozenset[str] = ALL_LAYERS) -> Detector:
    """Return a detector with these layers on.

    Raises:
        UnknownLayer: a name is not one of ``ALL_LAYERS``.
    """
    unknown = layers - ALL_LAYERS
    if unknown:
        raise UnknownLayer(f"no such layer: {', '.join(sorted(unknown))}; choose from {', '.join(LAYER_ORDER)}")
    return Detector(frozenset(layers))


def raw_spans(folded: str, layers: frozenset[str], known: Known) -> list[Span]:
    """Return what the layers find in a folded text, overlaps and all."""
    found = [span for name, find in LAYERS.items() if name in layers for span in find(folded)]
    if propagation.NAME in layers:
        found += propagation.find(folded, found, known)
    return found
