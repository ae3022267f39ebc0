"""How hard hypothesis tries. As a rule it tries the same inputs in each run; with
``HYPOTHESIS_PROFILE=soak`` it tries twenty times as many, others in each run."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TIMES = {"usual": 1, "soak": 20}
_NAME = os.environ.get("HYPOTHESIS_PROFILE", "usual")

settings.register_profile(
    "usual",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile(
    "soak",
    settings.get_profile("usual"),
    derandomize=False,
    print_blob=True,
)


def load() -> None:
    """Have hypothesis try as hard as the environment says."""
    settings.load_profile(_NAME)


def times(count: int) -> int:
    """How many inputs a test is to try that tries so many as a rule."""
    return count * _TIMES[_NAME]
