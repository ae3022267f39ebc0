"""Random faults come back with their seed, and hit what they are told to."""

from __future__ import annotations

from collections import Counter

from tests.faults.proxy import (
    Answer,
    Cut,
    CutInLine,
    Lost,
    Request,
    Reset,
    Silence,
    Stall,
    random_faults,
)

COUNT = 5000


def requests(target="/db"):
    return [Request("GET", target, {}, number) for number in range(1, COUNT + 1)]


def faults(plan):
    return [fault for fault in map(plan, requests()) if fault is not None]


def test_a_seed_gives_the_same_faults():
    first, again, other = (list(map(random_faults(seed), requests())) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_most_requests_are_spared():
    assert 0.08 < len(faults(random_faults(1))) / COUNT < 0.12
    assert not faults(random_faults(1, spare=1))
    assert len(faults(random_faults(1, spare=0))) == COUNT


def test_all_kinds_come_and_those_that_cost_a_timeout_are_rare():
    found = Counter(type(fault) for fault in faults(random_faults(1, spare=0)))
    assert len(found) == 11
    assert max(found[Silence], found[Stall]) < min(found[Cut], found[Answer], found[Lost]) / 3


def test_kinds_come_by_their_weights():
    plan = random_faults(1, spare=0, weights={Reset: 3, CutInLine: 1})
    found = Counter(type(fault) for fault in faults(plan))
    assert set(found) == {Reset, CutInLine}
    assert 2.5 < found[Reset] / found[CutInLine] < 3.5


def test_places_are_within_bounds_and_small_ones_likelier():
    plan = random_faults(1, spare=0, weights={Cut: 1}, within=1000)
    places = [fault.after for fault in faults(plan)]
    assert min(places) == 0
    assert 900 < max(places) <= 1000
    assert 0.4 < sum(place < 30 for place in places) / COUNT < 0.6


def test_only_some_requests_are_hit_and_others_do_not_count():
    def only(request):
        return "/_changes" in request.target

    hit, other = requests("/db/_changes"), requests("/db/x")
    plan = random_faults(1, spare=0.5, only=only)
    mixed = [(plan(second), plan(first)) for first, second in zip(hit, other, strict=True)]
    assert {fault for fault, _ in mixed} == {None}
    assert [fault for _, fault in mixed] == list(map(random_faults(1, spare=0.5), hit))
