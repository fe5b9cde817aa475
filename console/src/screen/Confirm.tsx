// A dangerous act, shown before it happens: what changes, whom it touches, how to undo it, the command that does it.
import { Button, Modal, ModalBody, ModalFooter, ModalHeader, Title } from '@patternfly/react-core';
import { useId, type ReactNode } from 'react';
import { useWords } from '../i18n/language.ts';
import { Failure } from './Answers.tsx';
import { Cli } from './Cli.tsx';

interface Props {
  title: string;
  /** What will change, and whom it touches. */
  children: ReactNode;
  undo: ReactNode;
  cli?: string;
  act: string;
  danger?: boolean;
  pending: boolean;
  disabled?: boolean;
  error: unknown;
  onAct: () => void;
  onClose: () => void;
  wide?: boolean;
}

export function Confirm(props: Props) {
  const { t } = useWords();
  const id = useId();
  return (
    <Modal isOpen variant={props.wide ? 'large' : 'medium'} onClose={props.onClose} aria-labelledby={id}>
      <ModalHeader title={props.title} labelId={id} titleIconVariant="warning" />
      <ModalBody>
        <div className="confirm">
          {props.error ? <Failure error={props.error} title={t('screen.actFailed')} /> : null}
          {props.children}
          <div>
            <Title headingLevel="h2" size="md">
              {t('screen.undoHow')}
            </Title>
            <p>{props.undo}</p>
          </div>
          {props.cli ? <Cli command={props.cli} /> : null}
        </div>
      </ModalBody>
      <ModalFooter>
        <Button
          variant={props.danger ? 'danger' : 'primary'}
          onClick={props.onAct}
          isLoading={props.pending}
          isDisabled={props.pending || (props.disabled ?? false)}
        >
          {props.act}
        </Button>
        <Button variant="link" onClick={props.onClose}>
          {t('screen.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
