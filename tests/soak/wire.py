"""HTTP/1.1 as an agent sees it: raw sockets, and a reader that believes nothing."""

import asyncio
import socket
import struct
from dataclasses import dataclass

MOST_HEAD_BYTES = 64 * 1024


class Broken(Exception):
    """The connection ended where no message ends."""


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The word of an answer that the sidecar made itself."""
        return self.fields.get("x-countersign-error")


class Connection:
    """One connection to the sidecar."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=MOST_HEAD_BYTES))

    async def send(self, data: bytes) -> bool:
        """False when the other side has closed."""
        try:
            self.writer.write(data)
            await self.writer.drain()
        except OSError:
            return False
        return True

    async def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer.

        Raises `Broken` when the connection ends before or within it, and `ValueError` when it is not
        well formed.
        """
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, OSError) as error:
            partial = getattr(error, "partial", b"")
            raise Broken(f"no answer, only {partial[:80]!r}") from error
        start, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        version, status, _ = start.split(" ", 2)
        if version != "HTTP/1.1":
            raise ValueError(f"not an answer: {start!r}")
        fields: dict[str, str] = {}
        for line in lines:
            name, value = line.split(":", 1)
            if name.lower() in fields:
                raise ValueError(f"{name} is there twice")
            fields[name.lower()] = value.strip()
        bodiless = to_head or status in ("204", "304")
        body = b"" if bodiless else await self._body(fields)
        return Answer(int(status), fields, body)

    async def _body(self, fields: dict[str, str]) -> bytes:
        chunked = fields.get("transfer-encoding")
        if chunked is not None and "content-length" in fields:
            raise ValueError("an answer with both framings")
        try:
            if chunked is None:
                return await self.reader.readexactly(int(fields["content-length"]))
            if chunked != "chunked":
                raise ValueError(f"transfer-encoding {chunked!r}")
            body = bytearray()
            while True:
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                piece = await self.reader.readexactly(size + 2)
                if not piece.endswith(b"\r\n"):
                    raise ValueError("a chunk without its end")
                if size == 0:
                    return bytes(body)
                body += piece[:-2]
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Broken("the connection ended within a body") from error

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        data = bytearray()
        try:
            while piece := await self.reader.read(64 * 1024):
                data += piece
        except OSError:
            pass
        return bytes(data)

    def reset(self) -> None:
        """Leaves without a good-bye."""
        leave_by_reset(self.writer)

    def close(self) -> None:
        self.writer.close()


def leave_by_reset(writer: asyncio.StreamWriter) -> None:
    """Closes with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def request(method: str, target: str, fields: dict[str, str], body: bytes | None) -> bytes:
    """A whole request; with `None` for a body it has no length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)
