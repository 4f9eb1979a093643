"""Where a refiner of the user's own is defined: its source, which other processes run.

A function at the top level of a file is known by the text of the whole file. A function of a
script or a notebook is known by its own text and by what it uses of the script: running all of it
again would repeat the work it does. A run records the text and its SHA-256; worker processes run
that text, so that nothing is pickled.
"""

import ast
import hashlib
import inspect
import linecache
import os
import symtable
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nem2e_tf.errors import InputError, near

PREFIX = "nem2e_tf_source_"
"""Modules made of sources are named by this and a digest of their file and text."""

INTO_A_FILE = "put the function into a file and give FILE.py:function, or import it from there"


@dataclass(frozen=True)
class Source:
    """The source of a function that makes a refiner.

    Attributes
    ----------
    file : str
        The file it was read from.
    function : str
        The name of the function in it.
    text : str
        Python source that defines the function.
    """

    file: str
    function: str
    text: str

    @property
    def entry(self) -> str:
        """Name of the entry: that of the function, with hyphens."""
        return entry_name(self.function)

    @property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def as_dict(self) -> dict[str, str]:
        """Return the source for JSON, with its digest."""
        return {**asdict(self), "sha256": self.sha256}

    @classmethod
    def from_dict(cls, value: Mapping[str, str]) -> "Source":
        """Read what `as_dict` gave.

        Raises
        ------
        InputError
            The text is not that of the digest.
        """
        found = cls(value["file"], value["function"], value["text"])
        if found.sha256 != value["sha256"]:
            raise InputError(
                f"source of {found.function}: expected SHA-256 {value['sha256'][:12]}, found "
                f"{found.sha256[:12]}; it was changed after it was recorded"
            )
        return found

    def load(self) -> Callable[..., Any]:
        """Run the text as a module of its own, once per process, and return the function.

        Raises
        ------
        InputError
            The text cannot be run, or does not define the function.
        """
        name = PREFIX + hashlib.sha256(f"{self.file}\n{self.text}".encode()).hexdigest()[:16]
        if name not in sys.modules:
            sys.modules[name] = self._run(ModuleType(name))
        module = sys.modules[name]
        function = getattr(module, self.function, None)
        if not callable(function):
            known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
            raise InputError(
                f"{self.file}: expected a function {self.function}, found none"
                f"{near(self.function, known)}"
            )
        return function

    def _run(self, module: ModuleType) -> ModuleType:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        module.__file__, module.__dict__["source_of_refiner"] = self.file, self
        # Tracebacks and inspect.getsource read lines from here.
        lines = self.text.splitlines(keepends=True)
        linecache.cache[self.file] = (len(self.text), None, lines, self.file)
        sys.modules[module.__name__] = module  # dataclasses and Keras look their module up
        try:
            exec(compile(self.text, self.file, "exec"), module.__dict__)
        except Exception as error:
            del sys.modules[module.__name__]
            line = getattr(error, "lineno", None) or _line_in(self.file, error)
            where = f"{self.file}, line {line}" if line else self.file
            raise InputError(
                f"{where}: expected Python that can be run, found {type(error).__name__}: {error}"
            ) from error
        return module


def entry_name(model: str) -> str:
    """Return the entry's name of a function, of ``FILE.py:function`` or of an entry.

    Examples
    --------
    >>> entry_name("models.py:my_refiner"), entry_name("stdr-net-spatial")
    ('my-refiner', 'stdr-net-spatial')
    """
    return model.rpartition(":")[2].strip("_").replace("_", "-")


def is_file_and_function(model: str) -> bool:
    """Return True for ``FILE.py:function``."""
    return model.rpartition(":")[0].endswith(".py")


def read_source(model: str) -> Source:
    """Read the source of ``FILE.py:function``.

    Raises
    ------
    InputError
        There is no such file, or it is not text.
    """
    file, _, function = model.rpartition(":")
    try:
        return Source(file, function, Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(
            f"{file}: expected a Python file with a function, cannot read it ({reason})"
        ) from None


def source_of(function: Callable[..., Any]) -> Source:
    """Return the source that defines a function, wherever it was defined.

    Raises
    ------
    InputError
        Other processes cannot be given the function; the message says why.
    """
    module = sys.modules.get(function.__module__)
    found = vars(module).get("source_of_refiner") if module else None
    name = function.__name__
    if isinstance(found, Source):
        return Source(found.file, name, found.text)
    if function.__qualname__ != name or name == "<lambda>":
        raise InputError(
            f"model {function.__qualname__}: expected a function at the top level of a file, found "
            f"one inside another; {INTO_A_FILE}"
        )
    file = inspect.getsourcefile(function)
    if function.__module__ != "__main__" and file is not None:
        return read_source(f"{file}:{name}")
    # A cell of a notebook has a file name of its own, which differs each time.
    script = getattr(sys.modules["__main__"], "__file__", None) or "notebook"
    return Source(script, name, _extracted(function))


def _extracted(function: Callable[..., Any]) -> str:
    """Return the text of a function of ``__main__``, after all of what it uses there."""
    namespace = function.__globals__
    parts: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if name in parts:
            return
        parts[name] = ""
        own = getattr(value, "__module__", None) == function.__module__
        if isinstance(value, ModuleType):
            text = f"import {value.__name__} as {name}\n"
        elif own and (inspect.isfunction(value) or inspect.isclass(value)):
            try:
                text = textwrap.dedent(inspect.getsource(value))
            except (OSError, TypeError):
                raise InputError(
                    f"model {function.__name__}: expected the source of {name}, found none; "
                    f"{INTO_A_FILE}"
                ) from None
            for used in sorted(_globals_of(text)):
                if used in namespace and used != name:
                    add(used, namespace[used])
        elif getattr(value, "__qualname__", "") and getattr(value, "__module__", ""):
            text = f"from {value.__module__} import {value.__qualname__} as {name}\n"
        elif _is_literal(value):
            text = f"{name} = {value!r}\n"
        else:
            raise InputError(
                f"model {function.__name__}: expected functions, classes, modules and plain "
                f"numbers or words only, found {name}, a {type(value).__name__}; {INTO_A_FILE}"
            )
        del parts[name]  # after all of what it uses
        parts[name] = text

    add(function.__name__, function)
    return "\n".join(parts.values())


def _globals_of(text: str) -> set[str]:
    """Names that a piece of source reads from its module."""
    tables, names = [symtable.symtable(text, "", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        outside = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (outside or symbol.is_global()):
                names.add(symbol.get_name())
    return names


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _line_in(file: str, error: BaseException) -> int | None:
    """Last line of a file that a traceback went through."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
