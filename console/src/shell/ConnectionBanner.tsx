// Says when live data is not live: since when the connection is lost, and how much could not be delivered.
import { Banner } from '@patternfly/react-core';
import DisconnectedIcon from '@patternfly/react-icons/dist/esm/icons/disconnected-icon';
import { useWords } from '../i18n/language.ts';
import { useLiveStatus } from '../live/live.ts';
import { useNow } from '../live/now.ts';
import { age, exact } from '../format/moment.ts';
import { count } from '../format/bytes.ts';

/** A blip shorter than this is not worth a banner. */
const PATIENCE_MS = 2000;

export function ConnectionBanner() {
  const { t, language } = useWords();
  const status = useLiveStatus();
  const now = useNow();
  const lost = status.state === 'lost' && now - status.since >= PATIENCE_MS;
  return (
    <>
      <div aria-live="assertive">
        {lost ? (
          <Banner status="warning" className="connection-banner" screenReaderText="">
            <span title={exact(status.since, language)} data-testid="lost">
              <DisconnectedIcon /> {t('shell.lost', { ago: age(status.since, now, language) })}
            </span>
          </Banner>
        ) : null}
      </div>
      {status.missed > 0 ? (
        <Banner status="info" screenReaderText="">
          {t('shell.missed', { number: count(status.missed, language) })}
        </Banner>
      ) : null}
    </>
  );
}
