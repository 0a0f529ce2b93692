// The virtual queue, whichever way its users wait: they come one after the other.
//
//   USERS            in all (3000)
//   ARRIVE_SECONDS   over which they come (30)
//   RATE             released per second (500)
//   BURST            of them at one moment (a tenth of RATE)
//   SLACK            multiplies the limits of time, for a debug build (1)

import { newSale, number, pace } from './sale.js';
import { promises, summary } from './visit.js';

const users = number('USERS', 3000);
const arrive = number('ARRIVE_SECONDS', 30);

export const options = {
  ...summary,
  scenarios: {
    visitors: {
      executor: 'constant-arrival-rate',
      rate: users,
      timeUnit: `${arrive}s`,
      duration: `${arrive}s`,
      preAllocatedVUs: users,
      gracefulStop: '150s',
    },
  },
  thresholds: { ...promises(users, 100), dropped_iterations: ['count==0'] },
};

export const setup = () => newSale(users + 45, { ...pace(), max_active: users });
