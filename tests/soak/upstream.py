"""The upstream: checks every request that arrives, then behaves as badly as its path allows.

The last part of the path is the tool. What is done with an attempt is noted with its call, so that
the agent can tell whether the answer that it got is one that it can have got.
"""

import asyncio
import json
import random

from ledger import Ledger
from wire import chunk, leave_by_reset

# What may be done with an attempt, by tool, and how often.
GOOD = {"length": 6, "chunked": 4}
BEHAVIOUR = {
    "good": GOOD,
    "toggled": GOOD,
    "rotated": GOOD,
    "from_api": GOOD,
    "big": {"large": 1},
    "slow": {"late": 1},
    "stream": {"events": 8, "events_cut": 2},
    "faulty": {
        "length": 8, "chunked": 4, "close_after": 4, "late": 2, "500": 2, "503": 1, "429": 1,
        "404": 1, "half_head": 1, "half_body": 1, "half_chunk": 1, "reset": 1, "garbage": 1,
        "both_framings": 1, "bad_length": 1, "stall": 1, "stall_within": 1, "1xx": 1, "204": 1,
        "endless_head": 1,
    },
}
BEHAVIOUR["fragile"] = BEHAVIOUR["faulty"]

# After these the answer's head has been passed on, and its body is never whole.
TRUNCATED = {"events_cut", "half_body", "half_chunk", "stall_within"}

# Whether these are invalid from the head on or break off in the body is the sidecar's to say.
CUT = TRUNCATED | {"both_framings"}

LARGE = bytes(range(256)) * 8 * 1024
SIGNATURE = "x-onceonly-signature"
FIELDS_OF_SCHEME = [
    SIGNATURE, f"{SIGNATURE}-alg", "x-onceonly-timestamp", "x-onceonly-tool",
    "x-onceonly-agent-id", "x-onceonly-secret-id",
]


class Upstream:
    """Listens on a port of its own."""

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self.ledger = ledger
        self.rng = rng
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=128 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    def open_connections(self) -> int:
        return len(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self.rng.random() < 0.005:
                # Accepted and dropped: nothing of the request was processed, which the sidecar
                # cannot know.
                leave_by_reset(writer)
                return
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            # The sidecar left, as its agent did.
            pass
        except Exception as error:
            self.ledger.fault(f"what reached the upstream is not a request: {error!r}")
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        start, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        _, target, _ = start.split(" ")
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, value = line.split(": ", 1)
            fields.setdefault(name.lower(), []).append(value)
        if "transfer-encoding" in fields:
            raise ValueError("a captured body has a length")
        (length,) = fields.get("content-length", ["0"])
        body = await reader.readexactly(int(length))
        tool = target.split("?")[0].removeprefix("/")
        call = self._check(tool, fields, body)
        how = self._choose(tool)
        if call is not None:
            call.attempts.append(how)
        self.ledger.counts["attempts that arrived"] += 1
        number = call.number if call else 0
        return await self._answer(how, number, len(body), reader, writer)

    def _check(self, tool: str, fields: dict[str, list[str]], body: bytes):
        for name in FIELDS_OF_SCHEME:
            if len(fields.get(name, [])) != 1:
                self.ledger.fault(f"{tool}: {len(fields.get(name, []))} times {name}")
                return None
        if fields["x-onceonly-tool"] != [tool]:
            self.ledger.fault(f"{tool}: signed as {fields['x-onceonly-tool']}")
        if not self.ledger.is_signed(tool, body, fields[SIGNATURE][0]):
            self.ledger.fault(f"{tool}: a signature that is not one of these bytes")
        else:
            self.ledger.counts["signatures verified"] += 1
        numbers = fields.get("x-soak-call", [])
        if len(numbers) != 1:
            self.ledger.fault(f"{tool}: a request that no agent sent: {fields}")
            return None
        return self.ledger.arrived(int(numbers[0]), tool, body)

    def _choose(self, tool: str) -> str:
        weights = BEHAVIOUR[tool]
        return self.rng.choices(list(weights), list(weights.values()))[0]

    async def _answer(
        self, how: str, number: int, size: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Does what was chosen; True if the connection goes on."""
        said = json.dumps({"call": number, "bytes": size}).encode()
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

        async def say(data: bytes, then: bool = True) -> bool:
            writer.write(data)
            await writer.drain()
            return then

        match how:
            case "length":
                return await say(whole)
            case "chunked":
                half = len(said) // 2
                pieces = [said[:half], said[half:]]
                body = b"".join(chunk(piece) for piece in [*pieces, b""])
                return await say(chunked + body)
            case "late":
                await asyncio.sleep(self.rng.uniform(0.02, 0.3))
                return await say(whole)
            case "large":
                return await say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
            case "events" | "events_cut":
                await say(chunked)
                for event in range(10):
                    if how == "events_cut" and event == 5:
                        return False
                    await say(b"c\r\ndata: tick\n\n\r\n")
                    await asyncio.sleep(0.02)
                return await say(b"0\r\n\r\n")
            case "close_after":
                # It does not say so, as servers that time out do.
                return await say(whole, False)
            case "500" | "404":
                return await say(b"HTTP/1.1 %b No\r\nContent-Length: 2\r\n\r\nno" % how.encode())
            case "503" | "429":
                fields = b"Retry-After: 1\r\nContent-Length: 2"
                return await say(b"HTTP/1.1 %b No\r\n%b\r\n\r\nno" % (how.encode(), fields))
            case "204":
                return await say(b"HTTP/1.1 204 No Content\r\n\r\n")
            case "1xx":
                return await say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + whole)
            case "half_head":
                return await say(b"HTTP/1.1 200 OK\r\nContent-Le", False)
            case "half_body":
                return await say(whole[:-3], False)
            case "half_chunk":
                return await say(chunked + b"ff\r\nhalf", False)
            case "reset":
                leave_by_reset(writer)
                return False
            case "garbage":
                return await say(bytes(self.rng.randrange(256) for _ in range(200)), False)
            case "both_framings":
                coding = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
                return await say(whole.replace(b"\r\n\r\n", coding), False)
            case "bad_length":
                return await say(whole.replace(b"Length: ", b"Length: +"), False)
            case "endless_head":
                for _ in range(2_000):
                    await say(b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 10)
                return False
            case "stall" | "stall_within":
                if how == "stall_within":
                    await say(whole[:-3])
                # Until the sidecar has had enough.
                await reader.read(1)
                return False
        raise AssertionError(f"nobody does {how}")
