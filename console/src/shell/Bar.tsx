// The masthead: brand, search, the time range, keys, appearance, account.
import {
  Button,
  Divider,
  Dropdown,
  DropdownItem,
  DropdownList,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadMain,
  MastheadToggle,
  MenuToggle,
  PageToggleButton,
} from '@patternfly/react-core';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon';
import UserIcon from '@patternfly/react-icons/dist/esm/icons/user-icon';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { useAct } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { PasswordDialog } from '../session/PasswordDialog.tsx';
import { useSession } from '../session/session.tsx';
import { TimePicker } from '../time/TimePicker.tsx';
import { AppearanceMenu } from './AppearanceMenu.tsx';

export function Bar({ onSearch, onHelp }: { onSearch: () => void; onHelp: () => void }) {
  const { t } = useWords();
  const address = useAddress();
  return (
    <Masthead className="bar">
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton isHamburgerButton aria-label={t('shell.toggleNav')} />
        </MastheadToggle>
        <MastheadBrand>
          <Link to={address('/')} className="brand">
            <img src="/wocloud.svg" alt="" width={28} height={28} />
            Wocloud
          </Link>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <div className="bar-content">
          <Button
            variant="control"
            className="bar-search"
            icon={<SearchIcon />}
            aria-label={t('shell.search')}
            onClick={onSearch}
          >
            <span className="bar-search-word">{t('shell.search')}</span> <kbd>/</kbd>
          </Button>
          <span className="bar-space" />
          <TimePicker />
          <Button
            variant="plain"
            icon={<QuestionCircleIcon />}
            aria-label={t('shell.help')}
            onClick={onHelp}
          />
          <AppearanceMenu />
          <Account />
        </div>
      </MastheadContent>
    </Masthead>
  );
}

function Account() {
  const { t } = useWords();
  const { user } = useSession();
  const navigate = useNavigate();
  const cache = useQueryClient();
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState(false);
  const signOut = useAct('session.delete');
  return (
    <>
      <Dropdown
        isOpen={open}
        onOpenChange={setOpen}
        onSelect={() => setOpen(false)}
        popperProps={{ position: 'end' }}
        toggle={(ref) => (
          <MenuToggle
            ref={ref}
            variant="plainText"
            isExpanded={open}
            icon={<UserIcon />}
            onClick={() => setOpen(!open)}
          >
            {user.name}
          </MenuToggle>
        )}
      >
        <DropdownList aria-label={t('shell.account')}>
          <DropdownItem onClick={() => void navigate('/tokens')}>{t('shell.tokens')}</DropdownItem>
          <DropdownItem onClick={() => setPassword(true)}>{t('session.changePassword')}</DropdownItem>
          <Divider />
          <DropdownItem onClick={() => signOut.mutate({}, { onSettled: () => void cache.resetQueries() })}>
            {t('session.signOut')}
          </DropdownItem>
        </DropdownList>
      </Dropdown>
      {password ? <PasswordDialog onClose={() => setPassword(false)} /> : null}
    </>
  );
}
