// The page under a browser's translation, which replaces text nodes by elements of its own: every text that changes goes on changing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, join, open } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** As Chrome's translation does, also with text nodes that come later. It asks a service that tests cannot reach, so it is played here. */
function translator(lettersOnly) {
  const isTranslated = (text) => {
    const element = text.parentElement;
    if (!text.data.trim() || !element || element.closest("font, [translate=no], .notranslate, script, style")) return false;
    return !lettersOnly || /\p{L}/u.test(text.data);
  };
  const translate = () => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const text of texts.filter(isTranslated)) {
      const [outer, inner] = [document.createElement("font"), document.createElement("font")];
      outer.append(inner);
      inner.textContent = text.data;
      text.replaceWith(outer);
    }
  };
  let timer;
  globalThis.translatePage = () => {
    translate();
    const later = () => (clearTimeout(timer), (timer = setTimeout(translate, 100)));
    new MutationObserver(later).observe(document.body, { subtree: true, childList: true, characterData: true });
  };
}

for (const lettersOnly of [false, true]) {
  test(`shows every change while translated, ${lettersOnly ? "words only" : "all text"}`, async () => {
    const sale = await server.openSale("Lost in Translation", { ahead: 5, queue: { burst: 1 } });
    const { context, faults } = await user(browser, origin);
    await context.addInitScript(translator, lettersOnly);
    const page = await open(context, origin, sale.path);
    await page.getByTestId("join").waitFor();
    await page.evaluate(() => globalThis.translatePage());
    await join(page);
    const says = (testId, text) => page.getByTestId(testId).filter({ hasText: text }).waitFor();
    await says("position", /^6$/);
    await page.getByText("5 people ahead of you").waitFor();
    assert.equal(await page.getByTestId("position").getAttribute("translate"), "no");

    await says("reason", "The line is paused");
    await sale.takePlaces(2);
    await says("behind", "2 people behind you");
    await sale.set({ state: "open", rate_per_second: 1 });
    await page.waitForFunction(() => Number(document.querySelector("[data-testid=position]")?.textContent) <= 4);
    await page.getByText("3 people ahead of you").waitFor();
    assert.equal(await page.getByText("5 people ahead of you").count(), 0, "no old text stays");
    assert.equal(await page.getByTestId("reason").count(), 0);

    await page.getByTestId("pass").waitFor();
    const clock = () => page.getByTestId("countdown").textContent();
    const first = await clock();
    await page.waitForFunction((before) => document.querySelector("[data-testid=countdown]").textContent !== before, first);
    await says("missing", "Choose a zone.");
    await page.getByTestId("zone").first().check();
    await page.waitForFunction(() => document.querySelector("[data-testid=missing]").textContent === "");
    await page.getByTestId("more").click();
    await page.getByTestId("more").click();
    await says("quantity", /^3$/);
    await page.locator(".total").filter({ hasText: "€375.00" }).waitFor();
    await page.getByTestId("reserve").click();
    await booking(page, "reserved").waitFor();
    await says("booking-total", "€375.00");
    const held = await clock();
    await page.waitForFunction((before) => document.querySelector("[data-testid=countdown]").textContent !== before, held);
    await page.getByTestId("confirm").click();
    await booking(page, "confirmed").waitFor();
    await page.getByTestId("qr").waitFor();
    assert.deepEqual(faults, []);
    await context.close();
  });
}
