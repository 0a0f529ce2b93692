// Each real proxy with its file of docs/proxies before a Stanchion: what a waiting room asks of a proxy.
//
// PROXIES names those to be tested, with commas between them; HOLD_S is for how many seconds a socket and a stream are held,
// longer than Envoy's 15 s.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Proxy, proxies } from './proxies.mjs';
import { Relay, Socket, Stanchion, call, token } from './stanchion.mjs';

const HOLD_S = Number(process.env.HOLD_S ?? 21);
const OF_AN_ADDRESS = 4;
const IN_ALL = 40;
const named = process.env.PROXIES?.split(',') ?? Object.keys(proxies);

const settings = {
  STANCHION_TRUSTED_PROXIES: '127.0.0.1/32',
  STANCHION_MAX_CONNECTIONS_PER_ADDRESS: String(OF_AN_ADDRESS),
  STANCHION_MAX_CONNECTIONS: String(IN_ALL),
  STANCHION_HEARTBEAT_MS: '1000',
  STANCHION_DRAIN_SECONDS: '2',
};

/** Another address of this machine for each use: one that no proxy has. */
let addresses = 0;
const address = () => `127.77.${Math.floor(++addresses / 250)}.${(addresses % 250) + 1}`;

const problem = ({ headers, text }) => {
  assert.match(headers['content-type'], /problem\+json/);
  const { type, code } = JSON.parse(text);
  assert.match(type, /^urn:stanchion:problem:/);
  return code;
};

describe('proxies', { concurrency: true }, () => {
  for (const name of named) describe(name, { concurrency: 1 }, () => conversation(name));
});

function conversation(name) {
  let stanchion;
  let relay;
  let proxy;
  let event_id;

  before(async () => {
    stanchion = await Stanchion.start(settings);
    [event_id, relay] = await Promise.all([stanchion.sale(), Relay.before(stanchion.port)]);
    proxy = await Proxy.start(name, relay.port);
  });
  after(async () => {
    relay?.end();
    await Promise.all([proxy?.end(), stanchion?.end()]);
  });

  test('the page and the API are there', async () => {
    const page = await call(proxy.origin, `/e/${event_id}`, { from: address() });
    assert.equal(page.status, 200);
    assert.match(page.text, /<html/);
    const { status, text } = await call(proxy.origin, `/api/v1/events/${event_id}`, { from: address() });
    assert.deepEqual([status, JSON.parse(text).event_id], [200, event_id]);
  });

  test('a place is held over a socket, and figures come over a stream without delay, longer than any time-out', async () => {
    const socket = await Socket.open(proxy.origin, { from: address() });
    assert.equal(socket.status, 101);
    assert.equal((await socket.joins(event_id)).position, 1);
    const live = `/api/v1/admin/events/${event_id}/live/stream`;
    const headers = { Authorization: `Bearer ${token('operator', { role: 'admin' })}`, Accept: 'text/event-stream' };
    const [here, there] = [new Map(), new Map()];
    const streams = [
      [stanchion.origin, here],
      [proxy.origin, there],
    ].map(([origin, arrived]) => {
      let unread = '';
      const told = (chunk) => {
        const events = (unread + chunk).split('\n\n');
        unread = events.pop();
        for (const event of events) arrived.set(event.match(/"at":"([^"]+)"/)?.[1], performance.now());
      };
      const ended = call(origin, live, { headers, told, from: '127.0.0.1' }).catch(() => ({ cut: true }));
      return { told, ended };
    });
    const broken = await Promise.race([sleep(HOLD_S * 1_000), socket.closed, ...streams.map(({ ended }) => ended)]);
    assert.equal(broken, undefined, `nothing ends by itself: ${JSON.stringify(broken)}`);
    for (const { told } of streams) told.end();
    const heartbeats = socket.messages.filter(({ type }) => type === 'heartbeat').length;
    assert.ok(heartbeats >= HOLD_S / 2, `${heartbeats} heartbeats in ${HOLD_S} s`);
    socket.close();
    const late = [...there].filter(([at]) => here.has(at)).map(([at, moment]) => moment - here.get(at));
    assert.ok(late.length >= HOLD_S / 2, `${late.length} events in ${HOLD_S} s`);
    late.sort((one, other) => one - other);
    const median = late[Math.floor(late.length / 2)];
    console.log(`# ${name}: events ${median.toFixed(1)} ms later than without it, ${late.at(-1).toFixed(0)} at most`);
    assert.ok(median < 100, `events come ${median} ms late`);
  });

  test('who is counted by address is, whatever address they claim', async () => {
    const from = address();
    const sockets = [];
    for (let tries = 0; tries <= OF_AN_ADDRESS; tries++) {
      sockets.push(await Socket.open(proxy.origin, { from, headers: { 'X-Forwarded-For': `203.0.113.${tries}` } }));
    }
    const refused = sockets.at(-1);
    assert.deepEqual(sockets.map(({ status }) => status), [...Array(OF_AN_ADDRESS).fill(101), 429]);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(problem(refused), 'RATE_LIMITED');
    const neighbour = await Socket.open(proxy.origin, { from: address() });
    assert.equal(neighbour.status, 101, 'another address has its own share');
    for (const socket of [...sockets, neighbour]) socket.close();
  });

  test('a full node says so, with Retry-After, and takes on again', async () => {
    const sockets = [];
    do sockets.push(await Socket.open(proxy.origin, { from: address() }));
    while (sockets.at(-1).status === 101 && sockets.length <= IN_ALL);
    const refused = sockets.at(-1);
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(problem(refused), 'UNAVAILABLE');
    for (const socket of sockets) socket.close();
    await until('a place', async () => {
      const socket = await Socket.open(proxy.origin, { from: address() });
      socket.close();
      return socket.status === 101;
    });
  });

  test('a reservation whose connection dies is sent once', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const from = address();
    // So that there is a kept connection to die.
    for (let times = 0; times < 2; times++) assert.equal((await call(proxy.origin, '/api/v1/events', { from, agent })).status, 200);
    relay.cutAt('POST /api/v1/bookings/reserve');
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'once', Authorization: `Bearer ${token('buyer')}`, 'X-Queue-Pass': 'p' };
    const body = JSON.stringify({ event_id, show_id: event_id, zone_id: event_id, quantity: 1 });
    const answer = await call(proxy.origin, '/api/v1/bookings/reserve', { method: 'POST', headers, body, from, agent }).catch(() => ({ status: 0 }));
    assert.ok(answer.status === 0 || answer.status >= 500, `${answer.status}: nothing is known`);
    await sleep(500);
    assert.equal(relay.seen, 1);
    relay.cutAt(undefined);
    agent.destroy();
  });

  test('without a gateway the proxy answers by itself, and it finds the gateway as soon as that is back', async () => {
    const asked = () => call(proxy.origin, `/api/v1/events/${event_id}`, { from: address() });
    await relay.away();
    for (let times = 0; times < 3; times++) {
      const { status, text } = await asked();
      assert.ok(status >= 500 && !text.includes('urn:stanchion:'), `${status} ${text}`);
    }
    if (proxies[name].pages) await pagesOpen(proxy.origin, event_id);
    if (proxies[name].retries) await pageRetries(proxy.origin, event_id);
    await relay.back();
    // Not after a minute of believing that nobody is there.
    await until('an answer', async () => (await asked()).status === 200, 3_000);
  });

  test('the proxy itself ends when it is told to, also under an open stream', async () => {
    const told = () => {};
    const ended = call(proxy.origin, `/api/v1/events/${event_id}/availability/stream`, { told, from: address() }).catch(() => {});
    const socket = await Socket.open(proxy.origin, { from: address() });
    await sleep(300);
    const ms = await proxy.stop();
    assert.ok(ms < 8_000, `it took ${ms} ms`);
    await Promise.all([ended, socket.closed]);
    await proxy.start();
  });

  test('a node that drains sends its clients away, and they hear it', async () => {
    const socket = await Socket.open(proxy.origin, { from: address() });
    await socket.joins(event_id);
    stanchion.drain();
    await socket.hears('reconnect');
    const closed = await Promise.race([socket.closed, sleep(15_000)]);
    assert.deepEqual(closed, { code: 4001, reason: 'drain' });
  });
}

const browser = { Accept: 'text/html,*/*;q=0.8', 'Accept-Language': 'th-TH,en;q=0.5' };

/** Without a gateway: the page and its parts. */
async function pagesOpen(origin, event_id) {
  const page = await call(origin, `/e/${event_id}`, { headers: browser, from: address() });
  assert.equal(page.status, 200);
  const parts = [...page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, part]) => part);
  assert.ok(parts.length > 1, page.text);
  for (const part of parts) assert.equal((await call(origin, part, { from: address() })).status, 200, part);
}

/** Without a gateway, where a gateway would write a page: one that tries again. */
async function pageRetries(origin, event_id) {
  const { status, headers, text } = await call(origin, `/e/${event_id}?plain`, { headers: browser, from: address() });
  assert.equal(status, 503);
  assert.match(headers['content-type'], /text\/html/);
  assert.match(text, /http-equiv="refresh" content="10"/);
}

async function until(what, condition, patience = 10_000) {
  const deadline = Date.now() + patience;
  while (!(await condition().catch(() => false))) {
    assert.ok(Date.now() < deadline, `there is ${what} in time`);
    await sleep(50);
  }
}
