// What an alert stands on: each piece by the name people know it by, the rest by the name it was reported by.
import type { Alert } from '@wocloud/protocol/views.ts';
import type { ReactNode } from 'react';
import { readRule } from '../flows/ends.ts';
import { RuleName } from '../flows/RuleName.tsx';
import { useWords } from '../i18n/language.ts';
import { techniqueText } from '../inspection/attack.ts';
import { EventAction } from '../inspection/columns.tsx';
import { Facts } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import './alerts.css';

const EVIDENCE = [
  'signature',
  'category',
  'technique',
  'action',
  'mirrored',
  'application',
  'subject',
  'srcVm',
  'src',
  'source',
  'sourcePort',
  'dstVm',
  'dst',
  'destination',
  'destinationPort',
  'protocol',
  'gateway',
  'nic',
  'tap',
  'bytes',
  'packet',
  'ownMac',
  'message',
  'claimedIp',
  'claimedMac',
  'etherType',
  'sourceMac',
  'destinationMac',
  'ownAddresses',
  'target',
  'reason',
  'from',
  'form',
  'image',
  'refused',
  'refusedPerSecond',
  'destinations',
  'rule',
  'digest',
  'inForce',
] as const;
type Known = (typeof EVIDENCE)[number];

export function Evidence({ of: alert }: { of: Alert }) {
  const { t } = useWords();
  const entries = Object.entries(alert.evidence);
  if (entries.length === 0) return <p className="subtle">{t('alerts.noEvidence')}</p>;
  return (
    <Facts
      of={entries.map(([name, value]) => {
        const label = EVIDENCE.find((key) => key === name);
        return [
          // What a gateway says is an error; of a forgery it is the kind of packet.
          label === 'message' && alert.kind.startsWith('gateway.')
            ? t('alerts.ev_error')
            : label
              ? t(`alerts.ev_${label}`)
              : name,
          <Piece alert={alert} name={name} label={label} value={value} />,
        ] as const;
      })}
    />
  );
}

function Piece({
  alert,
  name,
  label,
  value,
}: {
  alert: Alert;
  name: string;
  label: Known | undefined;
  value: unknown;
}): ReactNode {
  const { t, language } = useWords();
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  if (typeof value === 'boolean') return t(value ? 'screen.yes' : 'screen.no');
  if (name === 'rule' && readRule(text)) return <RuleName id={text} />;
  if (label === 'technique') return techniqueText(text, language);
  if (label === 'action' && (text === 'allowed' || text === 'blocked' || text === 'none'))
    return <EventAction of={text} />;
  if (label === 'signature' && /^[0-9]+$/.test(text)) return <RuleName id={`suricata/${text}`} />;
  if (label === 'gateway' && alert.host)
    return (
      <ObjectLink kind="gateway" id={`${alert.host}/${text}`}>
        {text}
      </ObjectLink>
    );
  if (label === 'form' && (text === 'vm' || text === 'container')) return t(`gateways.form_${text}`);
  if (label === 'message') return <span className="mono evidence-text">{text}</span>;
  return <span className="mono">{text}</span>;
}
