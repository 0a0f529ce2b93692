// Chromium as people have it, for what Playwright's switches and its emulation take away: the back/forward cache, tabs that are
// hidden by other tabs, frozen pages. Spoken to by its own protocol over a pipe.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_TIMEOUT_MS } from "./browser.js";

export class Chromium {
  #asked = 0;
  #waiting = new Map();
  #unread = "";

  /** `prepare` may write into the profile's directory. */
  static async start(prepare = async () => {}) {
    const chromium = new Chromium();
    chromium.directory = await mkdtemp(join(tmpdir(), "stanchion-chromium-"));
    await prepare(chromium.directory);
    const switches = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"];
    const args = [...switches, "--disable-sync", "--remote-debugging-pipe", `--user-data-dir=${chromium.directory}`, "about:blank"];
    chromium.process = spawn(process.env.CHROMIUM ?? "/usr/bin/chromium", args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    chromium.process.stdio[4].on("data", (data) => chromium.#read(data));
    await chromium.send("Browser.getVersion");
    return chromium;
  }

  async end() {
    const ended = once(this.process, "exit");
    await this.send("Browser.close").catch(() => {});
    await ended;
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  send(method, params = {}, sessionId) {
    const id = ++this.#asked;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  #read(data) {
    const messages = (this.#unread + data).split("\0");
    this.#unread = messages.pop();
    for (const message of messages) this.#answered(JSON.parse(message));
  }

  #answered({ id, result, error }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(`${waiting.method}: ${error.message}`));
    else waiting.resolve(result);
  }

  /** A tab in front of all others, which are hidden by it. */
  async tab(url) {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, targetId, sessionId);
    await tab.send("Page.enable");
    // Records notifications, since no desktop shows them.
    await tab.send("Page.addScriptToEvaluateOnNewDocument", { source: `(${listensForNotifications})()` });
    await tab.goto(url);
    return tab;
  }
}

function listensForNotifications() {
  globalThis.notifications = [];
  globalThis.Notification = class {
    static permission = "granted";
    constructor(title) {
      globalThis.notifications.push(title);
    }
  };
}

export class Tab {
  constructor(chromium, targetId, sessionId) {
    Object.assign(this, { chromium, targetId, sessionId });
  }

  send(method, params) {
    return this.chromium.send(method, params, this.sessionId);
  }

  async goto(url) {
    await this.send("Page.navigate", { url });
    await this.until(`location.href === ${JSON.stringify(url)} && document.readyState === "complete"`);
  }

  /** As the browser's back button does. */
  async back() {
    const { currentIndex, entries } = await this.send("Page.getNavigationHistory");
    await this.send("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1].id });
  }

  show() {
    return this.chromium.send("Target.activateTarget", { targetId: this.targetId });
  }

  freeze() {
    return this.send("Page.setWebLifecycleState", { state: "frozen" });
  }

  thaw() {
    return this.send("Page.setWebLifecycleState", { state: "active" });
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Until the expression is true; while a page is being replaced there may be none to ask. */
  async until(expression) {
    const deadline = Date.now() + TEST_TIMEOUT_MS;
    for (;;) {
      const value = await this.evaluate(expression).catch(() => undefined);
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`never: ${expression}; the page says ${await this.evaluate("document.title + ': ' + document.body.innerText")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  seen(testid) {
    return this.until(`!!document.querySelector("[data-testid=${testid}]")`);
  }

  async click(testid) {
    await this.seen(testid);
    await this.until(`!document.querySelector("[data-testid=${testid}]").disabled`);
    await this.evaluate(`document.querySelector("[data-testid=${testid}]").click()`);
  }
}
