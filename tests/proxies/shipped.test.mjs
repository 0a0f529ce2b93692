// The shipped chain, all of it real: docs/proxies/tls.conf, compose/nginx.conf and a Stanchion with the pages that it exports.
// Only names, ports, files and private addresses are replaced: of those, 127.0.0.9 is left, the TLS terminator's.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportPages, freePort, replaced } from './proxies.mjs';
import { Socket, Stanchion, call } from './stanchion.mjs';

const repository = new URL('../../', import.meta.url).pathname;
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` };
const TERMINATOR = '127.0.0.9';
const IN_ALL = 40;
const browser = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

/** An nginx with a configuration of the repository. */
class Nginx {
  static async start(file, port, pairs) {
    const nginx = new Nginx();
    nginx.folder = mkdtempSync(join(tmpdir(), 'stanchion-shipped-'));
    chmodSync(nginx.folder, 0o755); // its workers are another user
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `    ${kind}_temp_path ${nginx.folder}/${kind};\n`);
    const common = [
      ['worker_rlimit_nofile 65536;', ''],
      ['worker_connections 32768;', 'worker_connections 2048;'],
      ['http {\n', `http {\n${paths.join('')}`],
    ];
    const text = replaced(readFileSync(join(repository, file), 'utf8'), [...common, ...pairs(nginx.folder)]);
    writeFileSync(join(nginx.folder, 'nginx.conf'), text);
    const globals = `pid ${nginx.folder}/pid; daemon off;`;
    const parameters = ['-p', nginx.folder, '-c', `${nginx.folder}/nginx.conf`, '-e', `${nginx.folder}/error.log`, '-g', globals];
    nginx.process = spawn('nginx', parameters, { env, stdio: 'inherit' });
    await until(`${file} serves`, async () => {
      assert.equal(nginx.process.exitCode, null, `nginx runs with ${file}`);
      return nginx.listens(port);
    });
    return nginx;
  }

  async listens(port) {
    const answer = await call(`http://127.0.0.1:${port}`, '/health').catch(() => undefined);
    return answer !== undefined;
  }

  async end() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** A certificate for the test, for a day. */
function certificate(folder) {
  const [key, file] = [`${folder}/key.pem`, `${folder}/certificate.pem`];
  const parameters = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', file];
  const { status, stderr, error } = spawnSync('openssl', parameters, { encoding: 'utf8' });
  assert.equal(status, 0, `openssl makes a certificate: ${error ?? stderr}`);
  return { key, file };
}

async function until(what, condition, patience = 20_000) {
  const deadline = Date.now() + patience;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `${what} in time`);
    await sleep(50);
  }
}

let stanchion;
let event_id;
let proxy;
let terminator;
let plain;
let secure;

before(async () => {
  stanchion = await Stanchion.start({ STANCHION_TRUSTED_PROXIES: '127.0.0.1/32', STANCHION_MAX_CONNECTIONS: String(IN_ALL) });
  event_id = await stanchion.sale();
  const [port, inner, tls] = [await freePort(), await freePort(), await freePort()];
  plain = `http://127.0.0.1:${port}`;
  secure = `https://127.0.0.1:${tls}`;
  proxy = await Nginx.start('compose/nginx.conf', port, (folder) => [
    ['server gateway:8080 ', `server 127.0.0.1:${stanchion.port} `],
    ['server booking:8080 ', `server 127.0.0.1:${stanchion.port} `],
    ['listen 8080 ', `listen 127.0.0.1:${port} `],
    ['listen 8081;', `listen 127.0.0.1:${inner};`],
    ['/dev/stdout', `${folder}/access.log`],
    ['/dev/stderr', `${folder}/errors.log`],
    ['root /srv/stanchion;', `root ${exportPages(`${folder}/pages`)};`],
    ['set_real_ip_from 127.0.0.0/8;', `set_real_ip_from ${TERMINATOR}/32;`],
  ]);
  terminator = await Nginx.start('docs/proxies/tls.conf', tls, (folder) => {
    const { key, file } = certificate(folder);
    return [
      ['listen 443 ssl ', `listen 127.0.0.1:${tls} ssl `],
      ['server 127.0.0.1:8080;', `server 127.0.0.1:${port};`],
      ['/etc/ssl/tickets.example.pem', file],
      ['/etc/ssl/private/tickets.example.key', key],
      ['proxy_http_version 1.1;', `proxy_http_version 1.1; proxy_bind ${TERMINATOR};`],
    ];
  });
});
after(async () => {
  await Promise.all([terminator?.end(), proxy?.end()]);
  await stanchion?.end();
});

// Report E1: with a TLS terminator in front, 393 of 600 visitors were refused.
test('behind TLS each of 600 visitors has an address of their own', async () => {
  const statuses = new Map();
  const visitor = async (number) => {
    const from = `127.77.${number >> 7}.${(number & 127) + 1}`;
    const { status } = await call(secure, '/api/v1/guest', { method: 'POST', from });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  const numbers = Array.from({ length: 600 }, (_, number) => number);
  for (let at = 0; at < numbers.length; at += 8) await Promise.all(numbers.slice(at, at + 8).map(visitor));
  assert.deepEqual([...statuses], [[201, 600]]);

  // The limit is on all the same, and nobody chooses their address.
  const claimed = (number) => ({ 'X-Forwarded-For': `198.51.100.${number % 250}` });
  let refused = 0;
  for (let number = 0; number < 1000 && refused === 0; number++) {
    const { status } = await call(secure, '/api/v1/guest', { method: 'POST', headers: claimed(number), from: '127.78.0.1' });
    refused += status === 429 ? 1 : 0;
  }
  assert.equal(refused, 1);
});

test('behind TLS a place is held over a socket, and the cookie is the host\'s own', async () => {
  const socket = await Socket.open(secure, { from: '127.79.0.1' });
  assert.equal(socket.status, 101);
  assert.equal((await socket.joins(event_id)).position, 1);
  socket.close();
  const joined = await call(secure, `/e/${event_id}/join`, { method: 'POST', headers: browser, from: '127.79.0.2' });
  assert.equal(joined.status, 303);
  assert.match(String(joined.headers['set-cookie']), /^__Host-stanchion_guest=.*; Secure/);
});

test('exported pages have the headers of the gateway\'s own', async () => {
  const shown = ['content-type', 'content-security-policy', 'cache-control', 'referrer-policy', 'x-content-type-options'];
  const own = await call(stanchion.origin, '/e/1', { headers: browser });
  const [part] = own.text.match(/\/assets\/[^"]+\.js/);
  for (const path of ['/', `/e/${event_id}`, '/bookings', '/admin', part]) {
    const [there, here] = await Promise.all([stanchion.origin, plain].map((origin) => call(origin, path, { headers: browser })));
    assert.equal(here.text, there.text, path);
    for (const name of shown) {
      if (path === part && !there.headers[name]?.match(/^(text|public|nosniff)/)) continue;
      assert.equal(here.headers[name], there.headers[name], `${path}: ${name}`);
    }
    const packed = await call(plain, path, { headers: { ...browser, 'Accept-Encoding': 'gzip' } });
    assert.equal(packed.headers['content-encoding'], 'gzip', path);
  }
});

test('a full gateway shows browsers a page that tries again, and programs a problem', async () => {
  const sockets = [];
  do sockets.push(await Socket.open(plain, { from: '127.80.0.1' }));
  while (sockets.at(-1).status === 101);
  // nginx keeps some connections to the gateway, on which pages still come: so many at once need new ones.
  const ask = () => call(plain, `/e/${event_id}?plain`, { headers: browser, from: '127.80.0.2' });
  const answers = await Promise.all(Array.from({ length: IN_ALL }, ask));
  const full = answers.find(({ status }) => status === 503);
  assert.ok(full, 'some pages are refused');
  assert.match(full.headers['content-type'], /text\/html/);
  const seconds = Number(full.headers['retry-after']);
  assert.ok(seconds >= 5 && full.text.includes(`http-equiv="refresh" content="${seconds}"`), full.text);
  assert.match(full.text, /Very many people/);
  const { status, text } = sockets.at(-1);
  assert.deepEqual([status, JSON.parse(text).code], [503, 'UNAVAILABLE']);
  assert.equal((await call(plain, `/e/${event_id}`, { headers: browser, from: '127.80.0.4' })).status, 200, 'exported');
  for (const socket of sockets) socket.close();
  await until('a page', async () => (await call(plain, `/e/${event_id}?plain`, { headers: browser })).status === 200);
});

test('pages open while no gateway answers', async () => {
  await stanchion.end();
  const page = await call(secure, `/e/${event_id}/seats`, { headers: browser });
  assert.equal(page.status, 200);
  for (const [, part] of page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
    assert.equal((await call(secure, part)).status, 200, part);
  }
  const retrying = await call(secure, `/e/${event_id}?plain`, { headers: { ...browser, 'Accept-Language': 'th' } });
  assert.equal(retrying.status, 503);
  assert.equal(retrying.headers.refresh, retrying.headers['retry-after']);
  assert.match(retrying.text, /ลองใหม่เอง/);
});
