import threading

import pytest

from app.cache import Cache


def test_an_answer_is_taken_once_for_all_who_ask_meanwhile():
    asked, cache = [], Cache()
    for _ in range(3):
        assert cache.get("x", 60, lambda: asked.append(1) or "answer") == "answer"
    assert len(asked) == 1


def test_an_answer_that_is_too_old_is_taken_anew():
    answers, cache = iter("ab"), Cache()
    assert [cache.get("x", -1, lambda: next(answers)) for _ in range(2)] == ["a", "b"]


def test_a_failure_is_the_same_for_all_who_waited_for_it():
    cache, begun, go, asked = Cache(), threading.Event(), threading.Event(), []

    def fail():
        asked.append(1)
        begun.set()
        assert go.wait(10)
        raise OSError("away")

    def ask():
        with pytest.raises(OSError, match="away"):
            cache.get("x", 60, fail)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(asked) == 1


def test_one_name_does_not_wait_for_another():
    cache = Cache()
    assert cache.get("slow", 60, lambda: cache.get("quick", 60, lambda: "answer")) == "answer"
