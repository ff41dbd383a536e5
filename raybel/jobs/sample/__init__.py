"""The job that draws mentions from a corpus, and writes the documents that they are in."""
