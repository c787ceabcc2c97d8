"""Shards: chunks of a large set that are fetched, kept, verified and streamed."""

import errno
import itertools
import json
import multiprocessing
import shutil
import threading
import time
from pathlib import Path

import pytest
import torch

from darkroom import randomness
from darkroom.data import shards
from darkroom.data.datasets import ArraySet
from darkroom.data.shards import Cached, InPlace, Shards, store_of, write

SHAPE, NAMES, CHUNK = (3, 5, 4), ("dog", "cat", "cow"), 800


def image_set(n: int = 60, seed: int = 0) -> ArraySet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, *SHAPE), dtype=torch.uint8, generator=generator)
    return ArraySet(pixels, torch.randint(0, 3, (n,), generator=generator), NAMES)


def as_written(images: ArraySet) -> ArraySet:
    return images.subset(randomness.permutation(len(images), "shards"))


def in_place(folder: Path) -> Shards:
    return Shards(InPlace(str(folder)))


def cached(folder: Path, cache: Path, keep: int = 4) -> Shards:
    return Shards(Cached(f"local:{folder}", cache, keep, {}))


def check(read: Shards, images: ArraySet, index: torch.Tensor) -> None:
    """That some images read are those that were written."""
    batch, expected = read[torch.zeros_like(index), index], as_written(images)
    assert torch.equal(batch.images, expected.pixels[index])
    assert torch.equal(batch.labels, expected.labels[index])


@pytest.fixture
def images():
    return image_set()


@pytest.fixture
def train(images, tmp_path):
    """The folder of a written part."""
    write(tmp_path / "set", {"train": images}, CHUNK)
    return tmp_path / "set" / "train"


def test_what_was_written_is_read_to_the_last_bit(images, train):
    read = in_place(train)
    assert (len(read), read.shape, read.class_names, read.parts) == (60, SHAPE, NAMES, ["train"])
    assert read.fingerprint() == images.fingerprint()
    assert len(read.sizes) > 5
    check(read, images, torch.arange(60))
    check(read, images, torch.tensor([59, 0, 7, 7, 30]))
    assert torch.equal(read.first(9), as_written(images).pixels[:9])
    batch = read[[4, 5], [1, 2]]
    assert (batch.epochs.tolist(), batch.indices.tolist()) == ([4, 5], [1, 2])
    whole = read.to(torch.device("cpu"))
    assert whole.fingerprint() == as_written(images).fingerprint()


def test_litdata_itself_reads_them(images, train):
    from litdata import StreamingDataset

    pixels, label = StreamingDataset(str(train))[17]
    assert pixels == as_written(images).pixels[17].numpy().tobytes()
    assert label == as_written(images).labels[17]


def test_each_part_is_a_folder_and_empty_ones_are_none(images, tmp_path):
    parts = {"train": images, "validation": image_set(7, seed=1), "test": image_set(0)}
    write(tmp_path / "set", parts, CHUNK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["train", "validation"]
    for name in ("train", "validation"):
        read = in_place(tmp_path / "set" / name)
        assert read.parts == ["train", "validation"]
        check(read, parts[name], torch.arange(len(parts[name])))


def test_chunks_hold_as_many_images_as_fit_and_one_at_least(images, tmp_path):
    for chunk_bytes, sizes in ((CHUNK, {10}), (1, {1})):  # an image takes 60 bytes, and 16 beside
        write(tmp_path / str(chunk_bytes), {"train": images}, chunk_bytes)
        read = in_place(tmp_path / str(chunk_bytes) / "train")
        assert set(read.sizes) == sizes
        check(read, images, torch.arange(60))


def test_images_of_one_class_do_not_lie_together(tmp_path):
    images = ArraySet(image_set(300).pixels, torch.arange(300) // 100, NAMES)
    write(tmp_path / "set", {"train": images}, 2000)
    read = in_place(tmp_path / "set" / "train")
    for begin, size in zip(read.begins.tolist(), read.sizes[:-1], strict=False):
        index = torch.arange(begin, begin + size)
        assert len(read[torch.zeros_like(index), index].labels.unique()) > 1


def test_shards_of_shards_hold_the_same_images(images, train, tmp_path):
    write(tmp_path / "again", {"train": in_place(train)}, 2 * CHUNK)
    check(in_place(tmp_path / "again" / "train"), as_written(images), torch.arange(60))


def test_a_rank_among_others_writes_alone(images, tmp_path, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    write(tmp_path / "set", {"train": images}, CHUNK)
    check(in_place(tmp_path / "set" / "train"), images, torch.arange(60))


class Interrupted(ArraySet):
    """Raises in the midst of the images."""

    error: BaseException

    def __getitem__(self, key):
        if key[1].numel() and self.calls.pop():
            raise self.error
        return super().__getitem__(key)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("broken"), RuntimeError),
        (OSError(errno.ENOSPC, "No space left on device"), ValueError),
    ],
)
def test_an_interrupted_set_leaves_nothing_behind(error, seen, images, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "BLOCK_BYTES", 600)  # ten images
    broken = Interrupted(images.pixels, images.labels, NAMES)
    object.__setattr__(broken, "error", error)
    object.__setattr__(broken, "calls", [True, False, False, False])
    with pytest.raises(seen, match=r"set: No space .* need 0 MiB" if seen is ValueError else None):
        write(tmp_path / "set", {"train": images, "validation": broken}, CHUNK)
    assert broken.calls == []
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "set", {"train": images}, CHUNK)


@pytest.mark.parametrize("taken", ["set", "set.part"])
def test_a_folder_that_is_there_is_left_alone(taken, images, tmp_path):
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "mine").touch()
    with pytest.raises(ValueError, match=f"shards=.*{taken} is there already. Remove it, or type"):
        write(tmp_path / "set", {"train": images})
    assert [path.name for path in tmp_path.rglob("*")] == [taken, "mine"]


@pytest.mark.promise(
    "an index of shards is a stranger's, and could name files or code",
    "it is refused",
)
@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (["darkroom", "version"], 2),
        (["darkroom", "shape"], [3, 5, 5]),
        (["darkroom", "shape"], "large"),
        (["config", "data_format"], ["bytes", "pickle"]),
        (["config", "compression"], "zstd"),
        (["config", "encryption"], {"algorithm": "fernet"}),
        (["chunks", 1, "filename"], "../chunk-0-1.bin"),
        (["chunks", 1, "filename"], "index.json"),
        (["chunks", 1, "chunk_bytes"], 17),
        (["chunks", 1, "chunk_size"], 17),
        (["darkroom"], {}),
        (["chunks"], None),
    ],
)
def test_an_index_that_is_not_ours_is_refused(keys, value, train):
    index = json.loads((train / "index.json").read_text())
    place = index
    for key in keys[:-1]:
        place = place[key]
    assert place[keys[-1]] != value
    place[keys[-1]] = value
    (train / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="holds no shards of images as prepare"):
        in_place(train)


def test_half_an_index_and_none_are_refused(train):
    text = (train / "index.json").read_text()
    (train / "index.json").write_text(text[:100])
    with pytest.raises(ValueError, match="holds no shards of images"):
        in_place(train)
    with pytest.raises(ValueError, match=r"data\.root: no shards in .*else .No such file"):
        in_place(train / "else")


def test_shards_come_from_where_single_files_can_be_fetched(tmp_path):
    for root in ("hf://datasets/someone/set", "https://example.org/set"):
        with pytest.raises(ValueError, match=r"shards come from a folder or from s3://, .* Copy"):
            store_of(root, tmp_path, 4, {})


@pytest.mark.promise("a chunk of shards is cut, longer or missing", "it is named, with what to do")
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"0" * 99)])
def test_a_damaged_chunk_is_named(damage, train):
    read = in_place(train)
    damage(train / "chunk-0-2.bin")
    read[[0], [0]]
    with pytest.raises(ValueError, match=r"chunk-0-2\.bin is missing, or .* Copy the shards again"):
        read.pixels_at(torch.arange(60))


def files_in(cache: Path) -> list[Path]:
    return [path for path in cache.glob("*/*") if path.name != "locks"]


def test_a_cache_never_holds_more_than_it_may_and_fetches_again(images, train, tmp_path):
    read = cached(train, tmp_path / "cache", keep=3)
    assert files_in(tmp_path / "cache") == []
    for seed in range(3):
        for index in torch.randperm(60, generator=torch.Generator().manual_seed(seed)).split(4):
            check(read, images, index)
            assert len(files_in(tmp_path / "cache")) <= 3
    assert len(files_in(tmp_path / "cache")) == 3


def test_the_chunks_last_read_stay(images, train, tmp_path):
    read = cached(train, tmp_path / "cache", keep=3)
    for chunk in (0, 1, 2, 0, 3):
        read.pixels_at(torch.tensor([read.begins[chunk]]))
        time.sleep(0.01)
    names = {path.name for path in files_in(tmp_path / "cache")}
    assert names == {"chunk-0-2.bin", "chunk-0-0.bin", "chunk-0-3.bin"}


def test_a_chunk_that_was_fetched_is_not_fetched_again(images, train, tmp_path):
    read = cached(train, tmp_path / "cache", keep=50)
    read.bring(0)
    check(read, images, torch.arange(60))
    for path in train.glob("chunk-*"):
        path.unlink()
    check(cached(train, tmp_path / "cache", keep=50), images, torch.arange(60))


def test_what_is_not_whole_in_the_cache_is_fetched_again(images, train, tmp_path):
    read = cached(train, tmp_path / "cache", keep=50)
    check(read, images, torch.arange(60))
    for path in files_in(tmp_path / "cache"):
        path.write_bytes(path.read_bytes()[:-1])
    check(read, images, torch.arange(60))


def test_other_content_at_the_same_address_is_read(images, train, tmp_path):
    check(cached(train, tmp_path / "cache", keep=50), images, torch.arange(60))
    shutil.rmtree(train.parent)
    write(train.parent, {"train": image_set(60, seed=1)}, CHUNK)
    check(cached(train, tmp_path / "cache", keep=50), image_set(60, seed=1), torch.arange(60))


def read_all(folder: Path, cache: Path, keep: int, seed: int) -> None:
    read = cached(folder, cache, keep)
    for epoch in range(4):
        generator = torch.Generator().manual_seed(100 * seed + epoch)
        for index in torch.randperm(60, generator=generator).split(5):
            check(read, image_set(), index)


def watched(workers, cache: Path) -> int:
    """The most files that were in the cache while the workers ran."""
    most = 0
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        most = max(most, len(files_in(cache)))
        time.sleep(0.001)
    return most


def test_threads_share_a_cache(train, tmp_path):
    failed = []

    def work(seed):
        try:
            read_all(train, tmp_path / "cache", 5, seed)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    assert 0 < watched(threads, tmp_path / "cache") <= 5
    assert failed == []


def test_who_wants_the_same_chunk_waits_for_the_first(train, tmp_path, quick):
    readers, tries = [cached(train, tmp_path / "cache") for _ in range(3)], quick()
    threads = [threading.Thread(target=read.bring, args=(0,)) for read in readers]
    watched(threads, tmp_path / "cache")
    assert tries == ["chunk-0-0.bin"]


@pytest.mark.slow
def test_processes_share_a_cache(train, tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=read_all, args=(train, tmp_path / "cache", 5, seed))
        for seed in range(2)
    ]
    assert 0 < watched(processes, tmp_path / "cache") <= 5
    assert [process.exitcode for process in processes] == [0, 0]


@pytest.fixture
def quick(monkeypatch):
    """Downloads are tried again at once. Gives what sets the errors of the coming tries."""
    monkeypatch.setattr(shards, "PAUSES", (0.001, 0.001, 0))
    real, tries = shards._download, []

    def fail(*errors):
        coming = itertools.chain(errors, itertools.repeat(None))

        def download(root, name, file, options):
            tries.append(name)
            time.sleep(0.05)
            if error := next(coming):
                file.write(b"half a file")
                raise error
            real(root, name, file, options)

        monkeypatch.setattr(shards, "_download", download)
        return tries

    return fail


@pytest.mark.promise("a chunk's download fails for a while", "it is tried again")
def test_a_download_that_fails_is_tried_again(images, train, tmp_path, quick):
    read = cached(train, tmp_path / "cache")
    tries = quick(ConnectionResetError("reset"), TimeoutError("slow"))
    check(read, images, torch.arange(60))
    assert tries[:4] == ["chunk-0-0.bin"] * 3 + ["chunk-0-1.bin"]


@pytest.mark.parametrize(
    ("error", "tried"), [(ConnectionResetError("no"), 3), (RuntimeError("no"), 1)]
)
def test_a_download_that_fails_for_good_is_told(error, tried, images, train, tmp_path, quick):
    read = cached(train, tmp_path / "cache")
    tries = quick(*[error] * tried)
    with pytest.raises(ValueError, match=r"local:/.*/chunk-0-0\.bin cannot be fetched: no\. Is"):
        read.first(1)
    assert len(tries) == tried
    check(read, images, torch.arange(60))


def test_a_file_that_is_not_there_is_told_at_once(train, tmp_path, quick):
    read = cached(train, tmp_path / "cache")
    (train / "chunk-0-1.bin").unlink()
    tries = quick()
    with pytest.raises(ValueError, match=r"chunk-0-1\.bin cannot be fetched: .*No such file"):
        read.first(60)
    with pytest.raises(ValueError, match=r"else/index\.json cannot be fetched: .*No such file"):
        cached(train / "else", tmp_path / "cache")
    assert tries == ["chunk-0-0.bin", "chunk-0-1.bin", "index.json"]


@pytest.mark.promise("half of a chunk arrives", "it is an error and never data")
def test_half_a_download_is_an_error_and_not_data(images, train, tmp_path, quick):
    read = cached(train, tmp_path / "cache")
    whole = (train / "chunk-0-0.bin").read_bytes()
    (train / "chunk-0-0.bin").write_bytes(whole[:100])
    quick()
    with pytest.raises(ValueError, match=rf"cannot be fetched: 100 of {len(whole)} bytes arrived"):
        read.first(1)
    assert not list((tmp_path / "cache").glob("*/*.bin"))
    (train / "chunk-0-0.bin").write_bytes(whole)
    check(read, images, torch.arange(60))


def test_addresses_are_fetched_by_litdata_with_few_tries(images, train, tmp_path, monkeypatch):
    from botocore import UNSIGNED
    from litdata.streaming import downloader

    asked = []

    class Bucket:
        def __init__(self, root, cache, chunks, options):
            asked.append(options)

        def download_fileobj(self, address, file):
            file.write((train / address.removeprefix("s3://bucket/set/")).read_bytes())

    monkeypatch.setattr(downloader, "get_downloader", Bucket)
    options = {"endpoint_url": "http://here", "anonymous": True}
    read = Shards(store_of("s3://bucket/set", tmp_path / "cache", 4, options))
    check(read, images, torch.arange(60))
    assert {each["endpoint_url"] for each in asked} == {"http://here"}
    assert not any("anonymous" in each for each in asked)
    assert {each["config"].signature_version for each in asked} == {UNSIGNED}
    assert {each["config"].retries["max_attempts"] for each in asked} == {5}
    store_of("s3://bucket/set", tmp_path / "cache", 4, {"config": "mine"})
    assert asked[-1] == {"config": "mine"}


@pytest.mark.slow
def test_a_bucket_is_read_through_http(images, train, tmp_path):
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    import boto3

    server.start()
    try:
        options = {
            "endpoint_url": "http://{}:{}".format(*server.get_host_and_port()),
            "aws_access_key_id": "id",
            "aws_secret_access_key": "key",
            "region_name": "us-east-1",
        }
        bucket = boto3.client("s3", **options)
        bucket.create_bucket(Bucket="bucket")

        def put(name, content):
            bucket.put_object(Bucket="bucket", Key=f"set/{name}", Body=content, ACL="public-read")

        for path in train.iterdir():
            put(path.name, path.read_bytes())
        anonymous = {key: options[key] for key in ("endpoint_url", "region_name")}
        for settings in (options, anonymous | {"anonymous": True}):
            cache = tmp_path / f"cache {len(settings)}"
            read = Shards(store_of("s3://bucket/set", cache, 4, settings))
            check(read, images, torch.arange(60))
            assert len(files_in(cache)) == 4
        put("chunk-0-0.bin", b"short")
        with pytest.raises(ValueError, match=r"cannot be fetched: 5 of \d+ bytes arrived"):
            read.first(1)
        with pytest.raises(
            ValueError, match=r"s3://bucket/none/index\.json cannot be fetched: .*404"
        ):
            store_of("s3://bucket/none", tmp_path, 4, options)
    finally:
        server.stop()
