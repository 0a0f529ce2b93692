// Numbers, amounts, times and plurals in a language.
import type { Language } from "./language";

/** The forms of `Intl.PluralRules` that a language uses; `other` always exists. `{n}` stands for the number. */
export type Forms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

export interface Format {
  /** The tag of the language and region that numbers and times are formatted for. */
  locale: string;
  whole(count: number): string;
  /**
   * `amount` is in the currency's minor unit, which has that many digits: browsers disagree about them, so the server says. Only a
   * booking process of an earlier release does not, during an update.
   */
  money(amount: number, currency: string, digits: number | undefined): string;
  plural(count: number, forms: Forms): string;
  dateTime(time: string): string;
  /** Day and time with the name of the zone: the event's or, if it has none, the user's. */
  eventTime(time: string, timeZone?: string): string;
  timeOfDay(time: Date): string;
  timeWithSeconds(time: Date): string;
  /** Minutes and seconds, as 4:05. */
  clock(ms: number): string;
}

/** `preferences` are language tags, best first. They select the region, and with it the order of day and month. */
export function formatFor(language: Language, preferences: readonly string[] = []): Format {
  const region = preferences.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;
  // Latin digits and the Gregorian calendar, as on Thai tickets.
  const locale = language === "th" ? "th-TH-u-ca-gregory-nu-latn" : region;
  const whole = new Intl.NumberFormat(locale);
  const rules = new Intl.PluralRules(language);
  const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });
  const timeOfDay = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const timeWithSeconds = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });

  return {
    locale,
    whole: (count) => whole.format(count),
    money: (amount, currency, digits) => moneyIn(locale, amount, currency, digits),
    plural: (count, forms) => (forms[rules.select(count)] ?? forms.other).replace("{n}", whole.format(count)),
    dateTime: (time) => dateTime.format(new Date(time)),
    eventTime: (time, timeZone) => eventTimeFormat(locale, timeZone).format(new Date(time)),
    timeOfDay: (time) => timeOfDay.format(time),
    timeWithSeconds: (time) => timeWithSeconds.format(time),
    clock,
  };
}

function moneyIn(locale: string, amount: number, currency: string, digits: number | undefined): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits });
  return format.format(amount / 10 ** (digits ?? format.resolvedOptions().maximumFractionDigits ?? 2));
}

function eventTimeFormat(locale: string, timeZone?: string): Intl.DateTimeFormat {
  const day = { weekday: "long", day: "numeric", month: "long", year: "numeric" } as const;
  const time = { hour: "numeric", minute: "2-digit", timeZoneName: "long" } as const;
  try {
    return new Intl.DateTimeFormat(locale, { ...day, ...time, timeZone });
  } catch {
    // This browser does not know the zone: the user's own, which is named.
    return new Intl.DateTimeFormat(locale, { ...day, ...time });
  }
}

function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
