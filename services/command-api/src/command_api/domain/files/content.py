"""Whether the first bytes of a file are those of the type that it claims to be.

What has no signature cannot be proven and passes: text, and types that nobody knows. Nothing passes that runs on a
machine, and nothing that is named or declared as an image, a PDF or an archive and does not begin like one.
"""

from typing import Final

from puremagic import PureError, magic_string

EXECUTABLE: Final = "executable"
MISMATCH: Final = "mismatch"

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/bmp": "image/x-ms-bmp",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/heic": "image/heif",
    "application/x-pdf": "application/pdf",
    "application/gzip": "application/x-gzip",
    "application/x-zip-compressed": "application/zip",
    "application/x-zip": "application/zip",
    "application/vnd.rar": "application/x-rar-compressed",
    "application/x-rar": "application/x-rar-compressed",
}
_IMAGES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/x-ms-bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "ico": "image/x-icon",
    "heic": "image/heif",
}
_OF_ENDINGS: Final = {
    **_IMAGES,
    "pdf": "application/pdf",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_PROVABLE_IMAGES: Final = frozenset(_IMAGES.values())
_ARCHIVES: Final = frozenset({"application/x-gzip", "application/x-7z-compressed", "application/x-rar-compressed"})
# Documents that are zip files by another name.
_ZIPPED: Final = ("application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument.")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OF_OLE: Final = frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"})
_RTF: Final = b"{\\rtf"
_RUNS: Final = (b"\x7fELF", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_CAFE: Final = b"\xca\xfe\xba\xbe"  # classes of Java, and programs for several kinds of Mac
_WIDE_TEXT: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_TEXTS: Final = frozenset({"application/json", "application/xml", "image/svg+xml"})
_CONTAINERS: Final = frozenset({"application/ogg", "application/mp4", "application/mxf", "application/x-matroska"})
_PDF_WITHIN: Final = 1024
"""A PDF may have something before its mark; readers look as far as this."""


def flaw(head: bytes, mime_type: str, ending: str) -> str | None:
    """What is wrong with a file that begins with `head`: EXECUTABLE, MISMATCH, or None for nothing."""
    declared = essence(mime_type)
    if _runs(head, declared):
        return EXECUTABLE
    if not _may_be(head, declared):
        return MISMATCH
    named = _OF_ENDINGS.get(ending)
    if named is None or _may_be(head, named):
        return None
    # A photo under another image's ending deceives nobody.
    similar = named in _PROVABLE_IMAGES and any(_may_be(head, one) for one in _PROVABLE_IMAGES)
    return None if similar else MISMATCH


def essence(mime_type: str) -> str:
    """The type without its parameters, in lower case, under its usual name."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def _runs(head: bytes, declared: str) -> bool:
    if head.startswith((*_RUNS, _CAFE)):
        return True
    if head.startswith(b"MZ"):  # as two letters they may also begin a text
        return b"\x00" in head[:64]
    return head.startswith(b"#!") and not declared.startswith("text/")


def _may_be(head: bytes, type_: str) -> bool:
    if type_ == "application/pdf":
        return b"%PDF-" in head[:_PDF_WITHIN]
    if type_ == "application/zip" or type_.endswith("+zip") or type_.startswith(_ZIPPED):
        return head.startswith(_ZIP)
    if type_ in _OF_OLE:
        return head.startswith((_OLE, _RTF, *_ZIP))
    if type_ in _PROVABLE_IMAGES or type_ in _ARCHIVES:
        return type_ in _known(head)
    if type_.startswith("text/") or type_.endswith(("+json", "+xml")) or type_ in _TEXTS:
        return b"\x00" not in head or head.startswith(_WIDE_TEXT)
    family = type_.partition("/")[0]
    if family in {"image", "audio", "video"}:
        return _is_of(family, _known(head))
    return True


def _is_of(family: str, known: frozenset[str]) -> bool:
    """Sound and film share their containers; what nothing is known of may be any of them."""
    fitting = {"image"} if family == "image" else {"audio", "video"}
    return not known or any(one.partition("/")[0] in fitting or one in _CONTAINERS for one in known)


def _known(head: bytes) -> frozenset[str]:
    """The types whose signature this is, under their usual names."""
    if head[4:12] in {b"ftypavif", b"ftypavis"}:
        return frozenset({"image/avif"})
    try:
        return frozenset(essence(one.mime_type) for one in magic_string(head) if one.mime_type)
    except (PureError, ValueError):
        return frozenset()
