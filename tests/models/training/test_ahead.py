"""The next batch is loaded while this one is used."""

import threading

import pytest

from models.training.ahead import ahead


def test_the_next_is_loaded_while_this_one_is_used():
    loaded = [threading.Event() for _ in range(3)]

    def load(k: int) -> int:
        loaded[k].set()
        return 10 * k

    for k, batch in enumerate(ahead(load, range(3))):
        assert batch == 10 * k
        if k < 2:
            assert loaded[k + 1].wait(5)
        if k == 0:
            assert not loaded[2].is_set()


def test_what_goes_wrong_in_loading_is_raised_where_the_batch_is_used():
    batches = ahead(lambda k: 1 // k, [1, 0])
    assert next(batches) == 1
    with pytest.raises(ZeroDivisionError):
        next(batches)
