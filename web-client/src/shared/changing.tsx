// Texts that change while they are shown. A browser that translates the page replaces text nodes, and a later change of a replaced
// node is never seen. So each text that changes is in one of these two elements:
//
// - `Figure` for numbers, prices and times: the browser leaves it alone, and it needs no translation;
// - `Changing` for words: a changed text is a new element, which the browser translates again.
import type { ComponentChildren, HTMLAttributes } from "preact";

/** Preact sets the property, which is a boolean: the text `"no"` would mean yes. */
const UNTRANSLATED = { translate: false };

export function Figure({ children, class: name = "", ...attributes }: { children: ComponentChildren; class?: string } & Omit<HTMLAttributes<HTMLSpanElement>, "class">) {
  return (
    <span {...UNTRANSLATED} class={`notranslate ${name}`} {...attributes}>
      {children}
    </span>
  );
}

export function Changing({ children }: { children: string | undefined }) {
  return children ? <span key={children}>{children}</span> : null;
}
