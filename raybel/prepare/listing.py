"""What a server says of a directory of dumps: its listing, files' digests and sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

import requests
from lxml import etree, html
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from raybel.errors import InputError
from raybel.prepare.download import MAX_TRIES, TIMEOUT, TRANSIENT_STATUSES

#: More bytes than a page may have: PubMed's listings have about half a million.
MAX_PAGE = 16 << 20
#: What server directories write behind a file: its size, rounded, in units of 1,024.
_SIZE = re.compile(r"(?:^|\s)(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*$")
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class MissingError(InputError):
    """The server says that it has no such file."""


@dataclass(frozen=True)
class ListedFile:
    """A file of a dump.

    Args:
        name: Its name, which matches the dump's pattern: no part of it is a path.
        number: What it is chosen by.
        bytes: About how large it is, as the listing says; None where it doesn't.
        has_md5: Whether a file `NAME.md5` is listed.
    """

    name: str
    number: int
    bytes: int | None
    has_md5: bool


@dataclass(frozen=True)
class Listing:
    """The files of a dump, by number, and those of older releases that the directory has too."""

    files: dict[int, ListedFile]
    older: int = 0


class Web:
    """One connection to a server, for what is small; a busy server is asked again, with growing pauses.

    Args:
        pause: Seconds before the second try after a busy server's answer; doubles with each.
    """

    def __init__(self, pause: float = 1.0) -> None:
        retry = Retry(
            total=MAX_TRIES - 1,
            backoff_factor=pause,
            status_forcelist=TRANSIENT_STATUSES,
            allowed_methods=("GET", "HEAD"),
            raise_on_status=False,
        )
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "raybel"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def page(self, url: str) -> bytes:
        """Return a small file.

        Raises:
            MissingError: The server doesn't have it.
            InputError: It can't be had, or is larger than `MAX_PAGE`.
        """
        response = self._ask("GET", url)
        with response:
            try:
                content = b"".join(_bounded(response))
            except requests.RequestException as error:
                raise InputError(f"can't be fetched: {error}", path=url) from error
        if len(content) > MAX_PAGE:
            raise InputError(f"is larger than {MAX_PAGE:,} bytes, which no listing is", path=url)
        return content

    def size(self, url: str) -> int | None:
        """Return a file's size in bytes, None where the server doesn't state it.

        Raises:
            MissingError: The server doesn't have it.
            InputError: The server can't be reached, or refuses.
        """
        with self._ask("HEAD", url) as response:
            stated = response.headers.get("Content-Length", "")
            packed = response.headers.get("Content-Encoding", "identity") != "identity"
        return int(stated) if stated.isascii() and stated.isdigit() and not packed else None

    def _ask(self, method: str, url: str) -> requests.Response:
        headers = {"Accept-Encoding": "identity"}
        try:
            response = self._session.request(
                method, url, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            )
        except requests.RequestException as error:
            raise InputError(f"can't be fetched: {error}; is there a network?", path=url) from error
        if not response.ok:
            response.close()
            kind = MissingError if response.status_code in (404, 410) else InputError
            raise kind(f"can't be fetched: HTTP {response.status_code} {response.reason}", path=url)
        return response


def _bounded(response: requests.Response) -> list[bytes]:
    pieces, size = [], 0
    for piece in response.iter_content(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_PAGE:
            break
    return pieces


def read_listing(page: bytes, url: str, pattern: str) -> Listing:
    """Return the files that a directory's HTML page links to.

    A link counts if its address is the directory's and a name that wholly matches the pattern, as they are written:
    nothing is decoded, so that no name leads out of a directory. Where files of several releases are there, those of
    the newest one count.

    Args:
        page: The page.
        url: The directory's address, with a slash at its end.
        pattern: As `sources.Dump` has it.

    Raises:
        InputError: There is no such file.
    """
    try:
        tree = html.document_fromstring(page)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise InputError(f"isn't a listing of files: {error}", path=url) from error
    kind, known, digests = re.compile(pattern, re.ASCII), dict[str, int | None](), set[str]()
    for link in tree.iter("a"):
        name = _name_in(link.get("href"), url)
        if name.endswith(".md5"):
            digests.add(name.removesuffix(".md5"))
        elif kind.fullmatch(name):
            known.setdefault(name, _size_beside(link))
    matches = [kind.fullmatch(name) for name in known]
    releases = {found.groupdict().get("release") or "" for found in matches if found}
    files: dict[int, ListedFile] = {}
    for name, size in sorted(known.items()):
        found = kind.fullmatch(name)
        if found and (found.groupdict().get("release") or "") == max(releases):
            number = int(found["number"])
            files.setdefault(number, ListedFile(name, number, size, name in digests))
    if not files:
        raise InputError(f"lists no file like {pattern}: has the server's directory changed?", path=url)
    return Listing(files, len(known) - len(files))


def _name_in(href: str | None, url: str) -> str:
    """Return the name of a file that a link in a directory leads to; "" for any other link."""
    try:
        whole = urljoin(url, (href or "").strip())
    except ValueError:  # such as an address with half an IPv6 host
        return ""
    name = whole.removeprefix(url)
    return name if whole.startswith(url) and re.fullmatch(r"[\w.-]+", name, re.ASCII) else ""


def _size_beside(link: html.HtmlElement) -> int | None:
    row = next(link.iterancestors("tr"), None)
    texts = [link.tail or ""] if row is None else [cell.text_content() for cell in row.iter("td")]
    for text in reversed(texts):
        if found := _SIZE.search(text.split("\n")[0].strip()):
            return round(float(found[1]) * 1024 ** _UNITS[found[2]])
    return None


def digest_in(content: bytes, name: str, url: str) -> str:
    """Return the digest in a `.md5` file as `md5:HEX`: `MD5(NAME)= HEX`, or `HEX  NAME`.

    Raises:
        InputError: It is something else, or the digest of another file.
    """
    text = content[:1000].decode("utf-8", "replace").strip()
    escaped = re.escape(name)
    digits = r"([0-9a-fA-F]{32})"
    found = re.fullmatch(rf"MD5\s*\({escaped}\)\s*=\s*{digits}", text) or re.fullmatch(
        rf"{digits}(?:\s+\*?{escaped})?", text
    )
    if not found:
        raise InputError(f"isn't the MD5 digest of {name}, but {text[:80]!r}", path=url)
    return f"md5:{found[1].lower()}"
