// A process of the embedded default that belongs to one test, on a port that stays the same over restarts; and a network in front of it that the
// test can cut, or make as unfriendly as real ones are.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server } from "./sale.js";

const START_MS = 30_000;

export class ServerProcess {
  #process;

  /** `settings` are variables. */
  static async start(settings = {}) {
    const server = new ServerProcess();
    server.settings = settings;
    server.port = await freePort();
    server.origin = `http://127.0.0.1:${server.port}`;
    server.directory = await mkdtemp(join(tmpdir(), "stanchion-browser-"));
    await server.start();
    return server;
  }

  async start() {
    const env = { ...process.env, STANCHION_LISTEN: `127.0.0.1:${this.port}`, STANCHION_DATA_DIR: this.directory, ...this.settings };
    delete env.STANCHION_URL;
    delete env.STANCHION_BIN;
    const program = process.env.STANCHION_BIN ?? new URL("../../target/debug/stanchion", import.meta.url).pathname;
    this.#process = spawn(program, { env, stdio: "ignore", cwd: this.directory });
    const deadline = Date.now() + START_MS;
    while (!(await this.#ready())) {
      if (Date.now() > deadline || this.#process.exitCode !== null) throw new Error("the server does not start");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** As a crash would. */
  async kill() {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  /** Stands still for this long, as a host that is suspended does. */
  async freeze(ms) {
    this.stop();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.resume();
  }

  stop() {
    this.#process.kill("SIGSTOP");
  }

  resume() {
    this.#process.kill("SIGCONT");
  }

  async end() {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  operate() {
    return new Server(this.origin);
  }

  async #ready() {
    try {
      return (await fetch(`${this.origin}/ready`)).ok;
    } catch {
      return false;
    }
  }
}

/** A proxy: `sockets` and `streams` say what it lets through, `cut` ends everything. */
export class Network {
  /** "silent": accepted, and never answered. */
  sockets = true;
  streams = true;
  /** A folder of pages that are served in place of the server's own, under a strict policy. */
  pages;
  #up = true;
  #open = new Set();

  static async before(origin) {
    const network = new Network();
    network.target = new URL(origin);
    network.server = http.createServer((request, response) => network.#pass(request, response));
    network.server.on("upgrade", (request, socket, head) => network.#upgrade(request, socket, head));
    network.server.on("connection", (socket) => network.#admit(socket));
    network.server.listen(0, "127.0.0.1");
    await once(network.server, "listening");
    network.origin = `http://127.0.0.1:${network.server.address().port}`;
    return network;
  }

  cut() {
    this.#up = false;
    this.#drop();
  }

  mend() {
    this.#up = true;
  }

  /** Ends what is open, so that a new setting holds for it, too. */
  #drop() {
    for (const socket of this.#open) socket.destroy();
  }

  refuse(what) {
    this[what] = false;
    this.#drop();
  }

  permit(what) {
    this[what] = true;
    this.#drop();
  }

  end() {
    this.#drop();
    this.server.close();
  }

  #admit(socket) {
    if (!this.#up) return socket.destroy();
    this.#open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#open.delete(socket));
  }

  #pass(request, response) {
    const { method, url, headers } = request;
    if (this.pages && !url.startsWith("/api/")) return void this.#serve(url, response);
    const held = !this.streams && url.endsWith("/stream");
    const forward = http.request({ ...address(this.target), method, path: url, headers }, (answer) => {
      if (held) return answer.resume();
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forward.on("error", () => response.destroy());
    response.on("close", () => forward.destroy());
    request.pipe(forward);
  }

  async #serve(url, response) {
    const { pathname } = new URL(url, this.origin);
    const name = pathname === "/" ? "/index.html" : pathname;
    const type = { html: "text/html", js: "text/javascript" }[name.split(".").at(-1)] ?? "application/octet-stream";
    const policy = "default-src 'self'; img-src data:";
    try {
      const content = await readFile(join(this.pages, name));
      response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": policy }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  #upgrade({ method, url, headers }, socket, head) {
    if (this.sockets === "silent") return;
    if (!this.sockets) return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const through = net.connect(address(this.target), () => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      through.write(`${method} ${url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      through.write(head);
      socket.pipe(through).pipe(socket);
    });
    through.on("error", () => socket.destroy());
    socket.on("close", () => through.destroy());
  }
}

const address = ({ hostname, port }) => ({ host: hostname, port: Number(port) });

async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}
