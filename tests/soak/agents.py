"""Agents: most call as they should, and the others do whatever a client can do wrong.

Each repeats one scenario after the other until it is told to stop. A scenario knows which outcomes
are possible; any other one, and any call that outlives its deadline, is a fault.
"""

import asyncio
import json
import random
import time
from collections import deque
from dataclasses import dataclass

from ledger import Call, Ledger
from upstream import CUT, LARGE
from wire import Answer, Broken, Connection, chunk, request

# What a busy machine may add to a call that the sidecar gave up in time. Generous: a call that hangs
# does so for ever.
MARGIN_S = 10.0

MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Tool:
    """A tool as its agents know it; the registry file is written from it."""

    name: str
    max_retries: int = 2
    timeout_ms: int = 5_000
    deadline_ms: int = 8_000
    idempotent: bool = True
    # Answers of the sidecar's own that its calls can get, besides a want of room.
    codes: frozenset[str] = frozenset()


UPSTREAM_CODES = frozenset({"upstream_closed", "upstream_invalid_response", "upstream_timeout"})
TOOLS = {
    tool.name: tool
    for tool in [
        Tool("good"),
        Tool("slow", timeout_ms=4_000),
        Tool("big"),
        Tool("stream", codes=UPSTREAM_CODES),
        Tool("rotated"),
        Tool("faulty", max_retries=3, timeout_ms=500, deadline_ms=4_000, codes=UPSTREAM_CODES),
        Tool("fragile", timeout_ms=500, deadline_ms=4_000, idempotent=False, codes=UPSTREAM_CODES),
        Tool("dead", max_retries=1, deadline_ms=4_000, codes=frozenset({"upstream_connect"})),
        Tool("toggled", codes=frozenset({"tool_disabled"})),
        Tool("from_api", codes=frozenset({"tool_not_found"})),
    ]
}

# How the sidecar passes on what the upstream did.
STATUS = {"500": 500, "503": 503, "429": 429, "404": 404, "204": 204}
STATUS_OF_CODE = {
    "bad_request": 400, "body_too_large": 413, "request_timeout": 408, "overloaded": 503,
    "tool_disabled": 403, "tool_not_found": 404, "not_found": 404, "origin_not_allowed": 403,
    "host_not_allowed": 421, "upstream_connect": 502, "upstream_closed": 502,
    "upstream_invalid_response": 502, "upstream_timeout": 504,
}

HOST = b"Host: 127.0.0.1\r\n"
GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n\r\n\x00\x00\x00\r\n\r\n",
    b"GET\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"POST /tools/good HTTP/9.9\r\n" + HOST + b"\r\n",
    b"POST /tools/good HTTP/1.1\r\n\r\n",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"Host: b\r\nContent-Length: 0\r\n\r\n",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"X-Long: " + b"x" * 80_000 + b"\r\n\r\n",
    b"POST /tools/good HTTP/1.1\r\n" + HOST + b"X-Many: x\r\n" * 150 + b"\r\n",
]


class Agents:
    def __init__(self, port: int, ledger: Ledger, rng: random.Random) -> None:
        self.port = port
        self.ledger = ledger
        self.rng = rng
        self.stopping = False
        # Whose bodies never end; kept for a while, since nothing of them may arrive later.
        self._unfinished: deque[Call] = deque()
        self._scenarios = {
            self.calls: 30, self.big_body: 4, self.chunked_body: 6, self.too_big: 3, self.slow_upload: 3,
            self.too_slow_upload: 2, self.abandoned: 12, self.pipelined: 4, self.garbage: 6,
            self.half_closed: 3, self.slow_head: 1, self.refused: 3,
        }

    async def run(self, count: int) -> None:
        """Lets `count` agents work until `stopping`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._work())

    async def _work(self) -> None:
        names, weights = list(self._scenarios), list(self._scenarios.values())
        while not self.stopping:
            (scenario,) = self.rng.choices(names, weights)
            self.ledger.counts[f"scenario {scenario.__name__}"] += 1
            try:
                async with asyncio.timeout(60):
                    await scenario()
            except TimeoutError:
                self.ledger.fault(f"{scenario.__name__} did not end")
            except Exception as error:
                self.ledger.fault(f"{scenario.__name__}: {error!r}")
            await asyncio.sleep(self.rng.uniform(0, 0.05))

    # What a call is

    def announce(self, tool: Tool, body: bytes, *, whole: bool = True, repeatable: bool = True) -> Call:
        call = self.ledger.announce(
            tool.name,
            body,
            whole=whole,
            repeatable=tool.idempotent or repeatable,
            max_retries=tool.max_retries,
        )
        if not whole:
            self._unfinished.append(call)
            if len(self._unfinished) > 5_000:
                self.ledger.settle(self._unfinished.popleft())
        return call

    async def finish(self, connection: Connection, tool: Tool, call: Call, size: int) -> bool:
        """Waits for a call's answer and checks it; True if the connection goes on."""
        asked = time.monotonic()
        # The deadline ends with the answer's head; silence within the body with `timeout_ms`.
        allowed = (tool.deadline_ms + tool.timeout_ms) / 1000 + MARGIN_S
        try:
            async with asyncio.timeout(allowed):
                answer = await connection.answer()
        except TimeoutError:
            self.ledger.fault(f"call {call.number} of {tool.name} hangs after {call.attempts}")
            return False
        except Broken as broken:
            if not call.attempts or call.attempts[-1] not in CUT:
                self.ledger.fault(f"call {call.number} of {tool.name} after {call.attempts}: {broken}")
            self.ledger.counts["answers cut as the upstream's were"] += 1
            return False
        finally:
            self.ledger.slowest_s = max(self.ledger.slowest_s, time.monotonic() - asked)
            self.ledger.settle(call)
        wrong = judge(tool, call, size, answer)
        if wrong:
            self.ledger.fault(f"call {call.number} of {tool.name} after {call.attempts}: {wrong}")
        self.ledger.counts[f"answer {answer.status} {answer.code or 'of the upstream'}"] += 1
        return answer.fields.get("connection", "").lower() != "close"

    def _tool(self) -> Tool:
        return self.rng.choice(list(TOOLS.values()))

    def _body(self, most: int) -> bytes:
        return self.rng.randbytes(self.rng.randrange(most))

    # What agents do

    async def calls(self) -> None:
        """A few calls on one connection."""
        connection = await Connection.open(self.port)
        for _ in range(self.rng.randrange(1, 6)):
            tool, body = self._tool(), self._body(2_000)
            # Of the others nothing is remembered: see the registry.
            keyed = tool.name != "from_api" and self.rng.random() < 0.3
            call = self.announce(tool, body, repeatable=keyed)
            fields = {"X-Soak-Call": str(call.number)} | ({"Idempotency-Key": "k"} if keyed else {})
            await connection.send(request("POST", f"/tools/{tool.name}", fields, body))
            if not await self.finish(connection, tool, call, len(body)):
                break
        connection.close()

    async def big_body(self) -> None:
        tool, body = TOOLS[self.rng.choice(["good", "big", "rotated"])], self._body(MAX_BODY_BYTES)
        call = self.announce(tool, body)
        fields = {"X-Soak-Call": str(call.number)}
        await self._upload(tool, call, [request("POST", f"/tools/{tool.name}", fields, body)], 0, len(body))

    async def chunked_body(self) -> None:
        await self._chunked(self._body(200_000), 0)

    async def slow_upload(self) -> None:
        """Slow, and yet in time."""
        await self._chunked(self._body(20_000), 0.05)

    async def _chunked(self, body: bytes, pause_s: float) -> None:
        tool = TOOLS[self.rng.choice(["good", "rotated"])]
        call = self.announce(tool, body)
        parts = [chunked_head(tool, call)]
        rest = body
        while rest:
            size = self.rng.randrange(1, max(2, len(body) // 3))
            parts.append(chunk(rest[:size]))
            rest = rest[size:]
        await self._upload(tool, call, [*parts, b"0\r\n\r\n"], pause_s, len(body))

    async def _upload(self, tool: Tool, call: Call, parts: list[bytes], pause_s: float, size: int) -> None:
        connection = await Connection.open(self.port)
        for part in parts:
            if not await connection.send(part):
                break
            await asyncio.sleep(pause_s)
        await self.finish(connection, tool, call, size)
        connection.close()

    async def _refusal(self, connection: Connection, codes: set[str]) -> None:
        """Waits for an answer of the sidecar's own."""
        try:
            async with asyncio.timeout(3 + MARGIN_S):
                answer = await connection.answer()
        except (TimeoutError, Broken) as error:
            self.ledger.fault(f"instead of {codes}: {error!r}")
            return
        if answer.code not in codes or answer.status != STATUS_OF_CODE[answer.code]:
            self.ledger.fault(f"instead of {codes}: {answer.status} {answer.code}")
        self.ledger.counts[f"answer {answer.status} {answer.code or 'of the upstream'}"] += 1

    async def too_big(self) -> None:
        call = self.announce(TOOLS["good"], b"", whole=False)
        connection = await Connection.open(self.port)
        if self.rng.random() < 0.5:
            fields = {"X-Soak-Call": str(call.number), "Content-Length": str(2 * MAX_BODY_BYTES)}
            head = request("POST", "/tools/good", fields, None)
            await connection.send(head + bytes(64 * 1024))
        else:
            await connection.send(chunked_head(TOOLS["good"], call))
            for _ in range(MAX_BODY_BYTES // 65_536 + 1):
                if not await connection.send(chunk(bytes(65_536))):
                    break
        await self._refusal(connection, {"body_too_large", "overloaded"})
        connection.close()

    async def too_slow_upload(self) -> None:
        call = self.announce(TOOLS["good"], b"", whole=False)
        connection = await Connection.open(self.port)
        await connection.send(chunked_head(TOOLS["good"], call))

        async def trickle() -> None:
            while await connection.send(chunk(b"slow")):
                await asyncio.sleep(0.2)

        trickling = asyncio.create_task(trickle())
        await self._refusal(connection, {"request_timeout", "overloaded"})
        trickling.cancel()
        connection.close()

    async def abandoned(self) -> None:
        """Leaves in the middle of something, politely or not."""
        tool, body = self._tool(), self._body(5_000) + b"end"
        whole = self.rng.random() < 0.5
        call = self.announce(tool, body, whole=whole)
        data = request("POST", f"/tools/{tool.name}", {"X-Soak-Call": str(call.number)}, body)
        if not whole:
            data = data[: self.rng.randrange(len(data))]
        connection = await Connection.open(self.port)
        await connection.send(data)
        match self.rng.randrange(3):
            case 0:
                await asyncio.sleep(self.rng.uniform(0, 0.3))
            case 1 if whole:
                # Within the answer, if there is one in time.
                try:
                    async with asyncio.timeout(0.3):
                        await connection.reader.read(20)
                except (TimeoutError, OSError):
                    pass
        if self.rng.random() < 0.5:
            connection.reset()
        connection.close()
        if whole:
            self.ledger.settle(call)

    async def pipelined(self) -> None:
        tool = TOOLS["good"]
        bodies = [self._body(3_000) for _ in range(3)]
        calls = [self.announce(tool, body) for body in bodies]
        connection = await Connection.open(self.port)
        await connection.send(
            b"".join(
                request("POST", "/tools/good", {"X-Soak-Call": str(call.number)}, body)
                for call, body in zip(calls, bodies)
            )
        )
        for call, body in zip(calls, bodies):
            if not await self.finish(connection, tool, call, len(body)):
                break
        for call in calls:
            self.ledger.settle(call)
        connection.close()

    async def garbage(self) -> None:
        connection = await Connection.open(self.port)
        await connection.send(self.rng.choice([*GARBAGE, self.rng.randbytes(300) + b"\r\n\r\n"]))
        async with asyncio.timeout(2 + MARGIN_S):
            said = await connection.rest()
        if said and not said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 4")):
            self.ledger.fault(f"garbage was answered {said[:100]!r}")
        connection.close()

    async def half_closed(self) -> None:
        """Sends a call, and that it will send no more. It may count as having left."""
        tool, body = TOOLS["slow"], b"{}"
        call = self.announce(tool, body)
        connection = await Connection.open(self.port)
        await connection.send(request("POST", "/tools/slow", {"X-Soak-Call": str(call.number)}, body))
        connection.writer.write_eof()
        async with asyncio.timeout(tool.deadline_ms / 1000 + MARGIN_S):
            said = await connection.rest()
        if said and not said.startswith(b"HTTP/1.1 "):
            self.ledger.fault(f"a half-closed connection was answered {said[:100]!r}")
        self.ledger.settle(call)
        connection.close()

    async def slow_head(self) -> None:
        connection = await Connection.open(self.port)

        async def trickle() -> None:
            while await connection.send(b"G"):
                await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(2 + MARGIN_S):
            said = await connection.rest()
        trickling.cancel()
        if said and not said.startswith(b"HTTP/1.1 4"):
            self.ledger.fault(f"a slow head was answered {said[:100]!r}")
        connection.close()

    async def refused(self) -> None:
        """What is no call of a tool, whole and well formed."""
        target, fields, code = self.rng.choice(
            [
                ("/tools/no_such_tool", {}, "tool_not_found"),
                ("/else", {}, "not_found"),
                ("/tools/%2e%2e", {}, "not_found"),
                ("/tools/good", {"Origin": "https://evil.example"}, "origin_not_allowed"),
                ("/tools/good", {"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
            ]
        )
        connection = await Connection.open(self.port)
        await connection.send(request("POST", target, fields, b"{}"))
        await self._refusal(connection, {code, "tool_not_found"} if "%2e" in target else {code})
        connection.close()


def chunked_head(tool: Tool, call: Call) -> bytes:
    fields = {"X-Soak-Call": str(call.number), "Transfer-Encoding": "chunked"}
    return request("POST", f"/tools/{tool.name}", fields, None)


def judge(tool: Tool, call: Call, size: int, answer: Answer) -> str | None:
    """What is wrong with a whole answer, given what the upstream did."""
    if answer.code is not None:
        if answer.code not in tool.codes | {"overloaded"}:
            return f"it cannot end as {answer.status} {answer.code}"
        if answer.status != STATUS_OF_CODE[answer.code]:
            return f"{answer.code} with status {answer.status}"
        if answer.code == "overloaded" and "retry-after" not in answer.fields:
            return "overloaded without Retry-After"
        return None
    if not call.attempts:
        return f"{answer.status} of an upstream that never saw it"
    last = call.attempts[-1]
    if last in CUT:
        return f"an answer that the upstream broke off looks whole: {last}"
    if answer.status != STATUS.get(last, 200):
        return f"{answer.status} for {last}"
    if answer.fields.get("x-countersign-attempts") is None:
        return "an answer that does not tell its attempts"
    match last:
        case "large":
            return None if answer.body == LARGE else "a large body has changed"
        case "events":
            return None if answer.body == b"data: tick\n\n" * 10 else "events have changed"
        case "204" | "404" | "429" | "500" | "503":
            return None
        case _:
            said = json.loads(answer.body)
            expected = {"call": call.number, "bytes": size}
            return None if said == expected else f"the answer of another call: {said}"
