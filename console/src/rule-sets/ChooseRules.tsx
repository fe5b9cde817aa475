// Choosing a file of rules: it is read on this page, and refused in words when it can be no rule set.
import { Alert, AlertActionCloseButton, Button } from '@patternfly/react-core';
import UploadIcon from '@patternfly/react-icons/dist/esm/icons/upload-icon';
import { MAX_RULE_TEXT } from '@wocloud/protocol/resources/rule-set.ts';
import { useRef, useState } from 'react';
import { bytes } from '../format/bytes.ts';
import { useWords, type Words } from '../i18n/language.ts';
import { countRules } from './rules.ts';

/** What is wrong with a file, in words; null when nothing is. */
function wrongWith(name: string, text: string, t: Words['t'], language: string): string | null {
  if (text.includes('\0') || text.includes('\uFFFD')) return t('ruleSets.notText', { name });
  if (text.length > MAX_RULE_TEXT)
    return t('ruleSets.tooLong', {
      name,
      size: bytes(text.length, language),
      most: bytes(MAX_RULE_TEXT, language),
    });
  const { on, off } = countRules(text);
  return on + off === 0 ? t('ruleSets.noRule', { name }) : null;
}

interface Props {
  title: string;
  variant: 'primary' | 'secondary';
  onRules: (rules: string, fileName: string) => void;
  /** Whether what is wrong is shown elsewhere. */
  onWrong: (message: string | null) => void;
}

export function ChooseRules({ title, variant, onRules, onWrong }: Props) {
  const { t, language } = useWords();
  const input = useRef<HTMLInputElement>(null);
  const [reading, setReading] = useState(false);
  const read = async (file: File) => {
    setReading(true);
    onWrong(null);
    try {
      // Bytes beyond this cannot be that few characters, and are not worth reading.
      const text = file.size > MAX_RULE_TEXT * 4 ? null : (await file.text()).replaceAll('\r\n', '\n');
      const wrong =
        text === null
          ? t('ruleSets.tooLong', {
              name: file.name,
              size: bytes(file.size, language),
              most: bytes(MAX_RULE_TEXT, language),
            })
          : wrongWith(file.name, text, t, language);
      if (wrong) onWrong(wrong);
      else onRules(text!, file.name);
    } catch (error) {
      onWrong((error as Error).message);
    } finally {
      setReading(false);
      // The same file can be chosen again after it was changed.
      if (input.current) input.current.value = '';
    }
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".rules,.txt,text/plain"
        hidden
        aria-label={title}
        data-testid="rules-file"
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          if (file) void read(file);
        }}
      />
      <Button
        variant={variant}
        icon={<UploadIcon />}
        isLoading={reading}
        onClick={() => input.current?.click()}
      >
        {title}
      </Button>
    </>
  );
}

export function WrongFile({ message, onClose }: { message: string | null; onClose: () => void }) {
  return (
    <div aria-live="polite">
      {message ? (
        <Alert
          component="p"
          isInline
          variant="danger"
          title={message}
          actionClose={<AlertActionCloseButton onClose={onClose} />}
        />
      ) : null}
    </div>
  );
}
