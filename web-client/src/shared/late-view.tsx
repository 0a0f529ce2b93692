// A view whose code is loaded late. If it cannot be loaded, the page is loaded again once, and then the visitor is asked to retry.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { type LateCode, reloadForCode } from "./late-code";

interface Props<ViewProps> {
  code: LateCode<ComponentType<ViewProps>>;
  view: ViewProps;
}

export function LateView<ViewProps extends object>({ code, view }: Props<ViewProps>) {
  const { t } = useI18n();
  const [loaded, setLoaded] = useState<{ View: ComponentType<ViewProps> }>();
  const [failed, setFailed] = useState(false);
  const load = async () => {
    setFailed(false);
    try {
      const View = await code.get();
      setLoaded({ View });
    } catch (error) {
      console.warn(error);
      if (!(await reloadForCode())) setFailed(true);
    }
  };
  useEffect(() => void load(), [code]);

  if (loaded) return <loaded.View {...view} />;
  if (!failed) {
    return (
      <p class="hint" role="status">
        {t.lateCode.loading}
      </p>
    );
  }
  return (
    <div class="late-failed" role="alert" data-testid="late-failed">
      <p>{t.lateCode.failed}</p>
      <button type="button" class="soft" data-testid="late-retry" onClick={() => void load()}>
        {t.lateCode.retry}
      </button>
    </div>
  );
}
