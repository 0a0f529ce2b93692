// A Stanchion of the test's own behind a relay that counts and cuts; and a client that speaks from an address of its own:
// all of 127.0.0.0/8 is this machine.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, program } from './proxies.mjs';

const SECRET = 'the-tests-sign-users-tokens-with-this';

export function token(sub, more = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub, exp: Math.floor(Date.now() / 1_000) + 3_600, ...more })}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

export class Stanchion {
  static async start(settings = {}) {
    const stanchion = new Stanchion();
    stanchion.folder = mkdtempSync(join(tmpdir(), 'stanchion-proxied-'));
    stanchion.port = await freePort();
    stanchion.origin = `http://127.0.0.1:${stanchion.port}`;
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STANCHION_')));
    Object.assign(env, {
      STANCHION_LISTEN: `127.0.0.1:${stanchion.port}`,
      STANCHION_DATA_DIR: stanchion.folder,
      STANCHION_JWT_SECRET: SECRET,
      STANCHION_PASS_SECRET: 'the-tests-sign-passes-with-this-one',
      STANCHION_GUESTS: 'true',
      ...settings,
    });
    stanchion.process = spawn(program, { env, cwd: stanchion.folder, stdio: 'ignore' });
    const deadline = Date.now() + 60_000;
    while (!(await fetch(`${stanchion.origin}/ready`).catch(() => undefined))?.ok) {
      assert.ok(Date.now() < deadline && stanchion.process.exitCode === null, 'Stanchion starts');
      await sleep(50);
    }
    return stanchion;
  }

  async operate(method, path, body) {
    const headers = { Authorization: `Bearer ${token('operator', { role: 'admin' })}`, 'Content-Type': 'application/json' };
    const answer = await fetch(`${this.origin}/api/v1/admin/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  }

  async sale() {
    const zones = [{ name: 'Floor', capacity: 50, unit_price: 1_000 }];
    const event = { name: 'Proxied', currency: 'EUR', max_seats_per_user: 4, queue: { state: 'paused' }, shows: [{ name: 'Friday', zones }] };
    return (await this.operate('POST', 'events', event)).event_id;
  }

  drain() {
    this.process.kill('SIGTERM');
  }

  async end() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Between a proxy and Stanchion: counts requests by how they begin, and dies under those that it is told to. */
export class Relay {
  static async before(target) {
    const relay = new Relay();
    relay.open = new Set();
    relay.seen = 0;
    relay.target = target;
    relay.port = await freePort();
    await relay.back();
    return relay;
  }

  async back() {
    this.server = net.createServer((socket) => this.#pass(socket, this.target)).listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
  }

  /** Nobody is there: what is open ends, and connections are refused. */
  async away() {
    const closed = once(this.server, 'close');
    this.end();
    await closed;
  }

  /** From now on a request that begins so ends its connection, unanswered, as a crash would; answers how many did. */
  cutAt(beginning) {
    this.beginning = beginning;
    this.seen = 0;
  }

  #pass(socket, target) {
    const through = net.connect(target, '127.0.0.1');
    const end = () => (socket.destroy(), through.destroy());
    this.open.add(end);
    for (const one of [socket, through]) {
      one.on('error', () => {});
      one.on('close', () => (end(), this.open.delete(end)));
    }
    socket.on('data', (data) => {
      if (!this.beginning || !data.includes(this.beginning)) return through.write(data);
      this.seen += 1;
      end();
    });
    through.pipe(socket);
  }

  end() {
    for (const end of this.open) end();
    this.server.close();
  }
}

/** The test's own certificates are nobody else's. */
const over = (origin) => (origin.startsWith('https:') ? { request: https.request, rejectUnauthorized: false } : { request: http.request });

/** One request from the address `from`; a body of an event stream is given to `told` as it comes. */
export function call(origin, path, { method = 'GET', headers = {}, body, from = '127.0.0.1', agent = false, told } = {}) {
  return new Promise((resolve, reject) => {
    const { request: ask, ...trust } = over(origin);
    const request = ask(new URL(path, origin), { method, headers, agent, localAddress: from, ...trust }, (response) => {
      let text = '';
      response.on('data', (chunk) => ((text += told ? '' : chunk), told?.(String(chunk))));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
      response.on('close', () => resolve({ status: response.statusCode, headers: response.headers, text, cut: true }));
    });
    request.on('error', reject);
    if (told) told.end = () => request.destroy();
    request.end(body);
  });
}

/** A WebSocket from the address `from`. Resolves when the handshake is answered: `status` is 101, or what it was refused with. */
export class Socket {
  messages = [];
  #unread = Buffer.alloc(0);

  static open(origin, { from = '127.0.0.1', headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const upgrade = {
        ...{ Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
        ...{ 'Sec-WebSocket-Key': randomBytes(16).toString('base64'), 'Sec-WebSocket-Protocol': 'stanchion.v1', ...headers },
      };
      const { request: ask, ...trust } = over(origin);
      const request = ask(new URL('/api/v1/ws', origin), { headers: upgrade, agent: false, localAddress: from, ...trust });
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text, close: () => {} }));
      });
      request.on('upgrade', (_, socket, head) => resolve(new Socket(socket, head)));
      request.end();
    });
  }

  constructor(socket, head) {
    this.status = 101;
    this.socket = socket;
    this.closed = new Promise((resolve) => (this.end = resolve));
    socket.on('error', () => {});
    socket.on('close', () => this.end({ code: 1006, reason: '' }));
    socket.on('data', (data) => this.#read(data));
    this.#read(head);
  }

  close() {
    this.socket.destroy();
  }

  say(message) {
    this.#send(1, Buffer.from(JSON.stringify(message)));
  }

  /** Whatever a message is, once one of that type has come. */
  async hears(type, patience = 10_000) {
    const deadline = Date.now() + patience;
    for (;;) {
      const found = this.messages.find((message) => message.type === type);
      if (found) return found;
      assert.ok(Date.now() < deadline, `${type} comes; there was ${JSON.stringify(this.messages)}`);
      await sleep(20);
    }
  }

  async joins(event_id, user = randomUUID()) {
    this.say({ type: 'connect', token: token(user) });
    await this.hears('connected');
    this.say({ type: 'join', event_id });
    return this.hears('queued');
  }

  #send(opcode, payload) {
    const mask = randomBytes(4);
    const length = payload.length < 126 ? Buffer.from([0x80 | payload.length]) : Buffer.from([0xfe, payload.length >> 8, payload.length & 255]);
    this.socket.write(Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, payload.map((byte, at) => byte ^ mask[at % 4])]));
  }

  #read(data) {
    this.#unread = Buffer.concat([this.#unread, data]);
    for (;;) {
      if (this.#unread.length < 2) return;
      const [first, second] = this.#unread;
      const [start, length] = second < 126 ? [2, second] : [4, this.#unread.length < 4 ? Infinity : this.#unread.readUInt16BE(2)];
      if (this.#unread.length < start + length) return;
      const payload = this.#unread.subarray(start, start + length);
      this.#unread = this.#unread.subarray(start + length);
      this.#frame(first & 15, payload);
    }
  }

  #frame(opcode, payload) {
    if (opcode === 1) this.messages.push(JSON.parse(payload.toString()));
    if (opcode === 9) this.#send(10, payload);
    if (opcode !== 8) return;
    this.end({ code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() });
    this.#send(8, payload.subarray(0, 2));
    this.socket.end();
  }
}
