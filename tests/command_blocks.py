"""Command blocks: those of a Markdown page, the commands in them, and `raybel ...` run in this process."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raybel.cli import main

_FENCE = re.compile(r"^```(\S*)[ ]?(.*)$")
_HEREDOC = re.compile(r"<<\s*'?(\w+)'?")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Args:
        page: Its name.
        line: Of the opening fence, from 1.
        language: `sh`, `text` ...
        remark: What else stands behind the language.
        text: Between the fences.
    """

    page: str
    line: int
    language: str
    remark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a Markdown file, in order."""
    found, opened, lines = [], None, []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, lines = (number, fence[1], fence[2]), []
        elif opened is not None and line == "```":
            found.append(Block(page.name, *opened, "\n".join(lines)))
            opened = None
        else:
            lines.append(line)
    assert opened is None, f"{page}:{opened[0]} isn't closed"
    return found


def commands(text: str) -> Iterator[str]:
    """Yield the commands of a shell block: lines with their continuations and here-documents, without comments."""
    lines = iter(text.strip().splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        if end := _HEREDOC.search(command):
            for more in lines:
                command += "\n" + more
                if more == end[1]:
                    break
        if command.strip() and not command.startswith("#"):
            yield command


def words(command: str) -> list[str]:
    """Return a command's words, as a shell splits it."""
    return shlex.split(command.replace("\\\n", " "), comments=True)


def raybel(arguments: list[str]) -> None:
    """Run `raybel ...` in this process; one that fails raises an error or `SystemExit`."""
    main(arguments, prog_name="raybel", standalone_mode=False)
