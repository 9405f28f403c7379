import pytest

from brave_tf.data.clips.csv_columns import check_columns, read_seconds
from brave_tf.errors import UserError


def check(header, label="label", split="split"):
    return check_columns("list.csv", header.split(","), label, split)


@pytest.mark.parametrize(
    ("header", "name", "right"),
    [
        ("path,start_time", "start_time", "start"),
        ("path,time_start", "time_start", "start"),
        ("path,startTime", "startTime", "start"),
        ("path,Start", "Start", "start"),
        ("path,begin", "begin", "start"),
        ("path,start (s)", "start (s)", "start"),
        ("path,onset", "onset", "start"),
        ("path,strat", "strat", "start"),
        ("path,start,end_time", "end_time", "end"),
        ("path,start,stop", "stop", "end"),
        ("path,start,END", "END", "end"),
        ("path,start,duration", "duration", "end"),
        ("path,class", "class", "label"),
        ("path,Category", "Category", "label"),
        ("path,lable", "lable", "label"),
        ("path,label,Split", "Split", "split"),
        ("path,label,Group", "Group", "group"),
        ("path,label,groups", "groups", "group"),
    ],
)
def test_a_column_that_looks_like_one_that_is_lacking_is_refused(header, name, right):
    with pytest.raises(UserError) as caught:
        check(header)
    message = str(caught.value)
    assert "list.csv" in message and f"{name} (did you mean {right}?)" in message


@pytest.mark.parametrize(
    ("header", "unread"),
    [
        ("path,label,split,start,end", []),
        ("path,label,group", []),
        ("path,label,subject", ["subject (did you mean group?)"]),
        ("end,path", []),
        ("path,notes,youtube_id", ["notes", "youtube_id"]),
        ("path,notes,,", ["notes"]),
        ("path,label,fold", ["fold (did you mean split?)"]),
        ("path,start,end,start_time", ["start_time (did you mean start?)"]),
        (
            "path,filename,label,class",
            ["filename (did you mean path?)", "class (did you mean label?)"],
        ),
        ("path,duration", ["duration (did you mean end?)"]),
        ("path,start,end,duration", ["duration (did you mean end?)"]),
    ],
)
def test_other_columns_are_named(header, unread):
    assert check(header) == unread


def test_columns_that_are_chosen_are_read():
    assert check("path,class,fold", label="class", split="fold") == []
    assert check("path,class,label", label="class") == ["label"]
    with pytest.raises(UserError, match="no column 'Kind' .* Did you mean kind"):
        check("path,kind", label="Kind")


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        ("filename,label", "Rename filename to path"),
        ("Path,label", "Did you mean Path"),
        ("path;label", "with commas, not ';'"),
        ("path\tlabel", r"with commas, not '\t'"),
    ],
)
def test_without_a_path(header, hint):
    with pytest.raises(UserError, match="no column 'path'") as caught:
        check(header)
    assert hint in str(caught.value)


def test_seconds():
    assert [read_seconds(text) for text in ("", "0", "12.5", "1e2")] == [None, 0, 12.5, 100]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("00:01:30", "it is 90"),
        ("01:02:03.5", "it is 3723.5"),
        ("1:30", "it is 90"),
        ("12,5", "Write 12.5"),
        ("12.5s", "expected seconds such as 12.5"),
        ("-1", "expected seconds"),
        ("inf", "expected seconds"),
        ("nan", "expected seconds"),
    ],
)
def test_what_is_no_seconds(text, hint):
    with pytest.raises(ValueError) as caught:
        read_seconds(text)
    assert repr(text) in str(caught.value) and hint in str(caught.value)


def test_more_columns_than_a_list_has_are_refused():
    names = ["path", *(f"c{number}" for number in range(200_000))]
    with pytest.raises(UserError, match="200,001 columns in line 1, more than 1,000"):
        check_columns("a.csv", names, "label", "split")
