// The language of a page: the messages for every view below the provider, and the user's choice.
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import { type Format, formatFor } from "./format";
import { type Language, languages, loadLanguage, preferredLanguage, saveLanguage } from "./language";

export interface I18n<Messages> {
  t: Messages;
  f: Format;
  language: Language;
  setLanguage: (language: Language) => void;
}

/** One message catalogue per language. Each page has its own, so that it loads no other page's messages. */
export type Catalogues<Messages> = Record<Language, (format: Format) => Messages>;

export function createI18n<Messages extends { language: string }>(catalogues: Catalogues<Messages>) {
  const Context = createContext<I18n<Messages> | undefined>(undefined);

  function useI18n(): I18n<Messages> {
    const i18n = useContext(Context);
    if (!i18n) throw new Error("useI18n needs an I18nProvider");
    return i18n;
  }

  function I18nProvider({ children }: { children: ComponentChildren }) {
    const [language, set] = useState(() => preferredLanguage(loadLanguage(), navigator.languages));
    useEffect(() => void (document.documentElement.lang = language), [language]);
    const i18n = useMemo(() => {
      const f = formatFor(language, navigator.languages);
      const setLanguage = (chosen: Language) => (saveLanguage(chosen), set(chosen));
      return { t: catalogues[language](f), f, language, setLanguage };
    }, [language]);
    return <Context.Provider value={i18n}>{children}</Context.Provider>;
  }

  function LanguageChoice() {
    const { t, language, setLanguage } = useI18n();
    return (
      <div class="languages" role="group" aria-label={t.language}>
        {(Object.keys(languages) as Language[]).map((known) => (
          <button type="button" class="quiet" key={known} lang={known} aria-pressed={known === language} onClick={() => setLanguage(known)}>
            {languages[known]}
          </button>
        ))}
      </div>
    );
  }

  return { I18nProvider, LanguageChoice, useI18n };
}
