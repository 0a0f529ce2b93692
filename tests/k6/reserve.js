// Reservations alone, each by a user and with a pass of their own: the rate that is asked for comes, whatever the server does.
//
//   PROFILE   ramp       from nothing to RATE over DURATION_SECONDS
//             sustained  RATE for DURATION_SECONDS
//             spike      a tenth of RATE, at once RATE for a third of DURATION_SECONDS, a tenth again
//             all of them, one after the other, if it is not set
//   RATE      reservations per second (2000)
//   DURATION_SECONDS   of each profile (30)
//   ZONES     that the seats are in: 1 is the hottest (45)
//   SLACK     multiplies the limits of time, for a debug build (1)

import { check } from 'k6';
import exec from 'k6/execution';
import { Counter, Rate } from 'k6/metrics';

import { limit, newSale, number, passOf, report, reserve, signedIn, trends } from './lib/sale.js';

const rate = number('RATE', 2000);
const seconds = number('DURATION_SECONDS', 30);
const quiet = Math.max(1, Math.round(rate / 10));
// All that may be under way while every answer takes as long as it may, and no fewer than in half a second: k6 drops what it
// has no user for, and is slow to make one.
const users = Math.max(50, Math.ceil((rate * Math.max(500, limit(14))) / 1000));

const booked = new Rate('booking_success');
const bookings = new Counter('bookings');

const ramping = (startRate, stages) => ({ executor: 'ramping-arrival-rate', startRate, stages });
const profiles = {
  ramp: ramping(0, [{ target: rate, duration: `${seconds}s` }]),
  sustained: { executor: 'constant-arrival-rate', rate, duration: `${seconds}s` },
  spike: ramping(quiet, [
    { target: quiet, duration: `${seconds / 3}s` },
    { target: rate, duration: '0s' },
    { target: rate, duration: `${seconds / 3}s` },
    { target: quiet, duration: '0s' },
    { target: quiet, duration: `${seconds / 3}s` },
  ]),
};
const wanted = __ENV.PROFILE ? [__ENV.PROFILE] : Object.keys(profiles);
const common = { timeUnit: '1s', preAllocatedVUs: users };
const scenario = (name, at) => [name, { ...common, ...profiles[name], startTime: `${at * (seconds + 1)}s` }];

export const options = {
  scenarios: Object.fromEntries(wanted.map(scenario)),
  thresholds: {
    // The notes asked for 95 % and 500 ms.
    booking_success: ['rate==1.0'],
    bookings: ['count>0'],
    dropped_iterations: ['count==0'],
    ...Object.fromEntries(wanted.map((name) => [`http_req_duration{name:reserve,scenario:${name}}`, [`p(95)<${limit(14)}`]])),
  },
  summaryTrendStats: trends,
};

export const setup = () => newSale((rate + 100) * seconds * wanted.length + 45, {});

export default function (sale) {
  const at = `${exec.scenario.name}-${exec.scenario.iterationInTest}`;
  const user = `${sale.run}-${at}`;
  const pass = passOf(user, sale.event_id, `${sale.run}-${at}`);
  const answer = reserve(sale, exec.scenario.iterationInTest, signedIn(user), pass, user);
  const success = check(answer, { 'reserve is 201': (r) => r.status === 201 });
  booked.add(success);
  if (success) bookings.add(1);
  else report('reserve', answer);
}
