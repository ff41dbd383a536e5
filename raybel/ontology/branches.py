"""Branches of an ontology: which of them a concept is in, and which concepts are in one."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.display import counted
from raybel.errors import ConfigError
from raybel.ontology.store import Ontology

#: The branch of a concept of an ontology without a hierarchy and without types.
WHOLE = ""
#: How many branches of a kind a message names.
_SHOWN = 20


def branch_of(number: str) -> str:
    """Return the first part of a tree number: `C04` of `C04.588.322`, and of `C04/C538614`, as CTD writes some."""
    return re.split("[./]", number, maxsplit=1)[0]


def branches_of_concepts(ontology: Ontology) -> list[tuple[str, ...]]:
    """Return the branches that each concept is in, sorted; at least one.

    They are the first parts of its tree numbers (`C04` of `C04.588.322`); of a concept without any, those of its
    parents; else its types; else `WHOLE`.
    """
    table = ontology.table
    known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def one(branches: Iterable[str]) -> tuple[str, ...]:
        distinct = tuple(sorted(set(branches)))
        return known.setdefault(distinct, distinct)

    own = [one(map(branch_of, numbers or ())) for numbers in table["tree_numbers"].to_pylist()]
    rows = dict(zip(table["concept_id"].to_pylist(), range(len(own)), strict=True)) if any(own) else {}
    inherited = []
    for branches, parents, types in zip(own, table["parents"].to_pylist(), table["types"].to_pylist(), strict=True):
        if not branches and rows:
            branches = one(branch for parent in parents or () if parent in rows for branch in own[rows[parent]])
        inherited.append(branches or one(types or ()) or (WHOLE,))
    return inherited


def branch_names(ontology: Ontology) -> dict[str, str]:
    """Return the names of branches by the tree number that each begins with: `C04` is Neoplasms.

    A branch that no concept stands at the top of, or one without a name, isn't there; without tree numbers none is.
    """
    rows, numbers = _flat(ontology, "tree_numbers")
    top = np.asarray(pc.invert(pc.match_substring_regex(numbers, "[./]")), bool)
    names = ontology.table["name"].take(pa.array(rows[top])).to_pylist()
    return {number: name for number, name in zip(numbers.filter(pa.array(top)).to_pylist(), names, strict=True) if name}


class Hierarchy:
    """An ontology's tree numbers, parents and types, to take branches of it.

    Args:
        ontology: Of any kind; without a hierarchy, its types alone are branches.
    """

    def __init__(self, ontology: Ontology) -> None:
        self.ontology = ontology
        self._number_rows, self._numbers = _flat(ontology, "tree_numbers")
        self._type_rows, self._types = _flat(ontology, "types")
        children, ids = _flat(ontology, "parents")
        parents = ontology.indices(ids.to_pylist())
        below, above = self._numbered_pairs()
        #: Concepts, each beside one right above it.
        self._children = np.concatenate([children[parents >= 0], below])
        self._parents = np.concatenate([parents[parents >= 0], above]).astype(np.int64)

    def members(self, branch: str) -> np.ndarray:
        """Return which concepts are in a branch: bool (concepts,).

        Args:
            branch: The id (or alternative id) of a concept: it and all that is below it, by parents or tree numbers.
                Else the beginning of tree numbers, in whole parts (`C04`, `C04.588`) or the letters before the first
                digit (`D`). Else a type.

        Raises:
            ConfigError: It is none of these; the message says which branches there are.
        """
        found = np.zeros(len(self.ontology), bool)
        top = self.ontology.index(branch)
        if top is not None:
            found[top] = True
            while not found[below := self._children[found[self._parents]]].all():
                found[below] = True
            return found
        found |= self._numbered(branch)
        if not found.any():
            found[self._type_rows[np.asarray(pc.equal(self._types, branch))]] = True
        if not found.any():
            raise ConfigError(f"{self.ontology.path} has no branch {branch}: {self._branches_in_words()}")
        return found

    def unplaced(self) -> np.ndarray:
        """Return which concepts have neither a tree number nor a parent, and are nobody's parent: bool (concepts,)."""
        placed = np.zeros(len(self.ontology), bool)
        for rows in (self._number_rows, self._children, self._parents):
            placed[rows] = True
        return ~placed

    def _numbered(self, branch: str) -> np.ndarray:
        """Concepts with this tree number, or one below it."""
        end = r"\d" if branch.isalpha() else r"(?:[./]|$)"
        inside = pc.match_substring_regex(self._numbers, f"^{re.escape(branch)}{end}")
        found = np.zeros(len(self.ontology), bool)
        found[self._number_rows[np.asarray(inside)]] = True
        return found

    def _numbered_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of concepts, and of those that have the longest number above one of theirs: int64 (pairs,) each."""
        rows_of: dict[str, list[int]] = {}
        for number, row in zip(self._numbers.to_pylist(), self._number_rows.tolist(), strict=True):
            rows_of.setdefault(number, []).append(row)
        pairs = []
        for number, rows in rows_of.items():
            above = _above(number)
            while above and above not in rows_of:
                above = _above(above)
            pairs += [(row, higher) for higher in rows_of.get(above, ()) for row in rows]
        below_and_above = np.array(pairs, np.int64).reshape(-1, 2)
        return below_and_above[:, 0], below_and_above[:, 1]

    def _branches_in_words(self) -> str:
        numbers = set(pc.unique(pc.replace_substring_regex(self._numbers, r"[./].*$", "")).to_pylist())
        letters = {match[0] for match in map(re.compile(r"[^\W\d_]+").match, numbers) if match}
        sentences = [
            f"{what} {', '.join(sorted(names)[:_SHOWN])}" + (", ..." if len(names) > _SHOWN else "")
            for what, names in (
                ("tree numbers begin with", letters or numbers),
                ("types are", set(pc.unique(self._types).to_pylist())),
            )
            if names
        ]
        return "; ".join([f"it is the id of none of its {counted(len(self.ontology), 'concept')}", *sentences])


def _above(number: str) -> str:
    """A tree number without its last part, "" for one of a single part."""
    return number[: max(number.rfind("."), number.rfind("/"), 0)]


def _flat(ontology: Ontology, column: str) -> tuple[np.ndarray, pa.Array]:
    """The values in a column of lists, and the row of each."""
    lists = ontology.table[column].combine_chunks()
    lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
    return np.asarray(pc.list_parent_indices(lists), np.int64), pc.list_flatten(lists)
