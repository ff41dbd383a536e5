"""The labels of a token classifier: which say that a mention of a type begins, goes on, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raybel.errors import ConfigError


@dataclass(frozen=True)
class Labels:
    """BIO labels of a model (Ramshaw & Marcus 1995).

    Args:
        names: Of all labels, in the model's order.
        outside: Number of the label `O`.
        types: The types of mentions, sorted; one type `""` where labels have no types.
        begin: For each type, the number of its `B-` label; -1 where the model has only `I-` for it.
        inside: For each type, the number of its `I-` label; -1 where the model has only `B-` for it.
    """

    names: tuple[str, ...]
    outside: int
    types: tuple[str, ...]
    begin: tuple[int, ...]
    inside: tuple[int, ...]

    @classmethod
    def of_types(cls, types: Sequence[str]) -> Labels:
        """Return the labels of a model that finds some types: `O`, then `B-` and `I-` of each, types sorted."""
        ordered = sorted(set(types))
        names = ["O"]
        for kind in ordered:
            names += [f"B-{kind}", f"I-{kind}"] if kind else ["B", "I"]
        return cls.parse(dict(enumerate(names)))

    @classmethod
    def parse(cls, names: Mapping[int, str]) -> Labels:
        """Read the labels of a model.

        Known are `B-X`, `I-X` (also `B_X`), `O`; `B` and `I` without types; models that have only `I-X` (IOB1 without
        neighbours, or IO). Case counts in types alone.

        Args:
            names: A model's `id2label`: numbers from 0 on without a gap.

        Raises:
            ConfigError: They are other labels; names them.
        """
        ordered = [str(names.get(number, "")) for number in range(len(names))]
        outside: list[int] = []
        found: dict[str, dict[str, int]] = {}
        wrong = []
        for number, name in enumerate(ordered):
            place, mark, kind = name[:1].upper(), name[1:2], name[2:]
            if name.upper() == "O":
                outside.append(number)
            elif place in ("B", "I") and (name[1:] == "" or (mark in ("-", "_") and kind)):
                if place in found.setdefault(kind, {}):
                    wrong.append(name)
                found[kind][place] = number
            else:
                wrong.append(name)
        if wrong or len(outside) != 1 or not found or ("" in found and len(found) > 1):
            listed = ", ".join(wrong[:5] or ordered[:5]) + ("" if len(wrong or ordered) <= 5 else " ...")
            raise ConfigError(
                f"its labels aren't BIO labels (B-Disease, I-Disease, O), but {listed}: only a model that classifies "
                "tokens by such labels finds mentions; `raybel train detector` makes one"
            )
        types = tuple(sorted(found))
        return cls(
            tuple(ordered),
            outside[0],
            types,
            tuple(found[kind].get("B", -1) for kind in types),
            tuple(found[kind].get("I", -1) for kind in types),
        )
