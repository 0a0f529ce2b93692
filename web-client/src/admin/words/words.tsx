// The words of the chosen language for every view of the operators' page.
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useMemo, useState } from "preact/hooks";
import { type Format, formatFor } from "../../i18n/format";
import { type Language, languages, preferredLanguage, rememberLanguage, rememberedLanguage } from "../../i18n/language";
import { type Messages, english } from "./en";
import { thai } from "./th";

const messages = { en: english, th: thai } satisfies Record<Language, Messages>;

interface Words {
  t: Messages;
  f: Format;
  language: Language;
  choose: (language: Language) => void;
}

const Context = createContext<Words | undefined>(undefined);

export function useWords(): Words {
  const words = useContext(Context);
  if (!words) throw new Error("no words here");
  return words;
}

export function WithWords({ children }: { children: ComponentChildren }) {
  const [language, set] = useState(() => preferredLanguage(rememberedLanguage(), navigator.languages));
  useEffect(() => void (document.documentElement.lang = language), [language]);
  const words = useMemo(() => {
    const choose = (chosen: Language) => (rememberLanguage(chosen), set(chosen));
    return { t: messages[language], f: formatFor(language, navigator.languages), language, choose };
  }, [language]);
  return <Context.Provider value={words}>{children}</Context.Provider>;
}

export function LanguageChoice() {
  const { t, language, choose } = useWords();
  return (
    <div class="languages" role="group" aria-label={t.language}>
      {(Object.keys(languages) as Language[]).map((known) => (
        <button type="button" class="quiet" key={known} lang={known} aria-pressed={known === language} onClick={() => choose(known)}>
          {languages[known]}
        </button>
      ))}
    </div>
  );
}
