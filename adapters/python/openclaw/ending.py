"""Ending: how a rank leaves. With which status, what it tells of a failure, and whom it waits for."""

import atexit
import os
import sys

STOPPED_AS_ASKED = 75  # its Worker asked it to; the next attempt goes on from its checkpoint
NEEDS_OWN_GROUP = 76  # the script turned out to need torch's own process group
LOST_ITS_PLACE = 77  # a replacement that has to begin again


def hear(worker, finish, has_lost_its_place):
    """Once: the first cause of a failure is told, and a script that ends well does `finish()` at its exit.

    `has_lost_its_place()` says whether a failure is that of a replacement which was not yet a rank.
    """
    before, leave = sys.excepthook, sys.exit
    failed = []
    pid = os.getpid()

    def excepthook(kind, error, trace):
        failed.append(error)
        worker.fail(error)
        before(kind, error, trace)
        if has_lost_its_place():
            sys.stderr.flush()
            os._exit(LOST_ITS_PLACE)

    def noted_exit(status=None):
        if status not in (None, 0):
            failed.append(status)
        leave(status)

    def at_exit():
        if not failed and os.getpid() == pid:
            finish()

    sys.excepthook, sys.exit = excepthook, noted_exit
    atexit.register(at_exit)


def leave_in_order(worker):
    """Ends the process well: the others go on without this rank. On whatever thread that turns out."""
    _leave(worker, 0)


def leave_as_asked(worker):
    """Ends the process: the checkpoint is on disk, the next attempt goes on from it."""
    _leave(worker, STOPPED_AS_ASKED)


def _leave(worker, code):
    worker.send("bye")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
