"""The reference behind the protocol, but for one thing: at the operation that is named it dies, or hangs.

crashing_program.py {crash,hang} OPERATION
"""

import os
import signal
import sys
import time

from espproof.adapters.case import Outcome, Step
from espproof.adapters.exec.harness import Harness, serve
from espproof.adapters.models.reference import ReferenceAdapter

HOW, OPERATION = sys.argv[1:]


class Crashing(ReferenceAdapter):
    """Dies without a word."""

    def take(self, step: Step) -> Outcome:
        if type(step).__name__ == OPERATION:
            if HOW == "hang":
                time.sleep(600)
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().take(step)


if __name__ == "__main__":
    serve(Harness(Crashing()), sys.stdin.buffer, sys.stdout.buffer)
