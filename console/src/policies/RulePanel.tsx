// One rule: what it says, the policy it stands in, the flows it decided.
import { Alert, Button } from '@patternfly/react-core';
import { ApiError } from '@wocloud/protocol/client.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { documentPath } from '../documents/describe.tsx';
import { FlowLines } from '../flows/FlowLines.tsx';
import { readRule } from '../flows/ends.ts';
import { useWords, type Key } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { RuleSetsOf } from '../rule-sets/RuleSetsOf.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { peersText, policySpec } from './phrase.ts';

const DEFAULTS = ['within', 'between', 'ingress', 'egress'];

export default function RulePanel({ id }: { id: string }) {
  const { t } = useWords();
  const rule = readRule(id);
  if (!rule) return <Alert component="p" isInline variant="info" title={t('flows.ruleGone')} />;
  return (
    <>
      <div className="panel-title">
        <h2 className="mono">{id}</h2>
      </div>
      {rule.kind === 'signature' ? (
        <Signature sid={rule.sid} />
      ) : rule.kind === 'limit' ? (
        <Limit what={rule.what} />
      ) : rule.kind === 'default' ? (
        <Alert
          component="p"
          isInline
          variant="info"
          title={t('flows.ruleDefault', {
            name: DEFAULTS.includes(rule.what) ? t(`flows.default_${rule.what}` as Key) : rule.what,
          })}
        >
          {t('flows.ruleDefaultHow')}
        </Alert>
      ) : (
        <OfPolicy tenant={rule.tenant} policy={rule.policy} name={rule.rule} />
      )}
      <Decided id={id} />
      <Cli command={`wocloud flows --rule ${id}`} />
    </>
  );
}

function Limit({ what }: { what: string }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  return (
    <Alert
      component="p"
      isInline
      variant="info"
      title={t(what === 'rate' ? 'limits.refusedRate' : 'limits.refusedConnections')}
      {...(may('limit.read') ? { actionLinks: <Link to={address('/limits')}>{t('limits.see')}</Link> } : {})}
    />
  );
}

/** What a gateway refused was allowed by the policies. */
function Signature({ sid }: { sid: number | null }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  return (
    <>
      <Alert
        component="p"
        isInline
        variant="info"
        title={sid === null ? t('inspection.gatewaySaysPlain') : t('inspection.gatewaySays', { sid })}
      >
        {t('inspection.gatewaySaysHow')}
      </Alert>
      {sid === null ? null : (
        <div className="panel-actions">
          {may('inspection.read') ? (
            <Button
              variant="secondary"
              component={(props) => (
                <Link {...props} to={address('/inspection', { q: `signature:${sid}` })} />
              )}
            >
              {t('inspection.events')}
            </Button>
          ) : null}
          {may('ruleset.read') ? <RuleSetsOf sid={sid} /> : null}
        </div>
      )}
    </>
  );
}

function OfPolicy({ tenant, policy, name }: { tenant: string | null; policy: string; name: string }) {
  const { t } = useWords();
  const address = useAddress();
  // What decided the flows is what is in force, not the draft.
  const published = useCall('policies.get', {
    params: { name: policy },
    query: { ...(tenant ? { tenant } : {}), published: true },
  });
  if (published.error instanceof ApiError && published.error.problem.status === 404)
    return <Alert component="p" isInline variant="info" title={t('flows.ruleGone')} />;
  return (
    <Answer of={published}>
      {(stored) => (
        <>
          <RuleFacts stored={stored} name={name} />
          <div className="panel-actions">
            <Button
              variant="secondary"
              component={(props) => <Link {...props} to={address(documentPath('Policy', tenant, policy))} />}
            >
              {t('flows.openPolicy')}
            </Button>
          </div>
        </>
      )}
    </Answer>
  );
}

function RuleFacts({ stored, name }: { stored: Stored; name: string }) {
  const { t } = useWords();
  const spec = policySpec(stored);
  const at = spec.rules.findIndex((r) => r.name === name);
  const rule = spec.rules[at];
  if (!rule) return <Alert component="p" isInline variant="info" title={t('flows.ruleGone')} />;
  const any = t('flows.ruleAny');
  return (
    <Facts
      of={[
        [
          t('flows.ruleAction'),
          <>
            <StateWord state={rule.action} />{' '}
            {rule.action === 'inspect' ? <StateWord state={`fails-${rule.failure ?? 'open'}`} /> : null}
          </>,
        ],
        [t('flows.ruleDirection'), t(`policies.direction_${rule.direction}`)],
        [t('flows.ruleFrom'), <span className="mono">{peersText(rule.from) || any}</span>],
        [t('flows.ruleTo'), <span className="mono">{peersText(rule.to) || any}</span>],
        [t('flows.ruleServices'), <span className="mono">{rule.services?.join(', ') ?? any}</span>],
        [t('flows.rulePolicy'), stored.metadata.name],
        [t('policies.mode'), <StateWord state={spec.mode} />],
        [t('flows.ruleTier'), `${t(`policies.tier_${spec.tier}`)} · ${spec.priority}`],
        [t('flows.ruleOrder'), t('flows.ruleOrderOf', { at: at + 1, all: spec.rules.length })],
        rule.description ? [t('documents.description'), rule.description] : null,
      ]}
    />
  );
}

function Decided({ id }: { id: string }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const [range] = useRange();
  const flows = useCall(
    'flows.list',
    { query: { ...rangeQuery(range), rule: [id], limit: 8 } },
    { enabled: may('flow.read') },
  );
  if (!may('flow.read')) return null;
  return (
    <Section title={t('flows.ruleFlows')}>
      <Answer of={flows} lines={3}>
        {(page) =>
          page.items.length ? <FlowLines flows={page.items} /> : <p className="subtle">{t('flows.empty')}</p>
        }
      </Answer>
      <Link to={address('/flows', { q: `rule:${id}` })}>{t('flows.ruleFlows')}</Link>
    </Section>
  );
}
