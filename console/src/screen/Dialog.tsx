// A dialog with a form: fields, the command that does the same, one act.
import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useId, type ReactNode } from 'react';
import { useWords } from '../i18n/language.ts';
import { Failure } from './Answers.tsx';
import { Cli } from './Cli.tsx';

interface Props {
  title: string;
  children: ReactNode;
  cli?: string;
  act: string;
  ready: boolean;
  pending: boolean;
  error: unknown;
  onAct: () => void;
  onClose: () => void;
}

export function Dialog(props: Props) {
  const { t } = useWords();
  const id = useId();
  return (
    <Modal isOpen variant="small" onClose={props.onClose} aria-labelledby={id}>
      <ModalHeader title={props.title} labelId={id} />
      <ModalBody>
        <Form
          id={`${id}-form`}
          onSubmit={(event) => {
            event.preventDefault();
            if (props.ready && !props.pending) props.onAct();
          }}
        >
          {props.error ? <Failure error={props.error} title={t('screen.actFailed')} /> : null}
          {props.children}
        </Form>
        {props.cli ? <Cli command={props.cli} /> : null}
      </ModalBody>
      <ModalFooter>
        <Button
          type="submit"
          form={`${id}-form`}
          isDisabled={!props.ready || props.pending}
          isLoading={props.pending}
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
