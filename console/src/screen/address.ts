// State that lives in the address: read a parameter, or change several at once, so that back and sharing work.
import { useCallback } from 'react';
import { useLocation, useNavigate, useSearchParams } from 'react-router';

export type Change = Record<string, string | null>;

/** One parameter; empty when absent. */
export function useParam(name: string): string {
  const [params] = useSearchParams();
  return params.get(name) ?? '';
}

/** Applies changes to parameters: null or '' takes one out. */
export function changed(search: string, change: Change): string {
  const params = new URLSearchParams(search);
  for (const [key, value] of Object.entries(change)) {
    if (value === null || value === '') params.delete(key);
    else params.set(key, value);
  }
  const text = params.toString();
  return text ? `?${text}` : '';
}

/** Changes parameters of the current address: a step that back undoes, unless `replace`. */
export function useChange(): (change: Change, options?: { replace?: boolean }) => void {
  const navigate = useNavigate();
  return useCallback(
    (change, options) => {
      const to = { pathname: window.location.pathname, search: changed(window.location.search, change) };
      void navigate(to, options?.replace ? { replace: true } : {});
    },
    [navigate],
  );
}

/** The parameters that every screen shares and that travel along: the time range. */
const SHARED = ['since', 'until'];

/** Makes addresses of other screens that keep the time range. */
export function useAddress(): (path: string, params?: Change) => string {
  const { search } = useLocation();
  return useCallback(
    (path, params = {}) => {
      const here = new URLSearchParams(search);
      const kept = new URLSearchParams();
      for (const name of SHARED) {
        const value = here.get(name);
        if (value !== null) kept.set(name, value);
      }
      return path + changed(kept.toString(), params);
    },
    [search],
  );
}
