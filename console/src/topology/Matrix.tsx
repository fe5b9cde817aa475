// The same facts as the map, as a table: who sends in rows, who receives in columns, the worst verdict first.
import { shortCount } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { StateWord } from '../state/StateWord.tsx';
import { matrix, type Graph, type ShownEdge, type ShownNode } from './graph.ts';
import { useNodeName } from './names.ts';

interface Props {
  graph: Graph;
  onEdge: (edge: ShownEdge) => void;
  edge: ShownEdge | null;
}

/** Beyond this a table of all pairs helps nobody. */
const MOST = 60;

export function Matrix({ graph, onEdge, edge }: Props) {
  const { t, language } = useWords();
  const nameOf = useNodeName();
  const { from, to, cell } = matrix(graph);
  const head = (n: ShownNode) => (
    <>
      {nameOf(n)}
      {n.tenant && n.type !== 'tenant' ? <span className="subtle"> {n.tenant}</span> : null}
    </>
  );
  return (
    <div className="matrix-scroller" role="region" aria-label={t('topology.matrix')} tabIndex={0}>
      <table className="matrix" data-testid="matrix">
        <caption className="visually-hidden">{t('topology.answer')}</caption>
        <thead>
          <tr>
            <th scope="col">
              {t('topology.from')} ↓ {t('topology.to')} →
            </th>
            {to.slice(0, MOST).map((n) => (
              <th key={n.id} scope="col">
                {head(n)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {from.slice(0, MOST).map((row) => (
            <tr key={row.id}>
              <th scope="row">{head(row)}</th>
              {to.slice(0, MOST).map((column) => {
                const edges = cell(row.id, column.id);
                return (
                  <td key={column.id}>
                    {edges.length === 0 ? (
                      <span className="visually-hidden">{t('topology.cellNone')}</span>
                    ) : null}
                    {edges.map((e) => (
                      <button
                        key={e.verdict}
                        type="button"
                        className={`matrix-edge${edge?.id === e.id ? ' matrix-chosen' : ''}`}
                        title={`${e.services.join(' ')}\n${e.rules.join('\n')}`}
                        onClick={() => onEdge(e)}
                      >
                        <StateWord state={e.verdict} /> {shortCount(e.flows, language)}
                      </button>
                    ))}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
