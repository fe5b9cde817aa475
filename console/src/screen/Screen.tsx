// The frame of a screen: its name, what it answers, what can be done, and the command that does the same.
import { Content, Flex, FlexItem, PageSection, Title } from '@patternfly/react-core';
import { useEffect, type ReactNode } from 'react';
import { Cli } from './Cli.tsx';
import './screen.css';

interface Props {
  title: string;
  /** One line: what this screen answers. */
  answer?: ReactNode;
  actions?: ReactNode;
  toolbar?: ReactNode;
  /** The CLI command that shows the same. */
  cli: string;
  children: ReactNode;
  /** The body scrolls by itself and takes the height that is left. */
  fill?: boolean;
}

export function Screen({ title, answer, actions, toolbar, cli, children, fill }: Props) {
  useEffect(() => {
    document.title = `${title} · Wocloud`;
  }, [title]);
  return (
    <PageSection isFilled hasBodyWrapper={false} className={fill ? 'screen screen-fill' : 'screen'}>
      <Flex
        className="screen-head"
        justifyContent={{ default: 'justifyContentSpaceBetween' }}
        alignItems={{ default: 'alignItemsFlexStart' }}
        flexWrap={{ default: 'nowrap' }}
      >
        <FlexItem>
          <Title headingLevel="h1" size="xl">
            {title}
          </Title>
          {answer ? (
            <Content component="p" className="screen-answer">
              {answer}
            </Content>
          ) : null}
        </FlexItem>
        {actions ? <FlexItem className="screen-actions">{actions}</FlexItem> : null}
      </Flex>
      {toolbar ? <div className="screen-toolbar">{toolbar}</div> : null}
      <div className="screen-body">{children}</div>
      <Cli command={cli} />
    </PageSection>
  );
}
