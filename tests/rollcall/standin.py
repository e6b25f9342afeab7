"""A child that does nothing, but as it should: says that it serves, and ends when asked."""

import os
import signal
import sys
from pathlib import Path

if "STANDIN_BROKEN" in os.environ:
    sys.exit("this child never serves")
# Blocked before we say that we serve, so that no signal is too early.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
Path(os.environ["ROLLCALL_READY_FILE"]).touch()
signal.sigwait([signal.SIGTERM])
