"""How pairs of mention and candidate share a sequence, in each type of cross-encoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """What the sequences of a type of cross-encoder share.

    Args:
        candidates_share: Whether a mention's candidates share a sequence.
        mentions_share: Whether a context's mentions share one.
        tree: Whether a candidate sees only its own mention and the context, whatever else is in the sequence.
        context: What a sequence's context is: `passage`, `document`; None for what the hyper-parameters say.
    """

    candidates_share: bool = True
    mentions_share: bool = True
    tree: bool = False
    context: str | None = None

    @property
    def order_matters(self) -> bool:
        """Whether candidates see each other, so that a model can learn their order instead of their meaning."""
        return self.candidates_share and not self.tree

    @property
    def mentions_matter(self) -> bool:
        """Whether mentions see each other, so that a mention's scores depend on which others are ranked with it."""
        return self.mentions_share and not self.tree


#: By `crosstype`.
LAYOUTS = {
    "base": Layout(candidates_share=False, mentions_share=False),
    "parallel": Layout(mentions_share=False),
    "multi": Layout(),
    "passage": Layout(context="passage"),
    "document": Layout(context="document"),
    "tree": Layout(tree=True),
}
