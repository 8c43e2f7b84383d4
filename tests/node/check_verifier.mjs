// Puts a Node verifier from the documentation through what it must accept and refuse.
//
// usage: node check_verifier.mjs FILE VECTORS
//
// FILE exports `verify(body, headers, secret)`; VECTORS is `onceonly_body_hmac.json`. Ends with an
// assertion that names the case where the verifier errs. An exception is an error too, because it
// becomes a 500 and a retry.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [file, vectors] = process.argv.slice(2);
const { verify } = await import(pathToFileURL(resolve(file)));
const { cases } = JSON.parse(readFileSync(vectors, "utf8"));
const now = Math.floor(Date.now() / 1000);

function bodyOf({ body_b64: whole, body_repeat: repeat }) {
  if (whole !== undefined) return Buffer.from(whole, "base64");
  return Buffer.alloc(repeat.total_len, Buffer.from(repeat.unit_b64, "base64"));
}

function check(expected, name, body, secret, fields) {
  // Node hands header names on in lower case.
  const named = Object.entries(fields).map(([key, value]) => [`x-onceonly-${key}`, value]);
  assert.equal(verify(body, Object.fromEntries(named), secret), expected, name);
}

for (const { id, secret, signature_hex: signature, ...rest } of cases) {
  const body = bodyOf(rest);
  const good = { signature, timestamp: `${now}` };
  check(true, id, body, secret, { ...good, "signature-alg": "hmac_sha256" });
  check(true, `${id} without algorithm`, body, secret, good);
  check(false, `${id} and a byte`, Buffer.concat([body, Buffer.from("\n")]), secret, good);
  check(false, `${id} under another secret`, body, `${secret}x`, good);
}

const { secret, signature_hex: signature, ...rest } = cases[0];
const good = { signature, timestamp: `${now}` };
const faults = {
  "no headers": { signature: undefined, timestamp: undefined },
  "no signature": { signature: undefined },
  "no timestamp": { timestamp: undefined },
  "another algorithm": { "signature-alg": "ed25519" },
  "a prefix": { signature: `sha256=${signature}` },
  "a short signature": { signature: signature.slice(0, -2) },
  "a signature that is not ASCII": { signature: "é".repeat(64) },
  "an empty signature": { signature: "" },
  "two signatures, as Node joins them": { signature: `${signature}, ${signature}` },
  "an old timestamp": { timestamp: `${now - 310}` },
  "an early timestamp": { timestamp: `${now + 310}` },
  milliseconds: { timestamp: `${now * 1000}` },
  "a fraction": { timestamp: `${now}.5` },
  "not a number": { timestamp: "now" },
  "a huge number": { timestamp: "9".repeat(5000) },
};
for (const [name, fields] of Object.entries(faults)) {
  check(false, name, bodyOf(rest), secret, { ...good, ...fields });
}
