"""The whole pipeline from a dump to links, each step a job that is skipped when it is done."""
