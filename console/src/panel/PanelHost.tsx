// The one side panel: whatever object the address names, beside whatever screen stands behind it.
import {
  Drawer,
  DrawerActions,
  DrawerCloseButton,
  DrawerContent,
  DrawerContentBody,
  DrawerHead,
  DrawerPanelBody,
  DrawerPanelContent,
} from '@patternfly/react-core';
import {
  Suspense,
  lazy,
  useEffect,
  useRef,
  type ComponentType,
  type LazyExoticComponent,
  type ReactNode,
} from 'react';
import { useWords } from '../i18n/language.ts';
import { Loading } from '../screen/Answers.tsx';
import { usePanel, type ObjectKind } from './object.ts';
import './panel.css';

type Panel = LazyExoticComponent<ComponentType<{ id: string }>>;
const PANELS: Record<ObjectKind, Panel> = {
  vm: lazy(() => import('../vms/VmPanel.tsx')),
  flow: lazy(() => import('../flows/FlowPanel.tsx')),
  rule: lazy(() => import('../policies/RulePanel.tsx')),
  alert: lazy(() => import('../alerts/AlertPanel.tsx')),
  host: lazy(() => import('../hosts/HostPanel.tsx')),
  group: lazy(() => import('../groups/GroupPanel.tsx')),
  publication: lazy(() => import('../publications/PublicationPanel.tsx')),
  gateway: lazy(() => import('../gateways/GatewayPanel.tsx')),
  event: lazy(() => import('../inspection/EventPanel.tsx')),
};

export function PanelHost({ children }: { children: ReactNode }) {
  const { t } = useWords();
  const { object, close } = usePanel();
  const panel = useRef<HTMLDivElement>(null);
  const returnTo = useRef<Element | null>(null);
  const key = object ? `${object.kind}:${object.id}` : '';
  useEffect(() => {
    if (!key) {
      if (returnTo.current instanceof HTMLElement) returnTo.current.focus();
      returnTo.current = null;
      return;
    }
    returnTo.current ??= document.activeElement;
  }, [key]);
  useEffect(() => {
    if (!key) return undefined;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('[aria-modal="true"]'))
        close();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [key, close]);
  const Shown = object ? PANELS[object.kind] : undefined;
  return (
    <Drawer isExpanded={Shown !== undefined} isInline position="end">
      <DrawerContent
        panelContent={
          Shown && object ? (
            <DrawerPanelContent
              ref={panel}
              isResizable
              defaultSize="520px"
              minSize="320px"
              resizeAriaLabel={t('panel.label')}
              className="panel"
            >
              <DrawerHead>
                <span className="panel-kind">{t(`panel.${object.kind}`)}</span>
                <DrawerActions>
                  <DrawerCloseButton onClick={close} aria-label={t('panel.close')} />
                </DrawerActions>
              </DrawerHead>
              <DrawerPanelBody>
                <section aria-label={t(`panel.${object.kind}`)} data-testid="panel">
                  <Suspense fallback={<Loading />}>
                    <Shown key={key} id={object.id} />
                  </Suspense>
                </section>
              </DrawerPanelBody>
            </DrawerPanelContent>
          ) : (
            <DrawerPanelContent />
          )
        }
      >
        <DrawerContentBody className="panel-behind">{children}</DrawerContentBody>
      </DrawerContent>
    </Drawer>
  );
}
