"""An optional schema of a task's parameters, as Python types. Pure.

    {"address": str, "quota_mb?": int, "aliases?": list, "settings?": dict, "anything?": object}

A name that ends in `?` may be missing. Names that are not listed are refused: what nobody reads was meant
to do something."""
from __future__ import annotations

import difflib
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .contract import Problem, permanent

Schema = Mapping[str, Any]

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list", dict: "a table"}


def _fits(value: Any, wanted: Any) -> bool:
    if wanted is object:
        return True
    if isinstance(wanted, tuple):
        return any(_fits(value, one) for one in wanted)
    if isinstance(value, bool):
        return wanted is bool
    if wanted is float:
        return isinstance(value, (int, float))
    if wanted is int:
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, wanted)


def _word(wanted: Any) -> str:
    if isinstance(wanted, tuple):
        return " or ".join(_word(one) for one in wanted)
    return _WORDS.get(wanted, getattr(wanted, "__name__", str(wanted)))


def check_schema(schema: Schema) -> None:
    """Raises TypeError for a schema that nothing could fit, when the worker is made and not at its first task."""
    for name, wanted in schema.items():
        for one in wanted if isinstance(wanted, tuple) else (wanted,):
            if one is not object and one not in _WORDS:
                raise TypeError(f"parameter '{name}': {one!r} is none of str, int, float, bool, list, dict, object")


def complaints(schema: Schema, parameters: Mapping[str, Any]) -> List[str]:
    known: Dict[str, Tuple[Any, bool]] = {}
    for name, wanted in schema.items():
        known[name.rstrip("?")] = (wanted, not name.endswith("?"))
    found = []
    for name, (wanted, is_required) in known.items():
        value = parameters.get(name)
        if value is None:
            if is_required:
                found.append(f"'{name}' is missing")
        elif not _fits(value, wanted):
            found.append(f"'{name}' must be {_word(wanted)}")
    for name in parameters:
        if name not in known:
            meant = difflib.get_close_matches(name, known, 1)
            found.append(f"'{name}' is not known" + (f"; did you mean '{meant[0]}'?" if meant else ""))
    return found


def refusal(schema: Optional[Schema], parameters: Mapping[str, Any]) -> Optional[Problem]:
    """All complaints at once, or nothing."""
    found = complaints(schema, parameters) if schema is not None else []
    return permanent("invalid_input", "; ".join(found)) if found else None
