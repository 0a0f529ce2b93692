// The virtual queue: users come one after the other, wait on a WebSocket each, reserve and pay.
// Its settings are those of lib/queue.js.

import exec from 'k6/execution';

import { bySocket } from './lib/visit.js';

export { options, setup } from './lib/queue.js';

export default (sale) => bySocket(sale, exec.scenario.iterationInTest);
