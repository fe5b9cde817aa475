// A plain 404: also for what exists but is not yours to see.
import { Button, EmptyState, EmptyStateBody, EmptyStateFooter } from '@patternfly/react-core';
import { Link } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';

export default function NotFound() {
  const { t } = useWords();
  const address = useAddress();
  return (
    <EmptyState titleText={t('screen.notFound')} headingLevel="h1" data-testid="not-found">
      <EmptyStateBody>{t('screen.notFoundBody')}</EmptyStateBody>
      <EmptyStateFooter>
        <Button variant="primary" component={(props) => <Link {...props} to={address('/')} />}>
          {t('screen.goHome')}
        </Button>
      </EmptyStateFooter>
    </EmptyState>
  );
}
