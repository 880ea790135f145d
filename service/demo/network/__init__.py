"""An invented network of three Shanghai hospitals with overlapping patients, and the truth about it."""

from service.demo.network.generate import generate
from service.demo.network.truth import Identifier, Truth

__all__ = ["Identifier", "Truth", "generate"]
