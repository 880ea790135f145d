"""The same layers as Presidio recognisers, for ``zh`` and ``en``, over an engine without any language model.

Nothing here opens a network connection: Presidio's own recognisers are not loaded.
"""

import re
from collections.abc import Sequence
from typing import Any

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine

from deid.detect.detector import ALL_LAYERS, Known, raw_spans
from deid.detect.folding import fold
from deid.detect.span import LABELS, LAYER_ORDER, Span, resolve

LANGUAGES = ("zh", "en")
_CONTEXT = {
    "patterns": (
        "电话",
        "手机",
        "身份证",
        "住院号",
        "门诊号",
        "医保",
        "卡号",
        "账号",
        "phone",
        "MRN",
        "number",
        "account",
    ),
    "dates": ("日期", "时间", "出生", "入院", "出院", "date", "born", "admitted", "discharged"),
    "ages": ("年龄", "患者", "男", "女", "age", "patient"),
    "addresses": ("住址", "地址", "家住", "现住", "籍贯", "address", "lives"),
    "organisations": ("就诊", "单位", "转", "hospital", "employer", "works"),
    "cues": ("姓名", "患者", "家属", "医师", "签名", "patient", "name", "signed"),
    "tagger": (),
    "propagation": (),
}


class LayerRecognizer(EntityRecognizer):
    """One layer of the detector as a Presidio recogniser of one language."""

    def __init__(self, layer: str, language: str, known: Known = ()) -> None:
        self.layer, self.known = layer, known
        super().__init__(
            supported_entities=list(LABELS),
            name=f"{layer}-{language}",
            supported_language=language,
            context=list(_CONTEXT[layer]),
        )

    def load(self) -> None:
        """Do nothing: the rules are compiled with their module."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  # Presidio's signature
    ) -> list[RecognizerResult]:
        """Return what the layer finds; the tagger and propagation first look at what the others found."""
        folded = fold(text)
        layers = ALL_LAYERS if self.layer in ("tagger", "propagation") else frozenset({self.layer})
        found = [folded.back(span) for span in raw_spans(folded.text, layers, self.known) if span.source == self.layer]
        best = {
            (s.start, s.end, s.label): s for s in sorted(found, key=lambda s: s.score)
        }  # Presidio keeps one of them
        return [self._result(span) for span in best.values() if span.label in entities]

    def _result(self, span: Span) -> RecognizerResult:
        return RecognizerResult(
            span.label,
            span.start,
            span.end,
            span.score,
            recognition_metadata={
                RecognizerResult.RECOGNIZER_NAME_KEY: f"{self.layer}-{self.supported_language}",
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                "layer": self.layer,
                "score": span.score,
            },
        )


class WindowContextEnhancer(ContextAwareEnhancer):
    """Raises a score when a context word stands shortly before the span, in the raw text.

    Presidio's own enhancer compares tokens, and Chinese has none without a model.
    """

    def __init__(self, window: int = 12) -> None:
        super().__init__(
            context_similarity_factor=0.35,
            min_score_with_context_similarity=0.4,
            context_prefix_count=window,
            context_suffix_count=0,
        )

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,  # noqa: ARG002  # Presidio's signature
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        """Return the results with raised scores; nothing is added or taken away."""
        words = {r.id: [*r.context, *(context or [])] for r in recognizers if r.context}
        for result in raw_results:
            metadata = result.recognition_metadata or {}
            around = text[max(0, result.start - self.context_prefix_count) : result.start]
            nearby = words.get(metadata.get(RecognizerResult.RECOGNIZER_IDENTIFIER_KEY, ""), [])
            if any(re.search(re.escape(word), around, re.IGNORECASE) for word in nearby):
                raised = max(result.score + self.context_similarity_factor, self.min_score_with_context_similarity)
                result.score = min(1.0, raised)
        return raw_results


def analyzer(layers: frozenset[str] = ALL_LAYERS, known: Known = ()) -> AnalyzerEngine:
    """Return a Presidio analyzer with these layers in Chinese and English."""
    recognizers = [LayerRecognizer(name, lang, known) for lang in LANGUAGES for name in LAYER_ORDER if name in layers]
    engine = NoOpNlpEngine(models=[{"lang_code": lang, "model_name": ""} for lang in LANGUAGES])
    engine.load()
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers, supported_languages=list(LANGUAGES)),
        nlp_engine=engine,
        supported_languages=list(LANGUAGES),
        context_aware_enhancer=WindowContextEnhancer(),
    )


def spans(text: str, results: Sequence[RecognizerResult]) -> tuple[Span, ...]:
    """Return Presidio's results as the detector gives them: ordered, without overlaps, scores before context."""
    return resolve((_span(result) for result in results), text)


def _span(result: Any) -> Span:
    metadata = result.recognition_metadata
    return Span(result.start, result.end, result.entity_type, metadata["score"], metadata["layer"])
