"""Typed options: dataclasses as schemas, YAML files, overrides on the command line."""
