"""The one error that a user can mend: bad input or wrong use."""


class InputError(ValueError):
    """Bad input or wrong use, described in one line.

    The message names the file (and line or column where there is one), what was expected, what was
    found and what to do. The command line prints it to stderr and exits with code 2; a library user
    catches it as a ``ValueError``.

    Examples
    --------
    >>> raise InputError("emg.sto, line 7: expected 8 numbers, found 5")
    Traceback (most recent call last):
    nem2e_tf.errors.InputError: emg.sto, line 7: expected 8 numbers, found 5
    """


class ExportError(InputError):
    """An exported file did not pass a check, or could not be made; nothing was written."""


def near(name: str, known: "list[str] | tuple[str, ...]", *, count: int = 3) -> str:
    """Say which known names resemble a wrong one.

    Parameters
    ----------
    name : str
        What the user gave.
    known : sequence of str
        What would have been right.
    count : int
        How many to name at most.

    Returns
    -------
    str
        ``"; did you mean a, b?"`` or an empty string where nothing is near.

    Examples
    --------
    >>> near("soleos", ["soleus", "tibant"])
    '; did you mean soleus?'
    """
    import difflib

    matches = difflib.get_close_matches(name, list(known), n=count, cutoff=0.5)
    return f"; did you mean {', '.join(matches)}?" if matches else ""
