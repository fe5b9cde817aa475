// Every address of the console. Screens load when first visited; an unknown address is a plain 404.
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import { createBrowserRouter, type RouteObject } from 'react-router';
import { SessionGate } from './session/session.tsx';
import { Crashed } from './shell/Crashed.tsx';
import { Shell } from './shell/Shell.tsx';
import Overview from './overview/Overview.tsx';

type Module = { default: React.ComponentType };
const screen = (path: string, load: () => Promise<Module>): RouteObject => ({
  path,
  lazy: async () => ({ Component: (await load()).default }),
  errorElement: <Crashed />,
});

export const router = createBrowserRouter([
  {
    path: '/',
    element: (
      <SessionGate>
        <Shell />
      </SessionGate>
    ),
    errorElement: <Crashed />,
    // Nothing of a screen is known before its code came: the frame's own loading stands meanwhile.
    hydrateFallbackElement: <span />,
    children: [
      { index: true, element: <Overview />, errorElement: <Crashed /> },
      screen('vms', () => import('./vms/VmsScreen.tsx')),
      screen('flows', () => import('./flows/FlowsScreen.tsx')),
      screen('topology', () => import('./topology/TopologyScreen.tsx')),
      screen('alerts', () => import('./alerts/AlertsScreen.tsx')),
      screen('hosts', () => import('./hosts/HostsScreen.tsx')),
      screen('trace', () => import('./trace/TraceScreen.tsx')),
      screen('publications', () => import('./publications/PublicationsScreen.tsx')),
      screen('users', () => import('./users/UsersScreen.tsx')),
      screen('tokens', () => import('./tokens/TokensScreen.tsx')),
      screen('audit', () => import('./audit/AuditScreen.tsx')),
      screen('policies', () => import('./policies/PoliciesScreen.tsx')),
      screen('policies/:tenant/:name', () => import('./policies/PolicyPage.tsx')),
      screen('groups', () => import('./groups/GroupsScreen.tsx')),
      screen('services', () => import('./services/ServicesScreen.tsx')),
      screen('networks', () => import('./networks/NetworksScreen.tsx')),
      screen('tenants', () => import('./tenants/TenantsScreen.tsx')),
      screen('tenants/:tenant/:name', () => import('./tenants/TenantPage.tsx')),
      ...(['Group', 'Service', 'Network'] as const).map((kind) =>
        screen(`${KINDS[kind].plural}/:tenant/:name`, async () => ({
          default: (await import('./documents/pages.tsx')).documentPage(kind),
        })),
      ),
      ...(['Policy', 'Group', 'Service', 'Network', 'Tenant'] as const).map((kind) =>
        screen(`${KINDS[kind].plural}/new`, async () => ({
          default: (await import('./documents/pages.tsx')).newDocument(kind),
        })),
      ),
      screen('*', () => import('./shell/NotFound.tsx')),
    ],
  },
]);
