// The frame of every page: skip link, header, main content and footer.
import type { ComponentChildren } from "preact";

interface PageFrameProps {
  skip: string;
  /** Where the brand links to. */
  home: string;
  brand: ComponentChildren;
  /** The right side of the header. */
  corner: ComponentChildren;
  footer?: ComponentChildren;
  /** Handles the skip link on a page whose `#` part is the route. */
  onSkip?: (event: MouseEvent) => void;
  children: ComponentChildren;
}

export function PageFrame({ skip, home, brand, corner, footer, onSkip, children }: PageFrameProps) {
  return (
    <>
      <a class="skip" href="#main" onClick={onSkip}>
        {skip}
      </a>
      <header class="top">
        <a class="brand" href={home}>
          {brand}
        </a>
        {corner}
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {footer && <footer>{footer}</footer>}
    </>
  );
}
