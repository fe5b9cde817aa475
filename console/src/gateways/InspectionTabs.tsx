// The parts of inspection beside each other: what runs, what was declared, whose traffic, which rules.
import { ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { useNavigate } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { useMay } from '../session/session.tsx';

const TABS = [
  { key: 'instances', path: '/gateways', params: {}, permission: 'gateway.read' },
  { key: 'declared', path: '/gateways', params: { tab: 'declared' }, permission: 'gateway.read' },
  { key: 'insertions', path: '/insertions', params: {}, permission: 'insertion.read' },
  { key: 'ruleSets', path: '/rule-sets', params: {}, permission: 'ruleset.read' },
] as const;

export function InspectionTabs({ at }: { at: (typeof TABS)[number]['key'] }) {
  const { t } = useWords();
  const may = useMay();
  const navigate = useNavigate();
  const address = useAddress();
  return (
    <ToggleGroup aria-label={t('gateways.tabs')}>
      {TABS.filter((tab) => may(tab.permission)).map((tab) => (
        <ToggleGroupItem
          key={tab.key}
          buttonId={`tab-${tab.key}`}
          text={t(`gateways.tab_${tab.key}`)}
          isSelected={tab.key === at}
          onChange={() => void navigate(address(tab.path, tab.params))}
        />
      ))}
    </ToggleGroup>
  );
}
