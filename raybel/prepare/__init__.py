"""Preparation: official corpora and vocabularies become BioC files and an ontology."""
