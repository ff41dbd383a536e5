"""What a link run leaves: the layout of its directory, and how chunks' parts become shards."""
