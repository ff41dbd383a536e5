"""Pairs of mention and candidate in token sequences: one `fill` for all types, which differ in what they put together.

A sequence is a context and slots: `[CLS] context [SEP] mention [MASK] candidate ([MASK] candidate ...) [SEP] mention
... [SEP]`, or with the context last: `[CLS] mention [MASK] candidate ... [SEP] context [SEP]`. A pair's score is read
at its `[MASK]`. What doesn't fit goes into another sequence with the same context: every pair is in exactly one slot.

In a `tree`, the context is one block, each mention's block a child of it, each candidate's block a child of its
mention's: a token sees its own block and those above it, and positions go on from the parent's end. So a pair's score
depends on nothing but its context, its mention and its candidate, however many others share the sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.tokens import Tokenised, Tokens


@dataclass(slots=True)
class Packed:
    """A sequence.

    Args:
        ids: Token ids.
        positions: Position of each token.
        mention_of: For each token the block of which mention it belongs to (numbers within the sequence), -1: context.
        candidate_of: Which candidate's block; -1: its mention's or the context's.
        context: Tokens of the context's block at the beginning; 0 where it stands last.
        slots: Places of the masks.
        owners: The pair of each slot: (example, candidate).
    """

    ids: list[int]
    positions: list[int]
    mention_of: list[int]
    candidate_of: list[int]
    context: int
    slots: list[int] = field(default_factory=list)
    owners: list[tuple[int, int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Part:
    """A mention with some of its candidates.

    Args:
        row: The example.
        example: As tokens.
        blocks: Of all its candidates.
        chosen: Which of them.
    """

    row: int
    example: Tokenised
    blocks: list[list[int]]
    chosen: Sequence[int]

    def __len__(self) -> int:
        """Tokens, with those of the separator before it."""
        return 1 + len(self.example.mention) + sum(len(self.blocks[candidate]) for candidate in self.chosen)


def fill(tokens: Tokens, parts: Sequence[Part], tree: bool, last: bool = False) -> Packed:
    """Return the sequence of some mentions' candidates, all of one context, which comes first or `last`."""
    context = parts[0].example.context
    head = [*tokens.start] if last else [*tokens.start, *context, tokens.sep]
    size = len(head)
    made = Packed(list(head), list(range(size)), [-1] * size, [-1] * size, 0 if last else size)

    def add(ids: list[int], mention: int, candidate: int, position: int) -> int:
        place = len(made.ids)
        made.ids += ids
        made.positions += range(position, position + len(ids)) if tree else range(place, place + len(ids))
        made.mention_of += [mention if tree else -1] * len(ids)
        made.candidate_of += [candidate if tree else -1] * len(ids)
        return place

    for number, part in enumerate(parts):
        if number and not tree:
            add([tokens.sep], -1, -1, 0)
        mention = part.example.mention
        add(mention, number, -1, size)
        for candidate in part.chosen:
            made.slots.append(add(part.blocks[candidate], number, candidate, size + len(mention)))
            made.owners.append((part.row, candidate))
    if not tree:
        add([tokens.sep, *context, tokens.sep] if last else [tokens.sep], -1, -1, 0)
    return made


def pack(
    crosstype: str,
    tokens: Tokens,
    examples: Sequence[Tokenised],
    orders: Sequence[Sequence[int]] | None = None,
    together: bool | None = None,
    length: int | None = None,
) -> Iterator[Packed]:
    """Yield the sequences of some mentions; a mention without candidates is in none.

    Args:
        crosstype: One of `CROSSTYPES`.
        tokens: Made the examples.
        examples: Mentions; those with the same group may share a sequence, and what stands in it is in their order.
        orders: In which order each one's candidates stand; None for their own.
        together: Whether mentions share sequences; None for what the type does.
        length: Most tokens of a sequence; None for the model's window. More fit in a tree only, whose positions begin
            anew in each mention's block.
    """
    layout, last = LAYOUTS[crosstype], tokens.parameters.ends_with_context(crosstype)
    if together is None:
        together = layout.mentions_share
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, example in enumerate(examples):
        if example.candidates:
            groups.setdefault(example.group if together else (row,), []).append(row)
    for rows in groups.values():
        room = (length or tokens.length) - len(examples[rows[0]].context) - 3
        held: list[Part] = []
        left = room
        for row in rows:
            example = examples[row]
            order = orders[row] if orders is not None else range(len(example.candidates))
            for part in _parts(row, example, tokens.blocks(example), order, room, not layout.candidates_share):
                if held and (len(part) > left or not together):
                    yield fill(tokens, held, layout.tree, last)
                    held, left = [], room
                held.append(part)
                left -= len(part)
        yield fill(tokens, held, layout.tree, last)


def _parts(
    row: int, example: Tokenised, blocks: list[list[int]], order: Sequence[int], room: int, single: bool
) -> Iterator[Part]:
    """Yield a mention's candidates in runs that fit into a sequence, or one by one."""
    first = 1 + len(example.mention)
    start, size = 0, first
    for place, candidate in enumerate(order):
        own = len(blocks[candidate])
        if place > start and (single or size + own > room):
            yield Part(row, example, blocks, order[start:place])
            start, size = place, first
        size += own
    yield Part(row, example, blocks, order[start:])


def units(sequences: Sequence[Packed]) -> list[list[Packed]]:
    """Put sequences that hold candidates of the same mention together, in order: a loss over them needs them all."""
    made: list[list[Packed]] = []
    for each in sequences:
        if made and made[-1][-1].owners[-1][0] == each.owners[0][0]:
            made[-1].append(each)
        else:
            made.append([each])
    return made
