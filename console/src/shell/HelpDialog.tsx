// All keys of the console.
import { Modal, ModalBody, ModalHeader, Title } from '@patternfly/react-core';
import { useWords } from '../i18n/language.ts';
import type { Place } from './places.ts';

export default function HelpDialog({ places, onClose }: { places: readonly Place[]; onClose: () => void }) {
  const { t } = useWords();
  const general: [string[], string][] = [
    [['/'], t('shell.helpSearch')],
    [['?'], t('shell.helpHelp')],
    [['Esc'], t('shell.helpClose')],
    [['Space'], t('shell.helpPause')],
  ];
  const tables: [string[], string][] = [
    [['↑', '↓', '←', '→'], t('shell.helpGrid')],
    [['Enter'], t('shell.helpInclude')],
    [['Alt', 'Enter'], t('shell.helpExclude')],
    [['o'], t('shell.helpOpen')],
  ];
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="help-title">
      <ModalHeader title={t('shell.help')} labelId="help-title" />
      <ModalBody>
        <div className="keys">
          <Keys title={t('shell.everywhere')} keys={general} />
          <Keys title={t('shell.inTables')} keys={tables} />
          <Keys
            title={t('shell.screens')}
            keys={places.map((p) => [['g', p.key], t('shell.helpGo', { screen: t(p.name) })])}
          />
        </div>
      </ModalBody>
    </Modal>
  );
}

function Keys({ title, keys }: { title: string; keys: [string[], string][] }) {
  return (
    <section>
      <Title headingLevel="h2" size="md">
        {title}
      </Title>
      <dl>
        {keys.map(([caps, what]) => (
          <div key={what}>
            <dt>
              {caps.map((cap) => (
                <kbd key={cap}>{cap}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
