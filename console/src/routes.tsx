// Every address of the console. Screens load when first visited; an unknown address is a plain 404.
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
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

/** A VM's settings are made where the VM is. */
const KINDS_MADE_HERE = (Object.keys(KINDS) as Kind[]).filter((kind) => kind !== 'VM');

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
      screen('inspection', () => import('./inspection/InspectionScreen.tsx')),
      screen('gateways', () => import('./gateways/GatewaysScreen.tsx')),
      screen('insertions', () => import('./insertions/InsertionsScreen.tsx')),
      screen('insertions/:tenant/:name', () => import('./insertions/InsertionPage.tsx')),
      screen('rule-sets', () => import('./rule-sets/RuleSetsScreen.tsx')),
      screen('limits', () => import('./limits/LimitsScreen.tsx')),
      ...(['Group', 'Service', 'Network', 'Gateway', 'RuleSet', 'Limit'] as const).map((kind) =>
        screen(`${KINDS[kind].plural}/:tenant/:name`, async () => ({
          default: (await import('./documents/pages.tsx')).documentPage(kind),
        })),
      ),
      ...KINDS_MADE_HERE.map((kind) =>
        screen(`${KINDS[kind].plural}/new`, async () => ({
          default: (await import('./documents/pages.tsx')).newDocument(kind),
        })),
      ),
      screen('*', () => import('./shell/NotFound.tsx')),
    ],
  },
]);
