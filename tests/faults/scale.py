"""How much the proofs of this directory do, and which chance they follow.

As a rule they are quick, and do the same in each run. ``CORDUROY_SOAK=20`` has them do twenty times as
much, by chance that is new in each run and told; ``CORDUROY_SEED=…`` has them follow that chance again.
"""

from __future__ import annotations

import os
import random

SCALE = int(os.environ.get("CORDUROY_SOAK", "1"))


def seed(default: int) -> int:
    """Give the seed of a proof, and tell it, for the report of a failure.

    Args:
        default (int): what it is as a rule.

    Returns:
        int: what ``random.Random`` is to begin with.
    """
    told = os.environ.get("CORDUROY_SEED")
    chosen = int(told) if told else default if SCALE == 1 else random.SystemRandom().getrandbits(32)
    print(f"again: CORDUROY_SOAK={SCALE} CORDUROY_SEED={chosen}")
    return chosen
