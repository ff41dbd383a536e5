"""The job that embeds an ontology's names and builds a dense index."""
