"""A server that follows a script, byte by byte, and a client of the same kind."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

PATIENCE = 20  # seconds after which a test hangs, as far as it is concerned


class End:
    """One end of a connection: of the client, or of the server."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(PATIENCE)

    def send(self, *data: bytes) -> None:
        """Send, each by itself."""
        for piece in data:
            self.socket.sendall(piece)

    def read(self, size: int) -> bytes:
        """Read so many bytes; fewer if the connection ends."""
        data = b""
        while len(data) < size and (more := self.socket.recv(size - len(data))):
            data += more
        return data

    def swallow(self, size: int) -> int:
        """Read so many bytes, or fewer, and keep only their number."""
        left = size
        while left and (more := self.socket.recv(min(left, 1 << 20))):
            left -= len(more)
        return size - left

    def head(self) -> bytes:
        """Read to a blank line; less if the connection ends."""
        head = b""
        while not head.endswith(b"\r\n\r\n") and (more := self.socket.recv(1)):
            head += more
        return head

    def rest(self) -> bytes:
        """Read until the other end closes; a reset is an exception."""
        data = b""
        while more := self.socket.recv(65536):
            data += more
        return data

    def ask(self, target: str = "/", method: str = "GET") -> None:
        """Send a request without a body."""
        self.send(f"{method} {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())

    def has_data(self) -> bool:
        """Whether there is something to read, or the end, now."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)
        return True

    def reset(self) -> None:
        """Close by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[End], None]


def answering(*answers: bytes) -> Script:
    """Make a script: answer so many requests without bodies, and wait for the client to go."""

    def script(peer: End) -> None:
        for answer in answers:
            if peer.head():
                peer.send(answer)
        peer.rest()

    return script


class Upstream:
    """Listens on loopback, and follows a script on each connection, in a thread of its own.

    Attributes:
        url (str): its address.
        met (int): how many connections there have been.
    """

    def __init__(self, script: Script) -> None:
        self.met = 0
        self._script = script
        self._errors: list[BaseException] = []
        self._ends: list[End] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """End; what a script has raised is raised here."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                end = End(self._listener.accept()[0])
                self.met += 1
                self._ends.append(end)
                self._threads.append(threading.Thread(target=self._follow, args=[end]))
                self._threads[-1].start()

    def _follow(self, end: End) -> None:
        with end.socket:
            try:
                self._script(end)
            except OSError:  # the client has gone
                pass
            except BaseException as error:
                self._errors.append(error)
