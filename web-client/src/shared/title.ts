// The tab's title, while a view is there.
import { useEffect } from "preact/hooks";

export function useTitle(title: string): void {
  useEffect(() => void (document.title = title), [title]);
}
