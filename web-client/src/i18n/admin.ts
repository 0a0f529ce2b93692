// The operators' page in each language.
import { english } from "./admin/en";
import { thai } from "./admin/th";
import { createI18n } from "./i18n";

export const { I18nProvider, LanguageChoice, useI18n } = createI18n({ en: () => english, th: () => thai });
