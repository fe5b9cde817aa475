// Who is signed in and what they may do; without a session everything else is the sign-in page.
import { useQueryClient } from '@tanstack/react-query';
import type { Session } from '@wocloud/protocol/views.ts';
import { createContext, useContext, useEffect, type ReactNode } from 'react';
import { useCall } from '../api/calls.ts';
import { isSignedOut, setCsrf } from '../api/client.ts';
import { live } from '../live/live.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { SignIn } from './SignIn.tsx';

const Current = createContext<Session | null>(null);

/** The session; only below SessionGate. */
export function useSession(): Session {
  const session = useContext(Current);
  if (!session) throw new Error('useSession outside a session');
  return session;
}

/** Whether an action of the operation table is allowed: hide what would be refused. */
export function useMay(): (permission: string) => boolean {
  const { permissions } = useSession();
  return (permission) => permissions.includes(permission);
}

export function SessionGate({ children }: { children: ReactNode }) {
  const session = useCall('session.get');
  const cache = useQueryClient();
  const signedOut = isSignedOut(session.error);
  const current = signedOut ? null : session.data;
  setCsrf(current?.csrf);
  const user = current?.user.id;
  useEffect(() => {
    if (user === undefined) return undefined;
    live.start();
    return () => live.stop();
  }, [user]);
  if (signedOut)
    return (
      <SignIn
        onSession={(next) => {
          setCsrf(next.csrf);
          // Nothing of who was here before may show.
          cache.clear();
          cache.setQueryData(['session.get', {}], next);
          void session.refetch();
        }}
      />
    );
  if (!current)
    return session.error ? (
      <Failure error={session.error} retry={() => void session.refetch()} />
    ) : (
      <Loading />
    );
  return <Current value={current}>{children}</Current>;
}
