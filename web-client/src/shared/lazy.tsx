// A component whose code is loaded on first use.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

export function useLazyComponent<Props>(load: () => Promise<ComponentType<Props>>, needed: boolean): ComponentType<Props> | undefined {
  const [view, set] = useState<{ of: ComponentType<Props> }>();
  useEffect(() => {
    if (needed && !view) load().then((of) => set({ of }), console.error);
  }, [needed]);
  return view?.of;
}
