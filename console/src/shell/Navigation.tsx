// The navigation: the screens one may see, under their section; the time range goes along.
import { Nav, NavGroup, NavItem, NavList, PageSidebar, PageSidebarBody } from '@patternfly/react-core';
import { Link, useLocation } from 'react-router';
import { useWords, type Key } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import type { Place } from './places.ts';

const isAt = (place: Place, pathname: string) =>
  place.path === '/'
    ? pathname === '/'
    : [place.path, ...(place.covers ?? [])].some((path) => pathname.startsWith(path));

export function Navigation({ places }: { places: readonly Place[] }) {
  const { t } = useWords();
  const sections = [...new Set(places.map((p) => p.section))];
  return (
    <PageSidebar className="navigation">
      <PageSidebarBody>
        <Nav aria-label={t('shell.navigation')}>
          {sections.map((section) => (
            <Section
              key={section ?? ''}
              title={section}
              places={places.filter((p) => p.section === section)}
            />
          ))}
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
}

function Section({ title, places }: { title: Key | null; places: readonly Place[] }) {
  const { t } = useWords();
  const { pathname } = useLocation();
  const address = useAddress();
  const items = places.map((p) => (
    <NavItem key={p.path} isActive={isAt(p, pathname)}>
      <Link to={address(p.path)}>{t(p.name)}</Link>
    </NavItem>
  ));
  return title ? <NavGroup title={t(title)}>{items}</NavGroup> : <NavList>{items}</NavList>;
}
