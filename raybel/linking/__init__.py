"""A chunk's life, from candidates to its part of a shard."""
