"""What was asked, what arrived, and what is wrong with it.

Agents and the upstream live in one process, so each request of an agent is announced here before it
is sent, and the upstream can tell whether what reaches it is whole, asked for, and signed with a
secret that is in service. Whatever is not as promised becomes a fault; the soak fails with the first
one and tells of all.
"""

import hashlib
import hmac
import time
from collections import Counter
from dataclasses import dataclass, field

# A call keeps the secrets that it began with, so an old one is seen for as long as the longest
# deadline after its successor is in service, and a busy machine adds to that.
OLD_SECRET_S = 30.0

MOST_FAULTS = 50


@dataclass
class Call:
    """One request that an agent announced."""

    number: int
    tool: str
    digest: str
    # Whether it can become complete; one that cannot must never be forwarded.
    whole: bool
    # Whether it may be sent again when an upstream may have seen it.
    repeatable: bool
    max_retries: int
    # What the upstream did with each attempt.
    attempts: list[str] = field(default_factory=list)


class Ledger:
    """Everything that both sides of the sidecar know."""

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        # By tool: each secret with the time at which another took its place.
        self.secrets: dict[str, list[tuple[bytes, float | None]]] = {}
        self.slowest_s = 0.0
        self._numbers = 0

    def fault(self, text: str) -> None:
        """Notes that something is not as promised."""
        self.counts["faults"] += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(text[:600])

    def announce(
        self, tool: str, body: bytes, *, whole: bool, repeatable: bool, max_retries: int
    ) -> Call:
        """A request that is about to be sent."""
        self._numbers += 1
        digest = hashlib.sha256(body).hexdigest()
        call = Call(self._numbers, tool, digest, whole, repeatable, max_retries)
        self.calls[call.number] = call
        return call

    def settle(self, call: Call) -> None:
        """Forgets a request whose agent has its answer; a late attempt is then not asked for."""
        self.calls.pop(call.number, None)

    def add_secret(self, tool: str, secret: bytes) -> None:
        """Lets signatures of another secret pass, which is about to be put into service."""
        self.secrets.setdefault(tool, []).append((secret, None))

    def retire_old_secrets(self, tool: str) -> None:
        """The newest secret is in service."""
        now = time.monotonic()
        *old, newest = self.secrets[tool]
        kept = [(secret, retired or now) for secret, retired in old]
        self.secrets[tool] = [k for k in kept if now - k[1] < OLD_SECRET_S] + [newest]

    def is_signed(self, tool: str, body: bytes, signature: str) -> bool:
        """Whether a signature is that of a secret in service over exactly these bytes."""
        now = time.monotonic()
        for secret, retired in self.secrets.get(tool, []):
            in_service = retired is None or now - retired < OLD_SECRET_S
            expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
            if in_service and hmac.compare_digest(expected, signature):
                return True
        return False

    def arrived(self, number: int, tool: str, body: bytes) -> Call | None:
        """Checks one attempt against what was announced."""
        call = self.calls.get(number)
        if call is None:
            # Its agent left while the attempt was on its way, or has its answer already.
            self.counts["attempts of agents that had left"] += 1
            return None
        if not call.whole:
            self.fault(f"call {number} of {tool} was forwarded although its body never ended")
        if call.tool != tool:
            self.fault(f"call {number} is one of {call.tool} and arrived as {tool}")
        if hashlib.sha256(body).hexdigest() != call.digest:
            self.fault(f"call {number} of {tool} arrived with other bytes than were sent")
        if len(call.attempts) > call.max_retries:
            self.fault(f"call {number} of {tool} was sent {len(call.attempts) + 1} times")
        if call.attempts and not call.repeatable and call.attempts[-1] not in ("429", "503"):
            self.fault(f"call {number} of {tool} was repeated after {call.attempts[-1]!r}")
        return call
