// The one client of the console: cookie session, CSRF token of the session that is signed in.
import { ApiError, createClient } from '@wocloud/protocol/client.ts';

let csrf: string | undefined;

/** Remembers the token that writes must carry; undefined once signed out. */
export function setCsrf(token: string | undefined): void {
  csrf = token;
}

export const api = createClient({ baseUrl: '', csrf: () => csrf });

/** Whether the platform said that nobody is signed in. */
export const isSignedOut = (error: unknown) => error instanceof ApiError && error.code === 'unauthenticated';
