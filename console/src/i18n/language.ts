// The language of the console: chosen, remembered, and told to the document; `useWords` is how screens speak.
import i18next, { type TOptions } from 'i18next';
import { createElement, type ReactElement, type ReactNode } from 'react';
import { initReactI18next, Trans, useTranslation } from 'react-i18next';
import { flatten, type KeyOf } from './bilingual.ts';
import { ROOMS } from './rooms.ts';

export const LANGUAGES = ['en', 'zh-CN'] as const;
export type Language = (typeof LANGUAGES)[number];
export type Key = KeyOf<typeof ROOMS>;
export type Values = Record<string, string | number>;

const STORED = 'wocloud.language';

/** Starts i18next with the language the document was opened in. */
export async function startLanguage(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: document.documentElement.lang === 'zh-CN' ? 'zh-CN' : 'en',
    fallbackLng: 'en',
    keySeparator: false,
    nsSeparator: false,
    interpolation: { escapeValue: false },
    resources: {
      en: { translation: flatten(ROOMS, 0) },
      'zh-CN': { translation: flatten(ROOMS, 1) },
    },
  });
}

/** Switches at once and for the next time. */
export function chooseLanguage(language: Language): void {
  document.documentElement.lang = language;
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  void i18next.changeLanguage(language);
}

export interface Words {
  t: (key: Key, values?: Values) => string;
  /** A phrase with `<name>…</name>` parts, each rendered by the element of that name. */
  rich: (key: Key, values: Values, parts: Record<string, ReactElement>) => ReactNode;
  language: Language;
}

/** The words of the language chosen; the component renders again when it changes. */
export function useWords(): Words {
  const { t, i18n } = useTranslation();
  return {
    t: (key, values) => t(key, (values ?? {}) as TOptions),
    rich: (key, values, parts) =>
      createElement(Trans, {
        i18nKey: key,
        values,
        components: parts,
        ...(typeof values['count'] === 'number' ? { count: values['count'] } : {}),
      }),
    language: i18n.language === 'zh-CN' ? 'zh-CN' : 'en',
  };
}
