"""The jobs on Ray, each one function of a configuration, and what they share."""
