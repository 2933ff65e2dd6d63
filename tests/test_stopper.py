from __future__ import annotations

import subprocess
import sys

from app.settings import ROOT

STORM = """
import signal
from app.stopper import Stopper

stopper = Stopper(None)
signal.signal(signal.SIGALRM, lambda *_: stopper.stop())
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
for _ in range(30_000):
    stopper.wait(1)
signal.setitimer(signal.ITIMER_REAL, 0)
print(stopper.is_set)
"""


def test_a_signal_may_stop_the_very_thread_that_waits_to_be_stopped():
    done = subprocess.run([sys.executable, "-c", STORM], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("True\n", "")
