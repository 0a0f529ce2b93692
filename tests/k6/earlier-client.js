// A k6 client written against the API of the system before this one: join the line, poll the position until the pass
// is there, reserve with it, confirm. It knows nothing that is new here, so it shows that such clients run unchanged.
//
//   BASE_URL          http://localhost:8080
//   EVENT_ID          default: the first open event of the catalogue
//   VUS               users at a time (30)
//   ITERATIONS        users one after the other in each of them (3)
//   TOKENS            JWTs, separated by commas or white space, or @FILE with them; each is one user. Default: as many
//                     tokens as needed from POST /api/v1/dev/token, which only the embedded default has
//   QUANTITY          seats per booking (1)
//   POLL_SECONDS      between two looks at the position (0.5)
//   PATIENCE_SECONDS  how long a user waits for the pass (120)
//   BOOKING_P95_MS    limit for the 95th percentile of reserve (500)

import { check, fail, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';

const base = (__ENV.BASE_URL || 'http://localhost:8080') + '/api/v1';
const vus = Number(__ENV.VUS || 30);
const iterations = Number(__ENV.ITERATIONS || 3);
const quantity = Number(__ENV.QUANTITY || 1);
const pollSeconds = Number(__ENV.POLL_SECONDS || 0.5);
const patienceSeconds = Number(__ENV.PATIENCE_SECONDS || 120);
const tokens = readTokens(__ENV.TOKENS || '');
const users = vus * iterations;

const joined = new Rate('join_success');
const passed = new Rate('pass_success');
const booked = new Rate('booking_success');
const repeated = new Rate('repeat_success');
const confirmed = new Rate('confirm_success');
const bookings = new Counter('bookings');
const waiting = new Trend('pass_wait', true);
const reserving = new Trend('booking_duration', true);

export const options = {
  scenarios: {
    line: { executor: 'per-vu-iterations', vus, iterations, maxDuration: __ENV.MAX_DURATION || '10m' },
  },
  thresholds: {
    join_success: ['rate==1.0'],
    pass_success: ['rate==1.0'],
    booking_success: ['rate==1.0'],
    repeat_success: ['rate==1.0'],
    confirm_success: ['rate==1.0'],
    // A rate nobody added to passes any threshold; this one tells a run in which nobody came that far.
    bookings: [`count==${users}`],
    booking_duration: [`p(95)<${Number(__ENV.BOOKING_P95_MS || 500)}`],
  },
  summaryTrendStats: ['min', 'med', 'avg', 'p(95)', 'p(99)', 'max'],
};

export function setup() {
  if (tokens.length > 0 && tokens.length < users) {
    fail(`${users} users need as many tokens; TOKENS has ${tokens.length}`);
  }
  const catalogue = http.get(`${base}/events`).json('events');
  const wanted = catalogue.find((e) => (__ENV.EVENT_ID ? e.event_id === __ENV.EVENT_ID : e.state === 'open'));
  if (!wanted) fail(`no such event, or none is open: ${JSON.stringify(catalogue)}`);
  const event = http.get(`${base}/events/${wanted.event_id}`).json();
  const zones = event.shows.flatMap((show) => show.zones.map((zone) => ({ show_id: show.show_id, ...zone })));
  const open = zones.filter((zone) => zone.available >= quantity);
  const seats = open.reduce((sum, zone) => sum + zone.available, 0);
  if (seats < users * quantity) fail(`${users} users want ${users * quantity} seats; ${seats} are left`);
  return { event_id: event.event_id, zones: open, run: `${Date.now().toString(36)}` };
}

export default function (sale) {
  const number = exec.scenario.iterationInTest;
  const headers = {
    'Content-Type': 'application/json',
    Authorization: `Bearer ${tokens[number] || developmentToken(`k6-${sale.run}-${number}`)}`,
  };

  const join = http.post(`${base}/queue/join`, JSON.stringify({ event_id: sale.event_id }), { headers });
  const inLine = check(join, { 'join is 201 or 200': (r) => r.status === 201 || r.status === 200 });
  joined.add(inLine);
  if (!inLine) return report('join', join);

  const place = waitForPass(sale.event_id, headers);
  passed.add(place !== null);
  if (place === null) return;

  const zone = sale.zones[number % sale.zones.length];
  const reservation = JSON.stringify({
    event_id: sale.event_id,
    show_id: zone.show_id,
    zone_id: zone.zone_id,
    quantity,
    unit_price: zone.unit_price,
  });
  const reserve = () =>
    http.post(`${base}/bookings/reserve`, reservation, {
      headers: { ...headers, 'X-Queue-Pass': place.queue_pass, 'X-Idempotency-Key': `${sale.run}-${number}` },
      tags: { name: 'reserve' },
    });

  const first = reserve();
  reserving.add(first.timings.duration);
  const hasSeats = check(first, {
    'reserve is 201': (r) => r.status === 201,
    'reserve answers id, status, expiry and price': (r) =>
      r.status === 201 && r.json('booking_id') && r.json('status') === 'reserved' && r.json('expires_at') &&
      r.json('total_price') === zone.unit_price * quantity,
  });
  booked.add(hasSeats);
  if (!hasSeats) return report('reserve', first);
  bookings.add(1);

  // As after a lost answer: the same key again is the same booking, though the pass is used up.
  const second = reserve();
  const isSame = check(second, {
    'repeated reserve is the same booking': (r) =>
      (r.status === 201 || r.status === 200) && r.json('booking_id') === first.json('booking_id'),
  });
  repeated.add(isSame);
  if (!isSame) report('repeated reserve', second);

  const confirm = http.post(`${base}/bookings/${first.json('booking_id')}/confirm`, null, {
    headers,
    tags: { name: 'confirm' },
  });
  const isConfirmed = check(confirm, {
    'confirm is 200 and confirmed': (r) => r.status === 200 && r.json('status') === 'confirmed',
  });
  confirmed.add(isConfirmed);
  if (!isConfirmed) report('confirm', confirm);
}

// Polls until the pass is there; null when patience runs out or the place is gone.
function waitForPass(event_id, headers) {
  const began = Date.now();
  let last = null;
  while (Date.now() - began < patienceSeconds * 1000) {
    last = http.get(`${base}/queue/position/${event_id}`, { headers, tags: { name: 'position' } });
    if (last.status !== 200) break;
    const place = last.json();
    if (place.is_ready && place.queue_pass) {
      waiting.add(Date.now() - began);
      return place;
    }
    sleep(pollSeconds);
  }
  report('position', last);
  return null;
}

function developmentToken(user) {
  const answer = http.post(`${base}/dev/token`, JSON.stringify({ user }), {
    headers: { 'Content-Type': 'application/json' },
    tags: { name: 'token' },
  });
  if (answer.status !== 200) fail(`no development token: ${answer.status} ${answer.body}; set TOKENS`);
  return answer.json('token');
}

function readTokens(setting) {
  const text = setting.startsWith('@') ? open(setting.slice(1)) : setting;
  return text.split(/[\s,]+/).filter((token) => token !== '');
}

// A failure's own words; bodies of refusals hold no secret.
function report(step, response) {
  console.error(`${step}: ${response ? `${response.status} ${response.body || response.error}` : 'no answer'}`);
}
