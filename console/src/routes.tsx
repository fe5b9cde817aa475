// Every address of the console. Screens load when first visited; an unknown address is a plain 404.
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
      screen('*', () => import('./shell/NotFound.tsx')),
    ],
  },
]);
