"""Batches: every sample once an epoch, in an order that the seed and the epoch decide."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dltrain.data.loader import TensorLoader, batch_sizes, permutation
from dltrain.errors import DataError
from dltrain.kinds.image.pixels import Normalize
from dltrain.types import Batch, Split

CPU = torch.device("cpu")


def loader(count: int, batch_size: int, **options: Any) -> TensorLoader:
    """Sample n holds n, twice its value in a second input, and -n as its target."""
    numbers = torch.arange(count)
    return TensorLoader(Split((numbers, 2 * numbers), -numbers, ("",) * count), batch_size, CPU, **options)


def epoch(batches: TensorLoader, number: int = 0) -> list[list[int]]:
    batches.set_epoch(number)
    return [batch.inputs[0].tolist() for batch in batches]


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.one_of(st.none(), st.integers(0, 9)), st.integers(0, 3))
def test_an_epoch_holds_every_sample_once(count: int, size: int, seed: int | None, number: int) -> None:
    batches = loader(count, size, seed=seed)
    seen = epoch(batches, number)
    assert len(seen) == len(batches) == -(-count // size)
    assert sorted(chain(*seen)) == list(range(count))
    assert [len(batch) for batch in seen[:-1]] == [size] * (len(seen) - 1)
    assert batches.samples == count


def test_inputs_and_targets_stay_together() -> None:
    for batch in loader(50, 8, seed=0):
        assert torch.equal(batch.inputs[1], 2 * batch.inputs[0])
        assert torch.equal(batch.target, -batch.inputs[0])


def test_the_seed_and_the_epoch_decide_the_order() -> None:
    orders = [str(epoch(loader(40, 8, seed=seed), number)) for seed in range(4) for number in range(4)]
    assert len(set(orders)) == 16
    one = loader(40, 8, seed=1)
    assert [str(epoch(one, number)) for number in (3, 0, 3)] == [orders[7], orders[4], orders[7]]
    assert [str([batch.inputs[0].tolist() for batch in one]) for _ in range(2)] == [orders[7]] * 2


def test_the_global_seed_is_neither_used_nor_changed() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = epoch(loader(40, 8, seed=1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert epoch(loader(40, 8, seed=1)) == first


def test_orders_are_fixed_for_all_time() -> None:
    """Changing them would change every run's numbers."""
    assert permutation(8, 0, 0).tolist() == [3, 2, 5, 1, 7, 4, 6, 0]
    assert permutation(8, 3, 17).tolist() == [5, 7, 2, 4, 0, 6, 3, 1]


@pytest.mark.parametrize("size", [30, 31, 1000])
def test_a_full_batch_is_not_permuted(size: int) -> None:
    assert epoch(loader(30, size, seed=1), 5) == [list(range(30))]


def test_without_a_seed_samples_keep_their_order() -> None:
    assert epoch(loader(7, 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_in_order_is_the_same_split_unshuffled() -> None:
    shuffled = loader(20, 6, seed=1)
    plain = shuffled.in_order()
    assert list(chain(*epoch(plain))) == list(range(20))
    assert list(chain(*epoch(shuffled))) != list(range(20))
    assert plain.inputs[0] is shuffled.inputs[0]


def test_in_order_may_have_larger_batches_of_the_same_samples() -> None:
    assert epoch(loader(7, 2, seed=1).in_order(batch_size=4)) == [[0, 1, 2, 3], [4, 5, 6]]
    assert epoch(loader(7, 2, seed=1, limit=2).in_order(batch_size=3)) == [[0, 1, 2], [3]]
    drawn = loader(7, 2, draw=lambda inputs, *_: inputs)  # what it draws may depend on the batch
    assert [len(batch.target) for batch in drawn.in_order(batch_size=4)] == [2, 2, 2, 1]


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert epoch(loader(7, 3, merge_single=True)) == [[0, 1, 2], [3, 4, 5, 6]]
    assert epoch(loader(8, 3, merge_single=True)) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert epoch(loader(4, 3, merge_single=True, seed=2), 1) == [[0, 1, 2, 3]]  # which is the full batch
    assert sorted(map(len, epoch(loader(9, 4, merge_single=True, seed=2)))) == [4, 5]


@pytest.mark.parametrize(("count", "size"), [(5, 1), (1, 4), (1, 1)])
def test_batches_of_one_alone_are_refused(count: int, size: int) -> None:
    with pytest.raises(DataError, match="batches of one sample") as refused:
        batch_sizes(count, size, merge_single=True)
    assert refused.value.override == "trainer.batch_size=2"


@pytest.mark.parametrize("seed", [None, 3])
def test_a_limit_leaves_later_batches_out(seed: int | None) -> None:
    limited, whole = loader(20, 4, seed=seed, limit=2), loader(20, 4, seed=seed)
    assert epoch(limited, 2) == epoch(whole, 2)[:2]
    assert (len(limited), limited.samples) == (2, 8)
    assert epoch(loader(20, 4, seed=seed, limit=99), 2) == epoch(whole, 2)


@pytest.mark.parametrize("seed", [None, 3])
def test_prepare_is_applied_to_each_batch(seed: int | None) -> None:
    def prepare(inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
        return (inputs[0] * 10,)

    for batch in loader(10, 4, seed=seed, prepare=prepare):
        (prepared,) = batch.inputs
        assert torch.equal(prepared, batch.target * -10)


class Halved:
    """Halves each sample, and counts how often it is called."""

    of_each_sample = True

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, inputs: tuple[Tensor, ...], /) -> tuple[Tensor, ...]:
        self.calls += 1
        return tuple(values / 2 for values in inputs)


@pytest.mark.parametrize("seed", [None, 1])
def test_what_changes_each_sample_by_itself_prepares_an_epoch_at_once(seed: int | None) -> None:
    prepare = Halved()
    batches = loader(10, 4, seed=seed, prepare=prepare)
    for number in range(2):
        batches.set_epoch(number)
        for batch in batches:
            assert torch.equal(batch.inputs[0], -batch.target / 2)
            assert torch.equal(batch.inputs[1], -batch.target.float())
        assert prepare.calls == 2 + number  # the first call shows how large a sample becomes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", [None, 1])
def test_images_standardised_at_once_have_the_bits_of_batches(
    channels: int, seed: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = torch.randint(256, (23, channels, 7, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split((images, torch.randn(23, 2)), torch.arange(23), ("",) * 23, fold=torch.arange(23) % 4)
    prepare = Normalize((0.3, 0.5, 0.45), (0.2, 0.25, 0.3))
    made = []
    for most in (2**24, 0):
        monkeypatch.setattr("dltrain.data.loader.MOST_BYTES", most)
        batches = TensorLoader(split, 5, CPU, prepare=prepare, seed=seed)
        batches.set_epoch(3, start=2)
        made.append(list(batches))
    assert len(made[0]) == 3
    for one, other in zip(*made, strict=True):
        assert [part.shape[1:] for part in one.inputs] == [(3, 7, 5), (2,)]
        assert all(map(torch.equal, one.inputs, other.inputs))
        assert torch.equal(one.target, other.target)
        assert one.fold is not None
        assert other.fold is not None
        assert torch.equal(one.fold, other.fold)


def test_what_says_that_it_depends_on_the_batch_prepares_batches() -> None:
    prepare = Halved()
    prepare.of_each_sample = False
    assert len(list(loader(10, 4, prepare=prepare))) == prepare.calls == 3


def test_what_changes_each_sample_prepares_batches_that_are_changed_or_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def negate(inputs: tuple[Tensor, ...], *_: int) -> tuple[Tensor, ...]:
        return tuple(-values for values in inputs)

    changes: list[dict[str, Any]] = [{"change": negate}, {"draw": negate}, {}]
    for options in changes:
        prepare = Halved()
        if not options:
            monkeypatch.setattr("dltrain.data.loader.MOST_BYTES", 4 * 20 - 1)
        for batch in loader(10, 4, seed=1, prepare=prepare, **options):
            assert torch.equal(batch.inputs[0], batch.target / (2 if options else -2))
        assert prepare.calls == 3


def test_batches_hold_samples_of_about_the_same_length_in_an_order_of_seed_and_epoch_alone() -> None:
    lengths = torch.randint(1, 60, (2000,), generator=torch.Generator().manual_seed(0))
    split = Split((torch.arange(2000), lengths), torch.arange(2000), tuple(map(str, range(2000))))

    def batches(number: int, bucket_by_length: bool = True) -> list[Batch]:
        made = TensorLoader(split, 64, torch.device("cpu"), seed=3, bucket_by_length=bucket_by_length)
        made.set_epoch(number)
        return list(made)

    one, again, later = batches(0), batches(0), batches(1)
    assert [batch.target.tolist() for batch in one] == [batch.target.tolist() for batch in again]
    assert [batch.target.tolist() for batch in one] != [batch.target.tolist() for batch in later]
    assert sorted(torch.cat([batch.target for batch in one]).tolist()) == list(range(2000))
    assert [len(batch.target) for batch in one] == [64] * 31 + [16]
    padded = {flag: sum(64 * int(batch.inputs[1].max()) for batch in batches(0, flag)) for flag in (True, False)}
    assert padded[True] < 0.65 * padded[False]
    longest = [int(batch.inputs[1].max()) for batch in one[:-1]]
    assert longest != sorted(longest)
