"""Whose turn it is to change the control log."""

from __future__ import annotations

from lakeflow.log.turns import Turns


def turns(made: str, me: str) -> Turns:
    """Return turns after events by makers that are a letter each."""
    found = Turns(me)
    for maker in made:
        found.note(maker)
    return found


ROUND = "abc" + "a" * 7 + "b" * 7 + "c" * 7 + "a" * 7
"""Each begins with one change, and makes seven the next time."""


def test_a_new_one_comes_after_the_present_turn() -> None:
    assert turns("", "d").ahead() == 0
    assert turns("a", "d").ahead() == 0
    assert turns("aa", "d").ahead() == 0
    assert turns("aaa", "d").ahead() == 1
    assert turns(ROUND + "b", "d").ahead() == 6


def test_who_had_a_turn_waits_for_all_others() -> None:
    assert [turns(ROUND + "b", each).ahead() for each in "bca"] == [0, 6, 13]
    assert [turns(ROUND + "b" * 7, each).ahead() for each in "bca"] == [0, 0, 7]
    assert [turns(ROUND + "b" * 7 + "c", each).ahead() for each in "bca"] == [13, 0, 6]


def test_who_made_one_change_is_expected_to_make_one() -> None:
    assert [turns("abcdea", each).ahead() for each in "bcdea"] == [0, 1, 2, 3, 0]


def test_who_does_not_come_is_not_waited_for_again() -> None:
    skipped = ROUND + "b" * 7 + "a" * 7  # without c
    assert turns(skipped, "b").ahead() == 0
    assert turns(skipped, "d").ahead() == 0
    assert turns(skipped + "c", "b").ahead() == 0
    assert turns(skipped + "c", "a").ahead() == 7


def test_who_lets_the_same_one_have_another_turn_has_not_come() -> None:
    again = ROUND + "b" * 8  # c was to come
    assert turns(again, "a").ahead() == 6
    assert turns(again + "b" * 6 + "a" * 7, "b").ahead() == 0
    assert turns(again + "b" * 6 + "ac", "a").ahead() == 7


def test_a_turn_ends_and_goes_on_if_nobody_comes() -> None:
    ends = [n for n in range(1, 100) if turns("a" * n, "a").is_over()]
    assert ends == [1, 2, 4, 8, 15, 22, 29, 57, 85]
    ends = [n for n in range(1, 90) if turns(ROUND + "b" * n, "b").is_over()]
    assert ends == [7, 14, 21, 28, 56, 84]
    assert not turns("a" * 6, "b").is_over()


def test_a_turn_that_went_on_for_long_says_that_nobody_is_there() -> None:
    assert not turns("a" * 15, "a").is_long()
    assert turns("a" * 29, "a").is_long()
    assert not turns("a" * 29, "b").is_long()


def test_the_more_are_at_work_the_shorter_are_turns() -> None:
    makers = [chr(ord("A") + number) for number in range(64)]
    crowd = "".join(makers) + "".join(maker * 2 for maker in makers) * 2
    assert turns(crowd + "AA", "A").is_over()
    assert turns(crowd + "AA", makers[-1]).ahead() == 2 * 62


def test_no_more_than_some_are_waited_for() -> None:
    makers = [chr(ord("A") + number) for number in range(1000)]
    crowded = turns("".join(makers), makers[-2])
    assert crowded.ahead() <= 128


def test_those_of_long_ago_are_forgotten() -> None:
    found = turns(ROUND + "b", "a")
    found.forget_others()
    assert found.ahead() == 6
    assert found.holder == "b"
