// The console's entry: language, cache, router.
import '@patternfly/react-core/dist/styles/base.css';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { ApiError } from '@wocloud/protocol/client.ts';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router/dom';
import { isSignedOut } from './api/client.ts';
import { startLanguage } from './i18n/language.ts';
import { router } from './routes.tsx';

/** What the platform refused stays refused; what did not answer may answer the second time. */
const isWorthRetrying = (error: unknown) =>
  !(error instanceof ApiError) || error.problem.status === 0 || error.problem.status >= 500;

const cache: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      // A session that ended anywhere ended everywhere.
      if (isSignedOut(error) && query.queryKey[0] !== 'session.get')
        void cache.invalidateQueries({ queryKey: ['session.get'] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5000,
      retry: (failures, error) => failures < 1 && isWorthRetrying(error),
      retryDelay: 500,
      // Offline or not is for the request to find out: the platform may well be on this machine.
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});

await startLanguage();
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={cache}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
