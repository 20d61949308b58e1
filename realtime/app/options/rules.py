"""Which options go together, and with what is painted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.app.options.table import TABLE, LiveOption, Options, Use, values_of
from styles.support.errors import UsageError

_REFUSALS: Mapping[Use, str] = {
    Use.LIVE: "{} is for files; expected -i FILE",
    Use.FILE: "{} is not for a single video",
    Use.PHOTO: "{} is for video, not for a photograph",
    Use.SEVERAL: "{} takes one input, not several files",
}


def check_options(options: Options, use: Use) -> None:
    """Raises UsageError if options do not go together, or not with what is painted."""
    values = values_of(options)
    for each in TABLE.values():
        if is_set(values[each.name]) and (refusal := refused_for(each, use) or refused_beside(each, values)):
            raise UsageError(refusal)
    start, end = options.source.start, options.source.end
    if end is not None and end <= (start or 0):
        raise UsageError("--end is not after --start, so there is nothing to paint")


def refused_for(each: LiveOption, use: Use) -> str:
    """Returns why an option cannot be used with what is painted, "" if it can."""
    return _REFUSALS[use].format(each.flag) if each.refused and use not in each.uses else ""


def refused_beside(each: LiveOption, values: Mapping[str, Any]) -> str:
    """Returns why an option cannot be used with the values of the others, "" if it can.

    Args:
        each: the option.
        values: of all options by name; what is missing is not set.
    """
    for name in each.needs:
        if not is_set(values.get(name)):
            return f"{each.flag} needs {TABLE[name].flag}"
    for name, reason in (each.not_with or {}).items():
        if is_set(values.get(name)):
            return f"{each.flag} does not go with {TABLE[name].flag}: {reason}"
    return each.unfit(values)


def is_set(value: object) -> bool:
    """Returns whether a value asks for something: "" does, as it stands for any device; None, False and 0 do not."""
    return value not in (None, (), 0)
