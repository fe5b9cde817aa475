// Sets a VM's labels and tenant; groups follow at once.
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
  TextArea,
} from '@patternfly/react-core';
import type { VmView } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useAct, usePages } from '../api/calls.ts';
import { Choice } from '../filter/Choice.tsx';
import { useWords } from '../i18n/language.ts';
import { Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { quoted } from '../screen/quoted.ts';
import { useMay, useSession } from '../session/session.tsx';
import { readLabels, writeLabels } from './labels.ts';

export function LabelsDialog({ vm, onClose }: { vm: VmView; onClose: () => void }) {
  const { t } = useWords();
  const may = useMay();
  const { user } = useSession();
  const [text, setText] = useState(writeLabels(vm.labels));
  const [tenant, setTenant] = useState(vm.tenant ?? '');
  const tenants = usePages('tenants.list', { query: { limit: 1000 } }, { enabled: may('tenant.read') });
  const update = useAct('vms.update', ['vms.get', 'vms.list', 'status.get']);
  const { labels, wrong } = readLabels(text);
  const save = () =>
    update.mutate(
      {
        params: { id: vm.id },
        body: { labels, ...(tenant === (vm.tenant ?? '') ? {} : { tenant: tenant || null }) },
      },
      { onSuccess: onClose },
    );
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="labels-title">
      <ModalHeader
        title={`${t(user.tenant === null ? 'vms.editLabels' : 'vms.editOnlyLabels')}: ${vm.name}`}
        labelId="labels-title"
      />
      <ModalBody>
        <Form>
          {update.error ? <Failure error={update.error} title={t('screen.actFailed')} /> : null}
          <FormGroup label={t('vms.labels')} fieldId="labels">
            <TextArea
              id="labels"
              rows={6}
              className="mono"
              value={text}
              onChange={(_, v) => setText(v)}
              validated={wrong.length ? 'error' : 'default'}
            />
            <FormHelperText>
              <HelperText aria-live="polite">
                {wrong.length ? (
                  wrong.map((line) => (
                    <HelperTextItem key={line} variant="error">
                      {t('vms.labelBad', { line })}
                    </HelperTextItem>
                  ))
                ) : (
                  <HelperTextItem>{t('vms.labelsHelp')}</HelperTextItem>
                )}
              </HelperText>
            </FormHelperText>
          </FormGroup>
          {user.tenant === null ? (
            <FormGroup label={t('vms.tenant')} fieldId="tenant">
              <Choice
                label={t('vms.tenant')}
                all={t('screen.noTenant')}
                value={tenant}
                options={[
                  ...new Set([
                    ...tenants.items.map((x) => x.metadata.name),
                    ...(vm.tenant ? [vm.tenant] : []),
                  ]),
                ].map((name) => [name, name])}
                onChoose={setTenant}
              />
            </FormGroup>
          ) : null}
        </Form>
        <Cli
          command={`wocloud label ${vm.name} ${[
            ...Object.entries(labels).map(([k, v]) => quoted(`${k}=${v}`)),
            ...Object.keys(vm.labels).flatMap((k) => (k in labels ? [] : [`${k}-`])),
            ...(tenant === (vm.tenant ?? '') ? [] : [tenant ? `--tenant ${tenant}` : '--no-tenant']),
          ].join(' ')}`}
        />
      </ModalBody>
      <ModalFooter>
        <Button onClick={save} isDisabled={wrong.length > 0} isLoading={update.isPending}>
          {t('screen.save')}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t('screen.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
