"""Sorted block files against a dict: look-ups, ranges, merges, damage, and bytes read."""

from __future__ import annotations

import io
import json
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.exceptions import DamagedLakeError
from lakeflow.tables import blocks
from lakeflow.tables.block_merge import merge
from lakeflow.tables.block_reader import BlockReader, look_up
from lakeflow.tables.block_writer import BlockWriter
from lakeflow.tables.blocks import BlockFile, deflate, pack_foot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Entries = dict[str, str | None]

_ANY = (
    st.characters() | st.characters(categories=["Cs"]) | st.sampled_from('\n\t\0\\"a\x7f\x85é')
)
_KEYS = st.text(_ANY, max_size=6) | st.sampled_from(["\ud83d\ude00", "\U0001f600", "a" * 50])
_VALUES = st.none() | st.text(_ANY, min_size=1).map(lambda text: text.replace("\n", "\t"))
_ENTRIES = st.dictionaries(_KEYS, _VALUES, max_size=40)
_NEAR = st.dictionaries(st.integers(0, 60).map("{:03}".format), _VALUES, max_size=40)
_BLOCK_BYTES = st.sampled_from([1, 30, 100, 400, 16384])


class Stored:
    """A file in memory that counts how it is read."""

    def __init__(self, file: BlockFile, content: bytes) -> None:
        self.file = file
        self.content = content
        self.reads: list[int] = []

    def read(self, start: int, end: int) -> bytes:
        self.reads.append(end - start)
        return self.content[start:end]

    def reader(self) -> BlockReader:
        return BlockReader(self.file, self.read)


def store(entries: Mapping[str, str | None], block_bytes: int = 16384) -> Stored:
    content = io.BytesIO()
    writer = BlockWriter(content, "a/file", block_bytes)
    for key in sorted(entries):
        writer.add(key, entries[key])
    return Stored(writer.finish(), content.getvalue())


def merged(files: Sequence[Stored], drop_removed: bool, block_bytes: int = 16384) -> Stored:
    content = io.BytesIO()
    writer = BlockWriter(content, "merged", block_bytes)
    merge([each.reader() for each in files], writer, drop_removed=drop_removed)
    return Stored(writer.finish(), content.getvalue())


def union(files: Sequence[Entries], drop_removed: bool) -> Entries:
    """Return what files come to, newest first."""
    entries: Entries = {}
    for each in reversed(files):
        entries |= each
    return {k: v for k, v in entries.items() if v is not None or not drop_removed}


def documents(count: int, first: int = 0, step: int = 1) -> dict[str, str]:
    """Return run-like documents, of which some 20 fill a block."""
    fields = {f"metrics.metric_{number}": number / 7 for number in range(20)}
    return {
        f"{number:032x}": json.dumps(fields | {"number": number})
        for number in range(first, first + count * step, step)
    }


@given(_ENTRIES, st.lists(_KEYS), _BLOCK_BYTES)
def test_a_file_answers_like_a_dict(
    entries: Entries, others: list[str], block_bytes: int
) -> None:
    stored = store(entries, block_bytes)
    reader = stored.reader()
    assert list(reader.entries()) == sorted(entries.items())
    assert reader.get(sorted({*entries, *others})) == entries
    for key in [*entries, *others]:
        assert reader.get([key]) == ({key: entries[key]} if key in entries else {})


@given(_ENTRIES, _BLOCK_BYTES)
def test_a_file_says_how_large_it_is_and_what_is_first_and_last(
    entries: Entries, block_bytes: int
) -> None:
    stored = store(entries, block_bytes)
    keys = sorted(entries) or [""]
    expected = BlockFile("a/file", len(stored.content), len(entries), keys[0], keys[-1])
    assert stored.file == expected


@given(_ENTRIES, _KEYS, st.none() | _KEYS, _BLOCK_BYTES)
def test_a_range_has_both_its_ends(
    entries: Entries, first: str, last: str | None, block_bytes: int
) -> None:
    found = list(store(entries, block_bytes).reader().entries(first, last))
    assert found == [
        (key, value)
        for key, value in sorted(entries.items())
        if key >= first and (last is None or key <= last)
    ]


@given(st.lists(_ENTRIES | _NEAR, max_size=4), st.booleans(), _BLOCK_BYTES, _BLOCK_BYTES)
def test_a_merge_is_the_union_in_which_the_newest_counts(
    files: list[Entries], drop_removed: bool, block_bytes: int, merged_bytes: int
) -> None:
    stored = [store(each, block_bytes) for each in files]
    expected = union(files, drop_removed)
    result = merged(stored, drop_removed, merged_bytes)
    reader = result.reader()
    assert list(reader.entries()) == sorted(expected.items())
    assert reader.get(sorted(expected)) == expected
    keys = sorted(expected) or [""]
    size = len(result.content)
    assert result.file == BlockFile("merged", size, len(expected), keys[0], keys[-1])


@given(st.lists(_ENTRIES | _NEAR, max_size=4), st.lists(_KEYS))
def test_a_look_up_finds_the_newest_and_not_what_was_removed(
    files: list[Entries], others: list[str]
) -> None:
    expected = union(files, drop_removed=True)
    keys = [*others, *(key for each in files for key in each)]
    readers = [store(each, 100).reader() for each in files]
    assert look_up(readers, keys) == {key: expected[key] for key in keys if key in expected}


def test_a_look_up_reads_no_file_after_the_last_key_was_found() -> None:
    newest, oldest = store({"a": "1", "c": None}), store({"a": "0", "b": "0", "c": "0"})
    readers = [newest.reader(), oldest.reader()]
    assert look_up(readers, ["a", "c"]) == {"a": "1"}
    assert not oldest.reads
    assert look_up(readers, ["a", "b"]) == {"a": "1", "b": "0"}


def test_keys_that_no_file_can_have_cost_no_read() -> None:
    stored = store({"b": "1", "d": "2"})
    assert stored.reader().get(["a", "e"]) == {}
    assert store({}).reader().get([""]) == {}
    assert not stored.reads


def test_a_key_is_not_taken_for_one_that_it_begins_or_for_part_of_a_document() -> None:
    entries = {"a": '{"k":"b\t1"}', "ab": "\tc\t", "abc": None}
    reader = store(entries).reader()
    assert reader.get(["", "a", "aa", "ab", "abc", "b", "c"]) == entries


def test_halves_of_a_character_are_another_key_than_the_character() -> None:
    entries = {"\ud83d\ude00": "1", "\U0001f600": "2"}
    assert store(entries).reader().get(sorted(entries)) == entries


def test_the_order_is_that_of_texts_and_not_of_what_is_written() -> None:
    keys = ["", "\0", "\n", " ", "Z", "\\", "a", "\x7f", "é", "\ud800", "\uffff", "\U00010000"]
    assert [key for key, _ in store(dict.fromkeys(keys, "1"), 1).reader().entries()] == keys


@pytest.mark.parametrize("key", ["a", "b"])
def test_a_key_that_is_not_greater_is_refused(key: str) -> None:
    writer = BlockWriter(io.BytesIO(), "file")
    writer.add("b", "1")
    with pytest.raises(ValueError, match="does not come after 'b'"):
        writer.add(key, "2")
    writer.add("c", None)
    assert writer.finish().entries == 2


@pytest.mark.parametrize("key", ["a", "l", "z"])
def test_a_key_within_or_before_what_was_copied_is_refused(key: str) -> None:
    writer = BlockWriter(io.BytesIO(), "file")
    merge([store({"b": "1", "m": "1", "z": "1"}).reader()], writer, drop_removed=False)
    with pytest.raises(ValueError, match="does not come after 'z'"):
        writer.add(key, "2")


@pytest.mark.parametrize("value", ["", "1\n2"])
def test_a_value_is_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="not a document of one line"):
        BlockWriter(io.BytesIO(), "file").add("a", value)


@pytest.fixture(scope="module")
def large() -> Stored:
    """Return a file of 200,000 entries, of which every second key is left out."""
    return store({f"{2 * n:032x}": f'{{"n":{n * 2654435761}}}' for n in range(200_000)})


def test_a_look_up_in_a_large_file_takes_three_small_reads(large: Stored) -> None:
    for n in (0, 77_777, 199_999):
        reader = large.reader()
        large.reads.clear()
        assert reader.get([f"{2 * n:032x}"]) == {f"{2 * n:032x}": f'{{"n":{n * 2654435761}}}'}
        assert len(large.reads) <= 3
        assert sum(large.reads) < 48 * 1024


def test_further_look_ups_in_one_reader_take_fewer(large: Stored) -> None:
    reader = large.reader()
    reader.get([f"{200_000:032x}"])
    large.reads.clear()
    assert reader.get([f"{200_002:032x}"]) != {}
    assert len(large.reads) == 1
    assert reader.get([f"{0:032x}"]) != {}
    assert len(large.reads) == 3


def test_hardly_a_block_is_read_for_keys_that_the_file_does_not_have(large: Stored) -> None:
    reader = large.reader()
    assert [*reader.entries()]
    large.reads.clear()
    apart = range(0, 200_000, 5_000)
    assert reader.get(f"{2 * n + 1:032x}" for n in apart) == {}
    count, large.reads[:] = len(large.reads), []
    assert len(reader.get(f"{2 * n:032x}" for n in apart)) == len(large.reads) == 40
    assert count < 10


def test_a_merged_file_rules_out_what_those_that_it_is_made_of_do() -> None:
    few = [store(documents(60, first=n)) for n in (0, 40_000, 100, 80_000)]
    whole = merged(few, drop_removed=True)
    reader = whole.reader()
    keys = [f"{number:032x}" for number in range(80_100)]
    assert len(reader.get(keys)) == 240
    whole.reads.clear()
    assert reader.get(f"{number:032x}" for number in range(200, 40_000)) == {}
    assert sum(whole.reads) < whole.file.size / 2


def test_neighbours_are_read_together(large: Stored) -> None:
    keys = [f"{2 * n:032x}" for n in range(100_000, 101_000)]
    reader = large.reader()
    large.reads.clear()
    assert list(reader.get(keys)) == keys
    assert len(large.reads) <= 4
    large.reads.clear()
    assert [key for key, _ in reader.entries(keys[0], keys[-1])] == keys
    assert len(large.reads) == 1


def test_what_lies_apart_is_announced_once_a_level(large: Stored) -> None:
    reads: list[tuple[int, int]] = []
    announced: list[list[tuple[int, int]]] = []

    def read(start: int, end: int) -> bytes:
        reads.append((start, end))
        return large.read(start, end)

    keys = [f"{2 * n:032x}" for n in range(0, 200_000, 5_000)]
    reader = BlockReader(large.file, read, lambda spans: announced.append(list(spans)))
    assert list(reader.get(keys)) == keys
    (_, *below), (index, *pieces) = reads, announced
    assert len(index) > 1
    assert [len(each) for each in pieces] == [32, 8]
    # The end of the file, which is read first, may hold an index block too.
    assert set(below) <= {span for each in announced for span in each}
    assert len(below) >= len(index) - 1 + len(keys)
    announced.clear()
    reader.get(keys[:1])
    assert announced == []


def test_a_scan_reads_pieces_and_not_blocks(large: Stored) -> None:
    reader = large.reader()
    large.reads.clear()
    assert sum(1 for _ in reader.entries()) == 200_000
    # Of 22 blocks of so short entries each there is an index block, with their filters.
    assert len(large.reads) < 40
    assert max(large.reads) <= 1024 * 1024


def test_threads_share_a_reader(large: Stored) -> None:
    reader = large.reader()
    found: dict[str, str | None] = {}

    def look(first: int) -> None:
        for n in range(first, 200_000, 2000):
            found.update(reader.get([f"{2 * n:032x}"]))

    threads = [threading.Thread(target=look, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 800
    assert all(
        value == f'{{"n":{int(key, 16) // 2 * 2654435761}}}' for key, value in found.items()
    )


def test_blocks_that_no_other_file_overlaps_are_copied() -> None:
    files = [store(documents(500, first)) for first in (1000, 0, 500)]
    result = merged(files, drop_removed=True)
    blocks = [block.content for each in files for block in each.reader().blocks()]
    copied = [block for block in blocks if block in result.content]
    assert len(blocks) - len(copied) <= 6
    assert len(copied) > 50


def test_removed_keys_are_left_out_of_a_block_that_nothing_overlaps() -> None:
    newest, oldest = store({"x": None, "y": "1", "z": None}), store({"a": None, "b": "2"})
    assert dict(merged([newest, oldest], True).reader().entries()) == {"b": "2", "y": "1"}
    assert merged([newest, oldest], False).file.entries == 5


def test_the_last_key_is_found_where_all_after_a_copied_block_are_left_out() -> None:
    values = documents(100)
    keys = sorted(values)
    file = store(values | dict.fromkeys(keys[60:]))
    result = merged([file], drop_removed=True)
    assert result.file.most == keys[59]
    assert result.reader().get(keys) == {key: values[key] for key in keys[:60]}


def test_merges_of_scattered_changes_leave_no_small_blocks() -> None:
    entries = documents(1000)
    result = store(entries)
    for turn in range(60):
        # A document grows, so that the last ones of its block find no place in it any more.
        changes = {key: entries[key] + 50 * " " for key in sorted(entries)[turn::300]}
        entries |= changes
        result = merged([store(changes), result], drop_removed=True)
    assert dict(result.reader().entries()) == entries
    count, fresh = (len(list(each.reader().blocks())) for each in (result, store(entries)))
    assert count < 1.2 * fresh


_SMALL = {"a": '{"x":1}', "b": None, "c" * 40: '{"y":"é"}', "d": '{"z":[1,2,3,4,5,6]}'}


def answers(file: BlockFile, content: bytes) -> Entries | None:
    """Return what a file says when asked in both ways; None if it says that it is damaged."""
    try:
        reader = Stored(file, content).reader()
        found = reader.get(sorted(_SMALL))
        assert found == dict(reader.entries())
    except DamagedLakeError:
        return None
    return found


@pytest.mark.parametrize("block_bytes", [40, 16384])
def test_a_changed_byte_is_noticed_or_does_no_harm(block_bytes: int) -> None:
    stored = store(_SMALL, block_bytes)
    content = stored.content
    for place, byte in enumerate(content):
        for change in (1, 2, 31, 32, 128, 255):
            changed = content[:place] + bytes([byte ^ change]) + content[place + 1 :]
            assert answers(stored.file, changed) in (None, _SMALL)


@pytest.mark.parametrize("block_bytes", [40, 16384])
def test_a_file_that_is_cut_is_noticed(block_bytes: int) -> None:
    stored = store(_SMALL, block_bytes)
    for size in range(len(stored.content)):
        assert answers(stored.file, stored.content[:size]) is None
        assert answers(stored.file._replace(size=size), stored.content[:size]) is None


def test_bytes_that_are_missing_or_wrong_in_a_large_file_are_noticed(large: Stored) -> None:
    nothing = BlockReader(large.file, lambda start, end: large.read(start, end)[:-1])
    with pytest.raises(DamagedLakeError, match="a/file is damaged"):
        nothing.get([large.file.least])
    shifted = Stored(large.file, b"x" + large.content[:-20_000] + large.content[-19_999:])
    with pytest.raises(DamagedLakeError, match="a/file is damaged"):
        shifted.reader().get([large.file.least])


def test_another_file_than_the_one_that_was_meant_is_noticed() -> None:
    one, other = store({"a": "1"}), store({"a": "1", "b": "1"})
    with pytest.raises(DamagedLakeError):
        BlockReader(other.file._replace(entries=1), other.read).get(["a"])
    assert one.reader().get(["a"]) == {"a": "1"}


def test_a_scan_of_lines_that_lead_to_one_block_twice_ends() -> None:
    data = deflate([b"k\t{}"])
    start, end, levels = 0, len(data), 60
    for _ in range(levels):
        lines = deflate([b"k\t%d\t%d\t1\t0\t0" % (start, end)] * 2)
        data += lines
        start, end = end, end + len(lines)
    data += pack_foot(end - start, levels, 1)
    stored = Stored(BlockFile("a/file", len(data), 1, "k", "k"), data)
    assert stored.reader().get(["k"]) == {"k": "{}"}
    with pytest.raises(DamagedLakeError, match="not behind the one before"):
        list(stored.reader().blocks())


def test_a_block_that_would_take_all_memory_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store({"a": "b" * 2_000})
    monkeypatch.setattr(blocks, "LARGEST_BLOCK_BYTES", 1_000)
    with pytest.raises(DamagedLakeError, match="more than 1,000 bytes"):
        stored.reader().get(["a"])


def test_a_file_that_is_gone_is_said_to_be_gone() -> None:
    def read(start: int, end: int) -> bytes:
        raise FileNotFoundError("a/file")

    with pytest.raises(FileNotFoundError):
        BlockReader(store({"a": "1"}).file, read).get(["a"])
