"""Whose turn it is to change the control log."""

from __future__ import annotations

from lakeflow.log.turns import Turns


def turns(made: str, me: str) -> Turns:
    """Return turns after events by makers that are a letter each."""
    found = Turns(me)
    for maker in made:
        found.note(maker)
    return found


ROUND = "a" + "b" * 6 + "c" * 6 + "a" * 6
"""Each begins with one change, and makes six the next time."""


def test_a_new_one_comes_after_the_present_turn() -> None:
    assert turns("", "d").ahead() == 0
    assert turns("a", "d").ahead() == 0
    assert turns("aa", "d").ahead() == 0
    assert turns("aaa", "d").ahead() == 1
    assert turns(ROUND + "b", "d").ahead() == 5


def test_who_had_a_turn_waits_for_all_others() -> None:
    assert [turns(ROUND + "b", each).ahead() for each in "bca"] == [0, 5, 11]
    assert [turns(ROUND + "b" * 6, each).ahead() for each in "bca"] == [0, 0, 6]
    assert [turns(ROUND + "b" * 6 + "c", each).ahead() for each in "bca"] == [11, 0, 5]


def test_who_made_one_change_is_expected_to_make_one() -> None:
    assert [turns("abcdea", each).ahead() for each in "bcdea"] == [0, 1, 2, 3, 0]


def test_who_does_not_come_is_not_waited_for_again() -> None:
    skipped = ROUND + "b" * 6 + "a" * 6  # without c
    assert turns(skipped, "b").ahead() == 0
    assert turns(skipped, "d").ahead() == 0
    assert turns(skipped + "c", "b").ahead() == 0
    assert turns(skipped + "c", "a").ahead() == 6


def test_a_turn_ends_and_goes_on_if_nobody_comes() -> None:
    ends = [n for n in range(1, 100) if turns("a" * n, "a").is_over()]
    assert ends == [1, 2, 4, 8, 14, 20, 26, 50, 74, 98]
    ends = [n for n in range(1, 90) if turns(ROUND + "b" * n, "b").is_over()]
    assert ends == [6, 12, 18, 24, 48, 72]
    assert not turns("a" * 6, "b").is_over()


def test_a_turn_that_went_on_for_long_says_that_nobody_is_there() -> None:
    assert not turns("a" * 14, "a").is_long()
    assert turns("a" * 26, "a").is_long()
    assert not turns("a" * 26, "b").is_long()


def test_the_more_are_at_work_the_shorter_are_turns() -> None:
    makers = [chr(ord("A") + number) for number in range(64)]
    crowd = "".join(maker * 8 for maker in makers) * 2
    assert turns(crowd + "AA", "A").is_over()
    assert turns(crowd + "AA", makers[-1]).ahead() == 2 * 62


def test_no_more_than_some_are_waited_for() -> None:
    makers = [chr(ord("A") + number) for number in range(1000)]
    crowded = turns("".join(makers), makers[-2])
    assert crowded.ahead() <= 128


def test_those_of_long_ago_are_forgotten() -> None:
    found = turns(ROUND + "b", "a")
    found.forget_others()
    assert found.ahead() == 5
    assert found.holder == "b"
