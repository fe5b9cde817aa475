// The pages of kinds that need nothing of their own, and the page that makes a new document of a kind.
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useParams } from 'react-router';
import { DocumentPage } from './DocumentPage.tsx';
import { NewDocument } from './NewDocument.tsx';

export const documentPage = (kind: Kind) =>
  function PlainDocumentPage() {
    const { tenant, name } = useParams();
    return <DocumentPage key={`${tenant}/${name}`} kind={kind} />;
  };

export const newDocument = (kind: Kind) =>
  function NewDocumentPage() {
    return <NewDocument kind={kind} />;
  };
