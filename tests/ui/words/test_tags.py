"""Lists of tags: the common form and its relatives, long ones, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EaselError
from ui.words.tags import Tag, TagList, read_tag_file, read_tags

COMMON = '1girl,0,4114588,"1girls,sole_female"\nlong_hair,0,2898315,"/lh,longhair"\nsaber_(fate),4,900,\n^_^,0,500,\n'


@pytest.mark.parametrize(
    "text",
    [
        COMMON,
        f"\ufeff{COMMON}",
        COMMON.replace("\n", "\r\n"),
        f"\n\n{COMMON}",
        f"name,category,post_count,aliases\n{COMMON}",
        "tag_id,name,category,count\n1,1girl,0,4114588\n2,long_hair,0,2898315\n3,saber_(fate),4,900\n4,^_^,0,500\n",
        "1girl\nlong_hair\nsaber_(fate)\n^_^\n",
        "1girl,5,Quality tag,\nlong_hair,,,\nsaber_(fate),x\n^_^,0,many,\n",
    ],
)
def test_the_forms_in_which_lists_are_shared(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tags.csv"
    path.write_text(text, "utf-8", newline="")
    tags = read_tag_file(path)
    assert [tag.text for tag in tags] == ["1girl", "long hair", r"saber \(fate\)", "^_^"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n\n", b",,,\n", b"name,count\n", b"\x00\x01\x02", "name,0".encode("utf-16")),
        *(b'cat,0,5,"cats\ndog,0,4\n', b'"' + b"a" * 200_000),
    ],
)
def test_a_file_that_is_no_list_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(EaselError, match=r"“broken\.csv” was left out: .+"):
        read_tag_file(path)


def test_a_broken_list_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\0")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good.csv").write_text(COMMON, "utf-8")
    tags, troubles = read_tags([tmp_path])
    assert len(tags.tags) == 4 and len(troubles) == 3
    (tmp_path / "good.csv").write_text("other,0,1,\n", "utf-8")
    assert [tag.name for tag in read_tags([tmp_path])[0].tags] == ["other"]


def test_the_tag_itself_comes_first_then_its_beginning_then_its_words() -> None:
    tags = TagList([Tag("cat_ears", 900), Tag("cat", 500, ("feline",)), Tag("black_cat", 800), Tag("concatenate", 9000)])
    assert [tag.name for tag in tags.find("Cat", 9)] == ["cat", "cat_ears", "black_cat"]
    assert [tag.name for tag in tags.find("black c", 9)] == ["black_cat"] == [tag.name for tag in tags.find("black_c", 9)]
    assert [tag.name for tag in tags.find("feli", 9)] == ["cat"]
    assert [tag.name for tag in tags.find("cat", 1)] == ["cat"]
    assert tags.find(" ", 9) == tags.find("\n", 9) == TagList().find("cat", 9) == []


def test_of_two_lists_with_a_tag_the_larger_count_is_used() -> None:
    assert TagList([Tag("cat", 1), Tag("cat", 5), Tag("cat", 2)]).tags == [Tag("cat", 5)]


def test_a_list_of_200_000_tags_is_searched_whole(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("".join(f'tag_{n}_{n % 7},0,{200_000 - n},"alias_{n},other_{n}"\n' for n in range(200_000)), "utf-8")
    tags, troubles = read_tags([tmp_path])
    assert not troubles and len(tags.tags) == 200_000
    assert [tag.name for tag in tags.find("tag", 3)] == ["tag_0_0", "tag_1_1", "tag_2_2"]
    assert [tag.name for tag in tags.find("other_199999", 5)] == ["tag_199999_2"]
    assert tags.find("nothing like it", 5) == []
    assert read_tags([tmp_path])[0] is tags  # an unchanged file is not read again
