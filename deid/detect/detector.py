"""The free-text detector: layers that can each be switched off, over one folded text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from deid.detect import addresses, ages, cues, dates, organisations, patterns, propagation, tagger
from deid.detect.folding import Folded, fold
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
        return self._done(folded, found_in([folded.text], self.layers)[0], known)

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
        folded = {text: fold(text) for text in dict.fromkeys(texts)}
        found = dict(zip(folded, found_in([one.text for one in folded.values()], self.layers), strict=True))
        keys = list(zip(texts, known or [()] * len(texts), strict=True))
        seen = {key: self._done(folded[key[0]], found[key[0]], key[1]) for key in dict.fromkeys(keys)}
        return [seen[key] for key in keys]

    def _done(self, folded: Folded, found: Sequence[Span], known: Known) -> tuple[Span, ...]:
        spans = propagated(folded.text, found, self.layers, known)
        return tuple(folded.back(span) for span in resolve(spans, folded.text))


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
    return propagated(folded, found_in([folded], layers)[0], layers, known)


def found_in(texts: Sequence[str], layers: frozenset[str]) -> list[list[Span]]:
    """Return what the rules and then the tagger find in each folded text; the tagger passes over what rules settled."""
    found = [[span for name, find in LAYERS.items() if name in layers for span in find(text)] for text in texts]
    if tagger.NAME in layers:
        tagged = tagger.find_all(texts, found)
        return [[*spans, *more] for spans, more in zip(found, tagged, strict=True)]
    return found


def propagated(folded: str, found: Sequence[Span], layers: frozenset[str], known: Known) -> list[Span]:
    """Return these spans and, where that layer is on, every place where they or the known identifiers stand again."""
    again = propagation.find(folded, found, known) if propagation.NAME in layers else ()
    return [*found, *again]
