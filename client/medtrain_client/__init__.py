"""What a partner installs: pack a model for the facility, check it, load the trained one.

>>> from medtrain_client import load                # doctest: +SKIP
>>> model = load("release/")                        # doctest: +SKIP
>>> model(torch.zeros(5, 12)).shape                 # doctest: +SKIP
torch.Size([5, 2])
"""

from medtrain_client.release import load

__version__ = "0.1.0"
__all__ = ["load"]
