"""Names of files as anybody may safely see and save them (contract §8)."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 255
"""In UTF-16 code units; a longer name keeps its ending."""
LONGEST_ENDING: Final = 20
NAMELESS: Final = "file"
# Devices of Windows, whatever the ending: nobody there can save a file of such a name.
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
# Controls, halves of surrogate pairs, private characters, separators of lines and paragraphs. Format
# characters turn the direction of what follows (exe.png); the two joiners are needed to write some languages.
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"


def clean(name: str) -> str:
    """The name without folders, controls, changes of direction, and what file systems refuse; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    visible = "".join(char for char in last if char in _JOINERS or unicodedata.category(char) not in _REFUSED)
    plain = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", visible)).strip().rstrip(". ")
    if not plain.strip("._ " + _JOINERS):
        return NAMELESS
    if _DEVICES.fullmatch(plain):
        plain = f"_{plain}"
    return _shortened(plain)


def ending(name: str) -> str:
    """What follows the last dot, in lower case; empty where there is none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def _shortened(name: str) -> str:
    if _units(name) <= LONGEST:
        return name
    last = ending(name)
    tail = f".{last}" if last and _units(last) <= LONGEST_ENDING else ""
    stem = name[: len(name) - len(tail)] if tail else name
    while _units(stem) + _units(tail) > LONGEST:
        stem = stem[:-1]
    return stem + tail


def _units(text: str) -> int:
    return len(text) + sum(1 for char in text if char > "\uffff")
