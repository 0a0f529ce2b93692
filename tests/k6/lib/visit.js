// A user's way: into the line, out of it with a pass, to a seat that is paid.

import { check, sleep } from 'k6';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/experimental/websockets';

import { base, limit, report, reserve, signedIn, trends } from './sale.js';

const joined = new Rate('queue_join_success');
const passed = new Rate('queue_pass_received');
const booked = new Rate('booking_success');
const bookings = new Counter('bookings');
const errors = new Counter('line_errors');
const joining = new Trend('join_duration', true);
const waiting = new Trend('pass_wait', true);
const booking = new Trend('booking_duration', true);

const POLL_SECONDS = 0.5;
const PATIENCE_SECONDS = 120;

// The notes asked for 95 %, 80 %, 90 % and 2,000 ms.
export const promises = (users, joinMs) => ({
  queue_join_success: ['rate==1.0'],
  queue_pass_received: ['rate==1.0'],
  booking_success: ['rate==1.0'],
  // A rate nobody added to passes any threshold; this one tells a run in which nobody came that far.
  bookings: [`count>=${users}`],
  line_errors: ['count==0'],
  join_duration: [`p(95)<${limit(joinMs)}`],
  booking_duration: [`p(95)<${limit(14)}`],
});

export const summary = { summaryTrendStats: trends };

export function byPolling(sale, at) {
  const headers = signedIn(`${sale.run}-${at}`);
  const join = http.post(`${base}/queue/join`, JSON.stringify({ event_id: sale.event_id }), { headers, tags: { name: 'join' } });
  joining.add(join.timings.duration);
  const inLine = check(join, { 'join is 201': (r) => r.status === 201 });
  joined.add(inLine);
  if (!inLine) return report('join', join);
  const began = Date.now();
  let place = join;
  while (place.status < 300 && !place.json('is_ready') && Date.now() - began < PATIENCE_SECONDS * 1000) {
    sleep(POLL_SECONDS);
    place = http.get(`${base}/queue/position/${sale.event_id}`, { headers, tags: { name: 'position' } });
  }
  const pass = place.status < 300 && place.json('queue_pass');
  arrived(began, Boolean(pass));
  if (!pass) return report('position', place);
  buy(sale, at, headers, pass);
}

// Ends by itself: k6 waits for the socket.
export function bySocket(sale, at) {
  const headers = signedIn(`${sale.run}-${at}`);
  const began = Date.now();
  const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/ws`, 'stanchion.v1');
  const state = { inLine: false, done: false };
  const end = () => {
    if (state.done) return;
    state.done = true;
    clearTimeout(patience);
    if (!state.inLine) joined.add(false);
    if (!state.pass) arrived(began, false);
    socket.close();
  };
  const patience = setTimeout(end, PATIENCE_SECONDS * 1000);
  const enter = () => {
    if (state.inLine) return;
    state.inLine = true;
    joined.add(true);
    joining.add(Date.now() - began);
  };
  const say = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => say({ type: 'connect', token: headers.Authorization.replace('Bearer ', '') });
  socket.onerror = (event) => {
    if (!state.done) {
      errors.add(1);
      console.error(`socket: ${event.error}`);
    }
    end();
  };
  socket.onclose = end;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'connected') say({ type: 'join', event_id: sale.event_id });
    if (message.type === 'queued') enter();
    if (message.type === 'error') {
      errors.add(1);
      console.error(`line: ${message.code} ${message.message}`);
      end();
    }
    if (message.type === 'pass' && !state.pass) {
      enter();
      state.pass = message.queue_pass;
      say({ type: 'ack', pass_id: message.pass_id });
      arrived(began, true);
      buy(sale, at, headers, state.pass);
      end();
    }
  };
}

function arrived(began, success) {
  passed.add(success);
  if (success) waiting.add(Date.now() - began);
}

function buy(sale, at, headers, pass) {
  const held = reserve(sale, at, headers, pass, `${sale.run}-${at}`);
  booking.add(held.timings.duration);
  const hasSeat = check(held, { 'reserve is 201': (r) => r.status === 201 });
  if (!hasSeat) report('reserve', held);
  const paid = hasSeat && http.post(`${base}/bookings/${held.json('booking_id')}/confirm`, null, { headers, tags: { name: 'confirm' } });
  const isPaid = hasSeat && check(paid, { 'confirm is 200': (r) => r.status === 200 });
  if (hasSeat && !isPaid) report('confirm', paid);
  booked.add(Boolean(isPaid));
  if (isPaid) bookings.add(1);
}
