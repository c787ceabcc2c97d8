import numpy as np
import pytest

from darkroom.intake.labelling import Labelling, by_folders, by_table

COLUMNS = {"file": "file", "label": "label", "split": "split", "group": "group"}
NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/3.png"]


def labels(labelling):
    """The name of each file's class; checks the numbers on the way."""
    assert labelling.labels.dtype == np.int64
    assert len(labelling.labels) == len(labelling.names)
    return [labelling.class_names[number] for number in labelling.labels]


def table(tmp_path, text, names=NAMES, expression=None, encoding="utf-8", **columns):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding=encoding)
    return by_table(path, COLUMNS | columns, names, expression)


def unlabelled(labelling):
    return labelling.class_names == () and not labelling.labels.any()


def test_folders_are_the_classes_in_the_order_of_their_names():
    names = ["dogs/1.png", "cats/deep/down/1.png", "dogs/2.png"]
    labelling = by_folders(names)
    assert labelling.class_names == ("cats", "dogs")
    assert labelling.labels.tolist() == [1, 0, 1]
    assert labelling.names == names
    assert labelling.splits == [None] * 3
    assert labelling.groups == [None] * 3


@pytest.mark.parametrize("above", ["", "images/", "data/v2/images/"])
def test_folders_that_all_files_share_say_nothing(above):
    labelling = by_folders([f"{above}cats/1.png", f"{above}dogs/1.png"])
    assert labels(labelling) == ["cats", "dogs"]
    assert labelling.names == [f"{above}cats/1.png", f"{above}dogs/1.png"]


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["1.png"],
        ["1.png", "2.png"],
        ["cats/1.png"],
        ["cats/1.png", "cats/2.png"],
        ["cats/1.png", "2.png"],  # mixed depth: one is in no class
        ["2.png", "cats/1.png"],
        ["all/cats/1.png", "all/dogs/1.png", "all/2.png"],
        ["deep/down/1.png"],
    ],
)
def test_without_several_folders_that_hold_everything_there_are_no_classes(names):
    labelling = by_folders(names)
    assert unlabelled(labelling)
    assert labelling.labels.shape == (len(names),)


def test_files_at_different_depths_of_their_classes_keep_them():
    assert labels(by_folders(["a/1.png", "a/x/y/1.png", "b/x/1.png"])) == ["a", "a", "b"]


def test_classes_that_are_not_wanted_are_not_made():
    labelling = by_folders(["train/cats/1.png", "test/dogs/1.png"], classes=False)
    assert unlabelled(labelling)
    assert labelling.splits == ["train", "test"]


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (("train", "training", "TRAIN", "Training"), "train"),
        (("val", "valid", "validation", "dev", "VAL", "Valid"), "validation"),
        (("test", "testing", "TEST"), "test"),
    ],
)
def test_splits_go_by_many_names_in_upper_and_lower_case(names, split):
    other = "test" if split == "train" else "train"
    for name in names:
        labelling = by_folders([f"{name}/cats/1.png", f"{other}/dogs/1.png"])
        assert labelling.splits == [split, other]
        assert labels(labelling) == ["cats", "dogs"]


def test_splits_are_seen_below_what_all_files_share_and_without_classes():
    labelling = by_folders(["all/Train/1.png", "all/VAL/1.png", "all/test/1.png"])
    assert labelling.splits == ["train", "validation", "test"]
    assert unlabelled(labelling)


def test_a_split_of_which_one_folder_is_none_is_classes():
    labelling = by_folders(["train/1.png", "test/1.png", "extra/1.png"])
    assert labelling.splits == [None] * 3
    assert labels(labelling) == ["train", "test", "extra"]
    assert by_folders(["train/1.png", "test.png"]).splits == [None] * 2


def test_one_split_alone_says_nothing():
    labelling = by_folders(["train/cats/1.png", "train/dogs/1.png"])
    assert labelling.splits == [None] * 2
    assert labels(labelling) == ["cats", "dogs"]


def test_numbers_among_the_classes_stand_by_value_before_words():
    names = [f"{name}/1.png" for name in ("10", "b", "9", "01", "a", "2b", "1")]
    assert by_folders(names).class_names == ("01", "1", "9", "10", "2b", "a", "b")


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"p\d+", ["p1", "p1", "p2", None]),
        (r"(p\d+)-\d", ["p1", "p1", "p2", None]),
        (r"^(.)/p(\d)", ["a", "b", "b", None]),  # the first bracket
        (r"(x)?p\d", [None, None, None, None]),
    ],
)
def test_groups_are_what_an_expression_finds(pattern, groups):
    names = ["a/p1-1.png", "b/p1-2.png", "b/p2-1.png", "b/other.png"]
    assert by_folders(names, group=pattern).groups == groups


def test_an_expression_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"data\.group=\(p is no regular expression: .*position"):
        by_folders(NAMES, group="(p")


def test_an_expression_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match=r"data\.group=q\\d fits no file name.*'a/1\.png'"):
        by_folders(NAMES, group=r"q\d")
    assert by_folders([], group=r"q\d").groups == []


def test_a_table_knows_class_split_and_group_of_its_files(tmp_path):
    text = "file,label,split,group\nb/1.png,dog,TEST,x\na/2.png,cat,dev,\na/1.png,cat,,y\n"
    labelling = table(tmp_path, text)
    assert labelling.names == ["a/1.png", "a/2.png", "b/1.png"]
    assert labels(labelling) == ["cat", "cat", "dog"]
    assert labelling.splits == [None, "validation", "test"]
    assert labelling.groups == ["y", None, "x"]
    assert isinstance(labelling, Labelling)


def test_only_the_column_of_files_is_needed(tmp_path):
    labelling = table(tmp_path, "file,note\na/1.png,\nb/3.png,x\n")
    assert labelling.names == ["a/1.png", "b/3.png"]
    assert unlabelled(labelling)
    assert labelling.splits == labelling.groups == [None, None]


def test_a_table_with_one_class_has_none(tmp_path):
    assert unlabelled(table(tmp_path, "file,label\na/1.png,cat\nb/3.png,cat\n"))


def test_numbers_among_a_tables_classes_stand_by_value(tmp_path):
    text = "file,label\na/1.png,10\na/2.png,9\nb/1.png,-1\n"
    assert table(tmp_path, text).class_names == ("9", "10", "-1")


def test_a_table_may_come_from_excel(tmp_path):
    text = 'file,label\r\na/1.png,"cat, black"\r\nb/1.png,größer\r\n'
    labelling = table(tmp_path, text, encoding="utf-8-sig")  # with a byte order mark
    assert labelling.class_names == ("cat, black", "größer")


def test_columns_may_have_other_names(tmp_path):
    text = "id,path,kind,fold,patient\n1,a/1.png,x,train,p\n2,a/2.png,y,test,q\n"
    columns = {"file": "path", "label": "kind", "split": "fold", "group": "patient"}
    labelling = table(tmp_path, text, **columns)
    assert labels(labelling) == ["x", "y"]
    assert labelling.splits == ["train", "test"]
    assert labelling.groups == ["p", "q"]


@pytest.mark.parametrize("ours", ["file", "label", "split", "group"])
def test_a_column_that_was_asked_for_and_is_missing_is_refused(ours, tmp_path):
    with pytest.raises(ValueError, match=f"no column 'other'.*file, x.*data.columns.{ours}=<one"):
        table(tmp_path, "file,x\na/1.png,1\n", **{ours: "other"})


def test_a_table_without_files_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"no column 'file'.*path, label.*data\.columns\.file=<one"
    ):
        table(tmp_path, "path,label\na/1.png,cat\n")


@pytest.mark.parametrize("way", ["./a/1.png", "a\\1.png", ".\\a\\1.png"])
def test_a_path_may_be_written_in_the_ways_of_windows(way, tmp_path):
    assert table(tmp_path, f"file\n{way}\n").names == ["a/1.png"]


def test_the_last_part_of_a_path_is_enough_if_no_two_files_share_it(tmp_path):
    assert table(tmp_path, "file\n2.png\n3.png\n").names == ["a/2.png", "b/3.png"]


@pytest.mark.parametrize("name", ["1.png", "c/2.png", "gone.png", "/a/1.png", ""])
def test_a_file_that_is_unknown_or_ambiguous_is_named(name, tmp_path):
    with pytest.raises(ValueError, match=r"1 of its 2 files are not below data\.root") as error:
        table(tmp_path, f"file,label\n{name},x\na/1.png,y\n")
    assert f": {name!r}. Mend the column 'file', or choose it with data.columns.file=" in str(
        error.value
    )


def test_of_many_unknown_files_some_are_named(tmp_path):
    rows = "".join(f"gone{number}.png\n" for number in range(7))
    with pytest.raises(ValueError, match=r"'gone0\.png', .*'gone4\.png' and 2 more\. Mend"):
        table(tmp_path, f"file\n{rows}")


def test_a_strange_split_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'holdout' in column 'split' is no split\. Known are"):
        table(tmp_path, "file,split\na/1.png,train\na/2.png,holdout\nb/1.png,\n")


def test_an_expression_groups_where_the_table_does_not(tmp_path):
    text = "file,group\na/1.png,{}\nb/1.png,\n"
    assert table(tmp_path, text.format(""), expression="^(.)/").groups == ["a", "b"]
    assert table(tmp_path, text.format("own"), expression="^(.)/").groups == ["own", None]


@pytest.mark.parametrize(
    "content", ["file\nä\n".encode("utf-16"), b"file\n\xff\xfe\n", b'file\n"a"b\n', b'file\n"open']
)
def test_what_is_no_table_is_refused(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"data\.table=.*t\.csv cannot be read as CSV: ."):
        by_table(tmp_path / "t.csv", COLUMNS, NAMES)


def test_a_table_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read as CSV: .*No such file"):
        by_table(tmp_path / "gone.csv", COLUMNS, NAMES)
    with pytest.raises(ValueError, match="has no column 'file'"):
        table(tmp_path, "")


def test_rows_that_are_too_short_have_empty_cells(tmp_path):
    labelling = table(tmp_path, "file,label,split\na/1.png,x\nb/1.png,y,test\n")
    assert labelling.splits == [None, "test"]


def test_folders_that_the_splits_share_say_nothing():
    names = [f"{split}/images/{kind}/1.png" for split in ("test", "train") for kind in "ab"]
    found = by_folders(names)
    assert found.class_names == ("a", "b")
    assert found.splits == ["test", "test", "train", "train"]


def test_backslashes_of_old_archives_are_slashes(tmp_path):
    names = ["a\\1.png", "b\\2.png"]
    assert by_folders(names).class_names == ("a", "b")
    table = tmp_path / "t.csv"
    table.write_text("file,label\na/1.png,x\nb\\2.png,y\n")
    assert by_table(table, COLUMNS, names).names == names


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("1.png,x\n1.png,y\n", "several rows for '1.png'"),
        ("1.png,x\n2.png,\n", "'label' is empty for '2.png'"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(tmp_path, rows, complaint):
    table = tmp_path / "t.csv"
    table.write_text(f"file,label\n{rows}")
    with pytest.raises(ValueError, match=complaint):
        by_table(table, COLUMNS, ["1.png", "2.png"])
