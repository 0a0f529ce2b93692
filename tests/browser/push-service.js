// A push service and a browser's side of it: takes pushes, checks who sends them (VAPID, RFC 8292), and decrypts them (RFC 8291) with a library
// that Stanchion does not use.
import assert from "node:assert/strict";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import ece from "http_ece";
import { TEST_TIMEOUT_MS } from "./browser.js";

export class PushService {
  #received = [];

  static async start() {
    const service = new PushService();
    service.server = http.createServer((request, response) => service.#take(request, response));
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    service.origin = `http://127.0.0.1:${service.server.address().port}`;
    return service;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** A browser's subscription with keys of its own. */
  subscribe(name) {
    const keys = createECDH("prime256v1");
    keys.generateKeys();
    const auth = randomBytes(16);
    const json = { endpoint: `${this.origin}/${name}`, keys: { p256dh: keys.getPublicKey("base64url"), auth: auth.toString("base64url") } };
    return { json, path: `/${name}`, keys, auth };
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    this.#received.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(201).end();
  }

  /** The only push to a subscription, checked and decrypted. */
  async push({ path, keys, auth }, publicKey) {
    const deadline = Date.now() + TEST_TIMEOUT_MS;
    const mine = () => this.#received.filter((push) => push.path === path);
    while (mine().length === 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 25));
    assert.equal(mine().length, 1, "one push");
    const [{ headers, body }] = mine();
    const message = ece.decrypt(body, { version: "aes128gcm", privateKey: keys, authSecret: auth.toString("base64url") });
    return { headers, claims: this.#verified(headers.authorization, publicKey), message: JSON.parse(message) };
  }

  #verified(authorization, publicKey) {
    const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(authorization);
    assert.equal(key, publicKey, "the key that browsers subscribe with");
    const point = Buffer.from(key, "base64url");
    assert.equal(point.length, 65);
    const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
    const [header, claims, signature] = token.split(".");
    const signed = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    assert.ok(verify("sha256", Buffer.from(`${header}.${claims}`), signed, Buffer.from(signature, "base64url")), "signed by that key");
    assert.equal(JSON.parse(Buffer.from(header, "base64url")).alg, "ES256");
    return JSON.parse(Buffer.from(claims, "base64url"));
  }
}
