// The thundering herd: everybody knocks at the same moment, a WebSocket each, before the line opens; then it opens.
//
//   USERS   in all (3000)
//   RATE    released per second (500)
//   BURST   of them at one moment (a tenth of RATE)
//   SLACK   multiplies the limits of time, for a debug build (1)

import { sleep } from 'k6';
import exec from 'k6/execution';

import { newSale, number, pace, setQueue } from './lib/sale.js';
import { bySocket, promises, summary } from './lib/visit.js';

const users = number('USERS', 3000);
// Long enough for every user to stand ready.
const readySeconds = 2 + users / 1000;

export const options = {
  ...summary,
  scenarios: {
    herd: { executor: 'per-vu-iterations', vus: users, iterations: 1, maxDuration: '10m', exec: 'knock' },
    gate: { executor: 'per-vu-iterations', vus: 1, iterations: 1, exec: 'open' },
  },
  // The whole herd is let in within 5 s.
  thresholds: promises(users, 5000),
};

export function setup() {
  const sale = newSale(users + 45, { state: 'paused', ...pace(), max_active: users });
  return { ...sale, at: Date.now() + readySeconds * 1000 };
}

export function knock(sale) {
  sleep(Math.max(0, sale.at - Date.now()) / 1000);
  bySocket(sale, exec.scenario.iterationInTest);
}

// Opens the line a moment after the herd has knocked.
export function open(sale) {
  sleep(Math.max(0, sale.at + 3000 - Date.now()) / 1000);
  setQueue(sale, { state: 'open' });
}
