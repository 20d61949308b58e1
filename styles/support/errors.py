"""Exit codes, and how an error is printed: one mechanism for all three commands.

Each layer has a table of its own error classes (`styles.exit_codes`, `build_engines.exit_codes`, …); a command joins
the tables of the layers that it uses.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping

from styles.support.readers import shortened
from styles.support.secrets import without_secrets
from styles.support.terminal import discard_unread_output, patient_streams, print_line

DONE, FAILED, USAGE, UNREADABLE, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

# What each error class means to a shell. The most specific class counts.
ExitCodes = Mapping[type[BaseException], int]


class UsageError(ValueError):
    """Options that do not make sense together, or not with this input."""


def explain(error: BaseException, exit_codes: ExitCodes) -> tuple[int, str | None]:
    """Returns the exit code of an error and the line that says what happened; None for an error nobody expected."""
    code = next((exit_codes[kind] for kind in type(error).__mro__ if kind in exit_codes), None)
    if code is None:
        return FAILED, None
    return code, text_of(error)


def text_of(error: BaseException) -> str:
    """Returns what an error says, in one line."""
    if isinstance(error, LookupError) and error.args:
        # str() would put it in quotes
        return str(error.args[0])
    text = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    file = getattr(error, "filename", None)
    return text if file is None else f"{shortened(str(file))}: {text}"


def run_command(
    name: str,
    run: Callable[[], int],
    exit_codes: ExitCodes,
    *,
    debug: bool | None = False,
    secrets: Iterable[str] = (),
) -> int:
    """Runs a command and returns its exit code; an error becomes one line on stderr, without secrets.

    Args:
        name: of the command, which the line begins with.
        run: returns the exit code.
        exit_codes: the errors that are expected. Others get the code 1, and the line names their class.
        debug: print the traceback of an error first; None for a command without the option --debug.
        secrets: addresses that the command was given, which may become more while it runs.
    """
    with patient_streams():
        try:
            return run()
        except KeyboardInterrupt:
            print_line(f"{name}: stopped")
            return INTERRUPTED
        except Exception as exc:
            discard_unread_output()
            if debug:
                print_line(without_secrets(traceback.format_exc().rstrip(), secrets))
            code, text = _explained(exc, exit_codes, debug)
            print_line(without_secrets(f"{name}: {text}", secrets))
            return code


def _explained(error: Exception, exit_codes: ExitCodes, debug: bool | None) -> tuple[int, str]:
    code, text = explain(error, exit_codes)
    if text is None:
        hint = " (--debug shows where)" if debug is False else ""
        first_line = next(iter(text_of(error).splitlines()), "")
        text = f"unexpected {type(error).__name__}: {first_line}{hint}"
    return code, text
