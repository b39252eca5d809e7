"""The systems that ``audiolm train`` knows: those of all families (:mod:`audiolm.spec`), and ``package.module:Class``
of one's own; a system's module is imported only when it is asked for.
"""

from audiolm.spec import all_specs, find_spec


def system_class(name: str) -> type:
    """Return the System class called ``name``: of a family, or ``package.module:Class`` of one's own.

    Raises:
        AudiolmError: no such family, module or class.
    """
    return find_spec(name).get("system")


def system_names() -> list[str]:
    """Names of all families."""
    return list(all_specs())
