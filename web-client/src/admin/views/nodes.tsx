// The processes that are alive.
import type { Node } from "../resources";
import { useWords } from "../words/words";
import { quantitiesIn } from "./quantity";
import { Table } from "./table";

export function Nodes({ nodes }: { nodes: Node[] }) {
  const { t, f } = useWords();
  const q = quantitiesIn(f, t.unknown);
  const { nodes: words } = t;
  return (
    <Table title={words.title} id="nodes" head={[words.node, words.roles, words.connections, words.memory, words.tasks, words.since]}>
      {nodes.length === 0 && (
        <tr>
          <td colSpan={6}>{words.none}</td>
        </tr>
      )}
      {nodes.map((node) => (
        <tr key={node.node} data-testid="node">
          <th scope="row">
            <span title={node.node}>{shortened(node.node)}</span> <small>{node.version}</small>
          </th>
          <td>{node.roles.join(", ")}</td>
          <td>{q.whole(node.connections)}</td>
          <td>{q.memory(node.memory_bytes)}</td>
          <td>{q.whole(node.live_tasks)}</td>
          <td>{q.moment(node.started_at)}</td>
        </tr>
      ))}
    </Table>
  );
}

/** Names end in 32 digits that nobody reads. */
function shortened(name: string): string {
  return name.replace(/-([\da-f]{6})[\da-f]{26}$/, "-$1…");
}
