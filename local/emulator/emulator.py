"""Runs MiniStack until it is signalled or until its standard input closes.

The second is how it learns that the process that started it was killed outright: nobody is left to signal it then.
"""

import os
import signal
import sys
import threading

import measures
from ministack.app import main


def end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


measures.apply()
threading.Thread(target=end_with_parent, daemon=True).start()
sys.argv[1:] = []
main()
