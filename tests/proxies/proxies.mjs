// The real proxies, each with its file of docs/proxies. Only ports, paths and (so that a test need not wait a minute) the
// times of silence are replaced.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const repository = new URL('../../', import.meta.url).pathname;
const env = { ...process.env, PATH: `${repository}.venv/bin:${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin` };

/** The binary under test. */
export const program = process.env.STANCHION_BIN ?? `${repository}target/debug/stanchion`;

/** Writes the pages of the binary to `folder`, as an operator does for a proxy. */
export function exportPages(folder) {
  const { status, stderr, error } = spawnSync(program, ['web-client', 'export', folder], { encoding: 'utf8' });
  assert.equal(status, 0, `the pages are exported: ${error ?? stderr}`);
  return folder;
}

const given = new Set();

/** Below the kernel's ephemeral range, so that no outgoing connection takes it, and given out once. */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (given.has(port)) continue;
    given.add(port);
    const server = net.createServer();
    const free = await new Promise((resolve) => server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)));
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** Replaces what is there exactly once, so that a file that changed is noticed. */
export function replaced(text, pairs) {
  for (const [from, to] of pairs) {
    assert.equal(text.split(from).length, 2, `the file holds ${JSON.stringify(from)} once`);
    text = text.replace(from, to);
  }
  return text;
}

/** Silence is cut after this: the test's heartbeat comes each second. */
const SILENCE_S = 3;

/**
 * What is replaced in each file, and how the program is started with it. `write` makes a file of docs/proxies in `folder`. One
 * with `pages` serves exported pages, one with `retries` a page that tries again while no gateway answers.
 */
export const proxies = {
  nginx: {
    pages: true,
    retries: true,
    start({ write, folder, port, upstream }) {
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `    ${kind}_temp_path ${folder}/${kind};\n`);
      const file = write('nginx.conf', [
        ['listen 80 ', `listen 127.0.0.1:${port} `],
        ['127.0.0.1:8080', `127.0.0.1:${upstream}`],
        ['root /srv/stanchion;', `root ${exportPages(`${folder}/pages`)};`],
        ['proxy_read_timeout 75s', `proxy_read_timeout ${SILENCE_S}s`],
        ['proxy_send_timeout 75s', `proxy_send_timeout ${SILENCE_S}s`],
        ['worker_rlimit_nofile 65536;', ''],
        ['worker_connections 32768;', 'worker_connections 1024;'],
        ['http {\n', `http {\n    access_log off;\n${paths.join('')}`],
      ]);
      const globals = `pid ${folder}/pid; daemon off; error_log stderr;`;
      return ['nginx', '-p', folder, '-c', file, '-e', 'stderr', '-g', globals];
    },
  },
  Caddy: {
    pages: true,
    retries: true,
    start({ write, folder, port, upstream }) {
      env.XDG_DATA_HOME ??= folder;
      env.XDG_CONFIG_HOME ??= folder;
      const file = write('Caddyfile', [
        [':80 {', `http://127.0.0.1:${port} {`],
        ['root * /srv/stanchion', `root * ${exportPages(`${folder}/pages`)}`],
        ['127.0.0.1:8080', `127.0.0.1:${upstream}`],
        ['grace_period 10s', 'grace_period 1s\n\tadmin off'],
      ]);
      return ['caddy', 'run', '--adapter', 'caddyfile', '--config', file];
    },
  },
  Envoy: {
    start({ write, port, upstream }) {
      const file = write('envoy.yaml', [
        ['address: 0.0.0.0, port_value: 80 ', `address: 127.0.0.1, port_value: ${port} `],
        ['port_value: 8080', `port_value: ${upstream}`],
        ['stream_idle_timeout: 75s', `stream_idle_timeout: ${SILENCE_S}s`],
      ]);
      return ['envoy', '-c', file, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'error'];
    },
  },
  HAProxy: {
    retries: true,
    start({ write, folder, port, upstream }) {
      const file = write('haproxy.cfg', [
        ['file /srv/stanchion/', `file ${exportPages(`${folder}/pages`)}/`],
        ['bind :80', `bind 127.0.0.1:${port}`],
        ['127.0.0.1:8080', `127.0.0.1:${upstream}`],
        ['maxconn 40000', 'maxconn 400'],
        ...['client', 'server', 'tunnel'].map((name) => [`timeout ${name} 75s`, `timeout ${name} ${SILENCE_S}s`]),
      ]);
      return ['haproxy', '-db', '-q', '-f', file];
    },
  },
  Apache: {
    start({ write, folder, port, upstream }) {
      const file = write('apache.conf', [
        ['Listen 80\n', `Listen 127.0.0.1:${port}\nDefaultRuntimeDir ${folder}\n`],
        ['127.0.0.1:8080', `127.0.0.1:${upstream}`],
        ['ProxyTimeout 75', `ProxyTimeout ${SILENCE_S}`],
        ['/run/apache2-stanchion.pid', `${folder}/pid`],
        ['/var/log/apache2-stanchion.log', `${folder}/errors.log`],
      ]);
      return ['apache2', '-D', 'FOREGROUND', '-f', file];
    },
  },
  Varnish: {
    retries: true,
    start({ write, folder, port, upstream }) {
      const pages = exportPages(`${folder}/pages`);
      const file = write('varnish.vcl', [
        ...['en', 'th'].map((language) => [`/srv/stanchion/unavailable.${language}.html`, `${pages}/unavailable.${language}.html`]),
        ['.port = "8080"', `.port = "${upstream}"`],
        ['.first_byte_timeout = 75s', `.first_byte_timeout = ${SILENCE_S}s`],
        ['.between_bytes_timeout = 75s', `.between_bytes_timeout = ${SILENCE_S}s`],
      ]);
      const store = ['-s', 'malloc,16m', '-p', 'vsl_space=2m', '-p', `pipe_timeout=${SILENCE_S}`];
      return ['varnishd', '-F', '-j', 'none', '-n', `${folder}/varnish`, '-a', `127.0.0.1:${port}`, '-f', file, ...store];
    },
  },
  Traefik: {
    start({ write, port, upstream }) {
      const routes = write('traefik-routes.yaml', [['127.0.0.1:8080', `127.0.0.1:${upstream}`]]);
      const file = write('traefik.yaml', [
        ['":80"', `"127.0.0.1:${port}"`],
        ['filename: traefik-routes.yaml', `filename: ${routes}`],
        ['graceTimeOut: 10s', 'graceTimeOut: 1s'],
      ]);
      return ['traefik', `--configFile=${file}`];
    },
  },
};

/** A running proxy before `upstream`, a port of 127.0.0.1. */
export class Proxy {
  static async start(name, upstream) {
    const proxy = new Proxy();
    proxy.name = name;
    proxy.folder = mkdtempSync(join(tmpdir(), `stanchion-${name.toLowerCase()}-`));
    // A server that gives up root's rights must still reach its files.
    chmodSync(proxy.folder, 0o777);
    proxy.port = await freePort();
    proxy.origin = `http://127.0.0.1:${proxy.port}`;
    const write = (file, pairs) => {
      const text = readFileSync(join(repository, 'docs/proxies', file), 'utf8');
      const path = join(proxy.folder, file);
      writeFileSync(path, replaced(text, pairs));
      return path;
    };
    mkdirSync(join(proxy.folder, 'varnish'));
    proxy.command = proxies[name].start({ write, folder: proxy.folder, port: proxy.port, upstream });
    await proxy.start();
    return proxy;
  }

  async start() {
    const [program, ...parameters] = this.command;
    this.process = spawn(program, parameters, { env, cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.folder, 'log'), { flags: 'a' });
    for (const output of [this.process.stdout, this.process.stderr]) output.pipe(log, { end: false });
    const ended = once(this.process, 'exit').catch(() => {
      throw new Error(`${program} is missing; run tests/services/install`);
    });
    const deadline = Date.now() + 30_000;
    // Another process' answer on the port does not count.
    for (let serves = false; !serves; ) {
      serves = await this.#serves();
      const exited = await Promise.race([ended, sleep(50)]);
      if (exited || Date.now() > deadline) throw new Error(`${this.name} does not start:\n${readFileSync(join(this.folder, 'log'), 'utf8')}`);
    }
  }

  async #serves() {
    return (await this.#status()) === 200;
  }

  async #status() {
    const answer = await fetch(`${this.origin}/health`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    return answer?.status;
  }

  /** Of Traefik: with its route, or without, as during a deployment. Resolves when that is in force. */
  async routes(there) {
    const file = join(this.folder, 'traefik-routes.yaml');
    this.routed ??= readFileSync(file, 'utf8');
    writeFileSync(file, there ? this.routed : this.routed.replace(/rule: .*/, 'rule: Host(`elsewhere.invalid`)'));
    const deadline = Date.now() + 15_000;
    for (;;) {
      const status = await this.#status();
      if (there ? status !== 404 : status === 404) return;
      if (Date.now() > deadline) throw new Error(`${this.name} answers ${status}`);
      await sleep(50);
    }
  }

  /** Milliseconds that it takes to end when it is told to. */
  async stop() {
    const { process } = this;
    if (process.exitCode !== null || process.signalCode !== null) return 0;
    const began = Date.now();
    const ended = once(process, 'exit');
    process.kill('SIGTERM');
    if (!(await Promise.race([ended, sleep(15_000)]))) {
      process.kill('SIGKILL');
      await ended;
      return Infinity;
    }
    return Date.now() - began;
  }

  async end() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}
