"""The job that finds mentions in a corpus, and links nothing."""
