"""How long to wait before the next attempt."""

from __future__ import annotations

import datetime
import email.utils

import pytest

from corduroy.transport.backoff import Backoff, retry_after


def test_delays_are_drawn_below_a_bound_that_doubles_up_to_a_cap():
    for _ in range(50):
        backoff = Backoff(first=0.5, most=4.0)
        for bound in (0.5, 1.0, 2.0, 4.0, 4.0):
            assert backoff.bound == bound
            assert 0.0 <= backoff.delay() <= bound


def test_delays_differ_so_that_clients_do_not_come_in_step():
    assert len({Backoff().delay() for _ in range(20)}) > 10


def test_a_success_starts_over():
    backoff = Backoff(first=0.5, most=100.0)
    for _ in range(2000):
        backoff.delay()
    assert backoff.bound == 100.0
    backoff.start_over()
    assert backoff.bound == 0.5
    assert backoff.failures == 0


def test_what_the_server_asks_for_comes_first():
    assert 7.0 <= Backoff(first=0.5).delay(at_least=7.0) <= 7.5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, 0), ("", 0), ("x", 0), ("-3", 0), ("nan", 0), ("2", 2), ("1.5", 1.5), ("1e9", 3600)],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_as_a_date():
    now = datetime.datetime.now(datetime.UTC)
    soon = email.utils.format_datetime(now + datetime.timedelta(seconds=60), usegmt=True)
    assert 55 < retry_after(soon) < 61
    past = email.utils.format_datetime(now - datetime.timedelta(seconds=60), usegmt=True)
    assert retry_after(past) == 0
    assert retry_after("Sun, 06 Nov 1994 08:49:37 -0000") == 0


@pytest.mark.parametrize(
    "value",
    [
        f"Sun, {'9' * 20} Nov 1994 08:49:37 GMT",
        f"Sun, 06 Nov 1994 {'9' * 14}:49:37 GMT",
        f"Sun, 06 Nov 1994 08:49:37 +{'9' * 20}",
    ],
)
def test_a_date_that_no_calendar_has_says_nothing(value):
    assert retry_after(value) == 0
