// Adds a host: makes a one-time token and shows the command to run on it.
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useAct } from '../api/calls.ts';
import { exact } from '../format/moment.ts';
import { useWords } from '../i18n/language.ts';
import { Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';

/** Where engines connect, unless the platform was told otherwise. */
const LINK_PORT = 8444;

/** The token goes through a file: a command line can be read by every process of the host. */
const joinCommand = (token: string) =>
  `umask 077; echo ${token} > /run/wocloud-join; node engine/main.ts --platform https://${window.location.hostname}:${LINK_PORT} --join-token-file /run/wocloud-join`;

export function AddHostDialog({ onClose }: { onClose: () => void }) {
  const { t, language } = useWords();
  const make = useAct('joinTokens.create');
  const made = make.data;
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="add-host">
      <ModalHeader title={t('hosts.add')} labelId="add-host" />
      <ModalBody>
        {make.error ? <Failure error={make.error} title={t('screen.actFailed')} /> : null}
        {made ? (
          <div className="confirm" aria-live="polite">
            <p>{t('hosts.addWhat', { until: exact(Date.parse(made.expiresAt), language) })}</p>
            <Cli label={t('hosts.addCommand')} command={joinCommand(made.token)} />
            <Cli label={t('hosts.addToken')} command={made.token} />
            <p className="subtle">{t('hosts.addPort', { port: LINK_PORT })}</p>
          </div>
        ) : (
          <div className="confirm">
            <p>{t('hosts.addIntro')}</p>
            <Cli command="wocloud host token" />
          </div>
        )}
      </ModalBody>
      <ModalFooter>
        {made ? (
          <Button onClick={onClose}>{t('screen.close')}</Button>
        ) : (
          <>
            <Button
              onClick={() => make.mutate({ body: { expiresInMinutes: 60 } })}
              isLoading={make.isPending}
            >
              {t('hosts.addMake')}
            </Button>
            <Button variant="link" onClick={onClose}>
              {t('screen.cancel')}
            </Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  );
}
