import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from darkroom.data.datasets import ArraySet
from darkroom.data.stream import Dealt, HeldOutLoader, ResidentLoader, Shuffled, Stream

LENGTH, BATCH = 10, 4


class Clock:
    """Images seen, advanced by hand."""

    def __init__(self, images_seen=0):
        self.images_seen = images_seen

    def __call__(self):
        return self.images_seen


def places_of(batch):
    """(epoch, index) of each image of a batch, as the stream names it."""
    epochs, indices = batch
    return list(zip(epochs, indices, strict=True))


@pytest.fixture(params=["shuffled", "dealt"])
def places(request):
    """(epoch, index) of each of the coming images, over as many Lightning epochs as it takes."""

    def coming(images, start=0, seed=0, rank=0, world_size=1, batch_size=BATCH):
        clock = Clock(start)
        order = Shuffled(LENGTH, seed) if request.param == "shuffled" else Dealt([4, 3, 3], 2, seed)
        stream = Stream(order, batch_size, clock, rank, world_size)
        batches = []
        while clock() < start + images:
            for batch in stream:
                batches.append(places_of(batch))
                clock.images_seen += batch_size
        return batches[: images // batch_size]

    return coming


def flat(batches):
    return [place for batch in batches for place in batch]


def image_set(n):
    return ArraySet(torch.arange(n, dtype=torch.uint8).reshape(n, 1, 1, 1), torch.arange(n) % 3)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 5, 10])
def test_every_image_comes_once_in_an_epoch_for_any_batch_size(batch_size, places):
    coming = flat(places(6 * LENGTH, batch_size=batch_size))
    for epoch in range(len(coming) // LENGTH):
        drawn = coming[epoch * LENGTH : (epoch + 1) * LENGTH]
        assert sorted(drawn) == [(epoch, index) for index in range(LENGTH)]


def test_each_epoch_and_each_seed_has_an_order_of_its_own(places):
    first, second = (
        [index for _, index in flat(places(2 * LENGTH, batch_size=LENGTH))[part]]
        for part in (slice(LENGTH), slice(LENGTH, None))
    )
    other = [index for _, index in flat(places(LENGTH, seed=1, batch_size=LENGTH))]
    assert first != second
    assert first != other


def test_a_stream_gives_the_batches_at_the_clock_and_nothing_else():
    clock = Clock()
    stream = Stream(Shuffled(LENGTH, 0), BATCH, clock)
    assert len(stream) == len(list(stream)) == 2
    assert list(stream) == list(stream)
    first = list(stream)
    clock.images_seen = BATCH
    assert next(iter(stream)) == first[1]


@pytest.mark.parametrize("start", range(4, 60, 4))
def test_a_run_resumed_at_any_batch_sees_what_an_unbroken_run_sees(start, places):
    assert places(80 - start, start) == places(80)[start // BATCH :]


@pytest.mark.parametrize("world_size", [2, 4])
def test_devices_together_see_in_order_what_one_device_sees(world_size, places):
    shares = [places(60, rank=rank, world_size=world_size) for rank in range(world_size)]
    together = [flat(parts) for parts in zip(*shares, strict=True)]
    assert together == places(60)


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=9)


def chunks_of(images, sizes):
    """The chunk of each image."""
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))[images].tolist()


@given(SIZES, st.integers(1, 12), st.integers(1, 20), st.integers(0, 3))
def test_images_in_chunks_come_once_in_an_epoch_and_by_slots(sizes, window, batch_size, first):
    dealt, length = Dealt(sizes, window, seed=1), sum(sizes)
    start = first * length
    picked = [
        dealt.pick(torch.arange(place, min(place + batch_size, start + 2 * length)))
        for place in range(start, start + 2 * length, batch_size)
    ]
    epochs, indices = (torch.cat(parts).tolist() for parts in zip(*picked, strict=True))
    assert epochs == [first] * length + [first + 1] * length
    for epoch in (indices[:length], indices[length:]):
        assert sorted(epoch) == list(range(length))
    slots = [dealt.find(place)[0] for place in range(start, start + 2 * length)]
    assert slots == sorted(slots)
    for slot in range(slots[0], slots[-1] + 1):
        drawn = [index for index, where in zip(indices, slots, strict=True) if where == slot]
        assert set(chunks_of(drawn, sizes)) <= set(dealt.in_play(slot))
        assert len(dealt.in_play(slot)) == len(set(dealt.in_play(slot))) <= window


@given(SIZES, st.integers(1, 4), st.integers(0, 3))
def test_the_chunks_that_come_are_those_in_play_and_then_the_next(sizes, window, ahead):
    dealt, length = Dealt(sizes, window, seed=1), sum(sizes)
    for place in range(2 * length):
        coming, (slot, _) = dealt.coming(place, ahead), dealt.find(place)
        now = dealt.in_play(slot)
        assert coming[: len(now)] == now
        assert len(coming) == len(set(coming)) <= len(now) + ahead
        if slot % len(sizes) < len(sizes) - ahead:  # else the next epoch brings any
            news = [dealt.in_play(slot + step + 1)[0] for step in range(ahead)]
            assert coming[len(now) :] == [chunk for chunk in news if chunk not in now]


def test_chunks_are_mixed_with_each_other_and_anew_in_each_epoch():
    sizes, window = [50] * 20, 8
    dealt = Dealt(sizes, window, seed=0)
    _, indices = dealt.pick(torch.arange(3000))
    chunks = torch.tensor(chunks_of(indices, sizes))
    in_batch = [len(batch.unique()) for batch in chunks.split(32) if len(batch) == 32]
    assert sum(in_batch) / len(in_batch) > 0.9 * window
    alike = (chunks[1:] == chunks[:-1]).float().mean()  # 1/8, if the eight in play are well mixed
    assert 0.09 < alike < 0.16
    assert len({tuple(dealt.plan(epoch)[0]) for epoch in range(3)}) == 3
    assert len({tuple(torch.cat(dealt.deal(epoch, 0)).tolist()) for epoch in range(3)}) == 3


def test_each_slot_is_shuffled_in_a_way_of_its_own():
    dealt = Dealt([40] * 5, 2, seed=0)
    ways = [
        tuple(dealt.in_play(slot).index(chunk) for chunk in chunks_of(dealt.slot(slot), [40] * 5))
        for slot in range(10)
    ]
    assert len(set(ways)) == 10


def test_a_batch_as_large_as_the_set_is_the_largest():
    assert len(Stream(Shuffled(LENGTH, 0), LENGTH, Clock())) == 1
    with pytest.raises(ValueError, match=r"batch_size=11 .* 10 images.*Type data\.batch_size=5"):
        Stream(Shuffled(LENGTH, 0), LENGTH + 1, Clock())


def test_devices_that_cannot_share_a_batch_are_told_the_next_size():
    with pytest.raises(ValueError, match=r"batch_size=7 .* 3 devices.*Type data\.batch_size=9"):
        Stream(Shuffled(LENGTH, 0), 7, Clock(), world_size=3)


def test_resident_batches_hold_the_images_and_labels_of_their_places():
    images, stream = image_set(LENGTH), Stream(Shuffled(LENGTH, 0), BATCH, Clock())
    loader = ResidentLoader(images, stream)
    assert len(loader) == 2
    for batch, drawn in zip(loader, stream, strict=True):
        assert (batch.epochs.tolist(), batch.indices.tolist()) == drawn
        assert torch.equal(batch.images.flatten().long(), batch.indices)
        assert torch.equal(batch.labels, batch.indices % 3)


@pytest.mark.parametrize(
    ("length", "batch_size", "world_size"),
    [(9, 4, 2), (9, 8, 2), (9, 100, 2), (3, 2, 2), (17, 4, 4)],
)
def test_held_out_images_come_once_over_all_devices_in_full_step(length, batch_size, world_size):
    loaders = [
        HeldOutLoader(image_set(length), batch_size, rank, world_size) for rank in range(world_size)
    ]
    batches = [list(loader) for loader in loaders]
    assert {len(loader) for loader in loaders} == {len(mine) for mine in batches}
    assert len({len(loader) for loader in loaders}) == 1
    drawn = [
        index for step in zip(*batches, strict=True) for b in step for index in b.indices.tolist()
    ]
    assert drawn == list(range(length))


@pytest.mark.parametrize("batch_size", [2, 4])
@pytest.mark.parametrize("length", range(2, 20))
def test_no_device_gets_an_empty_held_out_batch(length, batch_size):
    for rank in range(2):
        assert all(
            len(batch.indices) for batch in HeldOutLoader(image_set(length), batch_size, rank, 2)
        )


def test_held_out_batches_hold_the_images_and_labels_of_their_places():
    for batch in HeldOutLoader(image_set(9), 4):
        assert len(batch.indices) <= 4
        assert torch.equal(batch.images.flatten().long(), batch.indices)
        assert torch.equal(batch.labels, batch.indices % 3)
        assert not batch.epochs.any()


def test_fewer_held_out_images_than_devices_are_refused():
    with pytest.raises(ValueError, match=r"1 images .* 2 devices.*data\.validation"):
        HeldOutLoader(image_set(1), 4, 0, 2)
