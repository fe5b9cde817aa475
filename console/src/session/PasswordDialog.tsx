// Changing one's own password.
import {
  Button,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from '@patternfly/react-core';
import { useState } from 'react';
import { useAct } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [repeat, setRepeat] = useState('');
  const change = useAct('session.password');
  const ready = current !== '' && next.length >= 12 && next === repeat;
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="password-title">
      <ModalHeader title={t('session.changePassword')} labelId="password-title" />
      <ModalBody>
        <Form
          id="password-form"
          onSubmit={(e) => {
            e.preventDefault();
            if (ready) change.mutate({ body: { current, next } }, { onSuccess: onClose });
          }}
        >
          {change.error ? <Failure error={change.error} title={t('screen.actFailed')} /> : null}
          <FormGroup label={t('session.current')} fieldId="current">
            <TextInput
              id="current"
              type="password"
              autoComplete="current-password"
              value={current}
              onChange={(_, v) => setCurrent(v)}
            />
          </FormGroup>
          <FormGroup label={t('session.next')} fieldId="next">
            <TextInput
              id="next"
              type="password"
              autoComplete="new-password"
              value={next}
              onChange={(_, v) => setNext(v)}
            />
            <FormHelperText>
              <HelperText>
                <HelperTextItem variant={next && next.length < 12 ? 'error' : 'default'}>
                  {t('session.atLeast')}
                </HelperTextItem>
              </HelperText>
            </FormHelperText>
          </FormGroup>
          <FormGroup label={t('session.repeat')} fieldId="repeat">
            <TextInput
              id="repeat"
              type="password"
              autoComplete="new-password"
              value={repeat}
              onChange={(_, v) => setRepeat(v)}
              validated={repeat && repeat !== next ? 'error' : 'default'}
            />
            {repeat && repeat !== next ? (
              <FormHelperText>
                <HelperText>
                  <HelperTextItem variant="error">{t('session.differ')}</HelperTextItem>
                </HelperText>
              </FormHelperText>
            ) : null}
          </FormGroup>
        </Form>
        <Cli command="wocloud passwd" />
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="password-form" isDisabled={!ready} isLoading={change.isPending}>
          {t('session.changePassword')}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t('screen.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
