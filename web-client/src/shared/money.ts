// Prices as visitors read them. The server says how many decimals a currency has; `Intl` only formats.
import type { Format } from "../i18n/format";

export interface Amount {
  /** In the currency's minor unit. */
  amount: number;
  currency: string;
  digits: number;
}

export function formatPrice(f: Format, free: string, { amount, currency, digits }: Amount): string {
  return amount === 0 ? free : f.money(amount, currency, digits);
}
