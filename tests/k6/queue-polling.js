// The virtual queue: users come one after the other, wait asking for their position every half second, reserve and pay.
// Its settings are those of lib/queue.js.

import exec from 'k6/execution';

import { byPolling } from './lib/visit.js';

export { options, setup } from './lib/queue.js';

export default (sale) => byPolling(sale, exec.scenario.iterationInTest);
