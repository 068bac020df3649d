"""Text from outside: read in the encodings that occur, and shown without doing harm."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actlumos.data.manifest import Manifest
from actlumos.data.published.entries import rows
from actlumos.runtime.files import read_json
from actlumos.runtime.text import is_utf8, read_table, read_text, shown

WORDS = "path,class\r\nwalk/été.mp4,走路\n"
MARKED = {
    "utf-8": b"", "utf-8-sig": b"", "utf-16": b"", "utf-32": b"",
    "utf-16-be": codecs.BOM_UTF16_BE, "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip


@pytest.mark.parametrize("encoding", MARKED)
def test_text_is_read_by_its_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(MARKED[encoding] + WORDS.encode(encoding))
    assert read_text(path) == WORDS
    header, table = read_table(path)
    assert header == ("path", "class")
    assert table == [(f"{path}, line 2", {"path": "walk/été.mp4", "class": "走路"})]


def test_another_encoding_is_named_with_its_conversion(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("path,class,split\na.mp4,走路,train\n".encode("gbk"))
    message = r"list\.csv is not UTF-8 \(byte 0xd7 in line 2\); it may be gbk.*iconv -f gbk -t utf"
    path.with_name("m.json").write_bytes('{"a": "走路"}'.encode("gbk"))
    for reader in (read_text, read_table, lambda p: Manifest.read(p, "."), lambda p: [*rows(p)]):
        with pytest.raises(ValueError, match=message) as raised:
            reader(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=r"m\.json is not UTF-8 .* line 1\); it may be gbk"):
        read_json(path.with_name("m.json"))
    path.write_bytes("é,\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"it may be cp1252\. .*iconv -f cp1252"):
        read_text(path)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes("a,b\n".encode("utf-16-le"))  # no mark
    with pytest.raises(ValueError, match=r"list\.csv holds zero bytes.*iconv -f utf-16le"):
        read_text(path)
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match=r"list\.csv is not UTF-8 .* seems not to be text"):
        read_text(path)
    path.write_bytes(codecs.BOM_UTF16_LE + b"odd")
    with pytest.raises(ValueError, match=r"list\.csv is not UTF-16"):
        read_text(path)
    path.write_text('a,b\n1,"' + "x" * (csv.field_size_limit() + 1) + '"\n')
    with pytest.raises(ValueError, match=r"list\.csv, line \d: field larger"):
        read_table(path)


@given(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=1, max_size=3))
def test_a_table_holds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, fields: list[str]
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([["a", "b", "c"], fields])
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_bytes(out.getvalue().encode())
    ((_, row),) = read_table(path)[1] or [("", dict.fromkeys("abc", ""))]
    assert [row[name] for name in "abc"] == fields + [""] * (3 - len(fields))


@given(st.text(st.characters(exclude_categories=())))
def test_shown_text_holds_no_command_and_only_harmful_characters_change(text: str) -> None:
    seen = shown(text)
    assert all(unicodedata.category(c)[0] != "C" and c not in "\u2028\u2029" for c in seen)
    assert is_utf8(seen) and len(seen.splitlines()) <= 1
    if text.isprintable():
        assert seen == text


def test_escapes_are_those_of_a_literal() -> None:
    assert shown("a\x1b[31mred\nß\u202eend") == r"a\x1b[31mred\nß\u202eend"
    assert shown(Path("walk") / "\udcff.mp4") == r"walk/\xff.mp4"
    assert shown("走路\u3000$x^2$") == "走路\u3000$x^2$"
    assert is_utf8("走路") and not is_utf8(Path("\udcff"))
