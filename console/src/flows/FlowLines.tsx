// A few flows as lines: for the overview and for panels.
import type { FlowView } from '@wocloud/protocol/views.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { endName, flowRef, serviceName } from './ends.ts';

export function FlowLines({ flows }: { flows: readonly FlowView[] }) {
  return (
    <ul className="lines">
      {flows.map((f) => (
        <li key={f.id}>
          <StateWord state={f.verdict} />
          <ObjectLink kind="flow" id={flowRef(f)}>
            <span className="mono">
              {endName(f.src)} → {endName(f.dst)} {serviceName(f)}
            </span>
          </ObjectLink>
          {f.rule ? (
            <ObjectLink kind="rule" id={f.rule} className="mono subtle">
              {f.rule}
            </ObjectLink>
          ) : null}
          <span className="subtle">
            <Age at={f.time} />
          </span>
        </li>
      ))}
    </ul>
  );
}
