"""The target vocabulary: concepts and their names, memory-mapped."""

from raybel.ontology.concept import Concept as Concept
from raybel.ontology.ids import BARE_PREFIXES as BARE_PREFIXES
from raybel.ontology.store import ONTOLOGY_SUFFIXES as ONTOLOGY_SUFFIXES
from raybel.ontology.store import Ontology as Ontology
