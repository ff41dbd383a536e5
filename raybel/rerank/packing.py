"""Puts pairs of mention and candidate into token sequences; one `fill` serves all types of cross-encoder.

A sequence is a context and slots: `[CLS] context [SEP] mention [MASK] candidate ([MASK] candidate ...) [SEP] mention
... [SEP]`, or with the context last: `[CLS] mention [MASK] candidate ... [SEP] context [SEP]`. A pair's score is read
at its `[MASK]`. Pairs that don't fit go into another sequence with the same context: every pair is in exactly one slot.
Types differ in which pairs share a sequence.

In a `tree`, the context is one block, each mention's block a child of it, each candidate's block a child of its
mention's: a token sees its own block and those above it, and positions go on from the parent's end. So a pair's score
depends on nothing but its context, its mention and its candidate, however many others share the sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.tokens import TokenisedExample, Tokens


@dataclass(slots=True)
class PackedSequence:
    """A token sequence with a context and slots.

    Args:
        ids: Token ids.
        positions: Position of each token.
        mention_of: Of a tree, the mention whose block each token belongs to (its number within the sequence); -1: the
            context's block.
        candidate_of: Of a tree, the candidate whose block each token belongs to; -1: its mention's or the context's.
        context: Number of tokens in the context's block at the beginning; 0 where the context is last.
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
class Segment:
    """A mention with those of its candidates that share a sequence.

    Args:
        row: Number of the example.
        example: The mention as tokens.
        blocks: Tokens of each of its candidates.
        candidates: The numbers of those that are in the sequence, in their order there.
    """

    row: int
    example: TokenisedExample
    blocks: list[list[int]]
    candidates: Sequence[int]

    def __len__(self) -> int:
        """Number of tokens, with the separator before it."""
        return 1 + len(self.example.mention) + sum(len(self.blocks[candidate]) for candidate in self.candidates)


def fill(tokens: Tokens, segments: Sequence[Segment], tree: bool, context_last: bool = False) -> PackedSequence:
    """Return the sequence of some segments.

    Args:
        tokens: Made the examples.
        segments: At least one, all of the same context.
        tree: Whether candidates see only their own mention and the context.
        context_last: Whether the context comes last; else it comes first.
    """
    context = segments[0].example.context
    head = [*tokens.start] if context_last else [*tokens.start, *context, tokens.sep]
    size = len(head)
    sequence = PackedSequence(list(head), list(range(size)), [-1] * size, [-1] * size, 0 if context_last else size)

    def add(ids: list[int], mention: int, candidate: int, position: int) -> int:
        place = len(sequence.ids)
        sequence.ids += ids
        sequence.positions += range(position, position + len(ids)) if tree else range(place, place + len(ids))
        sequence.mention_of += [mention if tree else -1] * len(ids)
        sequence.candidate_of += [candidate if tree else -1] * len(ids)
        return place

    for number, segment in enumerate(segments):
        if number and not tree:
            add([tokens.sep], -1, -1, 0)
        mention = segment.example.mention
        add(mention, number, -1, size)
        for candidate in segment.candidates:
            sequence.slots.append(add(segment.blocks[candidate], number, candidate, size + len(mention)))
            sequence.owners.append((segment.row, candidate))
    if not tree:
        add([tokens.sep, *context, tokens.sep] if context_last else [tokens.sep], -1, -1, 0)
    return sequence


def pack(
    crosstype: str,
    tokens: Tokens,
    examples: Sequence[TokenisedExample],
    orders: Sequence[Sequence[int]] | None = None,
    together: bool | None = None,
    length: int | None = None,
) -> Iterator[PackedSequence]:
    """Yield the sequences that hold some mentions' candidates; a mention without candidates is in none.

    Args:
        crosstype: One of `CROSSTYPES`.
        tokens: Made the examples.
        examples: Mentions; those of the same group may share a sequence, in their order.
        orders: The order of each mention's candidates in the sequences; None for their own.
        together: Whether mentions share sequences; None for what the type does.
        length: The most tokens in a sequence; None for the model's window. Only a tree's sequences may be longer than
            that, since their positions begin anew in each mention's block.
    """
    layout, context_last = LAYOUTS[crosstype], tokens.parameters.ends_with_context(crosstype)
    if together is None:
        together = layout.mentions_share
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, example in enumerate(examples):
        if example.candidates:
            groups.setdefault(example.group if together else (row,), []).append(row)
    for rows in groups.values():
        room = (length or tokens.length) - len(examples[rows[0]].context) - 3
        segments: list[Segment] = []
        free = room
        for row in rows:
            example = examples[row]
            order = orders[row] if orders is not None else range(len(example.candidates))
            for segment in _segments(row, example, tokens.blocks(example), order, room, not layout.candidates_share):
                if segments and (len(segment) > free or not together):
                    yield fill(tokens, segments, layout.tree, context_last)
                    segments, free = [], room
                segments.append(segment)
                free -= len(segment)
        yield fill(tokens, segments, layout.tree, context_last)


def _segments(
    row: int, example: TokenisedExample, blocks: list[list[int]], order: Sequence[int], room: int, single: bool
) -> Iterator[Segment]:
    """Yield a mention's candidates in runs that fit into a sequence, or (`single`) one by one."""
    first = 1 + len(example.mention)
    start, size = 0, first
    for place, candidate in enumerate(order):
        own = len(blocks[candidate])
        if place > start and (single or size + own > room):
            yield Segment(row, example, blocks, order[start:place])
            start, size = place, first
        size += own
    yield Segment(row, example, blocks, order[start:])


def units(sequences: Sequence[PackedSequence]) -> list[list[PackedSequence]]:
    """Return sequences in units, in order: a mention's sequences share one, since a loss over them needs them all."""
    joined: list[list[PackedSequence]] = []
    for sequence in sequences:
        if joined and joined[-1][-1].owners[-1][0] == sequence.owners[0][0]:
            joined[-1].append(sequence)
        else:
            joined.append([sequence])
    return joined
