"""Whole-or-absent files on disk and object stores; directories that know what they hold."""
