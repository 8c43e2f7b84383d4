"""Serves an ASGI app on a port of the system's choice and ends with the process that started it.

usage: serve.py FOLDER MODULE:APP

Prints the port once connections are accepted on it, so nobody has to guess one or try until it
answers. Standard input is a line to the parent: when it closes, by whatever death, this ends too.
"""

import os
import socket
import sys
import threading

import uvicorn


def end_with_parent() -> None:
    """Waits for the end of standard input, which nobody writes to."""
    sys.stdin.buffer.read()
    os._exit(0)


def main(folder: str, app: str) -> None:
    """Binds, announces the port and serves until killed."""
    sys.path.insert(0, folder)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=end_with_parent, daemon=True).start()
    # From here on a connection waits in the listener's queue until the app is loaded.
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
