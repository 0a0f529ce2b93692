// The visitors' page in each language.
import { createI18n } from "./i18n";
import { english } from "./visitor/en";
import { thai } from "./visitor/th";

export const { I18nProvider, LanguageChoice, useI18n } = createI18n({ en: english, th: thai });
