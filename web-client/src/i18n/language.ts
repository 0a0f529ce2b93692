// The user's language: their own choice, else the browser's preference, else English.
import { storage } from "../shared/guarded-storage";

export const languages = { en: "English", th: "ไทย" } as const;
export type Language = keyof typeof languages;

const KEY = "stanchion.language";

function known(tag: string | null): Language | undefined {
  const primary = tag?.toLowerCase().split("-")[0];
  return primary !== undefined && Object.hasOwn(languages, primary) ? (primary as Language) : undefined;
}

/** `preferences` are language tags, best first. */
export function preferredLanguage(chosen: string | null, preferences: readonly string[]): Language {
  return known(chosen) ?? preferences.map(known).find((language) => language !== undefined) ?? "en";
}

export function loadLanguage(): string | null {
  return storage.getItem(KEY);
}

export function saveLanguage(language: Language): void {
  storage.setItem(KEY, language);
}
