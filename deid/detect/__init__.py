"""Identifiers in free text: what they are, where they stand, and how to take them out."""

from deid.detect.detector import ALL_LAYERS, Detector, Known, detector
from deid.detect.span import LABELS, Span

__all__ = ["ALL_LAYERS", "LABELS", "Detector", "Known", "Span", "detector"]
