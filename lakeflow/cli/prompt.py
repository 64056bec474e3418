"""The prompt of ``lakeflow sql``: lines with keys, history and completion.

The one module with prompt_toolkit, which is optional: it is imported where somebody asks for a
prompt.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory

from lakeflow.cli.terminal import complain
from lakeflow.exceptions import LakeflowException
from lakeflow.queries import sql
from lakeflow.query.engine.sandbox import ended

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

_HISTORY = Path("~/.lakeflow_history")
_PROMPT = "lake> "
_LEAVE = {"exit", "quit"}


def converse(
    answer: Callable[[str], object], tracking_uri: str | os.PathLike[str] | None
) -> None:
    """Answer statement by statement until the input ends; an error does not end it.

    Args:
        answer: What to do with a statement.
        tracking_uri: Location of the lake whose names are completed; that of the process by
            default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake.
    """
    session = _session(_Words(_keywords(tracking_uri), _columns(tracking_uri)))
    print("Statements end with a semicolon; SHOW TABLES; lists the views; Ctrl-D ends.")
    with contextlib.suppress(EOFError):
        while True:
            # Ctrl-C is the end of what is typed, or of what runs, whenever it comes.
            with contextlib.suppress(KeyboardInterrupt):
                text = session.prompt()
                if _leaves(text):
                    return
                try:
                    for query in ended(text) or ():
                        answer(query)
                except (LakeflowException, OSError, MemoryError) as error:
                    complain(str(error))


def _session(words: _Words) -> PromptSession[str]:
    return PromptSession(
        _PROMPT,
        prompt_continuation=lambda width, *_: "...> ".rjust(width),
        # Without it Enter ends the input, with it Enter is the end of a line.
        multiline=Condition(lambda: _goes_on(get_app().current_buffer.text)),
        history=_History(_HISTORY.expanduser()),
        completer=words,
        complete_while_typing=False,
        enable_suspend=True,
    )


def _goes_on(text: str) -> bool:
    return bool(text.strip()) and not _leaves(text) and ended(text) is None


def _leaves(text: str) -> bool:
    return text.strip().rstrip(";").lower() in _LEAVE


class _History(FileHistory):
    """Statements of earlier sessions in a file; without the file there are none."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        with contextlib.suppress(OSError):
            # Else it would be made as the umask says, and statements may have secrets in them.
            file.touch(mode=0o600)

    def load_history_strings(self) -> Iterable[str]:
        """Return the statements, newest first."""
        with contextlib.suppress(OSError):
            return list(super().load_history_strings())
        return []

    def store_string(self, string: str) -> None:
        """Add a statement to the file."""
        with contextlib.suppress(OSError):
            # Bytes that are no UTF-8 come as lone surrogates, which a file cannot have.
            super().store_string(string.encode(errors="replace").decode())


class _Words(Completer):
    """Completes what a statement may name.

    Args:
        keywords: Words of SQL in lower case.
        columns: The columns of each view.
    """

    def __init__(self, keywords: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self._all_columns = sorted({name for names in columns.values() for name in names})
        self._words = [*columns, *self._all_columns, *keywords]

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """Return what the word before the cursor may become: columns after a view and a dot."""
        before = re.search(r"((\w*)\.)?(\w*)$", document.current_line_before_cursor)
        assert before is not None
        _, view, word = before.groups()
        if view is not None:
            # What is no view may be a short name of one.
            words = self._columns.get(view.lower(), self._all_columns)
        else:
            words = self._words if word else ()
        for each in dict.fromkeys(words):
            if each.startswith(word.lower()):
                text = each.upper() if word.isupper() else each
                yield Completion(text, -len(word))


def _keywords(tracking_uri: Any) -> list[str]:
    rows = sql(
        "SELECT keyword_name FROM duckdb_keywords() ORDER BY ALL", tracking_uri=tracking_uri
    )
    words: list[str] = rows.column(0).to_pylist()
    return words


def _columns(tracking_uri: Any) -> dict[str, list[str]]:
    """Return the columns of each view, from the lake's own answer."""
    rows = sql(
        """
        SELECT table_name, list(column_name ORDER BY ordinal_position)
        FROM information_schema.columns
        WHERE table_catalog = current_database() AND table_schema = 'main'
        GROUP BY table_name ORDER BY table_name
        """,
        tracking_uri=tracking_uri,
    )
    return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))
