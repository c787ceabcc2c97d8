"""One's own images, from files of any kind to batches: what is settled, left out, refused, kept."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.data import Folder
from tests.pictures import album, break_file, picture, zipped


@pytest.fixture
def root(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def folder(tmp_path, root):
    """Makes a data module of the root; its packs lie beside."""

    def make(at=root, **options):
        return Folder(str(at), packs=str(tmp_path / "packs"), **options)

    return make


@pytest.fixture
def read(folder):
    """Reads the root right away, as explicit 8x8 RGB unless told otherwise."""

    def make(at=None, **options):
        settled = {"resolution": 8, "channels": 3}
        data = folder(**({} if at is None else {"at": at}), **settled | options)
        data.setup()
        return data

    return make


def parts(data):
    return data.training, data.held_out, data.test


def all_of(data, what="names"):
    """Names, or splits, or groups, or labels of all images, by name."""
    found = {}
    for part in parts(data):
        values = part.labels.tolist() if what == "labels" else getattr(part, what)
        found |= dict(zip(part.names, values, strict=True))
    return found


def pixels_of(data):
    """The pixels of all images, by name."""
    return {
        name: pixels
        for part in parts(data)
        for name, pixels in zip(part.names, part.first(len(part)), strict=True)
    }


def as_pixels(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def packs(tmp_path):
    return sorted(path for path in (tmp_path / "packs").glob("*") if path.is_dir())


def untouched(pack):
    """What tells a pack from one that was made again."""
    about = (pack / "pixels.u8").stat()
    return about.st_ino, about.st_mtime_ns


# --- the images


def test_a_folder_gives_the_pixels_of_its_files(read, root):
    album(root, n=10, size=(8, 8))
    data = read(validation=0.3)
    assert [len(part) for part in parts(data)] == [7, 3, 0]
    assert len(data.training.class_names) == 0
    for name, pixels in pixels_of(data).items():
        assert torch.equal(pixels, as_pixels(Image.open(root / name)))


def test_a_zip_gives_the_set_of_the_folder_that_was_zipped(read, root, tmp_path):
    album(root, *(f"{kind}/{k}.png" for kind in ("cats", "dogs") for k in range(10)))
    data, archived = read(), read(zipped(root, tmp_path / "images.zip"))
    for part, other in zip(parts(data), parts(archived), strict=True):
        assert part.names == other.names
        assert part.class_names == other.class_names == ("cats", "dogs")
        assert part.fingerprint() == other.fingerprint()
    assert len(packs(tmp_path)) == 2


def test_height_and_width_are_taken_as_given(read, root):
    album(root, n=10, size=(20, 40))
    data = read(resolution=[6, 10])
    assert data.training.shape == data.held_out.shape == (3, 6, 10)
    assert data.resolution == [6, 10]


@pytest.mark.parametrize(
    ("options", "left", "top"),
    [
        ({"fit": "crop"}, 0, 0),
        ({"fit": "stretch"}, 200, 0),
        ({"fit": "pad"}, 200, 255),
        ({"fit": "pad", "background": "#646464"}, 200, 100),
    ],
)
def test_another_aspect_ratio_is_fitted_as_asked(read, root, options, left, top):
    root.mkdir()
    for k in range(10):  # a dark square between light sides
        image = Image.new("L", (64, 32), 200)
        image.paste(k, (16, 0, 48, 32))
        image.save(root / f"{k}.png")
    pixels = read(resolution=16, channels=1, **options).training.first(1)[0, 0].int()
    assert abs(pixels[8, 2] - left) < 20
    assert abs(pixels[1, 8] - top) < 20
    assert pixels[8, 8] < 20


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("#640000", 100)])
def test_transparency_shows_the_background_unless_it_is_asked_for(read, root, background, value):
    root.mkdir()
    for k in range(10):
        Image.new("RGBA", (8, 8), (k, k, k, 0)).save(root / f"{k}.png")
        Image.new("RGBA", (8, 8), (k, k, k, 255)).save(root / f"{k}-opaque.png")
    data = read(background=background)
    pixels = pixels_of(data)
    assert pixels["7.png"][0].unique().tolist() == [value]
    assert pixels["7-opaque.png"].unique().tolist() == [7]
    assert read(channels=4).training.first(99)[:, 3].unique().tolist() == [0, 255]


# --- some classes only


def classed(root):
    return album(root, *(f"{kind}/{k}.png" for kind in ("cats", "dogs", "eels") for k in range(9)))


@pytest.mark.parametrize("only", ["dogs", ["dogs"]])
def test_of_a_single_class_nothing_else_is_there(read, root, only):
    classed(root)
    data = read(only=only)
    assert {name.split("/")[0] for name in all_of(data)} == {"dogs"}
    assert data.training.class_names == ()
    assert set(all_of(data, "labels").values()) == {0}
    assert [record["name"].split("/")[0] for record in data.pack.records] == ["dogs"] * 9


def test_several_classes_keep_their_order_and_are_numbered_anew(read, root):
    classed(root)
    data = read(only=["eels", "cats"], num_classes="auto")
    assert data.training.class_names == ("cats", "eels")
    assert data.num_classes == 2
    labels = all_of(data, "labels")
    assert {name: int(name.startswith("eels")) for name in labels} == labels


def test_a_class_can_be_called_by_a_number_and_splits_are_kept(read, root):
    album(
        root,
        *(f"{split}/{k}/{n}.png" for split in ("train", "test") for k in (3, 4) for n in range(9)),
    )
    data = read(only=3)
    assert {name.split("/")[1] for name in all_of(data)} == {"3"}
    assert {name.split("/")[0] for name in data.test.names} == {"test"}
    assert len(data.test.names) == 9


def test_packs_of_several_choices_lie_side_by_side(read, root, tmp_path):
    classed(root)
    for only in (None, "cats", "dogs"):
        read(only=only)
    assert len(packs(tmp_path)) == 3


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ("cows", r"data\.only=cows: there is no such class\. The classes are cats, dogs, eels"),
        ([], r"data\.only=\[\] leaves no image"),
    ],
)
def test_a_class_that_is_not_there_is_refused(read, root, only, said):
    classed(root)
    with pytest.raises(ValueError, match=said):
        read(only=only)


def test_images_without_classes_have_no_class_to_choose(read, root):
    album(root, n=9)
    with pytest.raises(ValueError, match=r"data\.only=cats: .* The images have no classes"):
        read(only="cats")


# --- auto


@pytest.mark.parametrize(
    ("mode", "size", "channels", "resolution"),
    [
        ("L", (16, 16), 1, 16),
        ("LA", (20, 20), 2, 20),
        ("RGB", (48, 32), 3, [32, 48]),
        ("RGBA", (64, 64), 4, 64),
        ("RGB", (300, 200), 3, 64),
        ("RGB", (300, 40), 3, 32),
        ("L", (8, 8), 1, 16),
    ],
)
def test_auto_settles_what_suits_the_images_and_says_so(
    folder, root, mode, size, channels, resolution, capsys
):
    album(root, n=10, mode=mode, size=size)
    data = folder()
    data.setup()
    assert (data.channels, data.resolution) == (channels, resolution)
    height, width = resolution if isinstance(resolution, list) else (resolution, resolution)
    assert data.training.shape == (channels, height, width)
    said = capsys.readouterr().out
    assert f"data.channels=auto: {channels} (" in said
    assert f"data.resolution=auto: {resolution} (" in said


@pytest.mark.parametrize("asked", [{"resolution": 24}, {"channels": 1}])
def test_what_is_asked_for_is_kept_and_not_talked_about(folder, root, asked, capsys):
    album(root, n=10, mode="RGBA", size=(32, 32))
    data = folder(**asked)
    data.setup()
    settled = {"resolution": 32, "channels": 4} | asked
    assert {name: getattr(data, name) for name in settled} == settled
    said = capsys.readouterr().out
    (option,) = asked
    assert f"data.{option}=" not in said
    assert said.count("=auto: ") == 1


def test_settled_numbers_find_the_pack_that_auto_made(folder, root, tmp_path):
    album(root, n=10, size=(48, 32))
    auto = folder()
    auto.setup()
    (pack,) = packs(tmp_path)
    before = untouched(pack)
    again = folder(resolution=auto.resolution, channels=auto.channels)
    again.setup()
    assert packs(tmp_path) == [pack]
    assert untouched(pack) == before
    assert again.training.fingerprint() == auto.training.fingerprint()


def test_auto_looks_only_at_files_that_count(folder, root, tmp_path, capsys):
    album(root, *(f"{k}.png" for k in range(10)), mode="L", size=(16, 16))
    album(root, *(f"big-{k}.png" for k in range(30)), mode="RGBA", size=(60, 60))
    table = tmp_path / "table.csv"
    table.write_text("file\n" + "".join(f"{k}.png\n" for k in range(10)))
    data = folder(table=str(table))
    data.setup()
    assert (data.resolution, data.channels) == (16, 1)


# --- classes, splits, groups


def test_folders_are_classes_unless_told_otherwise(read, root):
    album(root, *(f"{kind}/{k}.png" for kind in ("dogs", "cats") for k in range(10)))
    data = read()
    assert len(data.training.class_names) == 2
    assert data.training.class_names == data.held_out.class_names == ("cats", "dogs")
    for name, label in all_of(data, "labels").items():
        assert ("cats", "dogs")[label] == name.partition("/")[0]
    assert read(classes=False).training.class_names == ()


def test_folders_called_train_val_and_test_are_the_splits(read, root):
    names = [f"{split}/{k}.png" for split in ("train", "val", "test") for k in range(4)]
    album(root, *names)
    data = read(validation=0.9)
    for part, split in zip(parts(data), ("train", "val", "test"), strict=True):
        assert sorted(part.names) == [name for name in names if name.startswith(split)]


def test_what_the_test_folder_holds_is_neither_trained_on_nor_validated_on(read, root):
    album(root, *(f"{split}/{k}.png" for split in ("train", "test") for k in range(10)))
    data = read(validation=0.2)
    assert [len(part) for part in parts(data)] == [8, 2, 10]
    assert all(name.startswith("test/") for name in data.test.names)


def test_a_table_says_class_split_and_group_under_its_own_names(read, root, tmp_path):
    album(root, n=12)
    rows = [f"{k:03d}.png,{'ab'[k % 2]},{'train' if k < 8 else 'test'},{k // 2}" for k in range(11)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["name,kind,fold,patient", *rows]))
    columns = {"file": "name", "label": "kind", "split": "fold", "group": "patient"}
    data = read(table=str(table), columns=columns, validation=0.3)
    assert sorted(all_of(data)) == [f"{k:03d}.png" for k in range(11)]  # 011 is not mentioned
    assert data.training.class_names == ("a", "b")
    assert all_of(data, "labels") == {f"{k:03d}.png": k % 2 for k in range(11)}
    assert all_of(data, "groups") == {f"{k:03d}.png": str(k // 2) for k in range(11)}
    assert sorted(data.test.names) == ["008.png", "009.png", "010.png"]
    assert len(data.held_out) == 2
    assert len(set(data.held_out.groups)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_a_group_finds_in_names_stays_on_one_side(read, root, seed):
    album(root, *(f"patient{k % 7}-{k:02d}.png" for k in range(35)))
    data = read(group=r"(patient\d+)-", validation=0.3, split_seed=seed)
    trained, held = (set(part.groups) for part in (data.training, data.held_out))
    assert trained | held == {f"patient{k}" for k in range(7)}
    assert not trained & held
    assert len(data.held_out) == 10


@pytest.mark.parametrize("seed", range(5))
def test_copies_of_an_image_never_lie_on_both_sides(read, root, seed):
    root.mkdir()
    for k in range(30):  # ten images, three files of each, under names that tell nothing
        picture(k % 10).save(root / f"{k}.{'png' if k % 2 else 'bmp'}")
    data = read(validation=0.2, split_seed=seed)
    sides = [{pixels.numpy().tobytes() for pixels in part.first(99)} for part in parts(data)[:2]]
    assert not sides[0] & sides[1]
    assert len(data.held_out) == 6
    assert len(sides[1]) == 2


def test_a_split_that_the_copies_leave_no_room_for_is_refused(read, root):
    root.mkdir()
    for k in range(20):
        picture(0).save(root / f"{k}.png")
    with pytest.raises(ValueError, match=r"data\.validation=0\.1 of 20 images leaves nothing"):
        read()


# --- how many


@pytest.mark.parametrize(("limit", "kept"), [(5, [0, 2, 4, 6, 8]), (99, list(range(10)))])
def test_a_limit_is_spread_over_the_sorted_names(read, root, limit, kept):
    album(root, n=10)
    data = read(limit=limit, validation=0.4)
    assert sorted(all_of(data)) == [f"{k:03d}.png" for k in kept]
    assert len(data.pack.records) == len(kept)


def test_a_limit_leaves_the_classes_their_shares(read, root):
    album(root, *(f"{kind}/{k}.png" for kind in ("a", "b") for k in range(20)))
    labels = list(all_of(read(limit=10), "labels").values())
    assert (labels.count(0), labels.count(1)) == (5, 5)


# --- what cannot be read


@pytest.mark.promise(
    "one of many image files is cut in half",
    "it is left out, said and listed; the others keep their places",
)
def test_a_broken_file_is_left_out_and_told_and_listed(read, root, capsys):
    album(root, n=20)
    break_file(root / "007.png")
    data = read()
    assert sorted(all_of(data)) == [f"{k:03d}.png" for k in range(20) if k != 7]
    report = data.pack.folder / "left-out.txt"
    said = capsys.readouterr().out
    assert f"data.root={root}: 1 of 20 files cannot be read (all in {report}):" in said
    assert re.search(r"\n  007\.png: .+\nThey are left out\.", said)
    (line,) = report.read_text().splitlines()
    assert re.fullmatch(r"007\.png: .+", line)
    for name, pixels in pixels_of(data).items():  # nothing moved into another's place
        small = Image.open(root / name).resize((8, 8), Image.Resampling.BICUBIC)
        assert torch.equal(pixels, as_pixels(small))


def test_what_cannot_even_be_opened_is_counted_too(read, root):
    album(root, n=20)
    (root / "nowhere.png").symlink_to(root / "gone.png")
    data = read()
    assert "nowhere.png: " in (data.pack.folder / "left-out.txt").read_text()
    (root / "nowhere.png").unlink()
    assert not (read().pack.folder / "left-out.txt").exists()


def test_no_report_is_written_where_nothing_is_broken(read, root, capsys):
    album(root, n=20)
    assert not (read().pack.folder / "left-out.txt").exists()
    assert "left out" not in capsys.readouterr().out


def test_a_broken_file_can_stop_the_run(read, root):
    album(root, n=20)
    break_file(root / "007.png")
    with pytest.raises(ValueError, match=r"(?s)1 of 20 .*007\.png: .*data\.on_error=skip"):
        read(on_error="raise")


def test_a_mended_file_comes_back(read, root):
    album(root, n=20)
    break_file(root / "007.png")
    read()
    picture(7).save(root / "007.png")
    data = read(on_error="raise")
    assert len(all_of(data)) == 20
    assert not (data.pack.folder / "left-out.txt").exists()


@pytest.mark.parametrize(("broken", "max_broken", "stops"), [(2, 0.1, 0), (3, 0.1, 1), (1, 0, 1)])
def test_more_broken_files_than_allowed_stop_the_run(read, root, broken, max_broken, stops):
    album(root, n=20)
    for k in range(broken):
        break_file(root / f"{k:03d}.png")
    if not stops:
        assert len(all_of(read(max_broken=max_broken))) == 20 - broken
        return
    with pytest.raises(ValueError, match=rf"{broken} of 20.*") as error:
        read(max_broken=max_broken)
    assert f"more than data.max_broken={max_broken} of them" in str(error.value)
    assert "000.png: " in str(error.value)


@pytest.mark.parametrize("options", [{}, {"resolution": "auto", "channels": "auto"}])
@pytest.mark.parametrize("max_broken", [0.1, 1])
def test_a_folder_of_nothing_but_broken_files_stops_the_run(read, root, max_broken, options):
    album(root, n=3)
    for path in root.iterdir():
        break_file(path)
    with pytest.raises(ValueError, match=r"3 of 3 files cannot be read"):
        read(max_broken=max_broken, **options)


# --- nothing to read


def test_a_missing_folder_is_refused(read):
    with pytest.raises(ValueError, match=r"images does not exist\. Type data\.root="):
        read()


def test_a_file_that_is_no_zip_is_refused(read, root):
    root.write_text("no archive")
    with pytest.raises(ValueError, match=r"images is neither a folder nor a \.zip"):
        read()


def test_an_empty_folder_is_told_the_known_endings(read, root, tmp_path):
    root.mkdir()
    with pytest.raises(
        ValueError, match=r"images holds no image\. Known endings: .*\.png"
    ) as error:
        read()
    assert "Found" not in str(error.value)
    assert packs(tmp_path) == []


def test_files_of_another_kind_are_told_apart_by_their_endings(read, root):
    root.mkdir()
    for name in ("a.heic", "b.HEIC", "notes.txt", "README"):
        (root / name).write_text("no image")
    with pytest.raises(ValueError, match=r"holds no image") as error:
        read()
    assert "Found: 2 .heic, 1 " in str(error.value)
    assert "1 .txt" in str(error.value)
    assert "1 without ending" in str(error.value)


def test_a_single_image_is_refused_for_it_cannot_be_divided(read, root):
    album(root, n=1)
    with pytest.raises(ValueError, match=r"data\.validation=0\.1 of 1 images leaves nothing"):
        read()


# --- packs


def test_a_pack_is_found_again(read, root, tmp_path):
    album(root, n=10)
    read()
    (pack,) = packs(tmp_path)
    before = untouched(pack)
    data = read(seed=5, validation=0.5, batch_size=2, classes=False)  # none of which is decoded
    assert packs(tmp_path) == [pack]
    assert untouched(pack) == before
    assert len(data.held_out) == 5


@pytest.mark.parametrize("change", ["other content", "another file", "one less", "another name"])
def test_a_changed_folder_is_packed_anew_in_the_same_place(read, root, tmp_path, change):
    album(root, n=10)
    first = read()
    (pack,) = packs(tmp_path)
    before = untouched(pack)
    if change == "other content":
        picture(77).save(root / "004.png")
        os.utime(root / "004.png", ns=(1, 1))  # within the clock's resolution, else
    elif change == "another file":
        picture(77).save(root / "999.png")
    elif change == "one less":
        (root / "004.png").unlink()
    else:
        (root / "004.png").rename(root / "999.png")
    again = read()
    assert packs(tmp_path) == [pack]
    assert untouched(pack) != before
    assert sorted(all_of(again)) == sorted(path.name for path in root.iterdir())
    hashes = [sorted(h for part in parts(data) for h in part.hashes()) for data in (first, again)]
    assert (hashes[0] == hashes[1]) == (change == "another name")


@pytest.mark.parametrize("damage", ["deleted", "shortened", "overwritten", "without index"])
def test_a_damaged_pack_is_made_anew(read, root, tmp_path, damage):
    album(root, n=10)
    expected = [part.fingerprint() for part in parts(read())]
    (pack,) = packs(tmp_path)
    pixels = pack / "pixels.u8"
    if damage == "deleted":
        shutil.rmtree(pack)
    elif damage == "shortened":
        os.truncate(pixels, 100)
    elif damage == "overwritten":
        pixels.write_bytes(bytes(pixels.stat().st_size))
    else:
        (pack / "index.jsonl").unlink()
    data = read()
    assert packs(tmp_path) == [pack]
    assert [part.fingerprint() for part in parts(data)] == expected
    assert data.training.to(torch.device("cpu")).fingerprint() == expected[0]


def test_each_way_of_reading_has_a_pack_of_its_own(read, root, tmp_path):
    album(root, n=10)
    for options in ({}, {"resolution": 9}, {"channels": 1}, {"fit": "pad"}, {"limit": 9}):
        read(**options)
    read(background="black")
    read(value_range="percentile")
    assert len(packs(tmp_path)) == 7
    assert all(path.name.startswith("images-") for path in packs(tmp_path))


@pytest.mark.parametrize("option", ["root", "packs", "table"])
def test_home_is_found(root, tmp_path, monkeypatch, option):
    monkeypatch.setenv("HOME", str(tmp_path))
    album(root, n=10)
    (tmp_path / "table.csv").write_text("file\n" + "".join(f"{k:03d}.png\n" for k in range(10)))
    typed = {"root": str(root), "packs": str(tmp_path / "packs")}
    typed[option] = f"~/{ {'root': 'images', 'packs': 'packs', 'table': 'table.csv'}[option] }"
    data = Folder(**typed, resolution=8, channels=3)
    data.setup()
    assert data.pack.folder.parent == tmp_path / "packs"
    assert not Path("~").exists()


# --- options that are refused


@pytest.mark.parametrize(
    ("option", "value", "remedy"),
    [
        ("window", [40], "type a centre and a width, such as [40,400]"),
        ("window", [40, 400, 1], "type a centre and a width"),
        ("window", [40, 0], "type a centre and a width"),
        ("window", [40, -1.5], "type a centre and a width"),
        ("max_broken", -0.1, "type a share"),
        ("max_broken", 1.1, "type a share"),
        ("max_broken", 10, "type a share"),
        ("background", "sky", "Type a name such as white or black"),
        ("background", "#12", "Type a name such as white or black"),
        ("resolution", 0, "type at least 1"),
        ("resolution", [64], "type one side such as 64, or [height,width]"),
        ("channels", 7, "type 1 (grey)"),
        ("validation", 0.0, "type a share"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_option(folder, option, value, remedy):
    with pytest.raises(ValueError, match=rf"^data\.{option}={re.escape(str(value))}") as error:
        folder(**{option: value})
    assert remedy in str(error.value)


def test_a_column_of_no_use_is_refused_by_name(folder):
    with pytest.raises(ValueError, match=r"data\.columns takes no 'fold'\. It takes file, label"):
        folder(columns={"fold": "split"})


def test_a_missing_column_is_refused_before_anything_is_decoded(read, root, tmp_path):
    album(root, n=3)
    (tmp_path / "table.csv").write_text("file\n000.png\n")
    with pytest.raises(ValueError, match=r"has no column 'kind'.*data\.columns\.label="):
        read(table=str(tmp_path / "table.csv"), columns={"label": "kind"})
    assert packs(tmp_path) == []


def test_a_group_that_is_no_expression_is_refused_before_anything_is_decoded(read, root, tmp_path):
    album(root, n=3)
    with pytest.raises(ValueError, match=r"data\.group=\( is no regular expression"):
        read(group="(")
    assert packs(tmp_path) == []
