"""How hard hypothesis tries: as hard as the proofs of tests/faults/scale.py do. As a rule it tries the
same inputs in each run; with ``CORDUROY_SOAK=20`` twenty times as many, others in each run."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.faults.scale import SCALE

settings.register_profile(
    "usual",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("soak", settings.get_profile("usual"), derandomize=False, print_blob=True)


def load() -> None:
    """Have hypothesis try as hard as the environment says."""
    settings.load_profile("usual" if SCALE == 1 else "soak")


def times(count: int) -> int:
    """How many inputs a test is to try that tries so many as a rule."""
    return count * SCALE
