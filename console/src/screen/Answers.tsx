// What stands where an answer is missing: still coming (only after a moment), failed (why, and again), or empty
// (what would be here, and the one thing to do next).
import {
  Alert,
  Button,
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  Skeleton,
} from '@patternfly/react-core';
import { ApiError } from '@wocloud/protocol/client.ts';
import { useEffect, useState, type ReactNode } from 'react';
import { useWords } from '../i18n/language.ts';
import { Cli } from './Cli.tsx';

const PATIENCE_MS = 200;

/** Skeleton lines, shown when the answer takes longer than a blink. */
export function Loading({ lines = 6 }: { lines?: number }) {
  const { t } = useWords();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  return (
    <div className="loading" role="status" aria-label={t('screen.loading')} data-testid="loading">
      {Array.from({ length: lines }, (_, i) => (
        <Skeleton key={i} width={`${92 - ((i * 17) % 40)}%`} />
      ))}
    </div>
  );
}

/** The problem as the platform explained it, with each of its details, and a way to try again. */
export function Failure({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const { t } = useWords();
  const problem = error instanceof ApiError ? error.problem : null;
  const unreachable = problem?.code === 'unreachable';
  return (
    <Alert
      component="p"
      isInline
      variant="danger"
      className="failure"
      title={title ?? (unreachable ? t('screen.unreachable') : t('screen.failed'))}
      {...(retry
        ? {
            actionLinks: (
              <Button variant="link" isInline onClick={retry}>
                {t('screen.retry')}
              </Button>
            ),
          }
        : {})}
    >
      <p>{problem ? problem.detail : String((error as Error | undefined)?.message ?? error)}</p>
      {problem?.errors?.map((e) => (
        <p key={`${e.path}${e.message}`}>
          <code>{e.line === undefined ? e.path : `${e.line}:${e.column ?? 1}`}</code> {e.message}
          {e.hint ? ` ${e.hint}` : ''}
        </p>
      ))}
      {problem ? <small>{t('screen.code', { code: problem.code })}</small> : null}
    </Alert>
  );
}

interface EmptyProps {
  title: string;
  children: ReactNode;
  /** The command that makes the first one, or shows the same. */
  cli?: string;
  action?: ReactNode;
}

export function Empty({ title, children, cli, action }: EmptyProps) {
  return (
    <EmptyState titleText={title} headingLevel="h2" variant="sm" data-testid="empty">
      <EmptyStateBody>{children}</EmptyStateBody>
      <EmptyStateFooter>
        {action ? <EmptyStateActions>{action}</EmptyStateActions> : null}
        {cli ? <Cli command={cli} /> : null}
      </EmptyStateFooter>
    </EmptyState>
  );
}

interface AnswerProps<T> {
  of: { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };
  lines?: number;
  children: (data: T) => ReactNode;
}

/** Shows a read answer, or what stands in its place. An older answer stays while a new one fails, with the failure above. */
export function Answer<T>({ of, lines, children }: AnswerProps<T>) {
  if (of.data === undefined)
    return of.error ? (
      <Failure error={of.error} retry={() => void of.refetch()} />
    ) : (
      <Loading lines={lines ?? 6} />
    );
  return (
    <>
      {of.error ? <Failure error={of.error} retry={() => void of.refetch()} /> : null}
      {children(of.data)}
    </>
  );
}
