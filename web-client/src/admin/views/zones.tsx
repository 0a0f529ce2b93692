// Each zone's seats, as numbers and as a bar.
import { useI18n } from "../../i18n/admin";
import type { ZoneCounts } from "../schemas";
import { metricFormat } from "./format-metric";
import { Table } from "./table";

export function Zones({ zones }: { zones: ZoneCounts[] }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { zones: labels } = t;

  return (
    <Table title={labels.title} id="zones" head={[labels.zone, labels.sold, labels.held, labels.free, labels.capacity, labels.bar]}>
      {zones.map((zone) => (
        <tr key={zone.zone_id} data-testid="zone">
          <th scope="row">
            {zone.zone} <small>{zone.show}</small>
          </th>
          <td>{q.whole(zone.sold)}</td>
          <td>{q.whole(zone.held)}</td>
          <td>{q.whole(zone.free)}</td>
          <td>{q.whole(zone.capacity)}</td>
          <td class="wide">
            <Bar zone={zone} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** Hidden from screen readers: the cells beside it have the same numbers. */
function Bar({ zone }: { zone: ZoneCounts }) {
  const width = (seats: number | undefined) => ({ width: `${((seats ?? 0) / Math.max(zone.capacity, 1)) * 100}%` });
  return (
    <span class="bar" aria-hidden="true">
      <i class="sold" style={width(zone.sold)} />
      <i class="held" style={width(zone.held)} />
    </span>
  );
}
