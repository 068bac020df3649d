"""Text from outside: decoded by its byte order mark, else as UTF-8, and made safe to print."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is the first half of this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESSES = ("gbk", "cp1252")


def shown(text: object) -> str:
    r"""`text` as it can be printed anywhere: one line, and no command to the terminal.

    Control and format characters, line separators and the surrogates that stand for bytes of a
    file name that is not UTF-8 become escapes (`\x1b`, `\u202e`, `\xff`); letters of any script
    stay as they are.
    """
    return "".join(char if _is_harmless(char) else _escaped(char) for char in str(text))


def nfc(text: str) -> str:
    """`text` with composed accents: macOS stores names decomposed, most lists are composed."""
    return unicodedata.normalize("NFC", text)


def is_utf8(text: object) -> bool:
    """Whether `text`, such as the name of a file, can be written as UTF-8."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def read_text(path: str | Path) -> str:
    """Text in UTF-8, or in UTF-16 or UTF-32 with a byte order mark (as PowerShell's `>` writes).

    Line ends stay as they are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another encoding, or not text; the message says how to convert it.
    """
    content = Path(path).read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(_foreign(path, content, error)) from None
    if "\0" in text:
        raise ValueError(
            f"{shown(path)} holds zero bytes: it is not text, or UTF-16 without a byte order mark. "
            "Save it as UTF-8, for instance by `iconv -f utf-16le -t utf-8`"
        )
    return text


def read_table(path: str | Path) -> tuple[tuple[str, ...], list[tuple[str, dict[str | None, str]]]]:
    """Header of a CSV, and of each row its place (for messages) and its fields.

    A field that a row lacks is "", fields beyond the header are under the key None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not text, or not a CSV.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restval="")
    try:
        header = tuple(reader.fieldnames or ())
        return header, [(f"{shown(path)}, line {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{shown(path)}, line {reader.line_num}: {error}; is it a CSV?") from None


def _foreign(path: str | Path, content: bytes, error: UnicodeDecodeError) -> str:
    """The message for bytes that are not in the expected encoding."""
    line = content.count(b"\n", 0, error.start) + 1
    wrong = f"{shown(path)} is not {error.encoding.upper()} (byte 0x{content[error.start]:02x}"
    guesses = [name for name in _GUESSES if _decodes(content, name)]
    if not guesses or b"\0" in content:
        return f"{wrong} in line {line}), and seems not to be text; replace it"
    return (
        f"{wrong} in line {line}); it may be {' or '.join(guesses)}. Save it as UTF-8, for "
        f"instance by `iconv -f {guesses[0]} -t utf-8`"
    )


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_harmless(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:  # how Python holds a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
