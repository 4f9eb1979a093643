"""What native code writes is kept off the terminal; what Python writes is not."""

import logging
import os
import sys

from nem2e_tf.io.quiet import quiet_stderr


def test_native_output_is_dropped_and_pythons_is_not(capfd):
    with quiet_stderr():
        os.write(2, b"greeting\n")
        sys.stderr.write("warning\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "warning\nafterwards\n"


def test_a_logger_made_meanwhile_goes_on_working(capfd):
    with quiet_stderr():
        handler = logging.StreamHandler()
    handler.emit(logging.LogRecord("tool", logging.WARNING, "", 0, "later", None, None))
    assert capfd.readouterr().err == "later\n"
