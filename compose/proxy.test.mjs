// Runs nginx with nginx.conf against stand-in roles on loopback, and holds it to what the roles rely on. Only names,
// ports and files are replaced, and waits are shortened: a "long" time-out to 3 s, an ordinary one to 1 s. Of the private
// addresses only 127.0.0.9 is left one, and a stranger may hold 3 connections open.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const shipped = readFileSync(new URL('nginx.conf', import.meta.url), 'utf8');
const directory = mkdtempSync(join(tmpdir(), 'stanchion-proxy.'));
// What `stanchion web-client export` writes, in small; nothing at first.
const pages = join(directory, 'pages');
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` };

// A replica of a role: records what reaches it and answers as the test at hand says.
class Replica {
  constructor(role) {
    this.role = role;
    this.connections = 0;
    this.server = http.createServer((request, response) => this.#receive(request, response));
    this.server.keepAliveTimeout = 60_000;
    this.sockets = new Set();
    this.server.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.server.on('upgrade', (request, socket) => this.upgrade(request, socket));
    this.reset();
  }

  reset() {
    this.requests = [];
    this.answer = (request, response) => response.end(JSON.stringify({ role: this.role }));
    this.upgrade = (request, socket) => socket.destroy();
  }

  #receive(request, response) {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      this.requests.push({ method: request.method, url: request.url, headers: request.headers, body });
      this.answer(request, response);
    });
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  async close() {
    // Upgraded ones too, which closeAllConnections() leaves open.
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const gateways = [new Replica('gateway'), new Replica('gateway')];
const bookings = [new Replica('booking'), new Replica('booking')];
const replicas = [...gateways, ...bookings];
const mostOfAnAddress = 3;
let nginx;
let port;
let innerPort;

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: free } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return free;
}

function replaceOnce(text, from, to) {
  assert.equal(text.split(from).length, 2, `nginx.conf holds ${from} once`);
  return text.replace(from, to);
}

function onLoopback(text) {
  for (const [name, roles] of [['gateway', gateways], ['booking', bookings]]) {
    const line = new RegExp(`server ${name}:8080( .*;)`);
    const [whole, settings] = text.match(line);
    text = replaceOnce(text, whole, roles.map((r) => `server 127.0.0.1:${r.port}${settings}`).join('\n        '));
  }
  text = replaceOnce(text, 'listen 8080 ', `listen 127.0.0.1:${port} `);
  text = replaceOnce(text, 'listen 8081;', `listen 127.0.0.1:${innerPort};`);
  text = replaceOnce(text, 'root /srv/stanchion;', `root ${pages};`);
  text = replaceOnce(text, '/dev/stdout', join(directory, 'access.log'));
  text = replaceOnce(text, '/dev/stderr', join(directory, 'error.log'));
  assert.equal(text.split('127.0.0.0/8').length, 4, 'private addresses are listed three times');
  text = text.replaceAll('127.0.0.0/8', '127.0.0.9/32');
  text = text.replaceAll('limit_conn long_lived 8192;', `limit_conn long_lived ${mostOfAnAddress};`);
  text = replaceOnce(text, 'worker_rlimit_nofile 65536;', '');
  text = replaceOnce(text, 'worker_connections 32768;', 'worker_connections 1024;');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `    ${kind}_temp_path ${join(directory, kind)};`)
    .join('\n');
  return replaceOnce(text, 'http {\n', `http {\n${paths}\n`);
}

function shortened(text) {
  return text.replaceAll(/(proxy_(?:read|send)_timeout) 75s/g, '$1 3s').replaceAll(/(proxy_(?:read|send)_timeout) 15s/g, '$1 1s');
}

function start(...more) {
  const pid = `pid ${join(directory, 'pid')};`;
  const settings = ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')];
  return [...settings, '-g', [pid, ...more].join(' ')];
}

function call(path, { method = 'GET', headers = {}, body, on = port, from } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: on, path, method, headers, agent: false, localAddress: from };
    const request = http.request(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

const reserve = (key = 'k') =>
  call('/api/v1/bookings/reserve', { method: 'POST', headers: { 'Idempotency-Key': key }, body: '{"quantity":1}' });
const received = (roles) => roles.flatMap((replica) => replica.requests);

before(async () => {
  await Promise.all(replicas.map((replica) => replica.listen()));
  [port, innerPort] = [await freePort(), await freePort()];
  writeFileSync(join(directory, 'nginx.conf'), shortened(onLoopback(shipped)));
  const checked = spawnSync('nginx', ['-t', ...start()], { env, encoding: 'utf8' });
  assert.ifError(checked.error);
  assert.equal(checked.status, 0, checked.stderr);
});

after(async () => {
  await Promise.all(replicas.map((replica) => replica.close()));
  rmSync(directory, { recursive: true, force: true });
});

// A new nginx for each test: what it learned about a replica's failures must not reach the next.
beforeEach(async () => {
  replicas.forEach((replica) => replica.reset());
  nginx = spawn('nginx', start('daemon off;'), { env, stdio: 'inherit' });
  for (let tries = 0; ; tries++) {
    try {
      await call('/metrics');
      break;
    } catch (error) {
      if (tries > 100 || nginx.exitCode !== null) throw error;
      await sleep(20);
    }
  }
});

afterEach(async () => {
  nginx.kill('SIGTERM');
  if (nginx.exitCode === null && nginx.signalCode === null) {
    await new Promise((resolve) => nginx.once('exit', resolve));
  }
});

test('each path reaches its role', async () => {
  const routes = {
    gateway: [
      ['GET', '/'], ['GET', '/assets/app.js'], ['GET', '/health'], ['POST', '/api/v1/guest'],
      ['POST', '/api/v1/queue/join'], ['GET', '/api/v1/queue/position/e'], ['GET', '/api/v1/queue/position/e/stream'],
      ['GET', '/api/v1/queue/status/e'], ['DELETE', '/api/v1/queue/leave?event_id=e'], ['GET', '/api/v1/ws'],
    ],
    booking: [
      ['POST', '/api/v1/bookings/reserve'], ['POST', '/api/v1/bookings/b/confirm'], ['DELETE', '/api/v1/bookings/b'],
      ['GET', '/api/v1/bookings'], ['GET', '/api/v1/bookings?limit=1'], ['GET', '/api/v1/events'],
      ['GET', '/api/v1/events/e'], ['GET', '/api/v1/admin/events'], ['POST', '/api/v1/admin/sync-inventory'],
      ['PUT', '/api/v1/admin/events/e/queue'],
    ],
  };
  for (const [role, paths] of Object.entries(routes)) {
    for (const [method, path] of paths) {
      const answer = await call(path, { method });
      assert.deepEqual([answer.status, JSON.parse(answer.text).role], [200, role], `${method} ${path}`);
    }
  }
  const inner = await call('/api/v1/bookings/reserve', { method: 'POST', on: innerPort });
  assert.equal(JSON.parse(inner.text).role, 'booking');
  assert.equal((await call('/metrics')).status, 404);
});

test('the client is named by the proxy, not by itself', async () => {
  const headers = { 'X-Forwarded-For': '203.0.113.9', Host: 'tickets.example' };
  for (const path of ['/', '/api/v1/bookings', '/api/v1/ws', '/api/v1/queue/position/e/stream']) {
    await call(path, { headers });
    const [request] = received(replicas);
    assert.equal(request.headers['x-forwarded-for'], '127.0.0.1', path);
    assert.equal(request.headers.host, 'tickets.example', path);
    replicas.forEach((replica) => replica.reset());
  }
  await call('/api/v1/bookings', { headers, on: innerPort });
  assert.equal(received(bookings)[0].headers['x-forwarded-for'], '203.0.113.9, 127.0.0.1');
});

// Whoever ends TLS in front of the proxy, on this host or a private network: says whom it forwards, appended to what the client
// claims, and that the client came over TLS.
const terminator = '127.0.0.9';
const throughTerminator = (client, claimed) => ({
  'X-Forwarded-For': claimed ? `${claimed}, ${client}` : client, 'X-Forwarded-Proto': 'https',
});

test('behind a TLS terminator each visitor has an address of their own', async () => {
  // As the gateways count, only stricter: one guest an address.
  const guests = new Map();
  for (const replica of gateways) {
    replica.answer = (request, response) => {
      const address = request.headers['x-forwarded-for'];
      guests.set(address, (guests.get(address) ?? 0) + 1);
      response.writeHead(guests.get(address) > 1 ? 429 : 201);
      response.end('{}');
    };
  }
  const statuses = new Map();
  for (let i = 0; i < 600; i++) {
    const client = i % 2 ? `198.51.${i >> 8}.${i & 255}` : `2001:db8:${i.toString(16)}::1`;
    const headers = throughTerminator(client, i % 3 ? undefined : '203.0.113.9');
    const { status } = await call('/api/v1/guest', { method: 'POST', headers, from: terminator });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  assert.deepEqual([...statuses], [[201, 600]]);
});

test('that the visitor came over TLS is believed from a terminator only', async () => {
  const upgrade = (headers, from) => new Promise((resolve) => {
    for (const replica of gateways) replica.upgrade = (request, socket) => { resolve(request); socket.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\r\n'); };
    http.request({ host: '127.0.0.1', port, path: '/api/v1/ws', agent: false, localAddress: from,
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', ...headers } }).on('error', () => {}).end();
  });
  for (const [from, scheme, address] of [[terminator, 'https', '198.51.100.7'], [undefined, 'http', '127.0.0.1']]) {
    const headers = throughTerminator('198.51.100.7');
    for (const path of ['/', '/api/v1/bookings', '/api/v1/queue/position/e/stream']) {
      replicas.forEach((replica) => replica.reset());
      await call(path, { headers, from });
      const [request] = received(replicas);
      assert.deepEqual([request.headers['x-forwarded-proto'], request.headers['x-forwarded-for']], [scheme, address], path);
    }
    const { headers: seen } = await upgrade(headers, from);
    assert.deepEqual([seen['x-forwarded-proto'], seen['x-forwarded-for']], [scheme, address]);
  }
  // Whoever does not say so did not.
  replicas.forEach((replica) => replica.reset());
  await call('/', { from: terminator });
  assert.equal(received(replicas)[0].headers['x-forwarded-proto'], 'http');
});

test('connections to the roles are kept', async () => {
  const earlier = bookings.reduce((sum, replica) => sum + replica.connections, 0);
  for (let i = 0; i < 200; i++) assert.equal((await reserve(`k${i}`)).status, 200);
  const opened = bookings.reduce((sum, replica) => sum + replica.connections, 0) - earlier;
  assert.equal(received(bookings).length, 200);
  // One for each pair of an nginx worker and a replica, however many requests.
  assert.ok(opened <= bookings.length * availableParallelism(), `${opened} connections for 200 requests`);
});

test('a busy replica gets less', async () => {
  for (const replica of bookings) {
    replica.answer = (request, response) => {
      if (request.url.endsWith('/slow')) setTimeout(() => response.end('{}'), 800);
      else response.end('{}');
    };
  }
  const slow = call('/api/v1/bookings/slow');
  await sleep(100);
  const taken = bookings.find((replica) => replica.requests.length === 1);
  const other = bookings.find((replica) => replica !== taken);
  for (let i = 0; i < 10; i++) await reserve(`k${i}`);
  assert.deepEqual([taken.requests.length, other.requests.length], [1, 10]);
  await slow;
});

test('a reserve that was sent is never sent again', async () => {
  for (const replica of bookings) replica.answer = (request) => request.socket.destroy();
  const lost = await reserve();
  assert.equal(received(bookings).length, 1);
  assert.equal(lost.status, 503);
  assert.equal(lost.headers['content-type'], 'application/problem+json');
  assert.equal(lost.headers['retry-after'], '1');
  assert.equal(JSON.parse(lost.text).code, 'UNAVAILABLE');
});

test('a reserve that takes too long is not sent again either', async () => {
  for (const replica of bookings) replica.answer = () => {};
  const late = await reserve();
  assert.deepEqual([late.status, received(bookings).length], [503, 1]);
});

test('a reading request may be repeated', async () => {
  for (const replica of bookings) {
    replica.answer = (request, response) => {
      if (received(bookings).length === 1) request.socket.destroy();
      else response.end('{}');
    };
  }
  assert.equal((await call('/api/v1/events')).status, 200);
  assert.equal(received(bookings).length, 2);
});

test('a replica that is gone costs nobody an answer', async () => {
  await bookings[1].close();
  try {
    for (let i = 0; i < 40; i++) assert.equal((await reserve(`k${i}`)).status, 200);
    assert.equal(bookings[0].requests.length, 40);
  } finally {
    await bookings[1].listen();
  }
});

test('what a role answers passes unchanged', async () => {
  const problem = '{"code":"QUEUE_FULL","status":503,"retry_after":7}';
  for (const replica of replicas) {
    replica.answer = (request, response) => {
      response.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '7' });
      response.end(problem);
    };
  }
  const answer = await call('/api/v1/queue/join', { method: 'POST' });
  assert.deepEqual([answer.status, answer.headers['retry-after'], answer.text], [503, '7', problem]);
  assert.equal(received(replicas).length, 1);
});

const browser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

/** Until it is called again: a folder with these files, readable for nginx' workers. */
function exported(files) {
  rmSync(pages, { recursive: true, force: true });
  if (!files) return;
  chmodSync(directory, 0o755);
  mkdirSync(join(pages, 'assets'), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(pages, name), text);
}

const build = {
  'index.html': 'the page', 'admin.html': 'the operators page', 'plain.css': 'a style', 'assets/index-new.js': 'new code',
  'assets/index-old.js': 'code of the build before', 'unavailable.en.html': 'trying again', 'unavailable.th.html': 'ลองใหม่',
};

test('the page and its parts open without any gateway', async (t) => {
  exported(build);
  t.after(() => exported());
  await Promise.all(gateways.map((replica) => replica.close()));
  try {
    for (const path of ['/', '/e/1', '/e/1/seats', '/bookings', '/?from=plain', '/e/1?explain&x=plain']) {
      const { status, headers, text } = await call(path, { headers: browser });
      assert.deepEqual([status, text, headers['cache-control']], [200, 'the page', 'no-cache'], path);
      assert.match(headers['content-type'], /text\/html/);
      assert.match(headers['content-security-policy'], /^default-src 'none'; script-src 'self';/);
    }
    assert.equal((await call('/admin', { headers: browser })).text, 'the operators page');
    assert.equal((await call('/plain.css')).text, 'a style');
    for (const name of ['new', 'old']) {
      const { status, headers } = await call(`/assets/index-${name}.js`);
      assert.deepEqual([status, headers['content-type']], [200, 'text/javascript']);
      assert.match(headers['cache-control'], /immutable/);
    }
    assert.equal((await call('/.builds.json')).status, 503, 'the list of builds is nobody else\'s');
  } finally {
    await Promise.all(gateways.map((replica) => replica.listen()));
  }
});

test('without a gateway a browser sees a page that tries again, and a program a problem', async (t) => {
  exported(build);
  t.after(() => exported());
  await Promise.all(gateways.map((replica) => replica.close()));
  try {
    const pauses = new Set();
    for (let times = 0; times < 30; times++) {
      const { status, headers, text } = await call('/e/1?plain', { headers: browser });
      assert.deepEqual([status, text, headers['retry-after']], [503, 'trying again', headers.refresh]);
      assert.equal(headers['cache-control'], 'no-store');
      pauses.add(Number(headers.refresh));
    }
    assert.ok(pauses.size > 2 && [...pauses].every((pause) => pause >= 7 && pause <= 13), `${[...pauses]}`);
    const thai = { ...browser, 'Accept-Language': 'th-TH,th;q=0.9,en;q=0.8' };
    for (const [path, options] of [['/nowhere', {}], ['/e/1/join', { method: 'POST' }], ['/?plain', {}]]) {
      const { status, text } = await call(path, { headers: thai, ...options });
      assert.deepEqual([status, text], [503, 'ลองใหม่'], path);
    }
    for (const [path, headers] of [['/e/1?plain', {}], ['/api/v1/queue/status/e', browser]]) {
      const answer = await call(path, { headers });
      assert.deepEqual([answer.status, JSON.parse(answer.text).code], [503, 'UNAVAILABLE'], path);
    }
    exported();
    const bare = await call('/e/1?plain', { headers: browser });
    assert.deepEqual([bare.status, JSON.parse(bare.text).code], [503, 'UNAVAILABLE'], 'nothing was exported');
  } finally {
    await Promise.all(gateways.map((replica) => replica.listen()));
  }
});

test('a page without script is a gateway\'s, and so is what was not exported', async (t) => {
  exported({ 'index.html': 'the page' });
  t.after(() => exported());
  for (const path of ['/?plain', '/e/1?still&plain', '/e/1?plain=', '/bookings?plain', '/admin', '/e/1/join', '/plain.css']) {
    const { status, text } = await call(path, { headers: browser });
    assert.deepEqual([status, JSON.parse(text).role], [200, 'gateway'], path);
  }
  for (const path of ['/', '/e/1']) {
    assert.equal(JSON.parse((await call(path, { method: 'POST' })).text).role, 'gateway', `POST ${path}`);
  }
});

// Two gateways of two builds, as in the midst of a rolling update, and no export: each knows the parts of its own build.
test('during an update the parts of both builds are found', async () => {
  for (const [at, name] of ['old', 'new'].entries()) {
    gateways[at].answer = (request, response) => {
      if (request.url === `/assets/index-${name}.js`) return response.end(name);
      response.writeHead(404, { 'Content-Type': 'application/problem+json' });
      response.end('{"code":"NOT_FOUND"}');
    };
  }
  for (let times = 0; times < 20; times++) {
    for (const name of ['old', 'new']) {
      const { status, text } = await call(`/assets/index-${name}.js`);
      assert.deepEqual([status, text], [200, name]);
    }
  }
  replicas.forEach(({ requests }) => requests.splice(0));
  const missing = await call('/assets/index-older.js');
  assert.deepEqual([missing.status, JSON.parse(missing.text).code], [404, 'NOT_FOUND']);
  assert.equal(received(gateways).length, gateways.length, 'each was asked once');
  replicas.forEach(({ requests }) => requests.splice(0));
  assert.equal((await call('/e/1')).status, 404);
  assert.equal(received(gateways).length, 1, 'what is no part of a page is asked for once');
});

test('a WebSocket opens, and stays open between heartbeats', async () => {
  let seen;
  for (const replica of gateways) {
    replica.upgrade = (request, socket) => {
      seen = request;
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Protocol: stanchion.v1\r\n\r\n');
      socket.on('data', (data) => socket.write(`echo ${data}`));
    };
  }
  const socket = await new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1', port, path: '/api/v1/ws', agent: false,
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'stanchion.v1',
        'X-Forwarded-For': '203.0.113.9' },
    });
    request.on('upgrade', (response, upgraded) => {
      assert.equal(response.headers['sec-websocket-protocol'], 'stanchion.v1');
      resolve(upgraded);
    });
    request.on('response', (response) => reject(new Error(`${response.statusCode} instead of 101`)));
    request.on('error', reject);
    request.end();
  });
  assert.equal(seen.headers.upgrade, 'websocket');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
  const next = () => new Promise((resolve, reject) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.once('close', () => reject(new Error('closed')));
  });
  for (const word of ['one', 'two', 'three']) {
    // Longer than an ordinary request may take, for longer in total than the stream's own limit.
    await sleep(1500);
    const answer = next();
    socket.write(word);
    assert.equal(await answer, `echo ${word}`);
  }
  socket.destroy();
});

for (const [role, path] of [
  ['gateways', '/api/v1/queue/position/e/stream'],
  ['bookings', '/api/v1/events/e/availability/stream'],
  ['bookings', '/api/v1/admin/events/e/live/stream'],
]) test(`events of ${path} stream at once, and for as long as heartbeats come`, async () => {
  for (const replica of { gateways, bookings }[role]) {
    replica.answer = async (request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (let i = 1; i <= 4; i++) {
        response.write(`event: position\ndata: {"position":${i}}\n\n`);
        await sleep(1500);
      }
      response.end();
    };
  }
  const began = Date.now();
  const arrivals = await new Promise((resolve, reject) => {
    const times = [];
    http.get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.on('data', () => times.push(Date.now() - began));
      response.on('end', () => resolve(times));
      response.on('error', reject);
    }).on('error', reject);
  });
  assert.equal(arrivals.length, 4);
  assert.ok(arrivals[0] < 1000, `the first event took ${arrivals[0]} ms`);
  assert.ok(arrivals[3] > 4000);
});

test('an address holds open as much as it may, and the next one too', async () => {
  for (const replica of [...gateways, ...bookings]) {
    replica.answer = (request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (request.url.endsWith('/stream')) response.write(': heartbeat\n\n');
      else response.end();
    };
  }
  const paths = ['/api/v1/queue/position/e/stream', '/api/v1/events/e/availability/stream', '/api/v1/ws'];
  for (const replica of gateways) {
    replica.upgrade = (request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  }
  const open = (path, from) => new Promise((resolve, reject) => {
    const headers = path.endsWith('/ws') ? { Connection: 'Upgrade', Upgrade: 'websocket' } : {};
    const request = http.request({ host: '127.0.0.1', port, path, headers, agent: false, localAddress: from });
    request.on('upgrade', (response, socket) => resolve({ status: 101, end: () => socket.destroy() }));
    request.on('response', (response) => resolve({ status: response.statusCode, end: () => request.destroy() }));
    request.on('error', reject);
    request.end();
  });
  const held = await Promise.all(paths.map((path) => open(path, '127.0.0.1')));
  assert.deepEqual(held.map(({ status }) => status), [200, 200, 101]);
  for (const path of paths) {
    const refused = await call(path, { from: '127.0.0.1', headers: { 'X-Forwarded-For': '203.0.113.9' } });
    assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '5'], path);
    assert.equal(refused.headers['content-type'], 'application/problem+json');
    assert.equal(JSON.parse(refused.text).code, 'RATE_LIMITED');
  }
  assert.equal((await call('/api/v1/queue/status/e', { from: '127.0.0.1' })).status, 200, 'a request holds nothing open');
  const others = await Promise.all(['127.0.0.2', ...Array(mostOfAnAddress + 1).fill('127.0.0.9')].map((from) => open(paths[0], from)));
  assert.ok(others.every(({ status }) => status === 200), 'another address, and a proxy of the house');

  held[0].end();
  for (let tries = 0; ; tries++) {
    const again = await open(paths[0], '127.0.0.1');
    if (again.status === 200) {
      others.push(again);
      break;
    }
    again.end();
    assert.ok(tries < 250, 'a place that was left is free again');
    await sleep(20);
  }
  for (const { end } of [...held.slice(1), ...others]) end();
});

test('every long-lived path counts, and each address has thousands', () => {
  const limits = [...shipped.matchAll(/limit_conn long_lived (\d+);/g)].map(([, most]) => Number(most));
  assert.deepEqual(limits, [8192, 8192, 8192]);
  assert.equal([...shipped.matchAll(/proxy_read_timeout 75s;/g)].length, limits.length);
});

test('the shipped limits leave room for heartbeats', () => {
  const longest = 25;
  for (const place of ['location = /api/v1/ws {', 'location ~ ^/api/v1/queue/position/.+/stream$ {',
    'location ~ ^/api/v1/(events/[^/]+/availability|admin/events/[^/]+/live)/stream$ {']) {
    const [, block] = shipped.match(new RegExp(`${place.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}([^}]*)}`));
    const [, seconds] = block.match(/proxy_read_timeout (\d+)s;/);
    assert.ok(Number(seconds) >= 2 * longest, `${place} ${seconds} s`);
  }
  assert.doesNotMatch(shipped, /^\s*proxy_next_upstream [^;]*non_idempotent/m);
});
