// The running processes.
import { useI18n } from "../../i18n/admin";
import type { Node } from "../schemas";
import { metricFormat } from "./format-metric";
import { Table } from "./table";

export function Nodes({ nodes }: { nodes: Node[] }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { nodes: labels } = t;

  return (
    <Table title={labels.title} id="nodes" head={[labels.node, labels.roles, labels.connections, labels.memory, labels.tasks, labels.since]}>
      {nodes.length === 0 && (
        <tr>
          <td colSpan={6}>{labels.none}</td>
        </tr>
      )}
      {nodes.map((node) => (
        <tr key={node.node} data-testid="node">
          <th scope="row">
            <span title={node.node}>{shortened(node.node)}</span> <small>{node.version}</small>
            {node.guest_majority && (
              <p class="notice" data-testid="guest-majority">
                {labels.guestMajority(node.guest_majority.network, node.guest_majority.percent)}
              </p>
            )}
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

/** Cuts the 32 hexadecimal digits at the end of a node name to six. */
function shortened(name: string): string {
  return name.replace(/-([\da-f]{6})[\da-f]{26}$/, "-$1…");
}
