// Asks before unsaved text is left behind.
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useEffect } from 'react';
import { useBlocker } from 'react-router';
import { useWords } from '../i18n/language.ts';

export function LeaveDialog({ dirty }: { dirty: boolean }) {
  const { t } = useWords();
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => dirty && currentLocation.pathname !== nextLocation.pathname,
  );
  useEffect(() => {
    if (!dirty) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [dirty]);
  if (blocker.state !== 'blocked') return null;
  return (
    <Modal isOpen variant="small" onClose={() => blocker.reset()} aria-labelledby="leave-title">
      <ModalHeader title={t('documents.leaveTitle')} labelId="leave-title" titleIconVariant="warning" />
      <ModalBody>{t('documents.leaveBody')}</ModalBody>
      <ModalFooter>
        <Button onClick={() => blocker.reset()}>{t('documents.leaveStay')}</Button>
        <Button variant="secondary" onClick={() => blocker.proceed()}>
          {t('documents.leaveGo')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
