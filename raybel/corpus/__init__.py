"""BioC corpora as rows: documents, chunks of them, surfaces and abbreviations."""
