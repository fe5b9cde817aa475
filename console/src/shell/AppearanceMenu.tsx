// Chooses language and theme.
import { Dropdown, DropdownGroup, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core';
import GlobeIcon from '@patternfly/react-icons/dist/esm/icons/globe-icon';
import { useState } from 'react';
import { LANGUAGES, chooseLanguage, useWords } from '../i18n/language.ts';
import { THEMES, chooseTheme, useTheme } from './appearance.ts';

/** Each language in its own words, so that whoever cannot read the current one finds theirs. */
const NAMES = { en: 'English', 'zh-CN': '简体中文' } as const;

export function AppearanceMenu() {
  const { t, language } = useWords();
  const theme = useTheme();
  const [open, setOpen] = useState(false);
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      popperProps={{ position: 'end' }}
      toggle={(ref) => (
        <MenuToggle
          ref={ref}
          variant="plain"
          isExpanded={open}
          onClick={() => setOpen(!open)}
          aria-label={t('shell.appearance')}
          icon={<GlobeIcon />}
        />
      )}
    >
      <DropdownGroup label={t('shell.language')}>
        <DropdownList>
          {LANGUAGES.map((l) => (
            <DropdownItem key={l} lang={l} isSelected={l === language} onClick={() => chooseLanguage(l)}>
              {NAMES[l]}
            </DropdownItem>
          ))}
        </DropdownList>
      </DropdownGroup>
      <DropdownGroup label={t('shell.theme')}>
        <DropdownList>
          {THEMES.map((x) => (
            <DropdownItem key={x} isSelected={x === theme} onClick={() => chooseTheme(x)}>
              {t(`shell.${x}`)}
            </DropdownItem>
          ))}
        </DropdownList>
      </DropdownGroup>
    </Dropdown>
  );
}
