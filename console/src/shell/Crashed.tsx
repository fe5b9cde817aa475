// What is shown when a screen fails by a fault of the console itself.
import { Button, EmptyState, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core';
import { useRouteError } from 'react-router';
import { useWords } from '../i18n/language.ts';

export function Crashed() {
  const { t } = useWords();
  const error = useRouteError();
  return (
    <EmptyState status="danger" titleText={t('screen.crashed')} headingLevel="h1" data-testid="crashed">
      <EmptyStateBody>
        <p>{t('screen.crashedBody')}</p>
        <p className="mono">{error instanceof Error ? error.message : String(error)}</p>
      </EmptyStateBody>
      <EmptyStateFooter>
        <Button onClick={() => window.location.reload()}>{t('screen.reload')}</Button>
      </EmptyStateFooter>
    </EmptyState>
  );
}
