import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from darkroom.intake import sources
from darkroom.intake.sources import Archive, Directory, Entry, source_of

DICOM = b"\0" * 128 + b"DICM" + b"\1"
FILES = {
    "top.png": b"top",
    "cats/1.PNG": b"one",
    "cats/deep/down/2.jpeg": b"two!",
    "Größe/猫.webp": b"cat",
    "scans/IM0001": DICOM,
    "scans/slice.dcm": b"slice",
}
LEFT_OUT = {
    ".hidden.png": b"x",
    ".git/inside.png": b"x",
    "cats/._1.PNG": b"x",
    "notes.txt": b"x",
    "cats/notes.TXT": b"x",
    "README": b"too short to be DICOM",
    "cats/LICENSE": b"x" * 500,
}


def folder(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Directory(root)


def archive(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in files.items() if isinstance(files, dict) else files:
            file.writestr(zipfile.ZipInfo(name), content, compression)
    return Archive(path)


def patched(path, local, central, fields):
    """Overwrites fields of the only member's headers, each at its place in both of them."""
    content = bytearray(path.read_bytes())
    places = content.index(b"PK\3\4"), content.index(b"PK\1\2")
    for place, offset in zip(places, (local, central), strict=True):
        content[place + offset : place + offset + len(fields)] = fields
    path.write_bytes(content)
    return Archive(path)


def names(listing):
    return [entry.name for entry in listing.entries]


@pytest.mark.parametrize("make", [folder, lambda root, files: archive(root / "a.zip", files)])
def test_everything_that_may_be_an_image_is_listed_by_name_and_the_rest_counted(make, tmp_path):
    source = make(tmp_path, FILES | LEFT_OUT)
    listing = source.listing()
    assert listing.ignored == {".txt": 2, "": 2}
    assert names(listing) == sorted(FILES)
    assert [entry.size for entry in listing.entries] == [len(FILES[name]) for name in sorted(FILES)]
    assert listing.refused == {}
    assert {name: source.read(name) for name in names(listing)} == FILES


def test_what_a_mac_adds_to_an_archive_is_left_out(tmp_path):
    source = archive(tmp_path / "a.zip", {"a.png": b"a", "__MACOSX/a.png": b"", "b/.DS_Store": b""})
    assert names(source.listing()) == ["a.png"]
    assert not source.listing().refused
    assert not source.listing().ignored


def test_folders_in_an_archive_are_no_files(tmp_path):
    source = archive(tmp_path / "a.zip", {"cats/": b"", "dogs.png/": b"", "cats/1.png": b"1"})
    listing = source.listing()
    assert (names(listing), listing.refused, listing.ignored) == (["cats/1.png"], {}, {})


def test_a_change_of_a_file_changes_its_stamp(tmp_path):
    source = folder(tmp_path, {"a.png": b"a", "b.png": b"b"})
    before = source.listing().entries
    assert source.listing().entries == before
    os.utime(tmp_path / "a.png", ns=(5, 5))
    after = source.listing().entries
    assert after == [Entry("a.png", 1, 5), before[1]]


def test_a_change_of_a_member_changes_its_stamp(tmp_path):
    before = archive(tmp_path / "a.zip", {"a.png": b"a"}).listing().entries
    assert before == [Entry("a.png", 1, zlib.crc32(b"a"))]
    assert archive(tmp_path / "b.zip", {"a.png": b"b"}).listing().entries != before


@pytest.mark.promise(
    "a folder of images holds a link to a folder above it",
    "each image is listed once",
)
def test_a_loop_of_links_ends_and_lists_each_image_once(tmp_path):
    source = folder(tmp_path, {"deep/a.png": b"a"})
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "deep" / "here").symlink_to(".")
    listing = source.listing()
    assert (names(listing), listing.refused) == (["deep/a.png"], {})


def test_links_to_other_folders_and_files_are_followed(tmp_path):
    folder(tmp_path / "elsewhere", {"a.png": b"a", "more/b.png": b"b"})
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "all").symlink_to(tmp_path / "elsewhere" / "more")
    (tmp_path / "root" / "one.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    source = Directory(tmp_path / "root")
    assert names(source.listing()) == ["all/b.png", "one.png"]
    assert source.read("all/b.png") == b"b"


@pytest.mark.promise(
    "a folder of images holds links to nowhere and to themselves",
    "they are refused by name, and the others are read",
)
def test_a_link_to_nowhere_or_to_itself_is_refused_by_name(tmp_path):
    source = folder(tmp_path, {"a.png": b"a"})
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.png").symlink_to("loop.png")
    listing = source.listing()
    assert names(listing) == ["a.png"]
    assert listing.refused == {
        "broken.png": "No such file or directory",
        "loop": "Too many levels of symbolic links",
        "loop.png": "Too many levels of symbolic links",
    }


def test_a_folder_that_cannot_be_read_is_refused_and_the_others_are_read(tmp_path, monkeypatch):
    source = folder(tmp_path, {"closed/a.png": b"a", "open/b.png": b"b"})
    scandir = os.scandir

    def closed(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    listing = source.listing()
    assert names(listing) == ["open/b.png"]
    assert listing.refused == {"closed": "Permission denied"}


@pytest.mark.promise(
    "a folder of images holds a pipe, which would be waited for",
    "it is refused and never opened",
)
@pytest.mark.parametrize("name", ["pipe.png", "pipe"])
def test_a_pipe_is_refused_and_never_opened(name, tmp_path):
    source = folder(tmp_path, {"a.png": b"a"})
    os.mkfifo(tmp_path / name)  # opening it would wait for ever
    listing = source.listing()
    assert names(listing) == ["a.png"]
    assert listing.refused == {name: "is a device or a pipe and no file"}


@pytest.mark.promise(
    "a file larger than any picture lies among the images",
    "it is refused before it is read",
)
def test_a_huge_file_is_refused(tmp_path):
    source = folder(tmp_path, {"a.png": b"a", "huge.png": b""})
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(sources.MAX_BYTES + 1)  # a hole: it takes no room
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(sources.MAX_BYTES)
    listing = source.listing()
    assert names(listing) == ["a.png"]
    assert listing.refused == {"huge.png": "is larger than 1024 MiB"}


def test_a_file_that_disappears_is_an_error_of_the_system(tmp_path):
    source = folder(tmp_path, {"a.png": b"a"})
    (tmp_path / "a.png").unlink()
    with pytest.raises(OSError, match=r"a\.png"):
        source.read("a.png")


@pytest.mark.promise(
    "a .zip holds names with .. or absolute ones",
    "they are refused by name, and nothing is written",
)
@pytest.mark.parametrize(
    "name",
    ["../x.png", "/abs.png", "//abs.png", "..\\x.png", "\\abs.png", "in/../../x.png", "../deep/"],
)
def test_a_name_that_leads_out_of_an_archive_is_refused(name, tmp_path):
    source = archive(tmp_path / "a.zip", {"a.png": b"a", name: b""})
    listing = source.listing()
    assert names(listing) == ["a.png"]
    assert listing.refused == {name: "leads out of the archive"}


@pytest.mark.parametrize("name", [".", "./", "/"])
def test_a_member_without_a_name_is_passed_over(name, tmp_path):
    assert names(archive(tmp_path / "a.zip", {"a.png": b"a", name: b""}).listing()) == ["a.png"]


@pytest.mark.parametrize("name", ["a.png", "scan"])
def test_an_encrypted_member_is_refused(name, tmp_path):
    archive(tmp_path / "a.zip", {name: DICOM})
    source = patched(tmp_path / "a.zip", 6, 8, b"\1\0")
    listing = source.listing()
    assert listing.entries == []
    assert "is encrypted" in listing.refused[name]
    with pytest.raises(OSError, match="encrypted"):
        source.read(name)


@pytest.mark.promise(
    "a member of a .zip says that it unpacks to more than a GiB",
    "it is refused before it is unpacked",
)
@pytest.mark.parametrize("name", ["a.png", "scan"])
def test_a_huge_member_is_refused_before_it_is_read(name, tmp_path):
    archive(tmp_path / "a.zip", {name: DICOM})
    source = patched(tmp_path / "a.zip", 22, 24, struct.pack("<I", sources.MAX_BYTES + 1))
    listing = source.listing()
    assert listing.entries == []
    assert listing.refused == {name: "is larger than 1024 MiB"}


@pytest.mark.promise(
    "a .zip bomb unpacks to far more than it says",
    "it is unpacked no further than that",
)
def test_a_member_that_holds_more_than_it_says_is_not_unpacked_to_its_end(tmp_path, monkeypatch):
    archive(tmp_path / "a.zip", {"a.png": bytes(50_000_000)})
    source = patched(tmp_path / "a.zip", 22, 24, struct.pack("<I", 10))
    unpacked = []

    class Counting:
        def __init__(self, real):
            self.real = real

        def decompress(self, *arguments):
            unpacked.append(self.real.decompress(*arguments))
            return unpacked[-1]

        def __getattr__(self, name):
            return getattr(self.real, name)

    real = zipfile._get_decompressor
    monkeypatch.setattr(zipfile, "_get_decompressor", lambda kind: Counting(real(kind)))
    with pytest.raises(OSError, match="Bad CRC-32"):
        source.read("a.png")
    assert 10 <= sum(map(len, unpacked)) < 100_000


@pytest.mark.promise("a member of a .zip is damaged", "its checksum or its decoder refuses it")
@pytest.mark.parametrize(
    ("compression", "damage"),
    [
        (zipfile.ZIP_STORED, lambda data: data[:-1] + b"?"),  # the checksum finds it
        (zipfile.ZIP_DEFLATED, lambda data: b"\xff" * len(data)),  # zlib does
        (zipfile.ZIP_LZMA, lambda data: data[:9] + b"\xff" * (len(data) - 9)),
    ],
)
def test_a_damaged_member_is_an_error_of_the_system_when_it_is_read(compression, damage, tmp_path):
    content = bytes(range(100))
    path = tmp_path / "a.zip"
    archive(path, [("a.png", content)], compression)
    with zipfile.ZipFile(path) as file:
        packed = file.infolist()[0].compress_size
    whole = path.read_bytes()
    start = 30 + len("a.png")
    path.write_bytes(
        whole[:start] + damage(whole[start : start + packed]) + whole[start + packed :]
    )
    source = Archive(path)
    assert names(source.listing()) == ["a.png"]
    with pytest.raises(OSError, match=r"."):
        source.read("a.png")


def test_a_member_without_an_ending_whose_header_is_damaged_is_refused(tmp_path):
    source = archive(tmp_path / "a.zip", {"scan": DICOM, "b.png": b"b"})
    source.path.write_bytes(source.path.read_bytes().replace(b"PK\3\4", b"PK??", 1))
    listing = source.listing()
    assert names(listing) == ["b.png"]
    assert listing.refused == {"scan": "Bad magic number for file header"}


def test_a_member_that_is_missing_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match=r"gone\.png"):
        archive(tmp_path / "a.zip", {"a.png": b"a"}).read("gone.png")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_the_last_counts_everywhere(tmp_path):
    source = archive(tmp_path / "a.zip", [("a.png", b"first!"), ("a.png", b"last")])
    assert source.listing().entries == [Entry("a.png", 4, zlib.crc32(b"last"))]
    assert source.read("a.png") == b"last"


def test_an_archive_that_was_replaced_is_read_anew(tmp_path):
    source = archive(tmp_path / "a.zip", {"a.png": b"before"})
    assert source.read("a.png") == b"before"
    archive(tmp_path / "b.zip", {"a.png": b"afterwards"}).path.replace(source.path)
    assert source.read("a.png") == b"afterwards"


def test_reading_an_archive_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = archive(tmp_path / "a.zip", FILES)
    before = source.path.read_bytes()
    for name in names(source.listing()):
        source.read(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]
    assert source.path.read_bytes() == before


def test_a_path_is_a_folder_or_an_archive_whatever_its_ending(tmp_path):
    archive(tmp_path / "images.dat", FILES)
    assert source_of(tmp_path) == Directory(tmp_path)
    assert source_of(tmp_path / "images.dat") == Archive(tmp_path / "images.dat")


def test_another_path_is_refused_with_a_remedy(tmp_path):
    whole = archive(tmp_path / "whole.zip", FILES).path.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.zip").write_bytes(b"no zip")
    (tmp_path / "empty.zip").write_bytes(b"")
    for name in ("cut.zip", "text.zip", "empty.zip"):
        with pytest.raises(ValueError, match=f"data.root=.*{name} is neither a folder nor a .zip"):
            source_of(tmp_path / name)
    with pytest.raises(ValueError, match=r"nowhere does not exist\. Type data\.root=<folder or"):
        source_of(tmp_path / "nowhere")


def test_an_archive_whose_list_is_damaged_is_refused(tmp_path):
    source = archive(tmp_path / "a.zip", FILES)
    source.path.write_bytes(source.path.read_bytes().replace(b"PK\1\2", b"PK??", 1))
    with pytest.raises(ValueError, match=r"data\.root=.*a\.zip is no readable \.zip"):
        source.listing()
