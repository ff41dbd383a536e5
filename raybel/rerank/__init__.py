"""The second stage: cross-encoders that rank a mention's candidates in its context."""
