// The frame around all screens: masthead with search, time and account, the navigation, the side panel.
import { Page, SkipToContent } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useCallback, useEffect, useMemo, useState } from 'react';
import { Outlet, useLocation } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { keepFresh } from '../live/live.ts';
import { PanelHost } from '../panel/PanelHost.tsx';
import { Loading } from '../screen/Answers.tsx';
import { useMay } from '../session/session.tsx';
import { ConnectionBanner } from './ConnectionBanner.tsx';
import { useKeys } from './keys.ts';
import { Bar } from './Bar.tsx';
import { Navigation } from './Navigation.tsx';
import NotFound from './NotFound.tsx';
import { PLACES } from './places.ts';
import './shell.css';

const loadSearch = () => import('./SearchDialog.tsx');
const loadHelp = () => import('./HelpDialog.tsx');
/** By then the first screen has what it needs. */
const SETTLED_MS = 1000;
const SearchDialog = lazy(loadSearch);
const HelpDialog = lazy(loadHelp);

export function Shell() {
  const { t } = useWords();
  const may = useMay();
  const cache = useQueryClient();
  const [dialog, setDialog] = useState<'search' | 'help' | null>(null);
  const places = useMemo(
    () => PLACES.filter((p) => may(p.permission) && !(p.lacking && may(p.lacking))),
    [may],
  );
  const search = useCallback(() => setDialog('search'), []);
  const help = useCallback(() => setDialog('help'), []);
  const close = useCallback(() => setDialog(null), []);
  // A link from a colleague who may see more shows what an unknown address shows.
  const { pathname } = useLocation();
  const barred = PLACES.some((p) => p.path === `/${pathname.split('/')[1] ?? ''}` && !may(p.permission));
  useKeys({ search, help, places });
  useEffect(() => keepFresh(cache), [cache]);
  // What is typed right after / must not fall between the key and the code that reads it.
  useEffect(() => {
    const timer = setTimeout(() => void Promise.all([loadSearch(), loadHelp()]), SETTLED_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <Page
      className="shell"
      masthead={<Bar onSearch={search} onHelp={help} />}
      sidebar={<Navigation places={places} />}
      skipToContent={<SkipToContent href="#main">{t('shell.skip')}</SkipToContent>}
      isManagedSidebar
      mainContainerId="main"
      isContentFilled
    >
      <ConnectionBanner />
      <PanelHost>
        <Suspense fallback={<Loading />}>{barred ? <NotFound /> : <Outlet />}</Suspense>
      </PanelHost>
      <Suspense>
        {dialog === 'search' ? <SearchDialog places={places} onClose={close} /> : null}
        {dialog === 'help' ? <HelpDialog places={places} onClose={close} /> : null}
      </Suspense>
    </Page>
  );
}
