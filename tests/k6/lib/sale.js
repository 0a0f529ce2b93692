// An event on sale, its users and their passes: what every scenario begins with.

import crypto from 'k6/crypto';
import encoding from 'k6/encoding';
import { fail } from 'k6';
import http from 'k6/http';

export const base = (__ENV.BASE_URL || 'http://localhost:8080') + '/api/v1';

// A setting as a number.
export const number = (name, usual) => Number(__ENV[name] || usual);

// Limits in milliseconds are those of a release build on a quiet machine; SLACK multiplies them for a debug build.
export const limit = (ms) => ms * number('SLACK', 1);

export const trends = ['min', 'med', 'avg', 'p(95)', 'p(99)', 'max'];

const json = { 'Content-Type': 'application/json' };
const hour = 3600;

function signed(claims, secret, header) {
  const part = (value) => encoding.b64encode(JSON.stringify(value), 'rawurl');
  const text = `${part({ alg: 'HS256', typ: 'JWT', ...header })}.${part(claims)}`;
  return `${text}.${crypto.hmac('sha256', secret, text, 'base64rawurl')}`;
}

function secret(name) {
  return __ENV[name] || fail(`${name} is not set: it is what the server was started with`);
}

// A user's headers, as the shop's login would sign them in.
export function signedIn(user, claims = {}) {
  const exp = Math.floor(Date.now() / 1000) + hour;
  const token = signed({ sub: user, exp, ...claims }, secret('STANCHION_JWT_SECRET'));
  return { ...json, Authorization: `Bearer ${token}` };
}

// A pass of an earlier line: nobody has to wait for it, and it is good once, as any.
export function passOf(user, event_id, id) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: 'stanchion', sub: user, aud: 'stanchion:booking', event_id, purpose: 'pass', jti: id, num: 1, epoch: 'earlier',
    iat: now, nbf: now, exp: now + hour, end: (now + hour) * 1000,
  };
  return signed(claims, secret('STANCHION_PASS_SECRET'), { kid: 'pass-1' });
}

// A new event with this many seats in as many zones as ZONES says; its line is run by these settings.
export function newSale(seats, queue) {
  const zones = number('ZONES', 45);
  const capacity = Math.ceil(seats / zones);
  const zone = (_, at) => ({ name: `Zone ${at + 1}`, capacity, unit_price: 2500 });
  const body = { name: 'k6', max_seats_per_user: 10, queue, shows: [{ name: 'Show', zones: Array.from({ length: zones }, zone) }] };
  const made = http.post(`${base}/admin/events`, JSON.stringify(body), { headers: signedIn('k6', { role: 'admin' }) });
  if (made.status !== 201) fail(`no event: ${made.status} ${made.body || made.error}`);
  const event = made.json();
  const [show] = event.shows;
  return {
    event_id: event.event_id,
    zones: show.zones.map((each) => ({ show_id: show.show_id, zone_id: each.zone_id, unit_price: each.unit_price })),
    run: Date.now().toString(36),
  };
}

// How fast a line moves: RATE a second, and BURST at one moment. Those all reserve at once and stand behind each other: as many as RATE
// made the slowest twentieth of a herd wait for 130 ms.
export function pace() {
  const rate = number('RATE', 500);
  return { rate_per_second: rate, burst: number('BURST', Math.ceil(rate / 10)) };
}

// Changes how the sale's line is run.
export function setQueue(sale, queue) {
  const headers = signedIn('k6', { role: 'admin' });
  const put = http.put(`${base}/admin/events/${sale.event_id}/queue`, JSON.stringify(queue), { headers });
  if (put.status !== 200) fail(`the line could not be changed: ${put.status} ${put.body || put.error}`);
}

// One seat in the zone of the user with this number.
export function order(sale, at) {
  const { show_id, zone_id, unit_price } = sale.zones[at % sale.zones.length];
  return { event_id: sale.event_id, show_id, zone_id, unit_price, quantity: 1 };
}

export function reserve(sale, at, headers, pass, key) {
  return http.post(`${base}/bookings/reserve`, JSON.stringify(order(sale, at)), {
    headers: { ...headers, 'X-Queue-Pass': pass, 'X-Idempotency-Key': key },
    tags: { name: 'reserve' },
  });
}

// A failure's own words; bodies of refusals hold no secret.
export function report(step, response) {
  console.error(`${step}: ${response ? `${response.status} ${response.body || response.error}` : 'no answer'}`);
}
