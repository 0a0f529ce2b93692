// Libraries format numbers for `navigator.language` while they load, which throws if the browser reports a locale that is no language
// tag: WebKitGTK reports `C` of a system without a locale. Import this before them.

function isValid(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

if (!isValid(navigator.language)) Object.defineProperty(navigator, "language", { value: "en", configurable: true });
