// Facts of an object, name and value, dense; and sections of a panel.
import {
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Title,
} from '@patternfly/react-core';
import type { ReactNode } from 'react';

export function Facts({ of }: { of: readonly (readonly [name: string, value: ReactNode] | null)[] }) {
  return (
    <DescriptionList isCompact isHorizontal className="facts">
      {of.map((fact) =>
        fact ? (
          <DescriptionListGroup key={fact[0]}>
            <DescriptionListTerm>{fact[0]}</DescriptionListTerm>
            <DescriptionListDescription>{fact[1] ?? '–'}</DescriptionListDescription>
          </DescriptionListGroup>
        ) : null,
      )}
    </DescriptionList>
  );
}

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="panel-section">
      <Title headingLevel="h3" size="md">
        {title}
      </Title>
      {children}
    </section>
  );
}
