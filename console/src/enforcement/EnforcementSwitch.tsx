// Switches a VM, tenant or host between observe and enforce, after showing what recorded traffic says it will do.
import { Button, Modal, ModalBody, ModalFooter, ModalHeader, Title } from '@patternfly/react-core';
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import { useState } from 'react';
import { refresh, useAct, useCall } from '../api/calls.ts';
import { FlowLines } from '../flows/FlowLines.tsx';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Answer, Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay } from '../session/session.tsx';
import { useQueryClient } from '@tanstack/react-query';

export type Scope = 'vm' | 'tenant' | 'host';
interface Props {
  scope: Scope;
  /** What the API calls it. */
  id: string;
  /** What people call it. */
  name: string;
  mode: 'observe' | 'enforce';
  vms: number;
}

export function EnforcementSwitch(props: Props) {
  const { t } = useWords();
  const may = useMay();
  const [asking, setAsking] = useState<'observe' | 'enforce' | null>(null);
  if (!may('enforcement.write')) return null;
  const other = props.mode === 'enforce' ? 'observe' : 'enforce';
  return (
    <>
      <Button variant={other === 'enforce' ? 'primary' : 'secondary'} onClick={() => setAsking(other)}>
        {t(`enforcement.${other}`)}
      </Button>
      {asking ? <Confirmation {...props} to={asking} onClose={() => setAsking(null)} /> : null}
    </>
  );
}

function Confirmation({
  scope,
  id,
  name,
  vms,
  to,
  onClose,
}: Props & { to: 'observe' | 'enforce'; onClose: () => void }) {
  const { t } = useWords();
  const cache = useQueryClient();
  const put = useAct('enforcement.put');
  const confirm = () =>
    put.mutate(
      { body: { scope, name: id, mode: to } },
      {
        onSuccess: () => {
          void refresh(cache, [
            'vms.list',
            'vms.get',
            'hosts.list',
            'hosts.get',
            'enforcement.list',
            'status.get',
          ]);
          onClose();
        },
      },
    );
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="enforcement-title">
      <ModalHeader
        title={
          to === 'enforce' ? t('enforcement.titleEnforce', { name }) : t('enforcement.titleObserve', { name })
        }
        labelId="enforcement-title"
        titleIconVariant="warning"
      />
      <ModalBody>
        <div className="confirm">
          {put.error ? <Failure error={put.error} title={t('screen.actFailed')} /> : null}
          <p>
            {to === 'enforce' ? t('enforcement.whatEnforce') : t('enforcement.whatObserve')}{' '}
            {scope === 'host' ? t('enforcement.hostDefault') : t('enforcement.touches', { count: vms })}
          </p>
          <WhatIf scope={scope} name={name} to={to} />
          <div>
            <Title headingLevel="h2" size="md">
              {t('screen.undoHow')}
            </Title>
            <p>{t('enforcement.undo')}</p>
          </div>
          <Cli command={`wocloud ${to} ${scope} ${name}`} />
        </div>
      </ModalBody>
      <ModalFooter>
        <Button
          variant={to === 'enforce' ? 'primary' : 'warning'}
          onClick={confirm}
          isLoading={put.isPending}
        >
          {to === 'enforce' ? t('enforcement.doEnforce') : t('enforcement.doObserve')}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t('screen.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

/** Recorded flows whose fate would change. */
function WhatIf({ scope, name, to }: { scope: Scope; name: string; to: 'observe' | 'enforce' }) {
  const { t, language } = useWords();
  const stopped: FlowQuery =
    to === 'enforce' ? { staged: ['dropped', 'rejected'] } : { verdict: ['dropped', 'rejected'] };
  const query: FlowQuery = { since: '24h', [scope]: [name], ...stopped };
  const flows = useCall('flows.list', { query: { ...query, limit: 5 } });
  const histogram = useCall('flows.histogram', { query: { ...query, buckets: 1 } });
  const total = histogram.data?.buckets.reduce(
    (n, b) => n + b.allowed + b.observed + b.dropped + b.rejected,
    0,
  );
  const none = to === 'enforce' ? t('enforcement.whatIfNone') : t('enforcement.stoppedNone');
  return (
    <div>
      <Title headingLevel="h2" size="md">
        {to === 'enforce' ? t('enforcement.whatIf') : t('enforcement.stoppedNow')}
      </Title>
      <Answer of={flows} lines={3}>
        {(page) => {
          if (page.items.length === 0) return <p>{none}</p>;
          const n = Math.max(total ?? 0, page.items.length);
          const values = { count: n, number: count(n, language) };
          return (
            <>
              <p>
                {to === 'enforce'
                  ? t('enforcement.whatIfCount', values)
                  : t('enforcement.stoppedCount', values)}
              </p>
              <FlowLines flows={page.items} />
            </>
          );
        }}
      </Answer>
    </div>
  );
}
