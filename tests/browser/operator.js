// What an operator does first, in a browser of their own.
import { user } from "./browser.js";
import { open } from "./visitor.js";

export async function signedIn(browser, origin, options) {
  const { context, faults } = await user(browser, origin, { viewport: { width: 1280, height: 900 }, ...options });
  const page = await open(context, origin, "/admin");
  await page.getByTestId("development").click();
  await page.getByTestId("who").waitFor();
  return { context, page, faults };
}

/** Signed in, with the live page of a sale before them. */
export async function operating(browser, sale, options) {
  const { origin } = sale.server;
  const { page, ...rest } = await signedIn(browser, origin, options);
  await page.goto(`${origin}/admin#/events/${sale.event_id}`);
  await page.getByTestId("line").waitFor();
  return { page, ...rest };
}
