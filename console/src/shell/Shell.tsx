// The frame around all screens: masthead with search, time and account, the navigation, the side panel.
import { Page, SkipToContent } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useCallback, useEffect, useMemo, useState } from 'react';
import { Outlet } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { keepFresh } from '../live/live.ts';
import { PanelHost } from '../panel/PanelHost.tsx';
import { Loading } from '../screen/Answers.tsx';
import { useMay } from '../session/session.tsx';
import { ConnectionBanner } from './ConnectionBanner.tsx';
import { useKeys } from './keys.ts';
import { Bar } from './Bar.tsx';
import { Navigation } from './Navigation.tsx';
import { PLACES } from './places.ts';
import './shell.css';

const SearchDialog = lazy(() => import('./SearchDialog.tsx'));
const HelpDialog = lazy(() => import('./HelpDialog.tsx'));

export function Shell() {
  const { t } = useWords();
  const may = useMay();
  const cache = useQueryClient();
  const [dialog, setDialog] = useState<'search' | 'help' | null>(null);
  const places = useMemo(() => PLACES.filter((p) => may(p.permission)), [may]);
  const search = useCallback(() => setDialog('search'), []);
  const help = useCallback(() => setDialog('help'), []);
  const close = useCallback(() => setDialog(null), []);
  useKeys({ search, help, places });
  useEffect(() => keepFresh(cache), [cache]);
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
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </PanelHost>
      <Suspense>
        {dialog === 'search' ? <SearchDialog places={places} onClose={close} /> : null}
        {dialog === 'help' ? <HelpDialog places={places} onClose={close} /> : null}
      </Suspense>
    </Page>
  );
}
