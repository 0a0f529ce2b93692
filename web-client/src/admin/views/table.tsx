// A table that scrolls horizontally on narrow screens.
import type { ComponentChildren } from "preact";

interface TableProps {
  title: string;
  id: string;
  head: string[];
  children: ComponentChildren;
}

export function Table({ title, id, head, children }: TableProps) {
  return (
    <div class="part">
      <h2 id={id}>{title}</h2>
      <div class="card scrolls" role="region" aria-labelledby={id} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {head.map((name) => (
                <th scope="col" key={name}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>{children}</tbody>
        </table>
      </div>
    </div>
  );
}
