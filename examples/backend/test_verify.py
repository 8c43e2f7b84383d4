"""What `verify.py` accepts and refuses. Run with `python -m unittest` in this folder.

The signatures were made with OpenSSL as the comments show, and not with the code under test.
"""

import hashlib
import unittest

from verify import MAX_SKEW_S, Refused, Verified, verify

NOW = 1_705_322_400
BODY = b'{"tool":"send_email","args":{"to":"user@example.com"}}'
# printf %s "$BODY" | openssl dgst -sha256 -hmac supersecret
SIGNATURE = "5455ced675c6e67c3f2a4887050abab33aa766193e0798f04ad921e34d35b172"
# printf '' | openssl dgst -sha256 -hmac supersecret
EMPTY_SIGNATURE = "982e7c70e0e1faefa09bfb6c885a33ba2593e1193052096f0a5c7bd4703e43a7"
# printf '\377\000\376' | openssl dgst -sha256 -hmac 'пароль-密码-🔑'
BINARY_SIGNATURE = "f5ce7cbc2a4b830c00e522733e026999542ec526e04a81cabf2caf4193fc56e0"


def signed(**changes: str | None) -> list[tuple[str, str]]:
    """The headers of a good call, with some changed or (`None`) left out."""
    headers = {
        "X-OnceOnly-Signature": SIGNATURE,
        "X-OnceOnly-Signature-Alg": "hmac_sha256",
        "X-OnceOnly-Timestamp": str(NOW),
        "X-OnceOnly-Tool": "send_email",
        "X-OnceOnly-Agent-Id": "support_bot",
        "X-OnceOnly-Secret-Id": "sec_c7f58bd3",
        "Content-Type": "application/json",
    }
    for name, value in changes.items():
        headers["X-OnceOnly-" + name.replace("_", "-")] = value
    return [(name, value) for name, value in headers.items() if value is not None]


class Accepted(unittest.TestCase):
    def test_a_signed_call_is_described(self) -> None:
        expected = Verified(
            agent="support_bot",
            tool="send_email",
            secret_id="sec_c7f58bd3",
            timestamp=NOW,
            body_sha256=hashlib.sha256(BODY).hexdigest(),
        )
        self.assertEqual(verify(BODY, signed(), "supersecret", NOW), expected)

    def test_the_names_and_the_algorithm_are_optional(self) -> None:
        bare = signed(Signature_Alg=None, Tool=None, Agent_Id=None, Secret_Id=None)
        verified = verify(BODY, bare, "supersecret", NOW)
        self.assertEqual((verified.tool, verified.agent, verified.secret_id), (None, None, None))

    def test_case_matters_neither_in_names_nor_in_the_algorithm(self) -> None:
        loud = [(name.upper(), value) for name, value in signed(Signature_Alg="HMAC_SHA256")]
        verify(BODY, loud, "supersecret", NOW)

    def test_any_bytes_are_a_body_and_any_text_is_a_secret(self) -> None:
        verify(b"", signed(Signature=EMPTY_SIGNATURE), "supersecret", NOW)
        verify(b"\xff\x00\xfe", signed(Signature=BINARY_SIGNATURE), "пароль-密码-🔑", NOW)

    def test_the_window_is_closed_at_both_ends(self) -> None:
        for skew in (-MAX_SKEW_S, 0, MAX_SKEW_S):
            verify(BODY, signed(Timestamp=str(NOW + skew)), "supersecret", NOW)


class RefusedCalls(unittest.TestCase):
    def check(self, headers: list[tuple[str, str]], reason: str, body: bytes = BODY) -> None:
        with self.assertRaises(Refused) as caught:
            verify(body, headers, "supersecret", NOW)
        self.assertEqual(str(caught.exception), reason)

    def test_headers_must_be_there_once(self) -> None:
        missing = "signature or timestamp header is missing"
        self.check(signed(Signature=None), missing)
        self.check(signed(Signature=""), missing)
        self.check(signed(Timestamp=None), missing)
        self.check([], missing)
        twice = signed() + [("x-onceonly-timestamp", str(NOW))]
        self.check(twice, "x-onceonly-timestamp is there more than once")

    def test_other_algorithms(self) -> None:
        for name in ("", "none", "hmac_sha512", "sha256"):
            self.check(signed(Signature_Alg=name), "signature algorithm is not hmac_sha256")

    def test_timestamps_that_are_no_whole_seconds(self) -> None:
        for text in ("1705322400.5", "1_705_322_400", " 1705322400", "١٧٠٥٣٢٢٤٠٠", "now", "9" * 5000):
            reason = "timestamp is not a whole number of Unix seconds"
            self.check(signed(Timestamp=text), reason)

    def test_timestamps_outside_the_window(self) -> None:
        late = "timestamp is more than 300 s from this host's clock"
        for seconds in (NOW - 301, NOW + 301, NOW * 1000, 0, -NOW):
            self.check(signed(Timestamp=str(seconds)), late)

    def test_signatures_of_something_else(self) -> None:
        mismatch = "signature does not match this body"
        self.check(signed(), mismatch, body=BODY + b"\n")
        self.check(signed(), mismatch, body=b"")
        for text in (
            SIGNATURE.upper(),
            SIGNATURE[:-1],
            "0" * 64,
            "sha256=" + SIGNATURE,
            SIGNATURE + "\n",
            "é" * 64,
        ):
            self.check(signed(Signature=text), mismatch)


if __name__ == "__main__":
    unittest.main()
