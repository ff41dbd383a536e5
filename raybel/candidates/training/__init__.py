"""Training a text encoder on an ontology's synonyms and on mentions."""
