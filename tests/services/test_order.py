"""What an order and a wish may say, and how they are told off."""

from __future__ import annotations

import pytest

from autosys_tasks.services.queue.order import Invalid, TooLarge, parse_order, parse_wish


def test_an_order_needs_its_kind_alone() -> None:
    order = parse_order({"kind": "ping"}, None)
    assert (order.priority, order.max_attempts, order.timeout_s, order.payload) == (0, 3, 300, "{}")


def test_everything_wrong_with_an_order_is_said_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        parse_order(
            {"kind": "a b", "prioritty": 1, "max_attempts": 0, "delay_seconds": True, "payload": 3}, ""
        )
    told = {problem.where for problem in refused.value.problems}
    assert told == {"kind", "prioritty", "max_attempts", "delay_seconds", "payload", "idempotency_key"}
    assert all(f"`{name}`" in refused.value.message for name in told)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "5", None, 101, 1.5, 10**400])
def test_a_number_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        parse_order({"kind": "ping", "priority": value}, None)


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert parse_order({"kind": "ping", "priority": 3.0}, None).priority == 3


def test_a_payload_has_a_limit_and_no_infinite_number() -> None:
    with pytest.raises(TooLarge):
        parse_order({"kind": "ping", "payload": {"text": "x" * 300_000}}, None)
    with pytest.raises(Invalid):
        parse_order({"kind": "ping", "payload": {"n": float("inf")}}, None)


def test_any_text_is_kept_as_it_is() -> None:
    assert parse_order({"kind": "ping", "payload": {"제목": "\ud800"}}, None).payload.isascii()


@pytest.mark.parametrize("kinds", [None, [], {}, ["a b"], [1], {"command": "build"}, {"command": [1]}])
def test_a_wish_without_proper_kinds_is_refused(kinds: object) -> None:
    with pytest.raises(Invalid):
        parse_wish({"worker": "w", "kinds": kinds})


def test_a_wish_names_kinds_with_or_without_names() -> None:
    assert parse_wish({"worker": "w", "kinds": ["ping"]}).kinds == {"ping": None}
    told = parse_wish({"worker": "w", "kinds": {"command": ["b", "a"], "ping": None}}).kinds
    assert told == {"command": ("b", "a"), "ping": None}
