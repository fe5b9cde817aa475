// A gateway on the way: inline or a copy, open or closed, and on whose word.
import { Link } from 'react-router';
import { documentPath } from '../documents/describe.tsx';
import { RuleName } from '../flows/RuleName.tsx';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { readGateway, readInsertion, type Step } from './gateway.ts';
import './gateway.css';

export function GatewayHop({ of: step }: { of: Step }) {
  const { t } = useWords();
  const { mode, failure, obstacle } = readGateway(step);
  return (
    <span className="gateway-hop">
      <StateWord state={mode} title={t(`insertions.modeHelp_${mode}`)} />
      {failure ? (
        <StateWord state={`fails-${failure}`} title={t(`insertions.failureHelp_${failure}`)} />
      ) : null}
      {step.rule ? <By id={step.rule} /> : <span className="subtle">{t('trace.byOther')}</span>}
      {obstacle ? <span className="state-bad">{t('trace.unseen')}</span> : null}
    </span>
  );
}

/** The insertion or the rule that sends it there. */
function By({ id }: { id: string }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const insertion = readInsertion(id);
  if (!insertion)
    return (
      <span>
        {t('trace.byRule')} <RuleName id={id} />
      </span>
    );
  return (
    <span>
      {t('trace.byInsertion')}{' '}
      {may('insertion.read') ? (
        <Link className="mono" to={address(documentPath('Insertion', insertion.tenant, insertion.name))}>
          {id}
        </Link>
      ) : (
        <span className="mono">{id}</span>
      )}
    </span>
  );
}
