"""The example backend at its door: what each tool answers to calls signed as the sidecar signs.

Run by the test suite in a virtualenv of its own. The app is called without a socket.
"""

import gzip
import hashlib
import hmac
import os
import sys
import time
import unittest
from pathlib import Path

import httpx

SECRET = "supersecret"
os.environ["TOOL_SECRET"] = SECRET
sys.path.insert(0, str(Path(__file__).parents[2] / "examples/backend"))
from app import MAX_BODY_BYTES, app  # noqa: E402 (needs the path and the secret above)


class Backend(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        transport = httpx.ASGITransport(app=app)
        client = httpx.AsyncClient(transport=transport, base_url="http://backend")
        self.client = await self.enterAsyncContext(client)

    async def call(self, tool: str, body: bytes, **headers: str) -> httpx.Response:
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        signing = {
            "X-OnceOnly-Signature": signature,
            "X-OnceOnly-Signature-Alg": "hmac_sha256",
            "X-OnceOnly-Timestamp": str(int(time.time())),
            "X-OnceOnly-Agent-Id": "support_bot",
        }
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(f"/tools/{tool}", content=body, headers=signing | extra)

    async def test_send_email_says_what_it_verified(self) -> None:
        body = b'{"args":{"to":"user@example.com"}}'
        response = await self.call("send-email", body)
        answer = response.json()
        timestamp = answer["verified"].pop("timestamp")
        self.assertLess(abs(time.time() - timestamp), 60)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(
            answer,
            {
                "status": "sent",
                "to": "user@example.com",
                "verified": {
                    "agent": "support_bot",
                    "tool": None,
                    "secret_id": None,
                    # printf %s "$BODY" | sha256sum
                    "body_sha256": "5a7b46119df0b6ae82193e77f488c4dbb4979a8546c9a9ddfa9557fb485cfd97",
                },
            },
        )

    async def test_every_json_is_taken(self) -> None:
        for body in (
            b"null",
            b"[]",
            b"1e999",
            b'"text"',
            b'{"args":[1]}',
            b'{"args":{"to":{"a":1}}}',
            b'{"args":{"to":"\\ud800"}}',
            b'\xef\xbb\xbf{"args":{}}',
        ):
            with self.subTest(body=body):
                self.assertEqual((await self.call("send-email", body)).status_code, 200)

    async def test_gzip_is_read_after_the_check(self) -> None:
        body = gzip.compress(b'{"args":{"to":"user@example.com"}}')
        response = await self.call("send-email", body, Content_Encoding="gzip")
        self.assertEqual(response.json()["to"], "user@example.com")
        self.assertEqual(
            response.json()["verified"]["body_sha256"], hashlib.sha256(body).hexdigest()
        )

    async def test_what_is_no_json_is_refused_but_described(self) -> None:
        bomb = gzip.compress(b" " * (MAX_BODY_BYTES + 1))
        for body, headers in (
            (b"", {}),
            (b"\xff\x00", {}),
            (b'{"args":NaN}', {}),
            (b"[" * 100_000, {}),
            (b"{}", {"Content_Encoding": "gzip"}),
            (gzip.compress(b"{}")[:-1], {"Content_Encoding": "gzip"}),
            (bomb, {"Content_Encoding": "gzip"}),
        ):
            with self.subTest(body=body[:20]):
                response = await self.call("send-email", body, **headers)
                detail = response.json()["detail"]
                self.assertEqual((response.status_code, detail["error"]), (400, "invalid_json"))
                expected = hashlib.sha256(body).hexdigest()
                self.assertEqual(detail["verified"]["body_sha256"], expected)

    async def test_an_unsigned_call_reaches_no_tool(self) -> None:
        for tool in ("send-email", "fail-test", "create-ticket", "charge"):
            response = await self.client.post(f"/tools/{tool}", json={})
            detail = {"detail": "signature or timestamp header is missing"}
            self.assertEqual((response.status_code, response.json()), (401, detail))

    async def test_a_body_over_the_limit_is_not_read_to_its_end(self) -> None:
        response = await self.call("send-email", b" " * (MAX_BODY_BYTES + 1))
        self.assertEqual(response.status_code, 413)

    async def test_fail_test_fails(self) -> None:
        self.assertEqual((await self.call("fail-test", b"{}")).status_code, 500)

    async def test_a_ticket_is_created_once_per_key(self) -> None:
        async def ticket(body: bytes) -> str:
            response = await self.call("create-ticket", body)
            return response.json()["ticket"]["id"]

        by_key = b'{"args":{"idempotency_key":"a","title":"first"},"lease_id":"%d"}'
        self.assertEqual(await ticket(by_key % 1), await ticket(by_key % 2))
        by_lease = b'{"args":{"title":"%d"},"lease_id":"lease_1"}'
        self.assertEqual(await ticket(by_lease % 1), await ticket(by_lease % 2))
        unkeyed = b'{"args":{"title":"third"}}'
        bodies = (by_key % 1, by_lease % 1, unkeyed, unkeyed)
        self.assertEqual(len({await ticket(body) for body in bodies}), 4)

    async def test_a_charge_whose_answer_was_lost_is_not_made_again(self) -> None:
        # The key of a ticket above, which is no key of a charge.
        body = b'{"args":{"amount":7,"lose_answer":true},"lease_id":"lease_1"}'
        self.assertEqual((await self.call("charge", body)).status_code, 500)
        again = [(await self.call("charge", body)).json() for _ in range(2)]
        made = {"id": "charge-1", "amount": 7}
        self.assertEqual(again, [{"status": "charged", "charge": made, "replayed": True}] * 2)
        other = (await self.call("charge", body.replace(b"lease_1", b"lease_2"))).status_code
        self.assertEqual(other, 500)


if __name__ == "__main__":
    unittest.main()
