// Signing in by name and password; the address one came for is shown afterwards.
import {
  Alert,
  Button,
  Card,
  CardBody,
  Content,
  Form,
  FormGroup,
  TextInput,
  Title,
} from '@patternfly/react-core';
import type { Session } from '@wocloud/protocol/views.ts';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useAct } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Failure } from '../screen/Answers.tsx';
import { AppearanceMenu } from '../shell/AppearanceMenu.tsx';
import './session.css';

export function SignIn({ onSession }: { onSession: (session: Session) => void }) {
  const { t } = useWords();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const field = useRef<HTMLInputElement>(null);
  const signIn = useAct('session.create');
  useEffect(() => {
    document.title = `${t('session.signIn')} · Wocloud`;
    field.current?.focus();
  }, [t]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate({ body: { name, password } }, { onSuccess: onSession });
  };
  return (
    <main className="sign-in">
      <Card className="sign-in-card">
        <CardBody>
          <div className="sign-in-head">
            <img src="/wocloud.svg" alt="" width={40} height={40} />
            <Title headingLevel="h1" size="xl">
              {t('session.title')}
            </Title>
            <Content component="p">{t('session.subtitle')}</Content>
          </div>
          <Form onSubmit={submit}>
            <div aria-live="polite">
              <Refusal error={signIn.error} />
            </div>
            <FormGroup label={t('session.name')} fieldId="name" isRequired>
              <TextInput
                ref={field}
                id="name"
                autoComplete="username"
                isRequired
                value={name}
                onChange={(_, v) => setName(v)}
              />
            </FormGroup>
            <FormGroup label={t('session.password')} fieldId="password" isRequired>
              <TextInput
                id="password"
                type="password"
                autoComplete="current-password"
                isRequired
                value={password}
                onChange={(_, v) => setPassword(v)}
              />
            </FormGroup>
            <Button
              type="submit"
              isBlock
              isLoading={signIn.isPending}
              isDisabled={signIn.isPending || !name || !password}
            >
              {t('session.signIn')}
            </Button>
          </Form>
          <Content component="small" className="subtle">
            {t('session.firstUser')}
          </Content>
        </CardBody>
      </Card>
      <AppearanceMenu />
    </main>
  );
}

function Refusal({ error }: { error: ReturnType<typeof useAct<'session.create'>>['error'] }) {
  const { t } = useWords();
  if (!error) return null;
  if (error.code === 'wrong-credentials' || error.code === 'unauthenticated')
    return <Alert component="p" isInline variant="danger" title={t('session.wrong')} />;
  if (error.code === 'too-many-requests')
    return <Alert component="p" isInline variant="warning" title={t('session.tooMany')} />;
  return <Failure error={error} />;
}
