// The visitors' page beside the form, in a frame of its own so that neither changes the other. It shows every edit at once.
import { useEffect, useRef, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Preview, PreviewView } from "../../preview/protocol";
import visitorStyle from "../../visitor.css?url";
import type { Appearance, OperatorEvent } from "../schemas";

const VIEWS: PreviewView[] = ["event", "waiting"];

interface PreviewProps {
  event: OperatorEvent;
  appearance: Appearance;
}

export function BrandingPreview({ event, appearance }: PreviewProps) {
  const { t, language } = useI18n();
  const [view, setView] = useState<PreviewView>("event");
  const frame = useRef<HTMLIFrameElement>(null);
  const [ready, setReady] = useState(0);
  const document = useDocument(language);

  useEffect(() => {
    const onMessage = ({ source, data }: MessageEvent) => {
      if (source === frame.current?.contentWindow && data?.kind === "preview-ready") setReady((count) => count + 1);
    };
    window.addEventListener("message", onMessage);
    return () => window.removeEventListener("message", onMessage);
  }, []);
  useEffect(() => {
    const shown: Preview = { kind: "preview", event: { ...event, appearance }, view };
    if (ready > 0) frame.current?.contentWindow?.postMessage(shown, self.origin);
  }, [ready, event, appearance, view]);

  return (
    <div class="preview">
      <div class="ranges" role="group" aria-label={t.branding.preview}>
        {VIEWS.map((one) => (
          <button type="button" class="quiet" key={one} aria-pressed={one === view} data-testid={`preview-${one}`} onClick={() => setView(one)}>
            {t.branding.views[one]}
          </button>
        ))}
      </div>
      {document && <iframe ref={frame} title={t.branding.preview} srcdoc={document} data-testid="preview" />}
    </div>
  );
}

/** The document of the frame, once the address of its script is known. */
function useDocument(language: string): string | undefined {
  const [script, setScript] = useState<string>();
  useEffect(() => void import("../../preview/preview").then(({ previewModule }) => setScript(previewModule), console.error), []);
  if (!script) return undefined;
  return `<!doctype html><html lang="${language}"><head><meta charset="utf-8"><link rel="stylesheet" href="${visitorStyle}">
<script type="module" src="${script}"></script></head><body></body></html>`;
}
