"""What a process counts and logs while it works; what becomes of it is the upper layers'."""
