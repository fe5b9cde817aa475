// The command that does the same, ready to be copied.
import { Button } from '@patternfly/react-core';
import CheckIcon from '@patternfly/react-icons/dist/esm/icons/check-icon';
import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon';
import { useState } from 'react';
import { useWords } from '../i18n/language.ts';

export function Cli({ command, label }: { command: string; label?: string }) {
  const { t } = useWords();
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // Without permission the text can still be selected by hand.
      setCopied(false);
    }
  };
  return (
    <div className="cli">
      <span className="cli-label">{label ?? t('screen.cli')}</span>
      <code className="cli-command" data-testid="cli">
        {command}
      </code>
      <Button
        variant="plain"
        size="sm"
        aria-label={copied ? t('screen.copied') : t('screen.copy')}
        icon={copied ? <CheckIcon /> : <CopyIcon />}
        onClick={() => void copy()}
      />
    </div>
  );
}
