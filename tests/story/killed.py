"""Run ``medtrain`` and kill it with SIGKILL: ``killed.py seconds:1.5 …`` or ``killed.py commit:17 …``.

``commit:n`` dies inside the n-th commit of the application's database, ``after:n`` right behind it.
"""

import os
import signal
import sys
import threading
import time

import sqlalchemy as sa


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(when: str) -> None:
    kind, _, value = when.partition(":")
    if kind == "seconds":
        threading.Timer(float(value), die).start()
        return
    seen = 0

    def count(connection: sa.Connection) -> None:
        nonlocal seen
        if "jobs.db" in str(connection.engine.url):
            return
        seen += 1
        if seen == int(value):
            if kind == "after":  # the commit happens, then the process is gone before anybody hears of it
                threading.Thread(target=lambda: (time.sleep(0.002), die())).start()
            else:
                die()

    sa.event.listen(sa.Engine, "commit", count)


if __name__ == "__main__":
    arm(sys.argv[1])
    sys.argv = ["medtrain", *sys.argv[2:]]
    from service.cli.main import main

    main()
