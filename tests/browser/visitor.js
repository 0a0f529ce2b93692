// What a visitor does and sees, in the page's own terms.

export async function open(context, origin, path) {
  const page = await context.newPage();
  await page.goto(`${origin}${path}`);
  return page;
}

export async function join(page) {
  await page.getByTestId("join").click();
  await page.getByTestId("position").or(page.getByTestId("pass")).or(page.getByTestId("booking")).first().waitFor();
}

/** Adds a seat preference: the zone by a part of its name. */
export async function wish(page, zone, seats = 2) {
  await page.getByTestId("wish-add").click();
  const row = page.locator(".choice").last();
  const option = row.getByTestId("wish-zone").locator("option").filter({ hasText: zone }).first();
  await row.getByTestId("wish-zone").selectOption(await option.getAttribute("value"));
  await row.getByTestId("wish-quantity").selectOption(String(seats));
}

export async function position(page) {
  const text = await page.getByTestId("position").textContent();
  return Number(text.replace(/\D/g, ""));
}

export async function chooseSeats(page, quantity) {
  await page.getByTestId("pass").waitFor();
  await page.getByTestId("zone").and(page.locator(":enabled")).first().check();
  for (let seats = 1; seats < quantity; seats++) await page.getByTestId("more").click();
}

export async function reserve(page, quantity) {
  await chooseSeats(page, quantity);
  await page.getByTestId("reserve").click();
  await page.getByTestId("confirm").waitFor();
  return bookingId(page);
}

export function bookingId(page) {
  return page.getByTestId("booking-id").getAttribute("data-booking");
}

export function booking(page, status) {
  return page.locator(`[data-testid=booking][data-status=${status}]`);
}
