// One group: what makes it, who is in it now, which policies speak of it.
import { Button } from '@patternfly/react-core';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useCall, usePages } from '../api/calls.ts';
import { documentPath } from '../documents/describe.tsx';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { mentionsGroup } from '../policies/phrase.ts';
import { useAddress } from '../screen/address.ts';
import { Answer, Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { groupSpec } from './GroupsScreen.tsx';

export default function GroupPanel({ id }: { id: string }) {
  const [owner = '-', ...rest] = id.split('/');
  const tenant = owner === '-' ? null : owner;
  const group = useCall('groups.get', { params: { name: rest.join('/') }, query: tenant ? { tenant } : {} });
  return <Answer of={group}>{(stored) => <Group stored={stored} tenant={tenant} />}</Answer>;
}

function Group({ stored, tenant }: { stored: Stored; tenant: string | null }) {
  const { t } = useWords();
  const address = useAddress();
  const spec = groupSpec(stored);
  const { name } = stored.metadata;
  return (
    <>
      <div className="panel-title">
        <h2>{name}</h2>
        <span className="subtle">{tenant ?? t('documents.everyone')}</span>
      </div>
      <div className="panel-actions">
        <Button
          variant="secondary"
          component={(props) => <Link {...props} to={address(documentPath('Group', tenant, name))} />}
        >
          {t('groups.edit')}
        </Button>
      </div>
      <Facts
        of={[
          spec.selector ? [t('groups.selector'), <span className="mono">{spec.selector}</span>] : null,
          spec.members ? [t('groups.members'), spec.members.join(', ')] : null,
          spec.cidrs ? [t('groups.cidrs'), <span className="mono">{spec.cidrs.join(' ')}</span>] : null,
          spec.description ? [t('documents.description'), spec.description] : null,
        ]}
      />
      {spec.selector || spec.members ? <Members stored={stored} tenant={tenant} /> : null}
      <UsedBy tenant={tenant} group={name} />
      <Cli command={`wocloud describe group ${name}${tenant ? ` --tenant ${tenant}` : ''}`} />
    </>
  );
}

function Members({ stored, tenant }: { stored: Stored; tenant: string | null }) {
  const { t } = useWords();
  const spec = groupSpec(stored);
  const vms = usePages('vms.list', {
    query: {
      ...(tenant ? { tenant } : {}),
      ...(spec.selector ? { selector: spec.selector } : {}),
      limit: 1000,
    },
  });
  const { name } = stored.metadata;
  // The platform says which groups a VM is in; the query only narrows.
  const inside = vms.items.filter((v) => v.groups.includes(tenant ? `${tenant}/${name}` : name));
  return (
    <Section
      title={`${t('groups.membersNow')}${vms.loaded ? ` (${inside.length}${vms.hasMore ? '+' : ''})` : ''}`}
    >
      {vms.error ? <Failure error={vms.error} retry={vms.retry} /> : null}
      {vms.loaded && inside.length === 0 ? <p className="subtle">{t('groups.noMembers')}</p> : null}
      <ul className="plain-list">
        {inside.slice(0, 50).map((v) => (
          <li key={v.id}>
            <ObjectLink kind="vm" id={v.id}>
              {v.name}
            </ObjectLink>{' '}
            <StateWord state={v.protection} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

function UsedBy({ tenant, group }: { tenant: string | null; group: string }) {
  const { t } = useWords();
  const address = useAddress();
  const policies = usePages('policies.list', { query: { limit: 1000 } }, { upTo: 10_000 });
  const using = policies.items.filter((p) => mentionsGroup(p, tenant, group));
  return (
    <Section title={t('groups.usedBy')}>
      {policies.error ? <Failure error={policies.error} retry={policies.retry} /> : null}
      {policies.loaded && using.length === 0 ? <p className="subtle">{t('groups.notUsed')}</p> : null}
      <ul className="plain-list">
        {using.map((p) => (
          <li key={p.metadata.uid}>
            <Link to={address(documentPath('Policy', p.metadata.tenant, p.metadata.name))}>
              {p.metadata.tenant ?? '-'}/{p.metadata.name}
            </Link>
          </li>
        ))}
      </ul>
    </Section>
  );
}
