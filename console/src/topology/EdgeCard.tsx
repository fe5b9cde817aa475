// What an arrow stands for: its flows, services and rules, and the way to them.
import { Button } from '@patternfly/react-core';
import TimesIcon from '@patternfly/react-icons/dist/esm/icons/times-icon';
import type { VmView } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { RuleName } from '../flows/RuleName.tsx';
import { bytes, count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { StateWord } from '../state/StateWord.tsx';
import type { Graph, Node, ShownEdge } from './graph.ts';
import { edgeFilter, useNodeName } from './names.ts';

interface Props {
  edge: ShownEdge;
  graph: Graph;
  nodes: readonly Node[];
  vms: readonly VmView[];
  onClose: () => void;
}

export function EdgeCard({ edge, graph, nodes, vms, onClose }: Props) {
  const { t, language } = useWords();
  const address = useAddress();
  const nameOf = useNodeName();
  const name = (id: string) => {
    const node = graph.nodes.find((n) => n.id === id);
    return node ? nameOf(node) : id;
  };
  return (
    <section className="edge-card" aria-live="polite" data-testid="edge">
      <strong>{t('topology.edgeSays', { from: name(edge.from), to: name(edge.to) })}</strong>
      <StateWord state={edge.verdict} />
      <span>
        {t('topology.flows')} {count(edge.flows, language)} · {bytes(edge.bytes, language)}
      </span>
      <span className="mono">{edge.services.join(' ')}</span>
      {edge.rules.map((r) => (
        <RuleName key={r} id={r} />
      ))}
      <Link to={address('/flows', { q: edgeFilter(edge, nodes, vms) })}>{t('topology.openFlows')}</Link>
      <Button
        variant="plain"
        size="sm"
        icon={<TimesIcon />}
        aria-label={t('screen.close')}
        onClick={onClose}
      />
    </section>
  );
}
